-- views.sql: what people query. One row a run in `runs`; unknown is NULL; numbers are DOUBLE, cast last.
--
-- reads   the projections of schema.sql
-- gives   runs, run_units, run_metrics, by_project, by_team_month, budget_status, violations,
--         waivers_active, scope2, data_quality, lineage, life_cycle, criteria, fleet,
--         run_quality, measured_share, plan_actual, calibration, run_history, forgotten
--
-- Sums are taken over the exact DECIMAL below, so that they do not depend on the order of rows.
CREATE OR REPLACE VIEW newest_run AS
SELECT r.*
FROM run AS r
QUALIFY row_number() OVER (PARTITION BY r.run_id ORDER BY r.seq DESC) = 1;

CREATE OR REPLACE VIEW newest_state AS
SELECT s.*
FROM state AS s
QUALIFY row_number() OVER (PARTITION BY s.run_id ORDER BY s.seq DESC) = 1;

CREATE OR REPLACE VIEW current_run AS
SELECT
    r.*,
    list_sort(list_distinct(list_concat(r.flags, s.flags))) AS all_flags,
    coalesce(s.error, r.error) AS any_error,
    coalesce(s.state, 'current') AS state,
    coalesce(s.state, 'current') = 'current' AS is_current,
    coalesce(s.is_counted, true) AS is_counted,
    s.duplicate_of
FROM newest_run AS r
LEFT JOIN newest_state AS s ON r.run_id = s.run_id;

CREATE OR REPLACE VIEW runs AS
SELECT
    run_id,
    project,
    team,
    model,
    kind,
    parent,
    status,
    site,
    region,
    started_at,
    ended_at,
    duration_s,
    device_hours_h,
    pue,
    as_double(energy_kwh) AS energy_kwh,
    as_double(energy_kwh_low) AS energy_kwh_low,
    as_double(energy_kwh_high) AS energy_kwh_high,
    as_double(facility_energy_kwh) AS facility_energy_kwh,
    as_double(facility_energy_kwh_low) AS facility_energy_kwh_low,
    as_double(facility_energy_kwh_high) AS facility_energy_kwh_high,
    intensity_gco2e_per_kwh,
    factor_age_y,
    as_double(operational_kgco2e) AS operational_kgco2e,
    as_double(operational_kgco2e_low) AS operational_kgco2e_low,
    as_double(operational_kgco2e_high) AS operational_kgco2e_high,
    as_double(operational_market_kgco2e) AS operational_market_kgco2e,
    as_double(operational_market_kgco2e_low) AS operational_market_kgco2e_low,
    as_double(operational_market_kgco2e_high) AS operational_market_kgco2e_high,
    as_double(embodied_kgco2e) AS embodied_kgco2e,
    as_double(embodied_kgco2e_low) AS embodied_kgco2e_low,
    as_double(embodied_kgco2e_high) AS embodied_kgco2e_high,
    as_double(emissions_kgco2e) AS emissions_kgco2e,
    as_double(emissions_kgco2e_low) AS emissions_kgco2e_low,
    as_double(emissions_kgco2e_high) AS emissions_kgco2e_high,
    as_double(water_onsite_l) AS water_onsite_l,
    as_double(water_onsite_l_low) AS water_onsite_l_low,
    as_double(water_onsite_l_high) AS water_onsite_l_high,
    as_double(water_offsite_l) AS water_offsite_l,
    as_double(water_offsite_l_low) AS water_offsite_l_low,
    as_double(water_offsite_l_high) AS water_offsite_l_high,
    as_double(water_l) AS water_l,
    as_double(water_l_low) AS water_l_low,
    as_double(water_l_high) AS water_l_high,
    as_double(cost_usd) AS cost_usd,
    as_double(cost_usd_low) AS cost_usd_low,
    as_double(cost_usd_high) AS cost_usd_high,
    as_double(market_covered_kwh) AS market_covered_kwh,
    coverage_ratio,
    method,
    quality_tier,
    scope,
    reported_kgco2e,
    unknown_reasons,
    all_flags AS flags,
    hardware,
    cast(json_extract(facts, '$.labels') AS MAP (VARCHAR, VARCHAR)) AS labels,
    state,
    is_current,
    is_counted,
    duplicate_of,
    any_error AS error,
    source,
    where_file,
    where_line,
    factor_ids,
    seq
