-- emissions.sql: energy, embodied carbon and factors -> one row a run, with every total and its interval.
--
-- reads   run(run_id, region, started_at, ended_at, pue, intensity_gco2e_per_kwh, ...)
--         energy(run_id, answer, method, basis, from_at, to_at, energy_kwh, is_counted, ...)
--         embodied(run_id, embodied_kgco2e, embodied_low_kgco2e, embodied_high_kgco2e, reason, factor_ids)
--         device(run_id, origin, count, share, name)
--         factor(factor_id, quantity, subject, value, low, high, valid_from, method, note)
--         series(zone, hour_at, intensity_gco2e_per_kwh)
-- gives   emissions(run_id, energy_kwh, facility_energy_kwh, operational_kgco2e, embodied_kgco2e, ...)
--
-- Energy is cut where the intensity changes: at the hour where the zone has a series, else at the year.
-- A year without a factor takes the newest earlier one, at most three years back, its interval widened
-- by the zone's largest change from year to year. An hour with energy and no intensity makes the
-- emissions unknown, never partial. Location-based and market-based stand side by side.
WITH one AS (  -- a run_id that two sources claim is an error later; here it must not multiply rows
    SELECT * FROM run
    QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY source) = 1
),

grid AS (
    SELECT
        subject,
        year(valid_from) AS y,
        arg_min(value, factor_id) AS value,
        min(coalesce(low, value)) AS low,
        max(coalesce(high, value)) AS high,
        list(factor_id ORDER BY factor_id) AS factor_ids
    FROM factor
    WHERE quantity = 'grid_intensity' AND method NOT LIKE 'direct%'
    GROUP BY ALL
),

change AS (
    SELECT subject, max(abs(value - before)) AS largest
    FROM (
        SELECT subject, value, lag(value) OVER (PARTITION BY subject ORDER BY y) AS before FROM grid
    )
    GROUP BY ALL
),

country AS (
    SELECT subject, min(note) AS zone FROM factor
    WHERE quantity = 'region_zone'
    GROUP BY ALL
),

-- The zones of a run, best first: as written, then the country of a cloud region.
zone AS (
    SELECT run_id, region AS zone, 0 AS rank FROM one
    WHERE region IS NOT NULL
    UNION ALL
    SELECT o.run_id, c.zone, 1 FROM one AS o INNER JOIN country AS c ON o.region = c.subject
),

hourly_zone AS (SELECT DISTINCT zone FROM series),

settings AS (
    SELECT
        o.run_id,
        coalesce(o.pue, p.value) AS pue,
        CASE WHEN o.pue IS NOT NULL THEN coalesce(o.pue_low, o.pue) ELSE coalesce(p.low, p.value) END AS pue_low,
        CASE WHEN o.pue IS NOT NULL THEN coalesce(o.pue_high, o.pue) ELSE coalesce(p.high, p.value) END AS pue_high,
        CASE WHEN o.pue IS NULL AND p.factor_id IS NOT NULL THEN [p.factor_id] ELSE [] END AS pue_factor_ids,
        z.zone AS series_zone
    FROM one AS o
    LEFT JOIN (
        SELECT
            subject, value, low, high, factor_id
        FROM factor
        WHERE quantity = 'pue'
        QUALIFY row_number() OVER (
            PARTITION BY subject ORDER BY coalesce(valid_from, DATE '0001-01-01') DESC, factor_id ASC
        ) = 1
    ) AS p ON contains(o.region, ':') AND p.subject = split_part(o.region, ':', 1)
    LEFT JOIN (
        SELECT q.run_id, arg_min(q.zone, q.rank) AS zone
        FROM zone AS q
        INNER JOIN hourly_zone AS h ON q.zone = h.zone
        GROUP BY ALL
    ) AS z ON o.run_id = z.run_id AND o.intensity_gco2e_per_kwh IS NULL
),

