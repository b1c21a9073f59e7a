-- audit.sql: facts of this pipeline run, against the store -> what became of every run, and the factors used.
--
-- reads   f_emissions, f_embodied, f_run, e_inputs: the facts; present(source): the sources that are there now
--         newest(run_id, seq, source): the newest facts of each run; newest_state, input_file: the store
--         factor_payload(factor_id, quantity, payload): the factor set, each row as the payload of an event
-- gives   new_factor(factor_id, payload), new_state(run_id, payload)
--
-- A run of the store that the logs no longer yield is `gone` where its source is gone (it stays in budgets),
-- and `replaced` where its source is there and yields something else (it leaves them). Of the same log with
-- readings at two paths one counts: a current one before a gone one, then the first path.
CREATE TEMP TABLE new_factor AS
SELECT f.factor_id, any_value(f.payload) AS payload
FROM factor_payload AS f
LEFT JOIN (
    SELECT DISTINCT unnest(factor_ids) AS factor_id FROM (SELECT DISTINCT factor_ids FROM f_emissions)
) AS u ON f.factor_id = u.factor_id
-- equivalents are shown beside every run, and named by none; so are the coefficients that the parts of a bill stand for
WHERE
    u.factor_id IS NOT NULL OR f.quantity = 'equivalent' OR (
        (starts_with(f.quantity, 'embodied_part') OR f.quantity = 'part_attribute')
        AND (SELECT bool_or(bill IS NOT NULL) FROM f_embodied)
    )
GROUP BY f.factor_id;

CREATE TEMP TABLE every_run AS
SELECT run_id, 'current' AS state
FROM f_emissions
UNION ALL
SELECT
    r.run_id,
    CASE
        WHEN s.state = 'replaced' OR p.source IS NOT NULL OR t.seq IS NOT NULL THEN 'replaced'
        ELSE 'gone'
    END AS state
FROM newest AS r
LEFT JOIN newest_state AS s ON r.run_id = s.run_id
LEFT JOIN present AS p ON r.source = p.source
LEFT JOIN (  -- a record was put beside a log, or taken away: another run has the log now
    SELECT DISTINCT i.seq FROM input_file AS i INNER JOIN e_inputs AS e ON i.file = e.file
) AS t ON r.seq = t.seq
WHERE r.run_id NOT IN (SELECT run_id FROM f_emissions);

CREATE TEMP TABLE reading AS
SELECT i.run_id, i.file, i.sha256, 0 AS is_past
FROM e_inputs AS i
WHERE i.has_readings
UNION ALL
SELECT i.run_id, i.file, i.sha256, 1 AS is_past
FROM input_file AS i
INNER JOIN newest AS r ON i.seq = r.seq
INNER JOIN every_run AS e ON r.run_id = e.run_id AND e.state = 'gone'
WHERE i.has_readings;

-- A run leaves budgets only where all its logs are copies: a tiny log planted beside each run must not empty them.
CREATE TEMP TABLE copied AS
SELECT
    r.run_id,
    min(o.file) FILTER (WHERE r.file <> o.file AND r.run_id <> o.run_id) AS duplicate_of,
    bool_and(r.file <> o.file AND r.run_id <> o.run_id) AS is_whole
FROM reading AS r
INNER JOIN (  -- of one run, files of the same bytes are no copies: ingest has left those out
    SELECT
        sha256,
        arg_min(file, cast(is_past AS VARCHAR) || file) AS file,
        arg_min(run_id, cast(is_past AS VARCHAR) || file) AS run_id
    FROM reading
    GROUP BY sha256
) AS o ON r.sha256 = o.sha256
GROUP BY r.run_id
HAVING bool_or(r.file <> o.file AND r.run_id <> o.run_id);

CREATE TEMP TABLE new_state AS
SELECT
    e.run_id,
    cast(to_json({
        'duplicate_of': c.duplicate_of,
        'error': d.error,
        'flags': list_filter([
            CASE WHEN c.run_id IS NOT NULL THEN 'DUPLICATE_INPUT' END,
            CASE WHEN e.state = 'replaced' THEN 'REPLACED' END,
            CASE WHEN e.state = 'gone' THEN 'SOURCE_GONE' END
        ], LAMBDA x: x IS NOT NULL),
        'is_counted': NOT coalesce(c.is_whole, FALSE) AND e.state <> 'replaced',
        'run_id': e.run_id,
        'state': e.state
    }) AS VARCHAR) AS payload
FROM every_run AS e
LEFT JOIN copied AS c ON e.run_id = c.run_id
LEFT JOIN (
    SELECT run_id, 'DUPLICATE_RUN_ID' AS error FROM f_run
    GROUP BY run_id
    HAVING count(DISTINCT source) > 1
) AS d ON e.run_id = d.run_id AND e.state = 'current'
LEFT JOIN newest_state AS s ON e.run_id = s.run_id
WHERE s.run_id IS NOT NULL OR e.state <> 'current' OR c.run_id IS NOT NULL OR d.error IS NOT NULL;