FROM current_run;

CREATE OR REPLACE VIEW run_units AS
SELECT u.run_id, u.unit, u.amount
FROM functional_unit AS u
INNER JOIN newest_run AS r ON u.seq = r.seq;

CREATE OR REPLACE VIEW run_metrics AS
SELECT m.run_id, m.metric, m.value
FROM quality_metric AS m
INNER JOIN newest_run AS r ON m.seq = r.seq;

CREATE OR REPLACE VIEW by_project AS
SELECT
    project,
    count(*) AS runs,
    count(*) FILTER (WHERE emissions_kgco2e IS null) AS runs_unknown,
    as_double(sum(energy_kwh)) AS known_energy_kwh,
    as_double(sum(facility_energy_kwh)) AS known_facility_energy_kwh,
    as_double(sum(operational_kgco2e)) AS known_operational_kgco2e,
    as_double(sum(embodied_kgco2e)) AS known_embodied_kgco2e,
    as_double(known_sum(emissions_kgco2e)) AS emissions_kgco2e,
    as_double(known_sum(emissions_kgco2e_low)) AS emissions_kgco2e_low,
    as_double(known_sum(emissions_kgco2e_high)) AS emissions_kgco2e_high
FROM current_run
WHERE is_counted AND status IS DISTINCT FROM 'planned'
GROUP BY project
ORDER BY project;

CREATE OR REPLACE VIEW by_team_month AS
SELECT
    team,
    strftime(date_trunc('month', coalesce(ended_at, started_at)), '%Y-%m') AS month,
    count(*) AS runs,
    count(*) FILTER (WHERE emissions_kgco2e IS null) AS runs_unknown,
    as_double(sum(energy_kwh)) AS known_energy_kwh,
    as_double(sum(facility_energy_kwh)) AS known_facility_energy_kwh,
    as_double(sum(operational_kgco2e)) AS known_operational_kgco2e,
    as_double(sum(embodied_kgco2e)) AS known_embodied_kgco2e,
    as_double(known_sum(emissions_kgco2e)) AS emissions_kgco2e
FROM current_run
WHERE is_counted AND status IS DISTINCT FROM 'planned'
GROUP BY ALL
ORDER BY ALL;

CREATE OR REPLACE VIEW newest_verdict AS
SELECT v.*
FROM verdict AS v
QUALIFY row_number() OVER (PARTITION BY v.policy_id, v.subject ORDER BY v.seq DESC) = 1;

CREATE OR REPLACE VIEW violations AS
SELECT
    policy_id, subject, verdict, enforcement, metric, value, low, high, limit_value, unit, reason, message, seq
FROM newest_verdict
WHERE verdict <> 'pass' AND verdict <> 'not_applicable'
ORDER BY policy_id, subject;

CREATE OR REPLACE VIEW budget_status AS
SELECT
    v.policy_id,
    v.subject,
    v.verdict,
    v.metric,
    v.value,
    v.low,
    v.high,
    v.limit_value,
    v.unit,
    v.value / nullif(v.limit_value, 0) AS used_ratio,
    v.limit_value - v.value AS left_value,
    v.seq
FROM newest_verdict AS v
INNER JOIN (
    SELECT policy_id, arg_max(kind, seq) AS kind FROM policy
    GROUP BY policy_id
) AS p ON v.policy_id = p.policy_id
WHERE p.kind = 'budget'
ORDER BY v.policy_id, v.subject;

CREATE OR REPLACE VIEW waivers_active AS
SELECT w.*
FROM waiver AS w
QUALIFY row_number() OVER (PARTITION BY w.waiver_id ORDER BY w.seq DESC) = 1;

CREATE OR REPLACE VIEW scope2 AS
SELECT
    year(coalesce(ended_at, started_at)) AS year,
    region,
    count(*) AS runs,
    count(*) FILTER (WHERE operational_kgco2e IS null) AS runs_unknown,
    as_double(sum(facility_energy_kwh)) AS known_facility_energy_kwh,
    as_double(known_sum(operational_kgco2e)) AS location_based_kgco2e,
    as_double(known_sum(operational_market_kgco2e)) AS market_based_kgco2e