-- Counted energy in facility terms, summed to one row a run and time; unknown where a part is.
drawn AS (
    SELECT
        e.run_id,
        e.from_at,
        e.to_at,
        s.series_zone,
        known_sum(exact(it_energy_kwh(as_double(e.energy_kwh), e.basis, s.pue))) AS it,
        known_sum(exact(it_energy_kwh(as_double(e.energy_low_kwh), e.basis, s.pue_high))) AS it_low,
        known_sum(exact(it_energy_kwh(as_double(e.energy_high_kwh), e.basis, s.pue_low))) AS it_high,
        known_sum(exact(facility_energy_kwh(as_double(e.energy_kwh), e.basis, s.pue))) AS facility,
        known_sum(exact(facility_energy_kwh(as_double(e.energy_low_kwh), e.basis, s.pue_low))) AS facility_low,
        known_sum(exact(facility_energy_kwh(as_double(e.energy_high_kwh), e.basis, s.pue_high))) AS facility_high
    FROM energy AS e
    INNER JOIN settings AS s ON e.run_id = s.run_id
    -- a device without any reading has no energy of its own: what it may have drawn is in the high end
    WHERE e.is_counted AND (e.energy_kwh IS NOT NULL OR e.method NOT IN ('sampled', 'counter'))
    GROUP BY ALL
    UNION ALL
    SELECT
        e.run_id,
        e.from_at,
        e.to_at,
        s.series_zone,
        0,
        0,
        known_sum(exact(it_energy_kwh(as_double(e.energy_high_kwh), e.basis, s.pue_low))),
        0,
        0,
        known_sum(exact(facility_energy_kwh(as_double(e.energy_high_kwh), e.basis, s.pue_high)))
    FROM energy AS e
    INNER JOIN settings AS s ON e.run_id = s.run_id
    WHERE e.is_counted AND e.energy_kwh IS NULL AND coalesce(e.method, 'sampled') IN ('sampled', 'counter')
    GROUP BY ALL
),

-- One piece a stretch of constant intensity; its share is its part of the row's time.
piece AS (
    SELECT
        run_id, series_zone, y, hour_at, it, facility, facility_low, facility_high,
        CASE
            WHEN from_at IS NULL OR to_at IS NULL OR to_at <= from_at THEN 1.0
            ELSE
                (epoch_us(least(to_at, stop_at)) - epoch_us(greatest(from_at, start_at)))
                / (epoch_us(to_at) - epoch_us(from_at))
        END AS part
    FROM (
        SELECT
            *,
            cast(NULL AS TIMESTAMPTZ) AS hour_at,
            make_timestamptz(y, 1, 1, 0, 0, 0.0, 'UTC') AS start_at,
            make_timestamptz(y + 1, 1, 1, 0, 0, 0.0, 'UTC') AS stop_at
        FROM (
            SELECT
                *,
                unnest(CASE
                    WHEN coalesce(from_at, to_at) IS NULL THEN [cast(NULL AS BIGINT)]
                    ELSE range(
                        year(coalesce(from_at, to_at)),
                        year(coalesce(greatest(from_at, to_at - INTERVAL 1 MICROSECOND), from_at, to_at)) + 1
                    )
                END) AS y
            FROM drawn
            WHERE series_zone IS NULL
        )
        UNION ALL BY NAME
        SELECT
            *,
            year(hour_at) AS y,
            hour_at AS start_at,
            hour_at + INTERVAL 1 HOUR AS stop_at
        FROM (
            SELECT
                *,
                unnest(CASE
                    WHEN coalesce(from_at, to_at) IS NULL THEN [cast(NULL AS TIMESTAMPTZ)]
                    ELSE generate_series(
                        date_trunc('hour', coalesce(from_at, to_at)),
                        coalesce(greatest(from_at, to_at - INTERVAL 1 MICROSECOND), from_at, to_at),
                        INTERVAL 1 HOUR
                    )
                END) AS hour_at
            FROM drawn
            WHERE series_zone IS NOT NULL
        )
    )
),

needed AS (
    SELECT DISTINCT p.run_id, p.y
    FROM piece AS p
    WHERE p.series_zone IS NULL AND p.y IS NOT NULL
),

