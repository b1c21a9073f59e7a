"""What every reason code and flag means, and how to mend it; docs/reasons.md is made from this table."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from green.refusals import REFUSALS

# A section, then a line of `CODE: what it means` and a line of `> what to do`, for each code.
_OF_RUNS = """
== Why a figure is unknown
NO_SAMPLES: the run has logs, and no time of it is covered by usable readings
> look for its lines in results/rejects.parquet; record power with nvidia-smi or CodeCarbon
MISSING_FIELD: something that the figure needs is not stated: energy or hardware, region, time or basis
> write the field into the run's run.yaml; `green policy explain` names the field that a policy needs
MISSING_METRIC: the figure is not there, and nothing else says why
> `green explain RUN METRIC` shows which of its inputs is missing
NO_PUE: no PUE is known for the site, and none is guessed
> write pue below site: in run.yaml, or into the site in config.yaml
NO_FACTOR: no factor is known for the region and year, or for the lifetime of the hardware
> `green factors search` finds what there is; declare intensity or lifetime, or add a table to factors:
NO_MARKET_FACTOR: no instrument covers all of the energy, and no market-based intensity is known for the rest
> write market_intensity below site: in run.yaml or config.yaml, add instruments:, or a market_intensity row to factors:
NO_WUE: no water usage effectiveness (WUE) is known for the site, and none is guessed
> write wue below site: in run.yaml, or into the site in config.yaml, or add a wue row to factors:
NO_EWIF: no water intensity of the electricity (EWIF) is known for the region, and none is guessed
> write ewif below site: in run.yaml, or into the site in config.yaml, or add an ewif row to factors:
NO_TARIFF: neither a price of device-hours nor a tariff of electricity is known
> write device_hour or tariff below cost: in run.yaml or of the site in config.yaml, or add a tariff row to factors:
OVERALLOCATED: runs whose logs are gone keep what an instrument covered of them, beside what it covers of others now
> bring the logs back, so that it is shared out anew, or lower the quantity by what the lost runs hold
PARENT_CYCLE: the run's parent is, over others, the run itself, so that the family has no top
> mend parent: in one of their records
NO_HARDWARE: no device is known whose embodied carbon could be charged
> list hardware: in run.yaml, or in the site in config.yaml
UNKNOWN_DEVICE: the catalogue has no such device, or a line of a log does not say which device it is about
> use one of the nearest names, write embodied: into the device's entry, or log index or uuid
UNKNOWN_PART: a part of the bill of materials is unknown, so that the sum is: no attribute, no such device, no factor
> `green explain RUN carbon.embodied` names the part and what it lacks; write it below parts:, or embodied: of the part
BAD_UNIT: a quantity has no unit, a wrong one, or is no number
> write it as in "330 W" or {value, low, high}; docs/records.md lists the units
BAD_VALUE: a field of a record, or a reading, is not of its kind
> mend the line that results/rejects.parquet names
BAD_RECORD: a record has too many mistakes to be read field by field
> begin with the example of docs/records.md
NOT_YAML: the record is not YAML, so that nothing of it is known
> mend the line that results/rejects.parquet names
EMPTY_RECORD: the record is empty or no mapping
> write `key: value` lines, as in docs/records.md
UNKNOWN_KEY: a key of the record is not one that is understood
> take the name that the reject proposes; own keys go below labels:

== What makes a run an error
DUPLICATE_RUN_ID: the same run_id stands in two places, so that nobody can tell which is meant
> give one of them another run_id