FROM current_run
WHERE is_counted AND status IS DISTINCT FROM 'planned'
GROUP BY ALL
ORDER BY ALL;

CREATE OR REPLACE VIEW data_quality AS
SELECT
    run_id, team, project, method, quality_tier, scope, coverage_ratio, factor_age_y, unknown_reasons,
    all_flags AS flags, state, is_counted, any_error AS error
FROM current_run
ORDER BY run_id;

CREATE OR REPLACE VIEW lineage AS
SELECT
    r.run_id,
    r.seq,
    l.recorded_at,
    l.hash,
    i.file,
    i.sha256,
    i.bytes,
    i.reader,
    r.factor_ids
FROM newest_run AS r
INNER JOIN ledger AS l ON r.seq = l.seq
LEFT JOIN input_file AS i ON r.seq = i.seq
ORDER BY r.run_id, i.file;

-- What a device embodies in each measure, and the run's share of it: as much of each as of its carbon.
CREATE OR REPLACE VIEW footprint AS
SELECT
    run_id,
    device_id,
    component,
    life_cycle_stages,
    measure,
    value * share_ratio AS value,
    least(low * low_ratio, value * share_ratio) AS low,
    greatest(high * high_ratio, value * share_ratio) AS high
FROM (
    SELECT
        e.run_id,
        e.device_id,
        e.component,
        e.life_cycle_stages,
        e.measure,
        e.at[1][e.measure] AS value,
        e.at[2][e.measure] AS low,
        e.at[3][e.measure] AS high,
        as_double(e.embodied_kgco2e) / nullif(e.at[1]['embodied_kgco2e'], 0) AS share_ratio,
        as_double(e.embodied_low_kgco2e) / nullif(e.at[2]['embodied_kgco2e'], 0) AS low_ratio,
        as_double(e.embodied_high_kgco2e) / nullif(e.at[3]['embodied_kgco2e'], 0) AS high_ratio
    FROM (
        SELECT
            d.*,
            list_transform([1, 2, 3], LAMBDA place: part_attributes(d.footprint, place)) AS at,
            unnest(map_keys(part_attributes(d.footprint, 1))) AS measure
        FROM embodied AS d
        INNER JOIN newest_run AS r ON d.seq = r.seq
        WHERE d.footprint IS NOT null
    ) AS e
);

-- What no source keeps apart stands in one row, its stages joined by +; what is left of a figure of which some stages
-- are known apart has no stage. So the rows of a run add up to its emissions.
CREATE OR REPLACE VIEW life_cycle AS
WITH apart AS (
    SELECT run_id, device_id, component, replace(measure, '_kgco2e', '') AS stage, value, low, high, life_cycle_stages
    FROM footprint
    WHERE measure IN ('manufacture_kgco2e', 'transport_kgco2e', 'end_of_life_kgco2e')
),

figure AS (
    SELECT
        e.run_id,
        e.device_id,
        e.component,
        e.life_cycle_stages,
        as_double(e.embodied_kgco2e) AS value,
        as_double(e.embodied_low_kgco2e) AS low,
        as_double(e.embodied_high_kgco2e) AS high,
        a.value AS apart
    FROM embodied AS e
    INNER JOIN newest_run AS r ON e.seq = r.seq
    LEFT JOIN (
        SELECT run_id, device_id, as_double(sum(exact(value))) AS value FROM apart
        GROUP BY run_id, device_id
    ) AS a ON e.run_id = a.run_id AND e.device_id = a.device_id
)

SELECT
    run_id,
    device_id,
    component,
    life_cycle_stage,
    value AS kgco2e,
    low AS kgco2e_low,
    high AS kgco2e_high,
    is_complete
FROM (
    SELECT run_id, device_id, component, stage AS life_cycle_stage, value, low, high,
        contains(coalesce(life_cycle_stages, ''), stage) AS is_complete
    FROM apart
    UNION ALL
    SELECT run_id, device_id, component, life_cycle_stages, value, low, high, life_cycle_stages IS NOT null
    FROM figure
    WHERE apart IS null
    UNION ALL
    SELECT run_id, device_id, component, null, value - apart, null, null, false
    FROM figure
    WHERE value - apart > value / 1000000000  -- the stages were rounded apart
    UNION ALL
    SELECT
        run_id, null, null, 'use',
        as_double(operational_kgco2e), as_double(operational_kgco2e_low), as_double(operational_kgco2e_high),
        operational_kgco2e IS NOT null
    FROM newest_run
)
ORDER BY run_id, device_id, life_cycle_stage;