-- The factor of a run's year: the best zone that has one, its newest year at most three back.
yearly AS (
    SELECT
        n.run_id,
        n.y,
        g.value,
        greatest(g.low - CASE WHEN n.y > g.y THEN coalesce(c.largest, 0) ELSE 0 END, 0) AS low,
        g.high + CASE WHEN n.y > g.y THEN coalesce(c.largest, 0) ELSE 0 END AS high,
        n.y - g.y AS age_y,
        g.factor_ids
    FROM needed AS n
    INNER JOIN zone AS z ON n.run_id = z.run_id
    INNER JOIN grid AS g ON z.zone = g.subject AND g.y BETWEEN n.y - 3 AND n.y
    LEFT JOIN change AS c ON g.subject = c.subject
    QUALIFY row_number() OVER (PARTITION BY n.run_id, n.y ORDER BY z.rank ASC, g.y DESC) = 1
),

priced AS (
    SELECT
        p.run_id,
        as_double(p.facility) * p.part AS facility,
        as_double(p.facility_low) * p.part AS facility_low,
        as_double(p.facility_high) * p.part AS facility_high,
        coalesce(o.intensity_gco2e_per_kwh, h.intensity_gco2e_per_kwh, g.value) AS i,
        coalesce(
            o.intensity_low_gco2e_per_kwh, o.intensity_gco2e_per_kwh, h.intensity_gco2e_per_kwh, g.low
        ) AS i_low,
        coalesce(
            o.intensity_high_gco2e_per_kwh, o.intensity_gco2e_per_kwh, h.intensity_gco2e_per_kwh, g.high
        ) AS i_high,
        CASE WHEN o.intensity_gco2e_per_kwh IS NULL THEN g.age_y END AS age_y,
        CASE WHEN o.intensity_gco2e_per_kwh IS NULL THEN g.factor_ids END AS factor_ids
    FROM piece AS p
    INNER JOIN one AS o ON p.run_id = o.run_id
    LEFT JOIN series AS h ON p.series_zone = h.zone AND p.hour_at = h.hour_at
    LEFT JOIN yearly AS g ON p.run_id = g.run_id AND p.y = g.y AND p.series_zone IS NULL
),

operational AS (
    SELECT
        run_id,
        known_sum(exact(operational_kgco2e(facility, i))) AS value,
        known_sum(exact(operational_kgco2e(facility_low, i_low))) AS low,
        known_sum(exact(operational_kgco2e(facility_high, i_high))) AS high,
        count(*) FILTER (WHERE i IS NULL) > 0 AS lacks_intensity,
        max(age_y) AS factor_age_y,
        list_sort(list_distinct(flatten(list(coalesce(factor_ids, []))))) AS factor_ids
    FROM priced
    GROUP BY ALL
),

used AS (
    SELECT
        run_id,
        known_sum(it) AS it,
        known_sum(it_low) AS it_low,
        known_sum(it_high) AS it_high,
        known_sum(facility) AS facility,
        known_sum(facility_low) AS facility_low,
        known_sum(facility_high) AS facility_high
    FROM drawn
    GROUP BY ALL
),

-- Each gives what the run's energy is made of; the worst method decides.
making AS (
    SELECT
        run_id,
        max(CASE method
            WHEN 'counter' THEN 0 WHEN 'sampled' THEN 1 WHEN 'imported' THEN 2 WHEN 'modelled' THEN 3 ELSE 4
        END) FILTER (WHERE is_counted AND energy_kwh IS NOT NULL) AS worst,
        -- DECIMAL sums: a sum of DOUBLE would depend on the order of rows
        coverage_ratio(
            as_double(sum(exact(covered_s)) FILTER (WHERE is_counted)),
            as_double(sum(exact(uncovered_s)) FILTER (WHERE is_counted))
        ) AS coverage,
        list_sort(list_distinct(flatten(list(covers) FILTER (WHERE is_counted AND energy_kwh IS NOT NULL)))) AS parts,
        list_sort(list_distinct(flatten(list(factor_ids) FILTER (WHERE is_counted)))) AS factor_ids,
        bool_or(is_counted AND energy_kwh IS NOT NULL AND basis IS NULL) AS lacks_basis,
        bool_or(
            is_counted AND energy_kwh IS NOT NULL AND method IN ('imported', 'declared')
            AND energy_low_kwh = energy_high_kwh AND energy_kwh > 0
        ) AS lacks_interval,
        bool_or(is_counted AND energy_high_kwh IS NULL) AS lacks_bound,
        coalesce(sum(gaps) FILTER (WHERE is_counted), 0) AS gaps,
        coalesce(sum(resets) FILTER (WHERE is_counted), 0) AS resets,
        count(DISTINCT answer) FILTER (WHERE is_counted AND energy_kwh IS NULL) AS dark_devices,
        count(DISTINCT file) FILTER (WHERE is_counted AND origin = 'log' AND method = 'imported') AS tools
    FROM energy
    GROUP BY ALL
),

