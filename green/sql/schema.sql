-- schema.sql: the audit store. The ledger is the only truth; every other table is a projection of it.
--
-- Nothing is ever updated: a later event about a subject supersedes the earlier one, and both stay.
-- The projections of facts (run, energy, embodied, functional_unit, quality_metric) have the columns of the
-- stages and are declared by green/audit/schema.py, which also writes the comments with their units.
CREATE TABLE store (schema_version INTEGER NOT NULL, checksum VARCHAR NOT NULL);

CREATE TABLE ledger (
    seq BIGINT NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    kind VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    payload VARCHAR NOT NULL,
    payload_sha256 VARCHAR NOT NULL,
    prev_hash VARCHAR NOT NULL,
    hash VARCHAR NOT NULL,
    actor VARCHAR NOT NULL,
    tool_version VARCHAR NOT NULL
);

CREATE TABLE state (
    seq BIGINT NOT NULL,
    run_id VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    is_counted BOOLEAN NOT NULL,
    flags VARCHAR[] NOT NULL,
    duplicate_of VARCHAR,
    error VARCHAR
);

CREATE TABLE input_file (
    seq BIGINT NOT NULL, run_id VARCHAR NOT NULL, file VARCHAR NOT NULL, sha256 VARCHAR, bytes BIGINT, reader VARCHAR,
    has_readings BOOLEAN
);

CREATE TABLE factor (
    seq BIGINT NOT NULL, factor_id VARCHAR NOT NULL, quantity VARCHAR, subject VARCHAR, value DOUBLE, low DOUBLE,
    high DOUBLE, unit VARCHAR, valid_from DATE, valid_to DATE, method VARCHAR, source VARCHAR, url VARCHAR,
    licence VARCHAR, note VARCHAR
);

CREATE TABLE policy (
    seq BIGINT NOT NULL, policy_id VARCHAR NOT NULL, title VARCHAR, kind VARCHAR, enforcement VARCHAR,
    definition VARCHAR, sql VARCHAR
);

CREATE TABLE waiver (
    seq BIGINT NOT NULL, waiver_id VARCHAR NOT NULL, policy_id VARCHAR, owner VARCHAR, approved_by VARCHAR,
    issued DATE, expires DATE, definition VARCHAR
);

CREATE TABLE check_run (
    seq BIGINT NOT NULL, digest VARCHAR NOT NULL, as_of VARCHAR, policies_sha256 VARCHAR, summary VARCHAR
);

CREATE TABLE verdict (
    seq BIGINT NOT NULL, policy_id VARCHAR NOT NULL, subject VARCHAR NOT NULL, verdict VARCHAR NOT NULL,
    enforcement VARCHAR, metric VARCHAR, value DOUBLE, low DOUBLE, high DOUBLE, limit_value DOUBLE, unit VARCHAR,
    reason VARCHAR, message VARCHAR
);

CREATE TABLE assessment (
    seq BIGINT NOT NULL, runs BIGINT, facts_sha256 VARCHAR, config_sha256 VARCHAR, code_sha256 VARCHAR,
    factors_sha256 VARCHAR, green_version VARCHAR, duckdb_version VARCHAR
);

CREATE TABLE checkpoint (
    seq BIGINT NOT NULL, size BIGINT, head VARCHAR, note VARCHAR
);