CREATE OR REPLACE VIEW criteria AS
SELECT
    f.run_id,
    f.device_id,
    f.component,
    u.criterion,
    u.unit,
    f.value,
    f.low,
    f.high
FROM footprint AS f
INNER JOIN (
    VALUES
    ('embodied_adp_kgsbeq', 'adp', 'kgSbeq'),
    ('embodied_primary_energy_mj', 'primary_energy', 'MJ'),
    ('embodied_water_l', 'water', 'L')
) AS u (measure, criterion, unit) ON f.measure = u.measure
ORDER BY f.run_id, f.device_id, u.criterion;

-- A machine is charged more than there is where reservations overlap or outlive it. At one time at most all of it can
-- be reserved: the peak is the largest sum of shares that runs have of it together.
CREATE OR REPLACE VIEW fleet AS
WITH reservation AS (
    SELECT
        e.*,
        r.started_at,
        r.ended_at,
        e.device_hours_h * e.share AS reserved_h,
        e.device_hours_h * e.share * 3600.0 / nullif(r.duration_s, 0) AS reserved
    FROM embodied AS e
    INNER JOIN current_run AS r ON e.seq = r.seq
    WHERE e.machine IS NOT null AND r.is_counted AND r.status IS DISTINCT FROM 'planned'
),

change AS (
    SELECT machine, component, name, started_at AS changed_at, reserved FROM reservation
    UNION ALL
    SELECT machine, component, name, ended_at, -reserved FROM reservation
),

peak AS (
    SELECT machine, component, name, max(reserved) AS reserved
    FROM (
        SELECT machine, component, name,
            -- at the same moment one run may end and the next begin
            sum(exact(reserved)) OVER (PARTITION BY machine, component, name ORDER BY changed_at) AS reserved
        FROM change
        WHERE changed_at IS NOT null
    )
    GROUP BY ALL
),

machine AS (
    SELECT
        machine,
        component,
        name,
        max(count) AS count,
        count(*) AS runs,
        min(started_at) AS started_at,
        max(ended_at) AS ended_at,
        -- the newest assessment says what one of them embodies
        arg_max(embodied_total_kgco2e, seq) AS embodied_total_kgco2e,
        known_sum(embodied_kgco2e) AS charged,
        sum(exact(reserved_h)) AS reserved_h,
        sum(exact(reserved_h / (lifetime_h * utilisation))) AS lives
    FROM reservation
    GROUP BY ALL
),

compared AS (
    SELECT
        m.machine,
        m.component,
        m.name,
        m.count,
        m.runs,
        m.started_at,
        m.ended_at,
        m.embodied_total_kgco2e,
        as_double(m.charged) AS charged_kgco2e,
        as_double(m.charged) / nullif(m.count * m.embodied_total_kgco2e, 0) AS charged_ratio,
        as_double(m.reserved_h) AS reserved_h,
        as_double(m.lives) / m.count AS used_life_ratio,
        as_double(p.reserved) / m.count AS peak_ratio
    FROM machine AS m
    LEFT JOIN peak AS p
        ON m.machine = p.machine AND m.component = p.component AND m.name IS NOT DISTINCT FROM p.name
)

SELECT
    *,
    list_filter([
        CASE WHEN charged_ratio > 1.000000001 OR used_life_ratio > 1.000000001 THEN 'FLEET_EXCEEDED' END,
        CASE WHEN peak_ratio > 1.000000001 THEN 'FLEET_OVERLAP' END
    ], LAMBDA x: x IS NOT null) AS flags
FROM compared
ORDER BY machine, component, name;

