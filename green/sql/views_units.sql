-- views_units.sql: figures for what runs are for: units, quality, computation, sweeps, models, instruments.
--
-- reads   the projections of schema.sql and the views of views.sql
-- gives   run_intensity, metric_intensity, performance, family, model_lifetime, break_even, equivalents, instruments
--
-- Of an interval the low end is divided by what makes it lowest. A total with an unknown part is NULL; the sum of what
-- is known stands beside it. Totals are of runs that count in budgets; planned ones are not among them.
CREATE OR REPLACE VIEW run_intensity AS
SELECT
    u.run_id,
    u.unit,
    u.amount,
    per_unit(as_double(r.energy_kwh), u.amount) AS energy_kwh_per_unit,
    per_unit(as_double(r.energy_kwh_low), u.amount) AS energy_kwh_per_unit_low,
    per_unit(as_double(r.energy_kwh_high), u.amount) AS energy_kwh_per_unit_high,
    per_unit(as_double(r.facility_energy_kwh), u.amount) AS facility_energy_kwh_per_unit,
    per_unit(as_double(r.facility_energy_kwh_low), u.amount) AS facility_energy_kwh_per_unit_low,
    per_unit(as_double(r.facility_energy_kwh_high), u.amount) AS facility_energy_kwh_per_unit_high,
    u.amount / nullif(as_double(r.energy_kwh), 0) AS amount_per_kwh,
    u.amount / nullif(as_double(r.energy_kwh_high), 0) AS amount_per_kwh_low,
    u.amount / nullif(as_double(r.energy_kwh_low), 0) AS amount_per_kwh_high,
    u.amount / nullif(as_double(r.facility_energy_kwh), 0) AS amount_per_facility_kwh,
    u.amount / nullif(as_double(r.facility_energy_kwh_high), 0) AS amount_per_facility_kwh_low,
    u.amount / nullif(as_double(r.facility_energy_kwh_low), 0) AS amount_per_facility_kwh_high,
    per_unit(as_double(r.operational_kgco2e), u.amount) AS operational_kgco2e_per_unit,
    per_unit(as_double(r.operational_kgco2e_low), u.amount) AS operational_kgco2e_per_unit_low,
    per_unit(as_double(r.operational_kgco2e_high), u.amount) AS operational_kgco2e_per_unit_high,
    per_unit(as_double(r.emissions_kgco2e), u.amount) AS kgco2e_per_unit,
    per_unit(as_double(r.emissions_kgco2e_low), u.amount) AS kgco2e_per_unit_low,
    per_unit(as_double(r.emissions_kgco2e_high), u.amount) AS kgco2e_per_unit_high,
    per_unit(as_double(r.water_l), u.amount) AS water_l_per_unit,
    per_unit(as_double(r.water_l_low), u.amount) AS water_l_per_unit_low,
    per_unit(as_double(r.water_l_high), u.amount) AS water_l_per_unit_high,
    per_unit(as_double(r.cost_usd), u.amount) AS cost_usd_per_unit,
    per_unit(as_double(r.cost_usd_low), u.amount) AS cost_usd_per_unit_low,
    per_unit(as_double(r.cost_usd_high), u.amount) AS cost_usd_per_unit_high
FROM functional_unit AS u
INNER JOIN newest_run AS r ON u.seq = r.seq
ORDER BY u.run_id, u.unit;

CREATE OR REPLACE VIEW metric_intensity AS
SELECT
    m.run_id,
    m.metric,
    m.value,
    per_unit(as_double(r.energy_kwh), m.value) AS energy_kwh_per_point,
    per_unit(as_double(r.energy_kwh_low), m.value) AS energy_kwh_per_point_low,
    per_unit(as_double(r.energy_kwh_high), m.value) AS energy_kwh_per_point_high,
    per_unit(as_double(r.emissions_kgco2e), m.value) AS kgco2e_per_point,
    per_unit(as_double(r.emissions_kgco2e_low), m.value) AS kgco2e_per_point_low,
    per_unit(as_double(r.emissions_kgco2e_high), m.value) AS kgco2e_per_point_high,
    per_unit(as_double(r.cost_usd), m.value) AS cost_usd_per_point
FROM quality_metric AS m
INNER JOIN newest_run AS r ON m.seq = r.seq
WHERE m.value > 0
ORDER BY m.run_id, m.metric;

