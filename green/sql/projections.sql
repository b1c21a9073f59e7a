-- projections.sql: ledger events -> projections. The same text fills them at a commit and proves them at `verify`.
--
-- reads   event(seq, kind, subject, payload), the new events of a commit, or all of them
--         fact(seq, p), the payloads of `run` events, typed (green/audit/schema.py)
-- gives   state, factor, policy, waiver, check_run, verdict, assessment, checkpoint
INSERT INTO state
SELECT
    seq,
    payload ->> '$.run_id',
    payload ->> '$.state',
    cast(payload ->> '$.is_counted' AS BOOLEAN),
    cast(payload -> '$.flags' AS VARCHAR[]),
    payload ->> '$.duplicate_of',
    payload ->> '$.error'
FROM event
WHERE kind = 'state'
ORDER BY seq;

INSERT INTO factor
SELECT
    seq,
    payload ->> '$.factor_id',
    payload ->> '$.quantity',
    payload ->> '$.subject',
    cast(payload ->> '$.value' AS DOUBLE),
    cast(payload ->> '$.low' AS DOUBLE),
    cast(payload ->> '$.high' AS DOUBLE),
    payload ->> '$.unit',
    cast(payload ->> '$.valid_from' AS DATE),
    cast(payload ->> '$.valid_to' AS DATE),
    payload ->> '$.method',
    payload ->> '$.source',
    payload ->> '$.url',
    payload ->> '$.licence',
    payload ->> '$.note'
FROM event
WHERE kind = 'factor'
ORDER BY seq;

INSERT INTO policy
SELECT
    seq,
    payload ->> '$.id',
    payload ->> '$.title',
    payload ->> '$.kind',
    payload ->> '$.enforcement',
    payload ->> '$.definition',
    payload ->> '$.sql'
FROM event
WHERE kind = 'policy'
ORDER BY seq;

INSERT INTO waiver
SELECT
    seq,
    payload ->> '$.id',
    payload ->> '$.policy',
    payload ->> '$.owner',
    payload ->> '$.approved_by',
    cast(payload ->> '$.issued' AS DATE),
    cast(payload ->> '$.expires' AS DATE),
    payload ->> '$.definition'
FROM event
WHERE kind = 'waiver'
ORDER BY seq;

INSERT INTO check_run
SELECT
    seq,
    payload ->> '$.digest',
    payload ->> '$.as_of',
    payload ->> '$.policies_sha256',
    payload ->> '$.summary'
FROM event
WHERE kind = 'check'
ORDER BY seq;

INSERT INTO verdict
SELECT
    seq,
    payload ->> '$.policy',
    payload ->> '$.subject',
    payload ->> '$.verdict',
    payload ->> '$.enforcement',
    payload ->> '$.metric',
    cast(payload ->> '$.value' AS DOUBLE),
    cast(payload ->> '$.low' AS DOUBLE),
    cast(payload ->> '$.high' AS DOUBLE),
    cast(payload ->> '$.limit' AS DOUBLE),
    payload ->> '$.unit',
    payload ->> '$.reason',
    payload ->> '$.message'
FROM event
WHERE kind = 'verdict'
ORDER BY seq;

INSERT INTO assessment
SELECT
    seq,
    cast(payload ->> '$.runs' AS BIGINT),
    payload ->> '$.facts_sha256',
    payload ->> '$.config_sha256',
    payload ->> '$.code_sha256',
    payload ->> '$.factors_sha256',
    payload ->> '$.green_version',
    payload ->> '$.duckdb_version'
FROM event
WHERE kind = 'assessment'
ORDER BY seq;

INSERT INTO checkpoint
SELECT
    seq,
    cast(payload ->> '$.size' AS BIGINT),
    payload ->> '$.head',
    payload ->> '$.note'
FROM event
WHERE kind = 'checkpoint'
ORDER BY seq;