-- What each part of a run's energy rests on. Shares are of IT energy; where all of it was taken at one kind of meter
-- they need no PUE.
CREATE OR REPLACE VIEW run_quality AS
WITH counted AS (
    SELECT
        e.run_id,
        e.method,
        e.energy_kwh,
        array_to_string(list_sort(e.covers), '+') AS component,
        CASE WHEN e.basis IS null THEN 'unknown' WHEN e.basis = 'facility' THEN 'facility' ELSE 'it' END AS meter,
        exact(it_energy_kwh(as_double(e.energy_kwh), e.basis, r.pue)) AS it
    FROM energy AS e
    INNER JOIN newest_run AS r ON e.seq = r.seq
    -- a device without any reading has no energy of its own: what it may have drawn is in the run's high end
    WHERE e.is_counted AND (e.energy_kwh IS NOT null OR e.method NOT IN ('sampled', 'counter'))
),

part AS (
    SELECT
        c.run_id,
        c.component,
        c.method,
        known_sum(c.it) AS it,
        known_sum(CASE WHEN m.meters = 1 THEN c.energy_kwh ELSE c.it END) AS compared
    FROM counted AS c
    INNER JOIN (
        SELECT run_id, count(DISTINCT meter) AS meters FROM counted
        GROUP BY run_id
    ) AS m ON c.run_id = m.run_id
    GROUP BY c.run_id, c.component, c.method
)

SELECT
    run_id,
    component,
    method,
    CASE WHEN method IN ('counter', 'sampled') THEN 'measured' ELSE method END AS quality_tier,
    as_double(it) AS energy_kwh,
    as_double(compared) / nullif(
        as_double(CASE WHEN count(compared) OVER run = count(*) OVER run THEN sum(compared) OVER run END), 0
    ) AS energy_share
FROM part
WINDOW run AS (PARTITION BY run_id)
ORDER BY run_id, component, method;

CREATE OR REPLACE VIEW measured_share AS
SELECT
    run_id,
    as_double(known_sum(exact(energy_kwh))) AS energy_kwh,
    -- 0 where nothing was metered, NULL where nobody knows how much the rest is
    CASE
        WHEN count(*) = count(energy_share)
            THEN as_double(coalesce(sum(exact(energy_share)) FILTER (WHERE quality_tier = 'measured'), 0))
    END AS measured_share
FROM run_quality
GROUP BY run_id
ORDER BY run_id;

-- The last plan of a run before it ran, beside the newest facts of the run: the ledger keeps both.
CREATE OR REPLACE VIEW plan_actual AS
SELECT
    a.run_id,
    a.team,
    a.project,
    p.seq AS plan_seq,
    a.seq,
    p.duration_s AS planned_duration_s,
    a.duration_s,
    a.duration_s / nullif(p.duration_s, 0) AS duration_ratio,
    as_double(p.energy_kwh) AS planned_energy_kwh,
    as_double(p.energy_kwh_low) AS planned_energy_kwh_low,
    as_double(p.energy_kwh_high) AS planned_energy_kwh_high,
    as_double(a.energy_kwh) AS energy_kwh,
    as_double(a.energy_kwh) / nullif(as_double(p.energy_kwh), 0) AS energy_ratio,
    a.energy_kwh BETWEEN p.energy_kwh_low AND p.energy_kwh_high AS is_within,
    as_double(p.operational_kgco2e) AS planned_operational_kgco2e,
    as_double(a.operational_kgco2e) AS operational_kgco2e,
    as_double(a.operational_kgco2e) / nullif(as_double(p.operational_kgco2e), 0) AS operational_ratio,
    as_double(p.emissions_kgco2e) AS planned_emissions_kgco2e,
    as_double(a.emissions_kgco2e) AS emissions_kgco2e,
    as_double(a.emissions_kgco2e) / nullif(as_double(p.emissions_kgco2e), 0) AS emissions_ratio
FROM current_run AS a
INNER JOIN run AS p ON a.run_id = p.run_id AND a.seq > p.seq AND p.status = 'planned'
WHERE a.is_counted AND a.status IS DISTINCT FROM 'planned'
QUALIFY row_number() OVER (PARTITION BY a.run_id ORDER BY p.seq DESC) = 1
ORDER BY a.run_id;

-- Medians: one run that went wrong must not move the figure of a team, and no order of rows can.
CREATE OR REPLACE VIEW calibration AS
SELECT
    team,
    count(*) AS runs,
    count(*) FILTER (WHERE is_within) AS runs_within,
    median(duration_ratio) AS duration_ratio,
    count(energy_ratio) AS energy_runs,
    median(energy_ratio) AS energy_ratio,
    min(energy_ratio) AS energy_ratio_low,
    max(energy_ratio) AS energy_ratio_high,
    count(operational_ratio) AS operational_runs,
    median(operational_ratio) AS operational_ratio,
    count(emissions_ratio) AS emissions_runs,
    median(emissions_ratio) AS emissions_ratio,
    min(emissions_ratio) AS emissions_ratio_low,
    max(emissions_ratio) AS emissions_ratio_high