CREATE OR REPLACE VIEW performance AS
SELECT
    run_id,
    precision,
    flops,
    scope,
    flop_per_joule(flops, as_double(energy_kwh)) AS flops_per_joule,
    flop_per_joule(flops, as_double(energy_kwh_high)) AS flops_per_joule_low,
    flop_per_joule(flops, as_double(energy_kwh_low)) AS flops_per_joule_high,
    flop_per_joule(flops, as_double(energy_kwh)) / 1e12 AS tflops_per_w,
    flop_per_joule(flops, as_double(energy_kwh_high)) / 1e12 AS tflops_per_w_low,
    flop_per_joule(flops, as_double(energy_kwh_low)) / 1e12 AS tflops_per_w_high,
    flops / nullif(duration_s, 0) / 1e12 AS tflops,
    capacity_flop,
    flops / nullif(capacity_flop, 0) AS utilisation_ratio
FROM (
    SELECT
        *,
        cast(json_extract_string(facts, '$.flops') AS DOUBLE) AS flops,
        json_extract_string(facts, '$.precision') AS precision
    FROM newest_run
)
WHERE flops > 0
ORDER BY run_id;

CREATE OR REPLACE VIEW counted_run AS
SELECT * FROM current_run
WHERE is_counted AND status IS DISTINCT FROM 'planned';

-- Every run below a parent, and the runs below those; UNION keeps a pair once, so that a cycle ends.
CREATE OR REPLACE VIEW family_member AS
WITH RECURSIVE descent AS (
    SELECT parent, run_id FROM counted_run
    WHERE parent IS NOT NULL
    UNION
    SELECT d.parent, r.run_id
    FROM descent AS d
    INNER JOIN counted_run AS r ON d.run_id = r.parent
)

SELECT parent, run_id, bool_or(parent = run_id) OVER (PARTITION BY parent) AS is_cycle FROM descent
UNION
-- the parent may be a run itself: what it used is a part of the whole
SELECT DISTINCT d.parent, d.parent AS run_id, FALSE AS is_cycle
FROM descent AS d
INNER JOIN counted_run AS r ON d.parent = r.run_id
WHERE d.parent NOT IN (SELECT e.parent FROM descent AS e WHERE e.parent = e.run_id)
ORDER BY ALL;

CREATE OR REPLACE VIEW family AS
SELECT
    parent,
    CASE WHEN is_cycle THEN 'PARENT_CYCLE' END AS reason,
    runs,
    runs_completed,
    runs_failed,
    runs_killed,
    runs_unknown,
    survivors,
    CASE WHEN NOT is_cycle THEN as_double(energy) END AS energy_kwh,
    CASE WHEN NOT is_cycle THEN as_double(energy_low) END AS energy_kwh_low,
    CASE WHEN NOT is_cycle THEN as_double(energy_high) END AS energy_kwh_high,
    known_energy_kwh,
    CASE WHEN NOT is_cycle THEN as_double(operational) END AS operational_kgco2e,
    CASE WHEN NOT is_cycle THEN as_double(operational_low) END AS operational_kgco2e_low,
    CASE WHEN NOT is_cycle THEN as_double(operational_high) END AS operational_kgco2e_high,
    known_operational_kgco2e,
    CASE WHEN NOT is_cycle THEN as_double(emissions) END AS emissions_kgco2e,
    CASE WHEN NOT is_cycle THEN as_double(emissions_low) END AS emissions_kgco2e_low,
    CASE WHEN NOT is_cycle THEN as_double(emissions_high) END AS emissions_kgco2e_high,
    known_emissions_kgco2e,
    CASE WHEN NOT is_cycle THEN as_double(water) END AS water_l,
    known_water_l,
    CASE WHEN NOT is_cycle THEN as_double(cost) END AS cost_usd,
    CASE WHEN NOT is_cycle THEN as_double(cost_low) END AS cost_usd_low,
    CASE WHEN NOT is_cycle THEN as_double(cost_high) END AS cost_usd_high,
    known_cost_usd,
    per_unit(energy_kwh, survivors) AS energy_kwh_per_survivor,
    per_unit(emissions_kgco2e, survivors) AS kgco2e_per_survivor,
    per_unit(emissions_kgco2e_low, survivors) AS kgco2e_per_survivor_low,
    per_unit(emissions_kgco2e_high, survivors) AS kgco2e_per_survivor_high,
    per_unit(cost_usd, survivors) AS cost_usd_per_survivor