built AS (
    SELECT
        run_id,
        known_sum(embodied_kgco2e) AS value,
        known_sum(embodied_low_kgco2e) AS low,
        known_sum(embodied_high_kgco2e) AS high,
        min(reason) AS reason,
        bool_or(inside IS NOT NULL) AS has_inside,
        list_sort(list_distinct(flatten(list(factor_ids)))) AS factor_ids
    FROM embodied
    GROUP BY ALL
),

hours AS (
    SELECT
        d.run_id,
        coalesce(
            any_value(o.device_hours_h),
            as_double(sum(exact(d.count * d.share))) * any_value(o.duration_s) / 3600.0
        ) AS hours_h,
        list_sort(list_distinct(list(d.name) FILTER (WHERE d.name IS NOT NULL))) AS hardware
    FROM device AS d
    INNER JOIN one AS o ON d.run_id = o.run_id
    WHERE d.is_embodied
    GROUP BY ALL
),

total AS (
    SELECT
        o.*,
        s.pue AS pue_used,
        s.pue_low AS pue_used_low,
        s.pue_high AS pue_used_high,
        CASE WHEN m.lacks_basis THEN NULL ELSE u.it END AS it,
        CASE WHEN m.lacks_basis THEN NULL ELSE u.it_low END AS it_low,
        CASE WHEN m.lacks_basis THEN NULL ELSE u.it_high END AS it_high,
        CASE WHEN m.lacks_basis THEN NULL ELSE u.facility END AS fe,
        CASE WHEN m.lacks_basis THEN NULL ELSE u.facility_low END AS fe_low,
        CASE WHEN m.lacks_basis THEN NULL ELSE u.facility_high END AS fe_high,
        p.value AS op,
        p.low AS op_low,
        p.high AS op_high,
        p.factor_age_y,
        exact(finite(operational_kgco2e(as_double(u.facility), o.market_gco2e_per_kwh))) AS mkt,
        exact(finite(operational_kgco2e(
            as_double(u.facility_low), coalesce(o.market_low_gco2e_per_kwh, o.market_gco2e_per_kwh)
        ))) AS mkt_low,
        exact(finite(operational_kgco2e(
            as_double(u.facility_high), coalesce(o.market_high_gco2e_per_kwh, o.market_gco2e_per_kwh)
        ))) AS mkt_high,
        b.value AS em,
        b.low AS em_low,
        b.high AS em_high,
        b.reason AS em_reason,
        b.has_inside,
        h.hours_h,
        h.hardware,
        m.* EXCLUDE (run_id, factor_ids),
        p.lacks_intensity,
        list_sort(list_distinct(list_concat(
            list_concat(m.factor_ids, s.pue_factor_ids), list_concat(p.factor_ids, b.factor_ids)
        ))) AS factor_ids,
        coalesce(g.low, 0) AS region_low,
        g.high AS region_high
    FROM one AS o
    INNER JOIN settings AS s ON o.run_id = s.run_id
    LEFT JOIN used AS u ON o.run_id = u.run_id
    LEFT JOIN operational AS p ON o.run_id = p.run_id
    LEFT JOIN built AS b ON o.run_id = b.run_id
    LEFT JOIN making AS m ON o.run_id = m.run_id
    LEFT JOIN hours AS h ON o.run_id = h.run_id
    LEFT JOIN (
        SELECT z.run_id, min(q.low) AS low, max(q.high) AS high
        FROM zone AS z
        INNER JOIN one AS w ON z.run_id = w.run_id
        INNER JOIN grid AS q
            ON
                z.zone = q.subject
                AND q.y BETWEEN year(coalesce(w.ended_at, w.started_at))
                - 3 AND year(coalesce(w.ended_at, w.started_at))
        GROUP BY ALL
    ) AS g ON o.run_id = g.run_id
),

