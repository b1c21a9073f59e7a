-- emissions.sql: energy, embodied carbon and factors -> one row a run, with every total and its interval.
--
-- reads   run(run_id, region, site, started_at, ended_at, pue, intensity_gco2e_per_kwh, ...)
--         energy(run_id, answer, origin, method, basis, from_at, to_at, energy_kwh, is_counted, ...)
--         embodied(run_id, embodied_kgco2e, embodied_low_kgco2e, embodied_high_kgco2e, reason, factor_ids)
--         device(run_id, component, device_key, origin, file, count, share, rated_power_w, name)
--         factor(factor_id, quantity, subject, subject_key, value, low, high, valid_from, valid_to, method, note)
--         series(zone, hour_at, intensity_gco2e_per_kwh)
--         instrument(instrument_id, zone, site, from_at, to_at, quantity_kwh, intensity_gco2e_per_kwh, ...)
-- gives   emissions(run_id, energy_kwh, facility_energy_kwh, operational_kgco2e, embodied_kgco2e, ...)
--
-- Energy is cut where the intensity changes: at the hour where the zone has a series, else at the year.
-- A year without a factor takes the newest earlier one, at most three years back, its interval widened
-- by the zone's largest change from year to year. An hour with energy and no intensity makes the
-- emissions unknown, never partial. Location-based and market-based stand side by side.
--
-- PUE, water, tariff and market-based intensity that nobody declared come from the factors of the region, else of
-- its provider, else of its country: each use is a flag. Market-based, instruments (certificates, purchase
-- agreements) are spread over the runs of their market and vintage by the facility energy of each, and never cover
-- more than was used; what they leave has the market-based intensity. Their amounts are whole billionths of a
-- watt-hour: no sum of parts exceeds its whole.
WITH RECURSIVE one AS (  -- a run_id that two sources claim is an error later; here it must not multiply rows
    SELECT
        *,
        -- the year that a factor of the whole run is of: that of its last moment
        year(coalesce(greatest(started_at, ended_at - INTERVAL 1 MICROSECOND), started_at, ended_at)) AS run_y
    FROM run
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

-- The zones of a region, best first: as written, then the country of a cloud region.
zone AS (
    SELECT DISTINCT region, region AS zone, 0 AS rank FROM one
    WHERE region IS NOT NULL
    UNION ALL
    SELECT DISTINCT o.region, c.zone, 1 FROM one AS o INNER JOIN country AS c ON o.region = c.subject
),

hourly_zone AS (SELECT DISTINCT zone FROM series),

-- Whom a factor can be about, best first: the region as written, its provider, its country.
about AS (
    SELECT DISTINCT region, region AS subject, 0 AS rank FROM one
    WHERE region IS NOT NULL
    UNION ALL
    SELECT DISTINCT region, split_part(region, ':', 1), 1 FROM one
    WHERE contains(region, ':')
    UNION ALL
    SELECT DISTINCT o.region, c.zone, 2 FROM one AS o INNER JOIN country AS c ON o.region = c.subject
    UNION ALL
    SELECT DISTINCT region, left(region, 2), 2 FROM one
    WHERE regexp_matches(region, '^[A-Z]{2}-')
),

year_of_use AS (
    SELECT unnest(range(first_y, last_y + 1)) AS y
    FROM (
        SELECT
            least(min(year(from_at)), (SELECT min(run_y) FROM one)) AS first_y,
            greatest(max(year(to_at)), (SELECT max(run_y) FROM one)) AS last_y
        FROM energy
    )
    UNION ALL
    SELECT NULL
),

-- One row a region, year and quantity: the newest factor of the best subject that holds then, or held before. A tariff
-- and a market-based intensity may be three years old, the others of any age. A run of no known year takes only what
-- has no date.
rate AS (
    SELECT
        a.region,
        w.y,
        f.quantity,
        {
            'value': f.value,
            'low': coalesce(f.low, f.value),
            'high': coalesce(f.high, f.value),
            'factor_ids': [f.factor_id],
            'is_aged': coalesce(w.y > year(f.valid_to), FALSE)
        } AS rate
    FROM about AS a
    INNER JOIN factor AS f ON a.subject = f.subject
    CROSS JOIN year_of_use AS w
    WHERE
        f.quantity IN ('pue', 'wue', 'ewif', 'tariff', 'market_intensity')
        AND (f.valid_from IS NULL OR year(f.valid_from) <= w.y)
        AND (f.quantity IN ('pue', 'wue', 'ewif') OR coalesce(w.y - year(f.valid_to), 0) <= 3)
    QUALIFY row_number() OVER (
        PARTITION BY a.region, w.y, f.quantity
        ORDER BY a.rank ASC, coalesce(f.valid_from, DATE '0001-01-01') DESC, f.factor_id ASC
    ) = 1
),

rates AS (
    SELECT
        region,
        y,
        any_value(rate) FILTER (WHERE quantity = 'pue') AS pue,
        any_value(rate) FILTER (WHERE quantity = 'wue') AS wue,
        any_value(rate) FILTER (WHERE quantity = 'ewif') AS ewif,
        any_value(rate) FILTER (WHERE quantity = 'tariff') AS tariff,
        any_value(rate) FILTER (WHERE quantity = 'market_intensity') AS mix
    FROM rate
    GROUP BY ALL
),

settings AS (
    SELECT
        o.run_id,
        coalesce(o.pue, r.pue['value']) AS pue,
        CASE WHEN o.pue IS NULL THEN r.pue['low'] ELSE coalesce(o.pue_low, o.pue) END AS pue_low,
        CASE WHEN o.pue IS NULL THEN r.pue['high'] ELSE coalesce(o.pue_high, o.pue) END AS pue_high,
        coalesce(o.wue_l_per_kwh, r.wue['value']) AS wue,
        CASE
            WHEN o.wue_l_per_kwh IS NULL THEN r.wue['low'] ELSE coalesce(o.wue_low_l_per_kwh, o.wue_l_per_kwh)
        END AS wue_low,
        CASE
            WHEN o.wue_l_per_kwh IS NULL THEN r.wue['high'] ELSE coalesce(o.wue_high_l_per_kwh, o.wue_l_per_kwh)
        END AS wue_high,
        CASE WHEN o.pue IS NULL THEN r.pue['factor_ids'] END AS pue_factor_ids,
        CASE WHEN o.wue_l_per_kwh IS NULL THEN r.wue['factor_ids'] END AS wue_factor_ids,
        coalesce(o.pue IS NULL AND r.pue['is_aged'], FALSE)
        OR coalesce(o.wue_l_per_kwh IS NULL AND r.wue['is_aged'], FALSE) AS is_aged,
        z.zone AS series_zone
    FROM one AS o
    LEFT JOIN rates AS r ON o.region = r.region AND o.run_y IS NOT DISTINCT FROM r.y
    LEFT JOIN (
        SELECT q.region, arg_min(q.zone, q.rank) AS zone
        FROM zone AS q
        INNER JOIN hourly_zone AS h ON q.zone = h.zone
        GROUP BY ALL
    ) AS z ON o.region = z.region AND o.intensity_gco2e_per_kwh IS NULL
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

-- The factor of a region's year: the best zone that has one, its newest year at most three back.
yearly AS (
    SELECT
        z.region,
        n.y,
        g.value,
        greatest(g.low - CASE WHEN n.y > g.y THEN coalesce(c.largest, 0) ELSE 0 END, 0) AS low,
        g.high + CASE WHEN n.y > g.y THEN coalesce(c.largest, 0) ELSE 0 END AS high,
        n.y - g.y AS age_y,
        g.factor_ids,
        -- what any zone of the region had in those years, to tell a slip of the unit
        min(g.low) OVER (PARTITION BY z.region, n.y) AS least,
        max(g.high) OVER (PARTITION BY z.region, n.y) AS most
    FROM zone AS z
    INNER JOIN grid AS g ON z.zone = g.subject
    INNER JOIN year_of_use AS n ON g.y BETWEEN n.y - 3 AND n.y
    LEFT JOIN change AS c ON g.subject = c.subject
    QUALIFY row_number() OVER (PARTITION BY z.region, n.y ORDER BY z.rank ASC, g.y DESC) = 1
),

priced AS (
    SELECT
        p.run_id,
        p.y,
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
    LEFT JOIN yearly AS g ON o.region = g.region AND p.y = g.y AND p.series_zone IS NULL
),

-- A run's year: within it, every rate but an hourly intensity is one.
annual AS (
    SELECT
        run_id,
        y,
        known_sum(exact(facility)) AS facility,
        known_sum(exact(facility_low)) AS facility_low,
        known_sum(exact(facility_high)) AS facility_high,
        known_sum(exact(operational_kgco2e(facility, i))) AS op,
        known_sum(exact(operational_kgco2e(facility_low, i_low))) AS op_low,
        known_sum(exact(operational_kgco2e(facility_high, i_high))) AS op_high,
        count(*) FILTER (WHERE i IS NULL) > 0 AS lacks_intensity,
        any_value(age_y) AS age_y,
        any_value(factor_ids) AS factor_ids
    FROM priced
    GROUP BY ALL
),

-- Instruments, in the order that they are used in: those of a site before those of a zone, short vintages before long.
lot AS (
    SELECT
        *,
        -- whole billionths of a Wh, rounded down: by the text, for a product of doubles may round up
        cast(replace(cast(places AS VARCHAR), '.', '') AS HUGEINT)
        - cast(places > exact(quantity_kwh) AS INTEGER) AS quantity,
        row_number() OVER (ORDER BY site IS NULL, to_at - from_at, from_at, instrument_id) AS k
    FROM (SELECT *, try_cast(cast(quantity_kwh AS VARCHAR) AS DECIMAL(38, 12)) AS places FROM instrument)
),

-- Stretches of time in which no vintage begins or ends, each within a year.
slot AS (
    SELECT
        edge_at AS start_at,
        lead(edge_at) OVER (ORDER BY edge_at) AS stop_at
    FROM (
        SELECT from_at AS edge_at FROM lot
        UNION
        SELECT to_at FROM lot
        UNION
        SELECT make_timestamptz(unnest(range(year(min(from_at)) + 1, year(max(to_at)) + 1)), 1, 1, 0, 0, 0.0, 'UTC')
        FROM lot
    )
    QUALIFY stop_at IS NOT NULL
),

-- What each run drew in each stretch.
demand AS (
    SELECT
        d.run_id,
        d.start_at,
        o.site,
        list_distinct([o.region] || coalesce(any_value(z.zones), [])) AS zones,
        floor(as_double(known_sum(exact(d.facility * d.part))) * 1e12) AS drawn,
        floor(as_double(known_sum(exact(d.facility_low * d.part))) * 1e12) AS drawn_low,
        floor(as_double(known_sum(exact(d.facility_high * d.part))) * 1e12) AS drawn_high
    FROM (
        SELECT
            t.run_id,
            e.start_at,
            as_double(t.facility) AS facility,
            as_double(t.facility_low) AS facility_low,
            as_double(t.facility_high) AS facility_high,
            CASE
                WHEN t.stop_at <= t.start_at THEN 1.0
                ELSE
                    (epoch_us(least(t.stop_at, e.stop_at)) - epoch_us(greatest(t.start_at, e.start_at)))
                    / (epoch_us(t.stop_at) - epoch_us(t.start_at))
            END AS part
        FROM (
            SELECT *, coalesce(from_at, to_at) AS start_at, coalesce(to_at, from_at) AS stop_at FROM drawn
        ) AS t
        INNER JOIN slot AS e
            ON
                t.start_at < e.stop_at
                AND (t.stop_at > e.start_at OR (t.stop_at <= t.start_at AND t.start_at >= e.start_at))
    ) AS d
    INNER JOIN one AS o ON d.run_id = o.run_id AND o.error IS NULL AND o.status IS DISTINCT FROM 'planned'
    LEFT JOIN (
        SELECT region, list(subject) AS zones FROM about
        WHERE rank = 2
        GROUP BY ALL
    ) AS z ON o.region = z.region
    GROUP BY d.run_id, d.start_at, o.site, o.region
    HAVING drawn < 1e25  -- beyond it (ten times what the world uses in a year) products would not fit
),

-- One step an instrument: of what is still uncovered in its market and vintage it takes the same share of each run.
cover AS (
    SELECT
        cast(0 AS BIGINT) AS k,
        run_id, start_at, site, zones,
        cast(drawn AS HUGEINT) AS drawn,
        cast(drawn AS HUGEINT) AS rest,
        cast(drawn_low AS HUGEINT) AS rest_low,
        cast(CASE WHEN drawn_high < 1e25 THEN drawn_high END AS HUGEINT) AS rest_high,
        FALSE AS is_covered,
        cast(0 AS HUGEINT) AS taken,
        cast(0 AS HUGEINT) AS taken_low,
        cast(0 AS HUGEINT) AS taken_high
    FROM demand
    UNION ALL
    SELECT
        k, run_id, start_at, site, zones, drawn,
        rest - taken,
        rest_low - taken_low,
        rest_high - taken_high,
        is_covered, taken, taken_low, taken_high
    FROM (
        SELECT
            k, run_id, start_at, site, zones, drawn, rest, rest_low, rest_high, is_covered,
            CASE WHEN is_covered THEN part_of(rest, quantity, wanted) ELSE 0 END AS taken,
            CASE WHEN is_covered THEN part_of(rest_low, quantity, wanted_low) ELSE 0 END AS taken_low,
            -- where a run may have used any amount, nothing is sure to be covered
            CASE WHEN is_covered THEN coalesce(part_of(rest_high, quantity, wanted_high), 0) ELSE 0 END AS taken_high
        FROM (
            SELECT
                *,
                sum(CASE WHEN is_covered THEN rest END) OVER () AS wanted,
                sum(CASE WHEN is_covered THEN rest_low END) OVER () AS wanted_low,
                CASE
                    WHEN count(CASE WHEN is_covered THEN 1 END) OVER ()
                        = count(CASE WHEN is_covered THEN rest_high END) OVER ()
                        THEN sum(CASE WHEN is_covered THEN rest_high END) OVER ()
                END AS wanted_high
            FROM (
                SELECT
                    l.k,
                    l.quantity,
                    c.run_id, c.start_at, c.site, c.zones, c.drawn, c.rest, c.rest_low, c.rest_high,
                    c.start_at >= l.from_at AND c.start_at < l.to_at
                    AND (l.site IS NULL OR l.site IS NOT DISTINCT FROM c.site)
                    AND (l.zone IS NULL OR list_contains(c.zones, l.zone)) AS is_covered
                FROM cover AS c
                INNER JOIN lot AS l ON l.k = c.k + 1
            )
        )
    )
),

-- What instruments cover of each run and year, and what that emits.
covered AS (
    SELECT
        c.run_id,
        year(c.start_at) AS y,
        sum(exact(as_double(c.taken) / 1e12)) AS taken,
        sum(exact(as_double(c.taken_low) / 1e12)) AS taken_low,
        sum(exact(as_double(c.taken_high) / 1e12)) AS taken_high,
        sum(exact(operational_kgco2e(as_double(c.taken) / 1e12, l.intensity_gco2e_per_kwh))) AS kg,
        sum(exact(operational_kgco2e(
            as_double(c.taken_low) / 1e12, coalesce(l.intensity_low_gco2e_per_kwh, l.intensity_gco2e_per_kwh)
        ))) AS kg_low,
        sum(exact(operational_kgco2e(
            as_double(c.taken_high) / 1e12, coalesce(l.intensity_high_gco2e_per_kwh, l.intensity_gco2e_per_kwh)
        ))) AS kg_high
    FROM cover AS c
    INNER JOIN lot AS l ON c.k = l.k
    WHERE c.is_covered
    GROUP BY ALL
),

certified AS (
    SELECT
        run_id,
        cast(to_json(list({
            'allocated_kwh': allocated,
            'drawn_kwh': drawn,
            'instrument_id': instrument_id
        } ORDER BY instrument_id)) AS VARCHAR) AS instruments
    FROM (
        SELECT
            c.run_id,
            l.instrument_id,
            cast(sum(exact(as_double(c.taken) / 1e12)) AS VARCHAR) AS allocated,
            cast(sum(exact(as_double(c.drawn) / 1e12)) AS VARCHAR) AS drawn
        FROM cover AS c
        INNER JOIN lot AS l ON c.k = l.k
        WHERE c.is_covered
        GROUP BY ALL
    )
    GROUP BY ALL
),

rated AS (
    SELECT
        a.* EXCLUDE (factor_ids),
        a.factor_ids AS grid_factor_ids,
        -- no more than was drawn: the sum of parts may round up
        least(coalesce(c.taken, 0), a.facility) AS taken,
        least(coalesce(c.taken_low, 0), a.facility_low) AS taken_low,
        least(coalesce(c.taken_high, 0), a.facility_high) AS taken_high,
        coalesce(c.kg, 0) AS kg,
        coalesce(c.kg_low, 0) AS kg_low,
        coalesce(c.kg_high, 0) AS kg_high,
        coalesce(o.market_gco2e_per_kwh, r.mix['value']) AS mix,
        coalesce(o.market_low_gco2e_per_kwh, o.market_gco2e_per_kwh, r.mix['low']) AS mix_low,
        coalesce(o.market_high_gco2e_per_kwh, o.market_gco2e_per_kwh, r.mix['high']) AS mix_high,
        coalesce(o.ewif_l_per_kwh, r.ewif['value']) AS ewif,
        coalesce(o.ewif_low_l_per_kwh, o.ewif_l_per_kwh, r.ewif['low']) AS ewif_low,
        coalesce(o.ewif_high_l_per_kwh, o.ewif_l_per_kwh, r.ewif['high']) AS ewif_high,
        coalesce(o.tariff_usd_per_kwh, r.tariff['value']) AS tariff,
        coalesce(o.tariff_low_usd_per_kwh, o.tariff_usd_per_kwh, r.tariff['low']) AS tariff_low,
        coalesce(o.tariff_high_usd_per_kwh, o.tariff_usd_per_kwh, r.tariff['high']) AS tariff_high,
        CASE
            WHEN o.market_gco2e_per_kwh IS NULL AND coalesce(coalesce(c.taken, 0) < a.facility, TRUE) THEN r.mix
        END AS mix_used,
        CASE WHEN o.ewif_l_per_kwh IS NULL THEN r.ewif END AS ewif_used,
        CASE WHEN o.tariff_usd_per_kwh IS NULL AND o.device_hour_usd IS NULL THEN r.tariff END AS tariff_used
    FROM annual AS a
    INNER JOIN one AS o ON a.run_id = o.run_id
    LEFT JOIN covered AS c ON a.run_id = c.run_id AND a.y = c.y
    LEFT JOIN rates AS r ON o.region = r.region AND a.y IS NOT DISTINCT FROM r.y
),

operational AS (
    SELECT
        run_id,
        known_sum(op) AS value,
        known_sum(op_low) AS low,
        known_sum(op_high) AS high,
        bool_or(lacks_intensity) AS lacks_intensity,
        max(age_y) AS factor_age_y,
        sum(taken) AS taken,
        known_sum(exact(finite(market_kgco2e(kg, facility - taken, mix)))) AS mkt,
        known_sum(exact(finite(market_kgco2e(kg_low, facility_low - taken_low, mix_low)))) AS mkt_low,
        known_sum(exact(finite(market_kgco2e(kg_high, facility_high - taken_high, mix_high)))) AS mkt_high,
        known_sum(exact(finite(water_offsite_l(as_double(facility), ewif)))) AS offsite,
        known_sum(exact(finite(water_offsite_l(as_double(facility_low), ewif_low)))) AS offsite_low,
        known_sum(exact(finite(water_offsite_l(as_double(facility_high), ewif_high)))) AS offsite_high,
        known_sum(exact(finite(energy_cost_usd(as_double(facility), tariff)))) AS bill,
        known_sum(exact(finite(energy_cost_usd(as_double(facility_low), tariff_low)))) AS bill_low,
        known_sum(exact(finite(energy_cost_usd(as_double(facility_high), tariff_high)))) AS bill_high,
        coalesce(bool_or(mix_used['is_aged'] OR ewif_used['is_aged'] OR tariff_used['is_aged']), FALSE) AS is_aged,
        list_filter([
            CASE WHEN count(mix_used) > 0 THEN 'CATALOGUE_MARKET' END,
            CASE WHEN count(ewif_used) > 0 THEN 'CATALOGUE_EWIF' END,
            CASE WHEN count(tariff_used) > 0 THEN 'CATALOGUE_TARIFF' END
        ], LAMBDA x: x IS NOT NULL) AS flags,
        flatten(list(flatten([
            grid_factor_ids, mix_used['factor_ids'], ewif_used['factor_ids'], tariff_used['factor_ids']
        ]))) AS factor_ids
    FROM rated
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
        -- five minutes of an hour, and half of what was read in it; a model may give one power for ever
        coalesce(
            bool_or(is_counted AND method <> 'modelled' AND still_s >= 300 AND still_s >= 0.5 * covered_s), FALSE
        ) AS stands_still,
        coalesce(sum(gaps) FILTER (WHERE is_counted), 0) AS gaps,
        coalesce(sum(resets) FILTER (WHERE is_counted), 0) AS resets,
        count(DISTINCT answer) FILTER (WHERE is_counted AND energy_kwh IS NULL) AS dark_devices,
        count(DISTINCT file) FILTER (WHERE is_counted AND origin = 'log' AND method = 'imported') AS tools,
        coalesce(bool_or(is_counted AND origin = 'model'), FALSE) AS is_modelled_rest
    FROM energy
    GROUP BY ALL
),

-- The factors of a kind of device are many and the same in every run: a number stands for them until the end.
of_kind AS (
    SELECT factor_ids, row_number() OVER (ORDER BY factor_ids) AS kind_n
    FROM (SELECT DISTINCT factor_ids FROM embodied)
),

built AS (
    SELECT
        e.run_id,
        known_sum(embodied_kgco2e) AS value,
        known_sum(embodied_low_kgco2e) AS low,
        known_sum(embodied_high_kgco2e) AS high,
        min(reason) AS reason,
        bool_or(inside IS NOT NULL) AS has_inside,
        list_sort(list(DISTINCT k.kind_n)) AS kinds
    FROM embodied AS e
    LEFT JOIN of_kind AS k ON e.factor_ids = k.factor_ids
    GROUP BY ALL
),

hours AS (
    SELECT
        d.run_id,
        coalesce(
            any_value(o.device_hours_h),
            as_double(sum(exact(d.count * d.share))) * any_value(o.duration_s) / 3600.0
        ) AS hours_h,
        hours_h * coalesce(any_value(o.hours_low_ratio), 1.0) AS hours_low_h,
        hours_h * coalesce(any_value(o.hours_high_ratio), 1.0) AS hours_high_h,
        list_sort(list_distinct(list(d.name) FILTER (WHERE d.name IS NOT NULL))) AS hardware
    FROM device AS d
    INNER JOIN one AS o ON d.run_id = o.run_id
    WHERE d.is_embodied
    GROUP BY ALL
),

-- What the accelerators of a run could have computed at the precision that it names.
peak AS (
    SELECT quantity, subject_key, arg_min(value, factor_id) AS value, min(factor_id) AS factor_id
    FROM factor
    WHERE starts_with(quantity, 'peak_flops_')
    GROUP BY ALL
),

capacity AS (
    SELECT
        d.run_id,
        CASE
            WHEN any_value(o.device_hours_h) IS NULL
                THEN as_double(known_sum(exact(capacity_flop(
                    d.count * d.share * o.duration_s / 3600.0, p.value
                ) / 1e15))) * 1e15
            -- device-hours of several kinds of device are nobody's
            WHEN count(*) = 1 THEN any_value(capacity_flop(o.device_hours_h * d.share, p.value))
        END AS flop,
        list(p.factor_id) FILTER (WHERE p.factor_id IS NOT NULL) AS factor_ids
    FROM (
        SELECT
            *,
            rank() OVER (
                PARTITION BY run_id ORDER BY CASE origin WHEN 'hardware' THEN 0 WHEN 'site' THEN 1 ELSE 2 END
            ) AS rank
        FROM device
        WHERE component = 'gpu'
    ) AS d
    INNER JOIN (
        SELECT
            run_id,
            duration_s,
            device_hours_h,
            'peak_flops_'
            || replace(replace(lower(json_extract_string(facts, '$.precision')), 'bfloat', 'bf'), 'float', 'fp')
                AS quantity
        FROM one
        WHERE contains(facts, '"flops"') AND contains(facts, '"precision"')
    ) AS o ON d.run_id = o.run_id
    LEFT JOIN peak AS p ON o.quantity = p.quantity AND d.device_key = p.subject_key
    WHERE d.rank = 1
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
        p.taken AS covered_kwh,
        p.mkt,
        -- an instrument may be dirtier than the mix: then less of it is less
        least(p.mkt_low, p.mkt) AS mkt_low,
        CASE WHEN p.mkt_high IS NOT NULL THEN greatest(p.mkt_high, p.mkt) END AS mkt_high,
        s.wue AS wue_used,
        s.wue_low AS wue_used_low,
        s.wue_high AS wue_used_high,
        p.offsite,
        p.offsite_low,
        p.offsite_high,
        p.bill,
        p.bill_low,
        p.bill_high,
        c.instruments,
        f.flop,
        s.pue_factor_ids,
        s.wue_factor_ids,
        p.flags AS catalogue_flags,
        s.is_aged OR coalesce(p.is_aged, FALSE) AS is_aged,
        b.value AS em,
        b.low AS em_low,
        b.high AS em_high,
        b.reason AS em_reason,
        b.has_inside,
        h.hours_h,
        h.hours_low_h,
        h.hours_high_h,
        h.hardware,
        m.* EXCLUDE (run_id, factor_ids),
        p.lacks_intensity,
        [m.factor_ids, p.factor_ids, f.factor_ids, s.pue_factor_ids, s.wue_factor_ids] AS factor_lists,
        coalesce(b.kinds, []) AS kinds,
        coalesce(g.least, 0) AS region_low,
        g.most AS region_high
    -- the wide rows last: what they hold need not pass through every join
    FROM settings AS s
    LEFT JOIN used AS u ON s.run_id = u.run_id
    LEFT JOIN certified AS c ON s.run_id = c.run_id
    LEFT JOIN capacity AS f ON s.run_id = f.run_id
    LEFT JOIN operational AS p ON s.run_id = p.run_id
    LEFT JOIN built AS b ON s.run_id = b.run_id
    LEFT JOIN making AS m ON s.run_id = m.run_id
    LEFT JOIN hours AS h ON s.run_id = h.run_id
    INNER JOIN one AS o ON s.run_id = o.run_id
    LEFT JOIN yearly AS g ON o.region = g.region AND o.run_y = g.y
),

-- Runs of one kind use the same factors: what they are is put in order once for all of them.
named AS (
    SELECT
        d.factor_lists,
        d.kinds,
        list_sort(list_distinct(list_concat(flatten(d.factor_lists), flatten(list(k.factor_ids))))) AS factor_ids
    FROM (SELECT DISTINCT factor_lists, kinds FROM total) AS d
    LEFT JOIN of_kind AS k ON list_contains(d.kinds, k.kind_n)
    GROUP BY d.factor_lists, d.kinds
),

-- What logs say of the same components, by file and method: the answers that count, and those beside them.
told AS (
    SELECT
        run_id,
        covers,
        file,
        method,
        sum(energy_kwh) AS energy_kwh,
        bool_or(is_counted) AS is_counted
    FROM energy
    WHERE origin = 'log' AND energy_kwh IS NOT NULL
    GROUP BY ALL
),

told_twice AS (
    SELECT
        a.run_id,
        bool_or(a.file <> b.file) AS is_counted_once,
        bool_or(
            a.covers = b.covers AND abs(a.energy_kwh - b.energy_kwh) > 0.25 * greatest(a.energy_kwh, b.energy_kwh)
        ) AS disagrees
    FROM told AS a
    INNER JOIN told AS b ON a.run_id = b.run_id AND list_has_any(a.covers, b.covers)
    WHERE a.is_counted AND NOT b.is_counted
    GROUP BY a.run_id
),

-- The power that devices are rated for, by component; where several logs name them, the longest list.
rating AS (
    SELECT subject_key, max(coalesce(high, value)) AS rated_w
    FROM factor
    WHERE quantity = 'rated_power'
    GROUP BY ALL
),

rated_component AS (
    SELECT run_id, component, max(devices) AS devices, max(rated_w) AS rated_w
    FROM (
        SELECT
            d.run_id,
            d.component,
            d.file,
            sum(d.count * d.share) AS devices,
            CASE
                WHEN count(coalesce(d.rated_power_high_w, d.rated_power_w, r.rated_w)) = count(*)
                    THEN as_double(sum(exact(
                        coalesce(d.rated_power_high_w, d.rated_power_w, r.rated_w) * d.count * d.share
                    )))
            END AS rated_w
        FROM (
            SELECT
                *,
                rank() OVER (
                    PARTITION BY run_id, component
                    ORDER BY CASE origin WHEN 'hardware' THEN 0 WHEN 'site' THEN 1 ELSE 2 END
                ) AS rank
            FROM device
        ) AS d
        LEFT JOIN rating AS r ON d.device_key = r.subject_key
        WHERE d.rank = 1
        GROUP BY d.run_id, d.component, d.file
    )
    GROUP BY ALL
),

-- Mean power that counted energy of logs implies, over the time that it covers.
mean_power AS (
    SELECT
        e.run_id,
        CASE WHEN len(e.covers) = 1 THEN e.covers[1] ELSE 'host' END AS component,
        as_double(sum(e.energy_kwh)) * 3.6e6 AS joules,
        any_value(o.duration_s) AS duration_s,
        -- of a device, where readings say how long they were taken
        as_double(sum(exact(e.covered_s))) / count(DISTINCT e.answer) AS covered_s
    FROM energy AS e
    INNER JOIN one AS o ON e.run_id = o.run_id
    WHERE e.is_counted AND e.origin = 'log' AND e.energy_kwh IS NOT NULL AND o.device_hours_h IS NULL
    GROUP BY ALL
),

-- Twice what a component is rated for is no reading, nor is a hundredth of a GPU's; where no rating is known,
-- no host draws more than 20 kW for eight GPUs.
odd_power AS (
    SELECT DISTINCT p.run_id
    FROM mean_power AS p
    LEFT JOIN rated_component AS r ON p.run_id = r.run_id AND p.component = r.component
    LEFT JOIN rated_component AS g ON p.run_id = g.run_id AND g.component = 'gpu'
    WHERE p.duration_s > 0 AND CASE
        WHEN r.rated_w > 0
            THEN p.joules > 2 * r.rated_w * p.duration_s
                OR p.joules < CASE p.component WHEN 'gpu' THEN 0.01 ELSE 0.001 END
                * r.rated_w * coalesce(p.covered_s, p.duration_s)
        ELSE p.joules > 20000 * greatest(1, coalesce(g.devices, 0) / 8.0) * p.duration_s
    END
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
    exact(finite(water_onsite_l(as_double(t.it), t.wue_used))) AS water_onsite_l,
    exact(finite(water_onsite_l(as_double(t.it_low), t.wue_used_low))) AS water_onsite_l_low,
    exact(finite(water_onsite_l(as_double(t.it_high), t.wue_used_high))) AS water_onsite_l_high,
    CASE WHEN t.fe IS NOT NULL THEN t.offsite END AS water_offsite_l,
    CASE WHEN t.fe IS NOT NULL THEN t.offsite_low END AS water_offsite_l_low,
    CASE WHEN t.fe IS NOT NULL THEN t.offsite_high END AS water_offsite_l_high,
    water_onsite_l + water_offsite_l AS water_l,
    water_onsite_l_low + water_offsite_l_low AS water_l_low,
    water_onsite_l_high + water_offsite_l_high AS water_l_high,
    exact(finite(cost_usd(t.hours_h, t.device_hour_usd, CASE WHEN t.fe IS NOT NULL THEN as_double(t.bill) END)))
        AS cost_usd,
    exact(finite(cost_usd(
        t.hours_low_h, coalesce(t.device_hour_low_usd, t.device_hour_usd),
        CASE WHEN t.fe IS NOT NULL THEN as_double(t.bill_low) END
    ))) AS cost_usd_low,
    exact(finite(cost_usd(
        t.hours_high_h, coalesce(t.device_hour_high_usd, t.device_hour_usd),
        CASE WHEN t.fe IS NOT NULL THEN as_double(t.bill_high) END
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
    CASE WHEN t.fe IS NOT NULL THEN t.covered_kwh END AS market_covered_kwh,
    t.instruments,
    finite(t.flop) AS capacity_flop,
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
        CASE WHEN t.em IS NULL THEN coalesce(t.em_reason, 'NO_HARDWARE') END,
        CASE WHEN t.fe IS NOT NULL AND t.mkt IS NULL THEN 'NO_MARKET_FACTOR' END,
        CASE WHEN t.it IS NOT NULL AND t.wue_used IS NULL THEN 'NO_WUE' END,
        CASE WHEN t.fe IS NOT NULL AND t.offsite IS NULL THEN 'NO_EWIF' END,
        CASE WHEN t.device_hour_usd IS NOT NULL AND t.hours_h IS NULL THEN 'MISSING_FIELD' END,
        CASE WHEN t.device_hour_usd IS NULL AND t.fe IS NOT NULL AND t.bill IS NULL THEN 'NO_TARIFF' END
    ], LAMBDA x: x IS NOT NULL)))) AS unknown_reasons,
    list_sort(list_distinct(flatten([t.flags, t.catalogue_flags, list_filter([
        CASE WHEN t.lacks_interval THEN 'NO_INTERVAL' END,
        CASE WHEN t.lacks_bound AND t.worst IS NOT NULL THEN 'NO_UPPER_BOUND' END,
        CASE WHEN t.gaps > 0 THEN 'GAPS' END,
        CASE WHEN t.resets > 0 THEN 'COUNTER_RESET' END,
        CASE WHEN t.dark_devices > 0 AND t.worst IS NOT NULL THEN 'DEVICE_WITHOUT_SAMPLES' END,
        CASE WHEN t.tools > 1 THEN 'SEVERAL_TOOLS' END,
        CASE WHEN t.has_inside THEN 'INSIDE_HOST' END,
        CASE WHEN t.factor_age_y > 0 THEN 'AGED_FACTOR' END,
        CASE WHEN t.is_modelled_rest THEN 'MODELLED_REST' END,
        CASE WHEN t.pue_factor_ids IS NOT NULL THEN 'CATALOGUE_PUE' END,
        CASE WHEN t.wue_factor_ids IS NOT NULL THEN 'CATALOGUE_WUE' END,
        CASE WHEN t.is_aged THEN 'AGED_CATALOGUE' END,
        CASE WHEN i.run_id IS NOT NULL THEN 'IMPLAUSIBLE_INTENSITY' END,
        CASE WHEN w.run_id IS NOT NULL THEN 'IMPLAUSIBLE_POWER' END,
        CASE WHEN t.stands_still THEN 'FROZEN_SENSOR' END,
        CASE WHEN c.is_counted_once THEN 'COUNTED_ONCE' END,
        CASE WHEN c.disagrees THEN 'ANSWERS_DISAGREE' END,
        -- a figure that does not follow from the energy and the factor stated beside it
        CASE
            WHEN t.intensity_gco2e_per_kwh IS NOT NULL
                AND abs(t.reported_kgco2e - as_double(t.op)) > 0.05 * as_double(t.op)
                AND abs(t.reported_kgco2e - as_double(t.op + coalesce(t.em, 0)))
                > 0.05 * as_double(t.op + coalesce(t.em, 0))
                THEN 'REPORTED_DISAGREES'
        END
    ], LAMBDA x: x IS NOT NULL)]))) AS flags,
    coalesce(n.factor_ids, []) AS factor_ids,
    t.error
FROM total AS t
LEFT JOIN named AS n ON t.factor_lists = n.factor_lists AND t.kinds = n.kinds
LEFT JOIN implausible AS i ON t.run_id = i.run_id
LEFT JOIN odd_power AS w ON t.run_id = w.run_id
LEFT JOIN told_twice AS c ON t.run_id = c.run_id
ORDER BY t.run_id