FROM (
    SELECT
        f.parent,
        bool_or(f.is_cycle) AS is_cycle,
        count(*) AS runs,
        count(*) FILTER (WHERE r.status = 'completed') AS runs_completed,
        count(*) FILTER (WHERE r.status = 'failed') AS runs_failed,
        count(*) FILTER (WHERE r.status = 'killed') AS runs_killed,
        count(*) FILTER (WHERE r.emissions_kgco2e IS NULL) AS runs_unknown,
        -- a model survives where a run that makes one completed; whether it did has to be known of each
        CASE
            WHEN count(*) FILTER (WHERE p.parent IS NULL AND (r.status IS NULL OR r.kind IS NULL)) = 0
                THEN
                    count(*) FILTER (
                        WHERE p.parent IS NULL AND r.status = 'completed' AND r.kind IN ('training', 'tuning')
                    )
        END AS survivors,
        known_sum(r.energy_kwh) AS energy,
        known_sum(r.energy_kwh_low) AS energy_low,
        known_sum(r.energy_kwh_high) AS energy_high,
        as_double(sum(r.energy_kwh)) AS known_energy_kwh,
        known_sum(r.operational_kgco2e) AS operational,
        known_sum(r.operational_kgco2e_low) AS operational_low,
        known_sum(r.operational_kgco2e_high) AS operational_high,
        as_double(sum(r.operational_kgco2e)) AS known_operational_kgco2e,
        known_sum(r.emissions_kgco2e) AS emissions,
        known_sum(r.emissions_kgco2e_low) AS emissions_low,
        known_sum(r.emissions_kgco2e_high) AS emissions_high,
        as_double(sum(r.emissions_kgco2e)) AS known_emissions_kgco2e,
        known_sum(r.water_l) AS water,
        as_double(sum(r.water_l)) AS known_water_l,
        known_sum(r.cost_usd) AS cost,
        known_sum(r.cost_usd_low) AS cost_low,
        known_sum(r.cost_usd_high) AS cost_high,
        as_double(sum(r.cost_usd)) AS known_cost_usd
    FROM family_member AS f
    INNER JOIN counted_run AS r ON f.run_id = r.run_id
    LEFT JOIN (SELECT DISTINCT parent FROM counted_run) AS p ON f.run_id = p.parent
    GROUP BY f.parent
)
ORDER BY parent;

CREATE OR REPLACE VIEW model_lifetime AS
SELECT
    model,
    CASE
        WHEN kind = 'training' THEN 'training' WHEN kind = 'inference' THEN 'serving'
        WHEN kind IS NOT NULL THEN 'development' ELSE 'unstated'
    END AS phase,
    count(*) AS runs,
    count(*) FILTER (WHERE emissions_kgco2e IS NULL) AS runs_unknown,
    as_double(known_sum(energy_kwh)) AS energy_kwh,
    as_double(known_sum(energy_kwh_low)) AS energy_kwh_low,
    as_double(known_sum(energy_kwh_high)) AS energy_kwh_high,
    as_double(sum(energy_kwh)) AS known_energy_kwh,
    as_double(known_sum(operational_kgco2e)) AS operational_kgco2e,
    as_double(known_sum(operational_kgco2e_low)) AS operational_kgco2e_low,
    as_double(known_sum(operational_kgco2e_high)) AS operational_kgco2e_high,
    as_double(sum(operational_kgco2e)) AS known_operational_kgco2e,
    as_double(known_sum(emissions_kgco2e)) AS emissions_kgco2e,
    as_double(known_sum(emissions_kgco2e_low)) AS emissions_kgco2e_low,
    as_double(known_sum(emissions_kgco2e_high)) AS emissions_kgco2e_high,
    as_double(sum(emissions_kgco2e)) AS known_emissions_kgco2e,
    as_double(known_sum(water_l)) AS water_l,
    as_double(known_sum(cost_usd)) AS cost_usd
FROM counted_run
WHERE model IS NOT NULL
GROUP BY ALL
ORDER BY ALL;

CREATE OR REPLACE VIEW break_even AS
SELECT
    s.model,
    s.unit,
    as_double(t.emissions) AS training_kgco2e,
    as_double(s.emissions) AS serving_kgco2e,
    s.amount AS served_amount,
    per_unit(as_double(s.emissions), s.amount) AS serving_kgco2e_per_unit,
    as_double(t.emissions) / nullif(per_unit(as_double(s.emissions), s.amount), 0) AS break_even_amount,
    as_double(t.emissions_low) / nullif(per_unit(as_double(s.emissions_high), s.amount), 0) AS break_even_amount_low,
    as_double(t.emissions_high) / nullif(per_unit(as_double(s.emissions_low), s.amount), 0) AS break_even_amount_high,
    as_double(t.energy) / nullif(per_unit(as_double(s.energy), s.amount), 0) AS energy_break_even_amount