-- Grams per kWh that the result, or what the log itself reports, implies for the grid.
implied AS (
    SELECT
        run_id,
        unnest([
            as_double(op) * 1000 / nullif(as_double(fe), 0),
            reported_kgco2e * 1000 / nullif(as_double(it), 0)
        ]) AS g,
        region_low,
        region_high
    FROM total
),

implausible AS (
    SELECT DISTINCT run_id
    FROM implied
    WHERE g > 1500 OR CASE
        WHEN region_high IS NULL THEN g < 5
        ELSE g < region_low / 3 OR g > region_high * 3
    END
)

SELECT
    t.run_id,
    t.source,
    t.where_file,
    t.where_line,
    t.project,
    t.team,
    t.model,
    t.kind,
    t.parent,
    t.status,
    t.site,
    t.region,
    t.started_at,
    t.ended_at,
    t.duration_s,
    t.facts,
    coalesce(t.hardware, []) AS hardware,
    t.hours_h AS device_hours_h,
    t.pue_used AS pue,
    t.it AS energy_kwh,
    t.it_low AS energy_kwh_low,
    t.it_high AS energy_kwh_high,
    t.fe AS facility_energy_kwh,
    t.fe_low AS facility_energy_kwh_low,
    t.fe_high AS facility_energy_kwh_high,
    finite(as_double(t.op) * 1000 / nullif(as_double(t.fe), 0)) AS intensity_gco2e_per_kwh,
    t.factor_age_y,
    CASE WHEN t.fe IS NOT NULL THEN t.op END AS operational_kgco2e,
    CASE WHEN t.fe IS NOT NULL THEN t.op_low END AS operational_kgco2e_low,
    CASE WHEN t.fe IS NOT NULL THEN t.op_high END AS operational_kgco2e_high,
    CASE WHEN t.fe IS NOT NULL THEN t.mkt END AS operational_market_kgco2e,
    CASE WHEN t.fe IS NOT NULL THEN t.mkt_low END AS operational_market_kgco2e_low,
    CASE WHEN t.fe IS NOT NULL THEN t.mkt_high END AS operational_market_kgco2e_high,
    t.em AS embodied_kgco2e,
    t.em_low AS embodied_kgco2e_low,
    t.em_high AS embodied_kgco2e_high,
    CASE WHEN t.fe IS NOT NULL THEN emissions_kgco2e(t.op, t.em) END AS emissions_kgco2e,
    CASE WHEN t.fe IS NOT NULL THEN emissions_kgco2e(t.op_low, t.em_low) END AS emissions_kgco2e_low,
    CASE WHEN t.fe IS NOT NULL THEN emissions_kgco2e(t.op_high, t.em_high) END AS emissions_kgco2e_high,
    exact(finite(water_onsite_l(as_double(t.it), t.wue_l_per_kwh))) AS water_onsite_l,
    exact(finite(water_onsite_l(as_double(t.it_low), coalesce(t.wue_low_l_per_kwh, t.wue_l_per_kwh))))
        AS water_onsite_l_low,
    exact(finite(water_onsite_l(as_double(t.it_high), coalesce(t.wue_high_l_per_kwh, t.wue_l_per_kwh))))
        AS water_onsite_l_high,
    exact(finite(water_offsite_l(as_double(t.fe), t.ewif_l_per_kwh))) AS water_offsite_l,
    exact(finite(water_offsite_l(as_double(t.fe_low), coalesce(t.ewif_low_l_per_kwh, t.ewif_l_per_kwh))))
        AS water_offsite_l_low,
    exact(finite(water_offsite_l(as_double(t.fe_high), coalesce(t.ewif_high_l_per_kwh, t.ewif_l_per_kwh))))
        AS water_offsite_l_high,
    water_onsite_l + water_offsite_l AS water_l,
    water_onsite_l_low + water_offsite_l_low AS water_l_low,
    water_onsite_l_high + water_offsite_l_high AS water_l_high,
    exact(finite(cost_usd(t.hours_h, t.device_hour_usd, as_double(t.fe), t.tariff_usd_per_kwh))) AS cost_usd,
    exact(finite(cost_usd(
        t.hours_h, coalesce(t.device_hour_low_usd, t.device_hour_usd), as_double(t.fe_low),
        coalesce(t.tariff_low_usd_per_kwh, t.tariff_usd_per_kwh)
    ))) AS cost_usd_low,
    exact(finite(cost_usd(
        t.hours_h, coalesce(t.device_hour_high_usd, t.device_hour_usd), as_double(t.fe_high),
        coalesce(t.tariff_high_usd_per_kwh, t.tariff_usd_per_kwh)
    ))) AS cost_usd_high,
    t.coverage AS coverage_ratio,
    CASE
        WHEN t.it IS NOT NULL OR t.fe IS NOT NULL
            THEN ['counter', 'sampled', 'imported', 'modelled', 'declared'][t.worst + 1]
    END AS method,
    CASE
        WHEN t.it IS NOT NULL OR t.fe IS NOT NULL
            THEN ['measured', 'measured', 'imported', 'modelled', 'declared'][t.worst + 1]
    END AS quality_tier,
    CASE WHEN len(t.parts) > 0 THEN array_to_string(t.parts, '+') END AS scope,
    t.reported_kgco2e,
    list_sort(list_distinct(list_concat(t.reasons, list_filter([
        CASE WHEN t.worst IS NULL AND t.logs > 0 THEN 'NO_SAMPLES' END,
        CASE WHEN t.worst IS NULL AND t.logs = 0 THEN 'MISSING_FIELD' END,
        CASE WHEN t.lacks_basis THEN 'MISSING_FIELD' END,
        CASE
            WHEN
                t.worst IS NOT NULL AND t.pue_used IS NULL AND NOT coalesce(t.lacks_basis, FALSE)
                AND (t.fe IS NULL OR t.it IS NULL) THEN 'NO_PUE'
        END,
        CASE WHEN t.lacks_intensity AND t.region IS NULL THEN 'MISSING_FIELD' END,
        CASE
            WHEN t.lacks_intensity AND t.region IS NOT NULL AND coalesce(t.started_at, t.ended_at) IS NULL
                THEN 'MISSING_FIELD'
        END,
        CASE
            WHEN t.lacks_intensity AND t.region IS NOT NULL AND coalesce(t.started_at, t.ended_at) IS NOT NULL
                THEN 'NO_FACTOR'
        END,
        CASE WHEN t.em IS NULL THEN coalesce(t.em_reason, 'NO_HARDWARE') END
    ], LAMBDA x: x IS NOT NULL)))) AS unknown_reasons,
    list_sort(list_distinct(list_concat(t.flags, list_filter([
        CASE WHEN t.lacks_interval THEN 'NO_INTERVAL' END,
        CASE WHEN t.lacks_bound AND t.worst IS NOT NULL THEN 'NO_UPPER_BOUND' END,
        CASE WHEN t.gaps > 0 THEN 'GAPS' END,
        CASE WHEN t.resets > 0 THEN 'COUNTER_RESET' END,
        CASE WHEN t.dark_devices > 0 AND t.worst IS NOT NULL THEN 'DEVICE_WITHOUT_SAMPLES' END,
        CASE WHEN t.tools > 1 THEN 'SEVERAL_TOOLS' END,
        CASE WHEN t.has_inside THEN 'INSIDE_HOST' END,
        CASE WHEN t.factor_age_y > 0 THEN 'AGED_FACTOR' END,
        CASE WHEN i.run_id IS NOT NULL THEN 'IMPLAUSIBLE_INTENSITY' END,
        -- a figure that does not follow from the energy and the factor stated beside it
        CASE
            WHEN t.intensity_gco2e_per_kwh IS NOT NULL
                AND abs(t.reported_kgco2e - as_double(t.op)) > 0.05 * as_double(t.op)
                AND abs(t.reported_kgco2e - as_double(t.op + coalesce(t.em, 0)))
                > 0.05 * as_double(t.op + coalesce(t.em, 0))
                THEN 'REPORTED_DISAGREES'
        END
    ], LAMBDA x: x IS NOT NULL)))) AS flags,
    coalesce(t.factor_ids, []) AS factor_ids,
    t.error
FROM total AS t
LEFT JOIN implausible AS i ON t.run_id = i.run_id
ORDER BY t.run_id
