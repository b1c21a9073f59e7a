"""Why a line or a file was not read, in words: the part of `green.reasons` that grows with every reader."""

# A line of `CODE: what it means` and a line of `> what to do`, for each code.
REFUSALS = """
== Lines and files that were not read
NOT_RECOGNISED: no reader recognises the file
> `green readers` lists the formats
EMPTY: the file is empty
> remove it, or see why its tool wrote nothing
BINARY: the file is no text
> export it as CSV or JSON lines
CUT_PACKED: the compressed file is cut or broken, and nothing of it is read
> pack it again, or unpack what can be saved
ZIP_BOMB: the compressed file unpacks to far more than any log does
> unpack it yourself, if you trust it
TOO_LARGE: the compressed file unpacks to more than ingest: most_unpacked_bytes: allows
> raise it in config.yaml, or unpack the file
NO_RUN: the log is of a known format and holds no run: a header alone, or jobs that never started
> nothing, or see why its tool wrote no more
NOT_A_FILE: the path is a pipe, a socket or a device
> remove it from the folder of logs
OUTSIDE: the path is a link that leads out of the folder of logs, where anything might be read
> copy the file, or point logs: at the folder that holds both
UNREADABLE: the file cannot be opened or read, or is not what its reader needs; the detail says which
> mend permissions, or the head of the file
TIME_OUT_OF_RANGE: the time is outside the years 2000 to 2099
> mend the clock or the unit of the times
POWER_OUT_OF_RANGE: the power is negative or above 1 MW
> mend the unit of the column
COUNTER_OUT_OF_RANGE: an energy counter wrapped so often that its sum is beyond anything physical
> mend wraps_at_j in the header of the log
NOT_A_NUMBER: the value is not a finite number in its range
> nothing: the time of the line still counts as uncovered
UNREADABLE_POWER: the power is [N/A], not supported or in another unit
> choose a field that the device supports
UNREADABLE_ENERGY: the energy of the row is no number
> mend the row
ZERO_ENERGY: the tool states an energy of zero, which is no measurement
> see why the tool measured nothing
SHIFTED_ROW: the row stands under columns that are not its own; it is not put right by guessing
> upgrade the tool, and keep one header a file
SINGLE_SCRAPE: the file holds one moment: a power without a duration, or a counter without a beginning, is no energy
> export a range of the run from Prometheus (query_range), or scrape at its start and its end into one file
NO_POWER_METRIC: the export holds no power or energy of a node
> export the metrics that docs/readers.md lists
TOO_MANY_DEVICES: the file names more devices than any node has
> export one job's nodes
OUTSIDE_TEST: samples that the meter took before the timed run, to find its ranges
> nothing: they are no part of the run
NO_HEADER: no header of the format was found
> give the whole file, with its first lines
NO_ENERGY_COLUMN: the log has no energy
> let the tool measure it (of sacct, ask for ConsumedEnergyRaw), or take a log with power
BAD_JOB_ID: the row does not say in full which job it is about
> write the table with --parsable2, which cuts nothing
NO_TIME_OF_TASK: the task does not say how long it ran
> nothing: the other tasks count
NO_LOAD: the task does not say how much of the processors it used
> nothing, or let the tool sample it: tasks of less than half a second are over before it can
UNKNOWN_VERSION: the figure may be a mean or a sum, for nobody has looked at this version of the tool yet
> give the version that you used before, or upgrade green
BAD_DURATION: the duration of the row is no number
> mend the row
OVERLAPPING_WINDOW: the window overlaps another without lying in it; their common time would count twice
> begin a window after the one before has ended, or within it
PART_OF_TOTAL: the column stands beside one that holds it, or beside its own parts
> nothing: it is not counted twice
CELL_COUNT: the line has not as many cells as the header has columns
> remove the line, or quote the cell with the comma
NO_POWER_COLUMN: the log has no power
> query nvidia-smi with power.draw
NO_TIME_COLUMN: the log has no times
> query nvidia-smi with timestamp
NOT_NVIDIA_SMI: the head of the file shows no columns of nvidia-smi
> give it to another reader
CUT: the last line is cut
> nothing: everything before it is read
CUT_HEADER: the header is cut, so that nothing can be read
> remove the file
UNSUPPORTED_FORMAT: the header names a format of another version
> upgrade green
CLOCK_NOT_UTC: the header does not say that its clock is UTC
> write "clock": "utc" and times in UTC
SECOND_HEADER: another header stands in the middle; reading goes on with the first one's sensors
> write one log a meter
BAD_SENSOR: a sensor in the header is not described in full
> mend the header
UNKNOWN_SENSOR: a reading is of a sensor that the header does not name
> mend the header
BAD_LINE: the line is no JSON
> nothing: the lines beside it are read
BAD_COUNT: a counted event has no usable name and number
> mend what writes the event
"""
