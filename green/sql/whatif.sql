-- whatif.sql: runs as ingest left them, and changes to them -> copies of the runs, for the stages to price.
--
-- reads   base_run, base_device, base_statement, base_units: tables of ingest
--         change(copy_id, run_id, region, device, device_key, duration_s, started_at), NULL: as it is
--         factor(factor_id, quantity, subject_key, value)
-- gives   run, device, statement, units: as ingest gives them, a run for each change, under its copy_id
--
-- Elsewhere: what was stated of the old grid (intensity, water, tariff) is not stated of the new one, so that
-- the catalogue answers; the building (PUE, WUE) stays unless it came from the catalogue itself. Longer or
-- shorter: the same mean power. Another accelerator: as many of them at the same share of their rated power, for
-- as long; where the run names its precision, for as long as the same work takes at the peak of both. What nobody
-- knows of it stays unknown.
CREATE OR REPLACE TEMP TABLE changed AS
WITH peak AS (
    SELECT quantity, subject_key, arg_min(value, factor_id) AS value
    FROM factor
    WHERE starts_with(quantity, 'peak_flops_')
    GROUP BY ALL
),

wanted AS (
    SELECT
        c.copy_id,
        c.run_id,
        c.device_key,
        'peak_flops_'
        || replace(replace(lower(json_extract_string(b.facts, '$.precision')), 'bfloat', 'bf'), 'float', 'fp')
            AS quantity
    FROM change AS c
    INNER JOIN base_run AS b ON c.run_id = b.run_id
    WHERE c.device_key IS NOT NULL
),

work AS (
    SELECT
        w.copy_id,
        CASE
            WHEN any_value(w.quantity) IS NULL THEN 1.0
            ELSE
                as_double(known_sum(exact(d.count * d.share * o.value)))
                / nullif(as_double(known_sum(exact(d.count * d.share * n.value))), 0)
        END AS hours_ratio
    FROM wanted AS w
    INNER JOIN base_device AS d ON w.run_id = d.run_id AND d.component = 'gpu' AND d.origin <> 'log'
    LEFT JOIN peak AS o ON w.quantity = o.quantity AND d.device_key = o.subject_key
    LEFT JOIN peak AS n ON w.quantity = n.quantity AND w.device_key = n.subject_key
    GROUP BY w.copy_id
)

SELECT
    c.*,
    coalesce(c.region <> b.region, c.region IS NOT NULL) AS is_moved,
    coalesce(c.duration_s / b.duration_s, 1.0) * CASE WHEN c.device_key IS NULL THEN 1.0 ELSE w.hours_ratio END
        AS hours_ratio,
    coalesce(c.duration_s, b.duration_s) * CASE WHEN c.device_key IS NULL THEN 1.0 ELSE w.hours_ratio END
        AS new_duration_s,
    coalesce(c.started_at, b.started_at) AS new_started_at
FROM change AS c
INNER JOIN base_run AS b ON c.run_id = b.run_id
LEFT JOIN work AS w ON c.copy_id = w.copy_id;

CREATE OR REPLACE TEMP TABLE run AS
SELECT
    b.* REPLACE (
        c.copy_id AS run_id,
        coalesce(c.region, b.region) AS region,
        c.new_started_at AS started_at,
        CASE
            WHEN (c.started_at IS NULL AND c.hours_ratio = 1) OR c.new_started_at IS NULL THEN b.ended_at
            ELSE make_timestamptz(epoch_us(c.new_started_at) + cast(round(c.new_duration_s * 1000000) AS BIGINT))
        END AS ended_at,
        c.new_duration_s AS duration_s,
        b.device_hours_h * c.hours_ratio AS device_hours_h,
        CASE WHEN NOT (c.is_moved AND list_contains(b.flags, 'CATALOGUE_PUE')) THEN b.pue END AS pue,
        CASE WHEN NOT (c.is_moved AND list_contains(b.flags, 'CATALOGUE_WUE')) THEN b.wue_l_per_kwh END
            AS wue_l_per_kwh,
        CASE WHEN NOT c.is_moved THEN b.intensity_gco2e_per_kwh END AS intensity_gco2e_per_kwh,
        CASE WHEN NOT c.is_moved THEN b.intensity_low_gco2e_per_kwh END AS intensity_low_gco2e_per_kwh,
        CASE WHEN NOT c.is_moved THEN b.intensity_high_gco2e_per_kwh END AS intensity_high_gco2e_per_kwh,
        CASE WHEN NOT c.is_moved THEN b.market_gco2e_per_kwh END AS market_gco2e_per_kwh,
        CASE WHEN NOT c.is_moved THEN b.market_low_gco2e_per_kwh END AS market_low_gco2e_per_kwh,
        CASE WHEN NOT c.is_moved THEN b.market_high_gco2e_per_kwh END AS market_high_gco2e_per_kwh,
        CASE WHEN NOT c.is_moved THEN b.ewif_l_per_kwh END AS ewif_l_per_kwh,
        CASE WHEN NOT c.is_moved THEN b.ewif_low_l_per_kwh END AS ewif_low_l_per_kwh,
        CASE WHEN NOT c.is_moved THEN b.ewif_high_l_per_kwh END AS ewif_high_l_per_kwh,
        CASE WHEN NOT c.is_moved THEN b.tariff_usd_per_kwh END AS tariff_usd_per_kwh,
        CASE WHEN NOT c.is_moved THEN b.tariff_low_usd_per_kwh END AS tariff_low_usd_per_kwh,
        CASE WHEN NOT c.is_moved THEN b.tariff_high_usd_per_kwh END AS tariff_high_usd_per_kwh,
        list_filter(b.flags, LAMBDA x: NOT (c.is_moved AND x = 'UNKNOWN_REGION')) AS flags
    )