FROM (
    SELECT
        r.model,
        u.unit,
        as_double(sum(exact(u.amount))) AS amount,
        known_sum(r.energy_kwh) AS energy,
        known_sum(r.emissions_kgco2e) AS emissions,
        known_sum(r.emissions_kgco2e_low) AS emissions_low,
        known_sum(r.emissions_kgco2e_high) AS emissions_high
    FROM counted_run AS r
    INNER JOIN functional_unit AS u ON r.seq = u.seq
    WHERE r.kind = 'inference'
    GROUP BY ALL
) AS s
INNER JOIN (
    SELECT
        model,
        known_sum(energy_kwh) AS energy,
        known_sum(emissions_kgco2e) AS emissions,
        known_sum(emissions_kgco2e_low) AS emissions_low,
        known_sum(emissions_kgco2e_high) AS emissions_high
    FROM counted_run
    WHERE kind = 'training'
    GROUP BY ALL
) AS t ON s.model = t.model
ORDER BY s.model, s.unit;

CREATE OR REPLACE VIEW equivalents AS
SELECT
    r.run_id,
    f.subject AS equivalent,
    per_unit(as_double(r.emissions_kgco2e), f.value) AS amount,
    per_unit(as_double(r.emissions_kgco2e_low), coalesce(f.high, f.value)) AS amount_low,
    per_unit(as_double(r.emissions_kgco2e_high), coalesce(f.low, f.value)) AS amount_high,
    per_unit(as_double(r.operational_kgco2e), f.value) AS operational_amount,
    per_unit(as_double(r.operational_kgco2e_low), coalesce(f.high, f.value)) AS operational_amount_low,
    per_unit(as_double(r.operational_kgco2e_high), coalesce(f.low, f.value)) AS operational_amount_high,
    f.factor_id,
    f.valid_from
FROM newest_run AS r
INNER JOIN (
    SELECT * FROM factor
    WHERE quantity = 'equivalent'
    QUALIFY row_number() OVER (PARTITION BY factor_id ORDER BY seq DESC) = 1
) AS f ON TRUE
QUALIFY row_number() OVER (
    PARTITION BY r.run_id, f.subject
    -- the newest before the run's end, else the first after it: a comparison, whose date stands beside it
    ORDER BY
        coalesce(f.valid_from > coalesce(r.ended_at, r.started_at), FALSE) ASC,
        abs(datediff('day', f.valid_from, cast(coalesce(r.ended_at, r.started_at) AS DATE))) ASC,
        f.factor_id ASC
) = 1
ORDER BY r.run_id, f.subject;

CREATE OR REPLACE VIEW instruments AS
SELECT
    i.instrument_id,
    i.kind,
    i.zone,
    i.site,
    i.from_at,
    i.to_at,
    i.intensity_gco2e_per_kwh,
    i.energy_source,
    i.source,
    i.quantity_kwh,
    as_double(coalesce(a.drawn, 0)) AS consumed_kwh,
    as_double(coalesce(a.allocated, 0)) AS allocated_kwh,
    i.quantity_kwh - as_double(coalesce(a.allocated, 0)) AS left_kwh,
    CASE WHEN a.allocated > exact(i.quantity_kwh) THEN 'OVERALLOCATED' END AS reason
FROM instrument AS i
LEFT JOIN (
    SELECT p.instrument_id, sum(p.drawn_kwh) AS drawn, sum(p.allocated_kwh) AS allocated
    FROM (
        SELECT
            unnest(
                json_transform(
                    instruments,
                    '[{"allocated_kwh":"DECIMAL(38,18)","drawn_kwh":"DECIMAL(38,18)","instrument_id":"VARCHAR"}]'
                ),
                max_depth := 2
            ) AS p
        FROM counted_run
        WHERE instruments IS NOT NULL
    ) AS p
    GROUP BY ALL
) AS a ON i.instrument_id = a.instrument_id
-- what was configured earlier stays in the ledger, and counts no more
WHERE i.seq = (SELECT max(l.seq) FROM ledger AS l WHERE l.kind = 'instruments')
ORDER BY i.instrument_id;