FROM plan_actual
GROUP BY team
ORDER BY team;

-- Every assessment that a run ever had, and why the later one took its place: what differs between the two.
CREATE OR REPLACE VIEW run_history AS
WITH told AS (
    SELECT
        r.run_id,
        r.seq,
        r.energy_kwh,
        r.operational_kgco2e,
        r.embodied_kgco2e,
        r.factor_ids,
        r.instruments,
        i.files,
        (SELECT min(a.seq) FROM assessment AS a WHERE a.seq > r.seq) AS assessed
    FROM run AS r
    LEFT JOIN (
        SELECT seq, list_sort(list(file || ' ' || coalesce(sha256, ''))) AS files FROM input_file
        GROUP BY seq
    ) AS i ON r.seq = i.seq
),

known AS (
    SELECT
        t.*,
        a.config_sha256,
        a.code_sha256,
        a.factors_sha256,
        a.green_version,
        a.duckdb_version,
        g.given,
        -- the content alone: a series under another name is the same
        list_sort(json_extract_string(s.payload, '$.series_sha256.*')) AS series_sha256
    FROM told AS t
    LEFT JOIN assessment AS a ON t.assessed = a.seq
    LEFT JOIN ledger AS s ON t.assessed = s.seq
    LEFT JOIN (
        SELECT cast(payload ->> '$.assessment' AS BIGINT) AS assessed, arg_max(payload ->> '$.reason', seq) AS given
        FROM ledger
        WHERE kind = 'reason'
        GROUP BY ALL
    ) AS g ON t.assessed = g.assessed
),

followed AS (
    SELECT k.*, lead(k) OVER (PARTITION BY k.run_id ORDER BY k.seq) AS later FROM known AS k
)

SELECT
    f.run_id,
    f.seq,
    l.recorded_at,
    as_double(f.energy_kwh) AS energy_kwh,
    as_double(f.operational_kgco2e) AS operational_kgco2e,
    as_double(f.embodied_kgco2e) AS embodied_kgco2e,
    f.later.seq AS superseded_by,
    CASE
        WHEN f.later IS NOT null
            THEN list_filter([
                CASE WHEN f.files IS DISTINCT FROM f.later.files THEN 'inputs' END,
                CASE WHEN f.config_sha256 IS DISTINCT FROM f.later.config_sha256 THEN 'configuration' END,
                CASE WHEN f.factors_sha256 IS DISTINCT FROM f.later.factors_sha256 THEN 'factors' END,
                CASE WHEN f.series_sha256 IS DISTINCT FROM f.later.series_sha256 THEN 'series' END,
                CASE WHEN f.code_sha256 IS DISTINCT FROM f.later.code_sha256 THEN 'code' END,
                CASE WHEN f.green_version IS DISTINCT FROM f.later.green_version THEN 'green' END,
                CASE WHEN f.duckdb_version IS DISTINCT FROM f.later.duckdb_version THEN 'engine' END,
                -- what they cover is spread over all runs of a market: another run may have come or gone
                CASE WHEN f.instruments IS DISTINCT FROM f.later.instruments THEN 'instruments' END
            ], LAMBDA x: x IS NOT null)
    END AS superseded_because,
    f.later.given AS superseded_reason
FROM followed AS f
INNER JOIN ledger AS l ON f.seq = l.seq
ORDER BY f.run_id, f.seq;

CREATE OR REPLACE VIEW forgotten AS
SELECT
    l.seq,
    l.kind,
    l.subject,
    b.seq AS forgotten_by,
    b.recorded_at,
    b.actor,
    b.payload ->> '$.reason' AS forgotten_because
FROM ledger AS l
LEFT JOIN ledger AS b ON cast(l.payload ->> '$.forgotten' AS BIGINT) = b.seq AND b.kind = 'forget'
WHERE starts_with(l.payload, '{"forgotten":')
ORDER BY l.seq;