== Flags: what a reader of the figures should know
ASSUMED_UTC: times without a zone were taken as UTC
> write timezone: below site:
BAD_TIME: a time could not be read; the line, or the run's end, is unknown
> mend the clock or the format of the log
ENDS_BEFORE_START: the run ends before it starts; both times are taken as unknown
> mend started_at, ended_at or the clock of the log
UNKNOWN_REGION: the region is none that the factors know
> `green factors search REGION` shows what is near
UNKNOWN_SITE: the record names a site that config.yaml does not have, so that nothing of it is known
> add the site below sites: in config.yaml, or mend its name
UNKNOWN_TIMEZONE: the time zone is none that is known; naive times were taken as UTC
> write an IANA name, as in Europe/Berlin
REPORTED_DISAGREES: the reported emissions differ by more than 5 % from the energy and intensity stated beside them
> recompute the reported figure, or mend energy, PUE or intensity
NO_INTERVAL: imported or declared energy states no interval, so that low, value and high are one
> write it as "27 kWh ± 5 %" where the error is known
INTERVAL_UNUSED: an interval of share, of utilisation, or of a duration beside two times or readings is not used
> state the interval of the power, the energy or the device-hours
NO_UPPER_BOUND: some time was not metered and the rated power is unknown, so that there is no upper bound
> write rated_power: into the device's entry of hardware:
NO_LOWER_BOUND: the figure has no lower bound, so that a minimum cannot be shown to hold
> state low and high
GAPS: intervals between readings were too long to integrate; they are uncovered time
> keep the meter running; energy: max_gap: in config.yaml sets the longest interval
COUNTER_RESET: an energy counter fell; that interval is uncovered time
> start the meter anew after a driver is loaded or a device is reset
DEVICE_WITHOUT_SAMPLES: a device in the log has no usable reading; its draw is in the high end only
> see why its readings are refused in results/rejects.parquet
SEVERAL_TOOLS: more than one log of one tool states energy, and all count; what they share may count twice
> keep one of them in the run's folder, where they are of the same machine
AGED_FACTOR: the intensity is of an earlier year, its interval widened by the zone's largest change
> update the factors, or declare the intensity
CATALOGUE_PUE: the PUE is a factor of the region, its provider or its country, declared by nobody
> write pue below site:, where you know it
CATALOGUE_WUE: the water usage effectiveness is a factor of the region, its provider or its country
> write wue below site:, where you know it
CATALOGUE_EWIF: the water intensity of the electricity is a factor of the region, its provider or its country
> write ewif below site:, where you know it
CATALOGUE_TARIFF: the tariff is a factor of the region, its provider or its country, and not your contract
> write tariff below cost:, where you know it
CATALOGUE_MARKET: the market-based intensity is a factor of the region, its provider or its country
> write market_intensity below site:, where you know it
AGED_CATALOGUE: a factor of the catalogue held for an earlier year than the run's; `green explain` says which
> update the factors, or declare the figure
MODELLED_REST: processors, memory, storage or network that nobody metered are modelled, by an interval of models
> meter them, or set energy: model_rest: false to leave them out
IMPLAUSIBLE_INTENSITY: the grams per kWh that the figures imply do not fit the region
> check energy, PUE and intensity; a unit may be wrong
DUPLICATE_INPUT: a log with readings is there twice; this copy does not count
> remove one of the two files
REPLACED: the source is still there and no longer yields this run; it leaves budgets
> nothing, if the run was renamed or removed on purpose
SOURCE_GONE: the log is no longer there; the run keeps its last assessment and counts in budgets
> nothing: this is how a ledger remembers
INSIDE_HOST: devices that the bill of a host holds are declared beside it; they are charged with the host alone
> nothing; declare count: above what the host holds where some stand outside
FLEET_EXCEEDED: runs were charged more of a machine than is embodied in it, or than its lifetime holds
> give runs that share it share:, or mend the times, serial: or lifetime: of the runs that the view fleet counts
FLEET_OVERLAP: runs reserve more of a machine at one time than there is
> give runs that share it share:, or mend their times or serial:
DEVICES_NOT_TOLD_APART: one series stands for several devices, so that its energy is too low
> query nvidia-smi with index or uuid
LAST_ROW_UNREAD: the last row of the run could not be read and an earlier one stands for it: too low
> mend the row that results/rejects.parquet names
PARTS_DISAGREE: the parts do not add up to the total that the tool states; the total counts
> nothing, or ask the tool's maintainers
UNMEASURED_GPU: the tool names a GPU and measured nothing for it
> run it with access to the GPU's sensors
UNMEASURED_CPU: the tool names a CPU and measured nothing for it
> run it with access to RAPL
UNMEASURED_MEMORY: the tool names memory and measured nothing for it
> run it with access to RAPL
MODELLED_SENSOR: a sensor of the log is a model and no meter, although its readings look like one's
> use a meter where the hardware has one
UNKNOWN_CPU: no table knows the processor, or a virtual machine hides it: its power is modelled by virtual processor
> meter it by RAPL on bare metal, or declare the processor with its power below hardware: in run.yaml
SHARED_DEVICE: others use a device of the run, too; the run's part is modelled, from nothing to the whole device
> give the run a device, an instance or a node of its own
GPU_CHOICE_ASSUMED: nothing says for certain which of the GPUs the run used
> set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name them by UUID in CUDA_VISIBLE_DEVICES
DIVIDED_BY_DEVICES: carbontracker 2.0.0 to 2.4.7 divides by the number of devices; powers are mended, totals refused
> upgrade carbontracker, and keep _carbontracker.log beside _carbontracker_output.log
EPOCHS_UNMEASURED: the tool could not measure some epochs, so that the energy is too low
> see which in results/rejects.parquet; longer epochs, or access to the sensors
MONOTONIC_CLOCK: the tool's times count from an unknown moment, so that the run's start and end are unknown
> write started_at: into the run's run.yaml
NESTED_WINDOWS: measurement windows lie within others; only the outer ones count, for they hold the inner ones
> nothing
OVERLAPPING_WINDOWS: a window overlaps another without lying in it; it does not count, so that energy is too low
> begin a window after the one before has ended, or within it
WINDOWS_UNREAD: the energy of some measurement window is unknown, so that the sum is too low
> see which in results/rejects.parquet
REPEATED_ROWS: rows of one run and one start stand for it more than once; the last counts
> nothing
PROCESS_SHARE: the power is the share of one process by its processor time, and not what the machine drew
> log the machine: powerjoular -f without -p or -a
SCOPE_ASSUMED: the log does not say what its power is of; it is taken as that of the whole machine
> name the column, as in gpu_power_w, cpu_power_w or total_power_w
CLOCK_JUMPED: the times of a device's readings run back: the clock was set, or logs were joined; they are put in order
> set clocks before a run, and keep one log a meter
FROZEN_SENSOR: the power of a device repeats to the microwatt for minutes: its sensor stands still
> see the log; read the device's energy counter, or another sensor
IMPLAUSIBLE_POWER: the mean power that the energy implies is twice the rating of the devices, or next to nothing
> check the unit of the log: W or mW, J or kWh; check its duration and the hardware
COUNTED_ONCE: two tools measured the same component at the same time; the better one counts, the other stands beside it
> nothing: `green explain RUN energy` shows both
ANSWERS_DISAGREE: two measurements of the same component differ by more than a quarter
> `green explain RUN energy` shows both; find out which is right, and remove the other
NO_FOOTER: the log has no footer: it was cut, or its meter was killed
> nothing: it is read up to the cut
STOPPED_BY_BUDGET: the meter stopped the run, for a budget that it was told to hold was used up
> agree on another budget, or plan a smaller run; what it used until then counts
METER_STOPPED: the meter was stopped before the process that it metered; the run went on unseen
> let the meter run as long as the run: start the run with `green meter -- COMMAND`
STILL_RUNNING: the job still ran when the table was written; its figures are too low
> write the table again after the job has ended
SHARED_NODE: another job of the table had the same node at the same time, and the node's energy is in both figures
> ask for whole nodes (--exclusive) where energy is to be told apart
SCOPE_UNSAID: the scheduler does not say what its energy covers: a node's power supply, or processors and memory alone
> ask your cluster for its plug-in (AcctGatherEnergyType); add a log of the GPUs where it is RAPL
NO_TIMES: the log has scrapes without times; how far counters rose is known, and not when
> write times, or let Prometheus scrape and export the range
UNDATED: the times of the log count from its start, and nobody says when that was: energy and length are known, no date
> write started_at into the run's run.yaml
TOTAL_DISAGREES: a column named as total is not the sum of its parts; the parts count
> see what each column is, and mend readers: in config.yaml
STEPS_ONLY: the job states no energy and its largest step stands for it: too low where steps ran beside each other
> nothing, or ask your cluster why the job's own figure is missing
TASKS_UNREAD: the time, load or energy of some task is unknown, so that the sum over tasks is too low
> see which in results/rejects.parquet