FROM base_run AS b
INNER JOIN changed AS c ON b.run_id = c.run_id;

CREATE OR REPLACE TEMP TABLE device AS
WITH rating AS (
    SELECT subject_key, arg_max(value, value) AS power_w FROM factor
    WHERE quantity = 'rated_power'
    GROUP BY ALL
)

SELECT d.* REPLACE (c.copy_id AS run_id)
FROM base_device AS d
INNER JOIN changed AS c ON d.run_id = c.run_id
WHERE c.device_key IS NULL OR d.component <> 'gpu' OR d.origin = 'log'
UNION ALL BY NAME
SELECT
    d.* REPLACE (
        c.copy_id AS run_id,
        c.device AS name,
        c.device_key AS device_key,
        coalesce(d.load, d.average_power_w / coalesce(d.rated_power_w, r.power_w)) AS load,
        CASE
            WHEN d.load IS NULL THEN d.average_power_low_w / coalesce(d.rated_power_w, r.power_w) ELSE d.load_low
        END AS load_low,
        CASE
            WHEN d.load IS NULL THEN d.average_power_high_w / coalesce(d.rated_power_w, r.power_w) ELSE d.load_high
        END AS load_high,
        NULL AS average_power_w,
        NULL AS average_power_low_w,
        NULL AS average_power_high_w,
        NULL AS rated_power_w,
        NULL AS rated_power_low_w,
        NULL AS rated_power_high_w,
        NULL AS embodied_kgco2e,
        NULL AS embodied_low_kgco2e,
        NULL AS embodied_high_kgco2e,
        NULL AS lifetime_h,
        NULL AS lifetime_low_h,
        NULL AS lifetime_high_h,
        NULL AS bill,
        NULL AS serial
    )
FROM base_device AS d
INNER JOIN changed AS c ON d.run_id = c.run_id AND c.device_key IS NOT NULL
LEFT JOIN rating AS r ON d.device_key = r.subject_key
WHERE d.component = 'gpu' AND d.origin <> 'log';

-- Energy that was stated of the whole run goes with its hours; of another accelerator nobody stated any.
CREATE OR REPLACE TEMP TABLE statement AS
SELECT
    s.* REPLACE (
        c.copy_id AS run_id,
        CASE
            WHEN c.hours_ratio = 1 THEN s.energy_kwh ELSE exact(finite(as_double(s.energy_kwh) * c.hours_ratio))
        END AS energy_kwh,
        CASE
            WHEN c.hours_ratio = 1 THEN s.energy_low_kwh
            ELSE exact(finite(as_double(s.energy_low_kwh) * c.hours_ratio))
        END AS energy_low_kwh,
        CASE
            WHEN c.hours_ratio = 1 THEN s.energy_high_kwh
            ELSE exact(finite(as_double(s.energy_high_kwh) * c.hours_ratio))
        END AS energy_high_kwh
    )
FROM base_statement AS s
INNER JOIN changed AS c ON s.run_id = c.run_id
WHERE c.device_key IS NULL OR NOT list_contains(s.covers, 'gpu');

CREATE OR REPLACE TEMP TABLE units AS
SELECT u.* REPLACE (c.copy_id AS run_id)
FROM base_units AS u
INNER JOIN changed AS c ON u.run_id = c.run_id;
