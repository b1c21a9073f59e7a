-- again.sql: facts of the store -> rows of ingest that give the same figures, so that a run can be priced changed.
--
-- reads   sought(run_id); current_run, energy, embodied, functional_unit: the store
-- gives   again_run, again_device, again_statement, again_units: the columns of ingest that are known again
--
-- The rates are those that the figures imply: grams for a kWh, PUE, litres, tariff, each with its ends. Energy that the
-- accelerators of a run used is the power that each of them drew; other energy is a statement. What was embodied is
-- what one device embodies over the lifetime that was used. Whoever prices these rows compares the figures first:
-- where they are not those of the run (of a device without readings, say), nothing can be said of a change.
CREATE OR REPLACE TEMP TABLE again_run AS
SELECT
    run_id, source, where_file, where_line, project, team, model, kind, parent, status, site, region, started_at,
    ended_at, duration_s, facts, flags, pue,
    least(coalesce(f_low / nullif(e_low, 0), pue), coalesce(f_high / nullif(e_high, 0), pue)) AS pue_low,
    greatest(coalesce(f_low / nullif(e_low, 0), pue), coalesce(f_high / nullif(e_high, 0), pue)) AS pue_high,
    as_double(operational_kgco2e) * 1000 / nullif(f, 0) AS intensity_gco2e_per_kwh,
    as_double(operational_kgco2e_low) * 1000 / nullif(f_low, 0) AS intensity_low_gco2e_per_kwh,
    as_double(operational_kgco2e_high) * 1000 / nullif(f_high, 0) AS intensity_high_gco2e_per_kwh,
    as_double(operational_market_kgco2e) * 1000 / nullif(f, 0) AS market_gco2e_per_kwh,
    as_double(operational_market_kgco2e_low) * 1000 / nullif(f_low, 0) AS market_low_gco2e_per_kwh,
    as_double(operational_market_kgco2e_high) * 1000 / nullif(f_high, 0) AS market_high_gco2e_per_kwh,
    as_double(water_onsite_l) / nullif(e, 0) AS wue_l_per_kwh,
    as_double(water_onsite_l_low) / nullif(e_low, 0) AS wue_low_l_per_kwh,
    as_double(water_onsite_l_high) / nullif(e_high, 0) AS wue_high_l_per_kwh,
    as_double(water_offsite_l) / nullif(f, 0) AS ewif_l_per_kwh,
    as_double(water_offsite_l_low) / nullif(f_low, 0) AS ewif_low_l_per_kwh,
    as_double(water_offsite_l_high) / nullif(f_high, 0) AS ewif_high_l_per_kwh,
    as_double(cost_usd) / nullif(f, 0) AS tariff_usd_per_kwh,
    as_double(cost_usd_low) / nullif(f_low, 0) AS tariff_low_usd_per_kwh,
    as_double(cost_usd_high) / nullif(f_high, 0) AS tariff_high_usd_per_kwh,
    0 AS logs,
    cast([] AS VARCHAR[]) AS reasons
FROM (
    SELECT
        r.*,
        as_double(r.energy_kwh) AS e,
        as_double(r.energy_kwh_low) AS e_low,
        as_double(r.energy_kwh_high) AS e_high,
        as_double(r.facility_energy_kwh) AS f,
        as_double(r.facility_energy_kwh_low) AS f_low,
        as_double(r.facility_energy_kwh_high) AS f_high
    FROM current_run AS r
    INNER JOIN sought AS s ON r.run_id = s.run_id
);

CREATE OR REPLACE TEMP TABLE again_answer AS
WITH counted AS (
    SELECT e.*, d.device_id
    FROM energy AS e
    INNER JOIN newest_run AS r ON e.seq = r.seq
    INNER JOIN sought AS s ON e.run_id = s.run_id
    LEFT JOIN embodied AS d
        ON
            e.seq = d.seq AND d.component = 'gpu' AND e.covers = ['gpu'] AND e.basis = 'device'
            AND (e.answer = d.device_id OR starts_with(e.answer, d.device_id || '/'))
    WHERE e.is_counted AND e.energy_kwh IS NOT NULL
)

SELECT
    c.*,
    -- either all that accelerators used is known of each of them, or none of it
    coalesce(c.device_id IS NOT NULL AND a.is_whole AND r.duration_s > 0, FALSE) AS is_of_device
FROM counted AS c
INNER JOIN newest_run AS r ON c.seq = r.seq
INNER JOIN (
    SELECT run_id, bool_and(device_id IS NOT NULL OR NOT list_contains(covers, 'gpu')) AS is_whole FROM counted
    GROUP BY ALL
) AS a ON c.run_id = a.run_id;

CREATE OR REPLACE TEMP TABLE again_statement AS
SELECT
    run_id,
    concat_ws('/', answer, method, basis) AS answer,
    'energy' AS origin,
    method, covers, basis, energy_kwh, energy_low_kwh, energy_high_kwh, file, line
FROM again_answer
WHERE NOT is_of_device;

CREATE OR REPLACE TEMP TABLE again_device AS
SELECT
    d.run_id, d.device_id, d.component, d.name, d.file, d.line, d.count, d.share, d.lifetime_h, d.utilisation,
    'hardware' AS origin,
    TRUE AS is_embodied,
    p.value * 3.6e6 / (d.count * d.share * r.duration_s) AS average_power_w,
    p.low * 3.6e6 / (d.count * d.share * r.duration_s) AS average_power_low_w,
    p.high * 3.6e6 / (d.count * d.share * r.duration_s) AS average_power_high_w,
    as_double(d.embodied_kgco2e) * d.lifetime_h * d.utilisation * 3600.0 / (d.count * d.share * r.duration_s)
        AS embodied_kgco2e,
    as_double(d.embodied_low_kgco2e) * d.lifetime_h * d.utilisation * 3600.0 / (d.count * d.share * r.duration_s)
        AS embodied_low_kgco2e,
    as_double(d.embodied_high_kgco2e) * d.lifetime_h * d.utilisation * 3600.0 / (d.count * d.share * r.duration_s)
        AS embodied_high_kgco2e
FROM embodied AS d
INNER JOIN newest_run AS r ON d.seq = r.seq AND r.duration_s > 0
INNER JOIN sought AS s ON d.run_id = s.run_id
LEFT JOIN (
    SELECT
        run_id,
        device_id,
        as_double(sum(energy_kwh)) AS value,
        as_double(sum(energy_low_kwh)) AS low,
        as_double(known_sum(energy_high_kwh)) AS high
    FROM again_answer
    WHERE is_of_device
    GROUP BY ALL
) AS p ON d.run_id = p.run_id AND d.device_id = p.device_id
WHERE d.count > 0 AND d.share > 0;

CREATE OR REPLACE TEMP TABLE again_units AS
SELECT u.run_id, u.unit, u.amount
FROM functional_unit AS u
INNER JOIN newest_run AS r ON u.seq = r.seq
INNER JOIN sought AS s ON u.run_id = s.run_id;