"""
_OF_VERDICTS = """
== Of verdicts only
NEGATIVE: the figure is negative, which no such quantity can be
> mend the log or record that states it
NON_FINITE: the figure is not finite
> mend the log or record that states it
OUT_OF_RANGE: the figure is beyond anything physical
> mend its unit
ZERO_DENOMINATOR: nothing was produced, so that there is nothing to divide by
> write functional_units into run.yaml
NO_HISTORY: a budget was judged without a store
> judge it with --store
WAIVER_EXPIRED: the last day of the waiver is over
> mend what it covered, and remove it; what is still needed takes a new waiver
WAIVER_EARLY: the waiver is not valid yet at the time of the judgement
> judge with --as-of now, or wait
WAIVER_UNDATED: no fact has a time, so that nobody can tell whether the waiver is valid
> judge with --as-of now
WAIVER_UNUSED: the waiver covers nothing that breaks its policy
> remove it
WAIVER_EXCEEDED: what the waiver covers went beyond its ceiling
> bring it below the ceiling, or have another waiver approved
NO_MATCH: the policy must match a run, and selected none
> mend its select, or remove must_match
"""


class Reason(NamedTuple):
    """A code in words."""

    meaning: str
    mend: str


@cache
def sections() -> dict[str, dict[str, Reason]]:
    """Return the codes with their words, below the headings of docs/reasons.md."""
    found: dict[str, dict[str, Reason]] = {}
    section: dict[str, Reason] = {}
    code, meaning = "", ""
    for line in filter(None, f"{_OF_RUNS}\n{REFUSALS}\n{_OF_VERDICTS}".splitlines()):
        if line.startswith("== "):
            section = found.setdefault(line[3:], {})
        elif line.startswith("> "):
            section[code] = Reason(meaning, line[2:])
        else:
            code, _, meaning = line.partition(": ")
    return found


def reason(code: str) -> Reason:
    """Return the words of a code; a reader that somebody else brought may have codes of its own."""
    known = (section[code] for section in sections().values() if code in section)
    return next(known, Reason("the reader that gave this code explains it", ""))


def document() -> str:
    """Return docs/reasons.md."""
    lines = [
        "# Reason codes and flags",
        "",
        "Every code that Green gives, what it means and what to do about it. An unknown figure names its codes in",
        "`unknown_reasons`, a run its flags in `flags`, a line that was not read its reason in",
        "`results/rejects.parquet`, a verdict in `reason`. `green explain RUN` says them in the same words.",
        "",
        "<!-- Made from green/reasons.py: a test compares it, and its message says how to mend it. -->",
    ]
    for title, codes in sections().items():
        lines += ["", f"## {title}", "", "| code | what it means | mend |", "|---|---|---|"]
        lines += [f"| `{code}` | {words.meaning} | {words.mend} |" for code, words in codes.items()]
    return "\n".join(lines) + "\n"
