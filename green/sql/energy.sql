-- energy.sql: power samples, counters and statements -> energy of each answer of a run, before PUE.
--
-- reads   samples(run_id, device_id, sampled_at, power_w, energy_j, max_gap_us), in that order
--         run(run_id, started_at, ended_at, duration_s, device_hours_h, hours_low_ratio, model_rest, memory_gb,
--             busy_core_h, memory_gb_h, ...)
--         device(run_id, device_id, component, device_key, origin, tool, file, line, count, share, ...)
--         statement(run_id, answer, origin, tool, method, covers, basis, energy_kwh, ...)
--         factor(factor_id, quantity, subject_key, value, low, high)
-- gives   energy(run_id, answer, from_at, to_at, energy_kwh, covered_s, uncovered_s, is_counted, ...)
-- setting max_gap_us: the longest interval that two neighbouring samples may span, or NULL for 10 x the
--         median of the device's own intervals
--         model_rest: whether processors, memory, storage and network that nobody metered are modelled,
--         or NULL, so that they stay out
--
-- Trapezoid rule for power, difference for counters. A longer interval is not guessed: it is left out
-- and counted as uncovered, and so are the head (from the run's start) and the tail (to its end). Times
-- are whole microseconds, powers whole microwatts, sums HUGEINT: the same bits on any thread count.
-- Samples must be sorted: it is checked in the same pass, and disorder is an error, for otherwise energy
-- would go missing silently. Of all answers to "what did this component use" the best one counts, and of
-- two tools that metered it at the same time one; the others stay beside it.
WITH power AS (
    SELECT
        run_id,
        device_id,
        hash(run_id, device_id) AS series,
        epoch_us(sampled_at) AS t,
        coalesce(CAST($max_gap_us AS BIGINT), max_gap_us) AS gap,
        CAST(round(power_w * 1000000) AS BIGINT) AS p
    FROM samples
    WHERE power_w IS NOT NULL
),

-- The sample before, of the same device: to compare a number is 10 x cheaper than to compare two names. Were the
-- hashes of two neighbours equal, the second had no start, which is an error below and never a wrong figure.
power_interval AS (
    SELECT
        *,
        t - t0 AS us,
        CASE WHEN t0 IS NULL THEN t // 3600000000 ELSE (t - 1) // 3600000000 END AS hour
    FROM (
        SELECT
            *,
            CASE WHEN same THEN lag(t) OVER () END AS t0,
            CASE WHEN same THEN lag(p) OVER () END AS p0
        FROM (
            SELECT
                *,
                lag(series) OVER () = series AS same
            FROM power
        )
    )
),

counter AS (
    SELECT
        run_id,
        device_id,
        hash(run_id, device_id) AS series,
        epoch_us(sampled_at) AS t,
        CAST(round(energy_j * 1000000) AS BIGINT) AS e
    FROM samples
    WHERE energy_j IS NOT NULL
),

counter_interval AS (
    SELECT
        *,
        t - t0 AS us,
        CASE WHEN t0 IS NULL THEN t // 3600000000 ELSE (t - 1) // 3600000000 END AS hour
    FROM (
        SELECT
            *,
            CASE WHEN same THEN lag(t) OVER () END AS t0,
            CASE WHEN same THEN lag(e) OVER () END AS e0
        FROM (
            SELECT
                *,
                lag(series) OVER () = series AS same
            FROM counter
        )
    )
),

-- One row an hour and kind of interval: an interval belongs to the hour that it ends in, those that straddle one are
-- set aside. Nearly all are 'covered', and sums of a group are cheaper than six filtered sums.
power_hour AS (
    SELECT
        run_id,
        device_id,
        hour,
        kind,
        sum(CAST(p0 + p AS HUGEINT) * us) AS e2,
        sum(us) AS us,
        count(*) AS n,
        min(t) AS first_t,
        max(t) AS last_t,
        max(p) AS last_p
    FROM (
        SELECT
            *,
            CASE
                -- a reading that repeats the one before to the microwatt: a sensor that stands still
                WHEN us BETWEEN 1 AND gap AND t0 >= hour * 3600000000 AND p = p0 THEN 'still'
                WHEN us BETWEEN 1 AND gap AND t0 >= hour * 3600000000 THEN 'covered'
                WHEN t0 IS NULL THEN 'start'
                WHEN us = 0 THEN 'duplicate'
                WHEN us < 0 THEN 'disorder'
                WHEN us > gap THEN 'gap'
                WHEN us <= gap THEN 'straddling'
                ELSE 'gap'  -- no longest interval is known: nothing is integrated
            END AS kind
        FROM power_interval
    )
    GROUP BY ALL
),

-- A counter runs on through a gap, so that no interval is too long; where it falls it was reset.
counter_hour AS (
    SELECT
        run_id,
        device_id,
        hour,
        kind,
        sum(e - e0) * 2000000 AS e2,
        sum(us) AS us,
        count(*) AS n,
        min(t) AS first_t,
        max(t) AS last_t
    FROM (
        SELECT
            *,
            CASE
                WHEN us > 0 AND e >= e0 AND t0 >= hour * 3600000000 THEN 'covered'
                WHEN t0 IS NULL THEN 'start'
                WHEN us = 0 AND e < e0 THEN 'fallen'
                WHEN us = 0 THEN 'duplicate'
                WHEN us < 0 THEN 'disorder'
                WHEN e < e0 THEN 'gap'
                ELSE 'straddling'
            END AS kind
        FROM counter_interval
    )
    GROUP BY ALL
),

-- The few covered intervals that straddle an hour: cut there, power linear between the two samples. Of sorted samples
-- no two straddle the same hour's start, so that the group is the interval: its sums give back t0 and p0 exactly (more
-- than one is disorder, an error below). A list of them costs a twentieth more CPU.
power_crossing AS (
    SELECT
        run_id,
        device_id,
        hour,
        CAST(round(
            (p0 + (p - p0) * ((lo - t0) / (t - t0)) + p0 + (p - p0) * ((hi - t0) / (t - t0))) * (hi - lo)
        ) AS HUGEINT) AS e2,
        hi - lo AS covered_us
    FROM (
        SELECT
            run_id,
            device_id,
            hour,
            t0,
            t,
            p0,
            p,
            greatest(t0, hour * 3600000000) AS lo,
            least(t, (hour + 1) * 3600000000) AS hi
        FROM (
            SELECT
                run_id,
                device_id,
                t0,
                t,
                p0,
                p,
                unnest(range(t0 // 3600000000, (t - 1) // 3600000000 + 1)) AS hour
            FROM (
                SELECT
                    run_id,
                    device_id,
                    last_t - CAST(us AS BIGINT) AS t0,
                    last_t AS t,
                    CAST(e2 // us AS BIGINT) - last_p AS p0,
                    last_p AS p
                FROM power_hour
                WHERE kind = 'straddling' AND n = 1
            )
        )
    )
),

counter_crossing AS (
    SELECT
        run_id,
        device_id,
        hour,
        -- the difference of two cuts of the whole, so that the parts sum to it exactly; quotient and remainder
        -- apart, for decades of microseconds times the energy would not fit
        CAST(
            e2 // (t - t0) * (hi - t0) + e2 % (t - t0) * (hi - t0) // (t - t0)
            - e2 // (t - t0) * (lo - t0) - e2 % (t - t0) * (lo - t0) // (t - t0)
            AS HUGEINT) AS e2,
        hi - lo AS covered_us
    FROM (
        SELECT
            run_id,
            device_id,
            hour,
            t0,
            t,
            e2,
            greatest(t0, hour * 3600000000) AS lo,
            least(t, (hour + 1) * 3600000000) AS hi
        FROM (
            SELECT
                run_id,
                device_id,
                t0,
                t,
                e2,
                unnest(range(t0 // 3600000000, (t - 1) // 3600000000 + 1)) AS hour
            FROM (
                SELECT
                    run_id,
                    device_id,
                    last_t - CAST(us AS BIGINT) AS t0,
                    last_t AS t,
                    e2
                FROM counter_hour
                WHERE kind = 'straddling' AND n = 1
            )
        )
    )
),

hourly AS (
    SELECT
        run_id,
        device_id,
        method,
        hour,
        CAST(sum(e2) AS HUGEINT) AS e2,
        CAST(sum(covered_us) AS BIGINT) AS covered_us,
        CAST(sum(still_us) AS BIGINT) AS still_us
    FROM (
        SELECT
            run_id,
            device_id,
            'sampled' AS method,
            hour,
            e2,
            us AS covered_us,
            CASE WHEN kind = 'still' THEN us ELSE 0 END AS still_us
        FROM power_hour
        WHERE kind IN ('covered', 'still')
        UNION ALL
        SELECT run_id, device_id, 'sampled', hour, e2, covered_us, 0 FROM power_crossing
        UNION ALL
        SELECT run_id, device_id, 'counter', hour, e2, us, 0 FROM counter_hour WHERE kind = 'covered'
        UNION ALL
        SELECT run_id, device_id, 'counter', hour, e2, covered_us, 0 FROM counter_crossing
    )
    GROUP BY ALL
),

-- What the samples say of a device by each method, with the order checked.
series AS (
    SELECT
        run_id,
        device_id,
        method,
        min(first_t) AS first_t,
        max(last_t) AS last_t,
        sum(us) FILTER (WHERE kind = 'gap') AS between_us,
        -- the check stands in a column that is read, or the optimiser would drop it
        CASE
            WHEN sum(n) FILTER (WHERE kind = 'disorder') > 0
                OR coalesce(sum(n) FILTER (WHERE kind = 'start'), 0) <> 1
                THEN CAST(error('samples are not sorted by run_id, device_id, sampled_at') AS BIGINT)
            ELSE CAST(coalesce(sum(n) FILTER (WHERE kind IN ('gap', 'fallen')), 0) AS BIGINT)
        END AS gaps,
        coalesce(sum(n) FILTER (WHERE kind IN ('duplicate', 'fallen')), 0) AS duplicates
    FROM (
        SELECT run_id, device_id, 'sampled' AS method, kind, us, n, first_t, last_t FROM power_hour
        UNION ALL
        SELECT run_id, device_id, 'counter', kind, us, n, first_t, last_t FROM counter_hour
    )
    GROUP BY ALL
),

covered AS (
    SELECT run_id, device_id, method, CAST(sum(covered_us) AS BIGINT) AS covered_us
    FROM hourly
    GROUP BY ALL
),

-- A counter counts where it covers (all but) what the samples cover: it has no sampling error.
best_method AS (
    SELECT
        run_id,
        device_id,
        CASE
            WHEN max(covered_us) FILTER (WHERE method = 'counter') > 0
                AND max(covered_us) FILTER (WHERE method = 'counter')
                >= 0.99 * coalesce(max(covered_us) FILTER (WHERE method = 'sampled'), 0)
                THEN 'counter'
            ELSE 'sampled'
        END AS method
    FROM covered
    GROUP BY ALL
),

rating AS (
    SELECT
        subject_key,
        max(coalesce(high, value)) AS rated_power_w,
        arg_max(value, value) AS rated_value_w,
        list(factor_id ORDER BY factor_id) AS factor_ids
    FROM factor
    WHERE quantity = 'rated_power'
    GROUP BY ALL
),

accuracy AS (
    SELECT subject_key, max(value) AS sensor_error, list(factor_id ORDER BY factor_id) AS factor_ids
    FROM factor
    WHERE quantity = 'sensor_error'
    GROUP BY ALL
),

-- Each metered device: its head and tail, its rated power, its sensor's error.
metered AS (
    SELECT
        d.run_id,
        d.device_id,
        d.component,
        d.file,
        d.line,
        d.tool,
        d.uuid IS NOT NULL AS has_uuid,
        s.first_t,
        s.last_t,
        s.method,
        d.sensor_method,  -- a meter that models power says so itself
        coalesce(b.method = s.method, b.method IS NULL AND s.method IS NULL) AS is_best,
        coalesce(r.started_at, d.first_at) AS from_at,
        coalesce(r.ended_at, d.last_at) AS to_at,
        s.gaps,
        s.duplicates,
        coalesce(c.covered_us, 0) AS covered_us,
        coalesce(s.between_us, 0)
        + greatest(coalesce(s.first_t, epoch_us(coalesce(r.ended_at, d.last_at)))
        - epoch_us(coalesce(r.started_at, d.first_at)), 0)
        + greatest(coalesce(epoch_us(coalesce(r.ended_at, d.last_at)) - s.last_t, 0), 0) AS uncovered_us,
        coalesce(d.rated_power_high_w, d.rated_power_w, rating.rated_power_w) AS rated_power_w,
        coalesce(own.sensor_error, usual.sensor_error) AS sensor_error,
        d.sensor_low_ratio,  -- a model has other ends than an instrument
        d.sensor_high_ratio,
        list_concat(
            CASE WHEN d.rated_power_w IS NULL THEN rating.factor_ids END,
            CASE WHEN d.sensor_low_ratio IS NULL THEN coalesce(own.factor_ids, usual.factor_ids) END
        ) AS factor_ids
    FROM device AS d
    INNER JOIN run AS r ON d.run_id = r.run_id
    LEFT JOIN series AS s ON d.run_id = s.run_id AND d.device_id = s.device_id
    LEFT JOIN covered AS c ON s.run_id = c.run_id AND s.device_id = c.device_id AND s.method = c.method
    LEFT JOIN best_method AS b ON d.run_id = b.run_id AND d.device_id = b.device_id
    LEFT JOIN rating ON d.device_key = rating.subject_key
    LEFT JOIN accuracy AS own ON d.device_key = own.subject_key
    LEFT JOIN accuracy AS usual ON usual.subject_key = 'default'
    WHERE d.origin = 'log' AND (d.first_at IS NOT NULL OR s.method IS NOT NULL)
),

-- Energy that a record declares by power and time; a rated power counts only with its load.
declared AS (
    SELECT
        d.run_id,
        d.device_id,
        d.component,
        d.origin,
        d.file,
        d.line,
        r.started_at,
        r.ended_at,
        coalesce(r.device_hours_h, d.count * r.duration_s / 3600.0) * d.share AS hours_h,
        coalesce(r.hours_low_ratio, 1.0) AS low_ratio,
        coalesce(r.hours_high_ratio, 1.0) AS high_ratio,
        coalesce(d.average_power_w, coalesce(d.rated_power_w, rating.rated_value_w) * d.load) AS power_w,
        CASE
            WHEN d.average_power_w IS NOT NULL THEN coalesce(d.average_power_low_w, d.average_power_w)
            ELSE coalesce(d.rated_power_low_w, d.rated_power_w, rating.rated_value_w) * coalesce(d.load_low, d.load)
        END AS power_low_w,
        CASE
            WHEN d.average_power_w IS NOT NULL THEN coalesce(d.average_power_high_w, d.average_power_w)
            ELSE coalesce(d.rated_power_high_w, d.rated_power_w, rating.rated_power_w) * coalesce(d.load_high, d.load)
        END AS power_high_w,
        CASE
            WHEN d.average_power_w IS NULL AND d.rated_power_w IS NULL THEN rating.factor_ids ELSE []
        END AS factor_ids
    FROM device AS d
    INNER JOIN run AS r ON d.run_id = r.run_id
    LEFT JOIN rating ON d.device_key = rating.subject_key
    WHERE d.origin IN ('hardware', 'site')
),

-- What nobody metered, from what is known of the host: processors at an unknown load, memory by its size, storage by
-- what is kept, network by what was sent. The coefficients are factor rows, their interval spans the published models.
model AS (
    SELECT
        subject_key,
        arg_min(value, factor_id) AS value,
        min(coalesce(low, value)) AS low,
        max(coalesce(high, value)) AS high,
        list(factor_id ORDER BY factor_id) AS factor_ids
    FROM factor
    WHERE quantity = 'power_model'
    GROUP BY ALL
),

host AS (
    SELECT
        *,
        duration_s / 3600.0 AS hours_h,
        CASE WHEN device_hours_h IS NULL THEN coalesce(hours_low_ratio, 1.0) ELSE 1.0 END AS low_ratio,
        CASE WHEN device_hours_h IS NULL THEN coalesce(hours_high_ratio, 1.0) ELSE 1.0 END AS high_ratio
    FROM run
    WHERE coalesce(model_rest, CAST($model_rest AS BOOLEAN), FALSE)
),

-- Processors that have no answer of their own: of a record, else of the site, else those that logs only name.
processor AS (
    SELECT
        d.run_id,
        d.file,
        d.line,
        d.count * d.share * h.hours_h AS hours_h,
        h.low_ratio,
        h.high_ratio,
        coalesce(d.rated_power_w, rating.rated_value_w) AS rated_power_w,
        coalesce(d.rated_power_low_w, d.rated_power_w, rating.rated_value_w) AS rated_power_low_w,
        coalesce(d.rated_power_high_w, d.rated_power_w, rating.rated_power_w) AS rated_power_high_w,
        CASE WHEN d.rated_power_w IS NULL THEN rating.factor_ids END AS factor_ids
    FROM device AS d
    INNER JOIN host AS h ON d.run_id = h.run_id
    LEFT JOIN rating ON d.device_key = rating.subject_key
    WHERE d.component = 'cpu' AND (d.origin <> 'log' OR d.first_at IS NULL)
    QUALIFY rank() OVER (
        PARTITION BY d.run_id ORDER BY CASE d.origin WHEN 'hardware' THEN 0 WHEN 'site' THEN 1 ELSE 2 END
    ) = 1
),

modelled AS (
    SELECT
        p.run_id,
        'model/cpu' AS answer,
        'cpu' AS component,
        FALSE AS is_counted_load,
        as_double(known_sum(exact(device_energy_kwh(p.rated_power_w * m.value, p.hours_h)))) AS value,
        as_double(known_sum(exact(device_energy_kwh(p.rated_power_low_w * m.low, p.hours_h * p.low_ratio)))) AS low,
        as_double(known_sum(exact(device_energy_kwh(p.rated_power_high_w * m.high, p.hours_h * p.high_ratio)))) AS high,
        list_distinct(list_concat(any_value(m.factor_ids), flatten(list(p.factor_ids)))) AS factor_ids,
        min(p.file) AS file,
        min(p.line) AS line
    FROM processor AS p
    INNER JOIN model AS m ON m.subject_key = 'cpu'
    GROUP BY ALL
    UNION ALL
    SELECT
        p.run_id,
        'model/' || p.subject,
        p.component,
        FALSE,
        CASE p.subject
            WHEN 'network' THEN network_energy_kwh(p.gb, m.value) ELSE capacity_energy_kwh(p.gb, m.value, p.hours_h)
        END,
        CASE p.subject
            WHEN 'network' THEN network_energy_kwh(p.low_gb, m.low)
            ELSE capacity_energy_kwh(p.low_gb, m.low, p.hours_h * p.low_ratio)
        END,
        CASE p.subject
            WHEN 'network' THEN network_energy_kwh(p.high_gb, m.high)
            ELSE capacity_energy_kwh(p.high_gb, m.high, p.hours_h * p.high_ratio)
        END,
        m.factor_ids,
        p.where_file,
        p.where_line
    FROM (
        SELECT
            run_id,
            hours_h,
            low_ratio,
            high_ratio,
            where_file,
            where_line,
            unnest(['memory', 'storage', 'network']) AS subject,
            unnest(['memory', 'rest', 'rest']) AS component,
            unnest([memory_gb, storage_gb, network_gb]) AS gb,
            unnest([
                coalesce(memory_low_gb, memory_gb), coalesce(storage_low_gb, storage_gb),
                coalesce(network_low_gb, network_gb)
            ]) AS low_gb,
            unnest([
                coalesce(memory_high_gb, memory_gb), coalesce(storage_high_gb, storage_gb),
                coalesce(network_high_gb, network_gb)
            ]) AS high_gb
        FROM host
    ) AS p
    INNER JOIN model AS m ON p.subject = m.subject_key
    WHERE p.gb IS NOT NULL
    UNION ALL
    -- What a workflow's log counted: it states the load, so that it is modelled unless the run says no.
    SELECT
        p.run_id,
        'model/' || p.subject,
        p.component,
        TRUE,
        device_energy_kwh(m.value, p.amount_h),
        device_energy_kwh(m.low, p.amount_h),
        device_energy_kwh(m.high, p.amount_h),
        m.factor_ids,
        p.where_file,
        p.where_line
    FROM (
        SELECT
            run_id,
            where_file,
            where_line,
            unnest(['busy-core', 'held-memory']) AS subject,
            unnest(['busy_core', 'memory']) AS subject_key,
            unnest(['cpu', 'memory']) AS component,
            unnest([busy_core_h, memory_gb_h]) AS amount_h
        FROM run
        WHERE coalesce(model_rest, TRUE)
    ) AS p
    INNER JOIN model AS m ON p.subject_key = m.subject_key
    WHERE p.amount_h IS NOT NULL
),

stated AS (
    SELECT
        run_id,
        device_id || '/' || coalesce(method, 'none') AS answer,
        'log' AS origin,
        coalesce(sensor_method, method) AS method,
        CASE component WHEN 'host' THEN ['gpu', 'cpu', 'memory', 'rest'] ELSE [component] END AS covers,
        CASE coalesce(sensor_method, 'counter')
            WHEN 'counter' THEN 0 WHEN 'sampled' THEN 0 WHEN 'imported' THEN 1 ELSE 2
        END AS rank,
        is_best AND covered_us > 0 AS is_usable
    FROM metered
    UNION ALL
    SELECT
        run_id,
        answer,
        origin,
        method,
        covers,
        CASE WHEN origin = 'energy' THEN 3 WHEN method = 'imported' THEN 1 ELSE 2 END,
        energy_kwh IS NOT NULL
    FROM statement
    UNION ALL
    SELECT
        run_id,
        device_id,
        origin,
        'declared',
        CASE component WHEN 'host' THEN ['gpu', 'cpu', 'memory', 'rest'] ELSE [component] END,
        CASE origin WHEN 'hardware' THEN 4 ELSE 5 END,
        hours_h * power_w IS NOT NULL
    FROM declared
),

-- A remainder is what is left beside a known energy: without that of its accelerators a run stays unknown.
answer AS (
    SELECT * FROM stated
    UNION ALL
    SELECT
        m.run_id,
        m.answer,
        'model',
        'modelled',
        [m.component],
        CASE WHEN m.is_counted_load THEN 6 ELSE 7 END,
        m.value IS NOT NULL
    FROM modelled AS m
    LEFT JOIN (
        SELECT
            run_id,
            bool_or(is_usable AND list_contains(covers, 'gpu')) AS knows_gpu,
            bool_or(is_usable) AS knows_some
        FROM stated
        GROUP BY ALL
    ) AS s ON m.run_id = s.run_id
    LEFT JOIN (SELECT run_id FROM run WHERE busy_core_h IS NOT NULL) AS l ON m.run_id = l.run_id
    WHERE coalesce(s.knows_gpu, FALSE) OR ((coalesce(s.knows_some, FALSE) OR l.run_id IS NOT NULL) AND m.run_id NOT IN (
        SELECT d.run_id FROM device AS d WHERE d.component IN ('gpu', 'host')
    ))
),

offered AS (
    SELECT run_id, answer, rank, len(covers) > 1 AS is_total, unnest(covers) AS component
    FROM answer
    WHERE is_usable
),

-- Which tool gives an answer, from when to when, and how much it rests on: time that is covered, else energy.
tool_of AS (
    SELECT
        run_id,
        device_id || '/' || method AS answer,
        tool,
        method = 'counter' AS is_counter,
        has_uuid,
        CAST(covered_us AS HUGEINT) AS weight,
        first_t AS from_t,
        last_t AS to_t
    FROM metered
    WHERE method IS NOT NULL AND tool IS NOT NULL
    UNION ALL
    SELECT run_id, answer, tool, FALSE, FALSE, CAST(round(as_double(energy_kwh) * 1e6) AS HUGEINT), NULL, NULL
    FROM statement
    WHERE origin = 'log' AND tool IS NOT NULL AND energy_kwh < 1e18
),

-- What the best answers for a component come to, by tool; the first of them counts.
by_tool AS (
    SELECT
        o.run_id,
        o.component,
        t.tool,
        bool_and(t.has_uuid) AS has_uuid,
        min(t.from_t) AS from_t,
        max(t.to_t) AS to_t,
        row_number() OVER (
            PARTITION BY o.run_id, o.component
            ORDER BY bool_or(o.is_total) DESC, bool_or(t.is_counter) DESC, sum(t.weight) DESC, t.tool ASC
        ) AS place
    FROM (
        SELECT *, min(rank) OVER (PARTITION BY run_id, component) AS best
        FROM offered
    ) AS o
    INNER JOIN tool_of AS t ON o.run_id = t.run_id AND o.answer = t.answer
    WHERE o.rank = o.best
    GROUP BY o.run_id, o.component, t.tool
),

-- Another tool beside it, at the same time: the same devices once more, but where both tell them apart by uuid.
rival AS (
    SELECT DISTINCT o.run_id, o.answer
    FROM offered AS o
    INNER JOIN tool_of AS t ON o.run_id = t.run_id AND o.answer = t.answer
    INNER JOIN by_tool AS own ON o.run_id = own.run_id AND o.component = own.component AND t.tool = own.tool
    INNER JOIN by_tool AS best ON o.run_id = best.run_id AND o.component = best.component AND best.place = 1
    WHERE
        own.place > 1
        AND NOT (own.has_uuid AND best.has_uuid)
        AND (coalesce(own.from_t < best.to_t, TRUE) AND coalesce(best.from_t < own.to_t, TRUE))
),

usable AS (
    SELECT o.*
    FROM offered AS o
    ANTI JOIN rival AS r ON o.run_id = r.run_id AND o.answer = r.answer
),

-- A total counts only where it is the best answer for every component that it covers ...
winning_total AS (
    SELECT u.run_id, u.answer
    FROM usable AS u
    INNER JOIN (
        SELECT run_id, component, min(rank) AS best FROM usable GROUP BY ALL
    ) AS b ON u.run_id = b.run_id AND u.component = b.component
    WHERE u.is_total
    GROUP BY ALL
    HAVING bool_and(u.rank = b.best)
),

claimed AS (
    SELECT DISTINCT u.run_id, u.component
    FROM usable AS u
    INNER JOIN winning_total AS w ON u.run_id = w.run_id AND u.answer = w.answer
),

-- ... and what no total claims is counted from its best parts.
winning_part AS (
    SELECT u.run_id, u.answer
    FROM usable AS u
    LEFT JOIN claimed AS c ON u.run_id = c.run_id AND u.component = c.component
    WHERE NOT u.is_total AND c.component IS NULL
    QUALIFY u.rank = min(u.rank) OVER (PARTITION BY u.run_id, u.component)
),

counted AS (
    SELECT run_id, answer FROM winning_total
    UNION
    SELECT run_id, answer FROM winning_part
),

-- A device whose log has no usable reading makes no answer, but where its component is metered it is
-- uncovered time of the run.
dark AS (
    SELECT m.run_id, m.device_id
    FROM metered AS m
    WHERE m.covered_us = 0 AND EXISTS (
        SELECT 1
        FROM metered AS o
        INNER JOIN counted AS c ON o.run_id = c.run_id AND c.answer = o.device_id || '/' || o.method
        WHERE o.run_id = m.run_id AND o.component = m.component
    )
),

rows_of_answers AS (
    SELECT
        m.run_id,
        m.device_id || '/' || m.method AS answer,
        'log' AS origin,
        m.method,
        m.component,
        'device' AS basis,
        make_timestamptz(h.hour * 3600000000) AS from_at,
        make_timestamptz((h.hour + 1) * 3600000000) AS to_at,
        sampled_energy_kwh(h.e2) AS value,
        sampled_energy_kwh(h.e2) * coalesce(m.sensor_low_ratio, 1 - m.sensor_error) AS low,
        sampled_energy_kwh(h.e2) * coalesce(m.sensor_high_ratio, 1 + m.sensor_error) AS high,
        h.covered_us / 1e6 AS covered_s,
        h.still_us / 1e6 AS still_s,
        0.0 AS uncovered_s,
        0 AS gaps,
        0 AS resets,
        0 AS duplicates,
        m.factor_ids,
        m.file,
        m.line
    FROM metered AS m
    INNER JOIN hourly AS h ON m.run_id = h.run_id AND m.device_id = h.device_id AND m.method = h.method
    WHERE h.covered_us > 0
    UNION ALL
    SELECT
        run_id,
        device_id || '/' || coalesce(method, 'none'),
        'log',
        method,
        component,
        'device',
        from_at,
        to_at,
        CASE WHEN covered_us > 0 THEN 0.0 END,
        CASE WHEN covered_us > 0 THEN 0.0 END,
        uncovered_energy_kwh(rated_power_w, uncovered_us / 1e6),
        0.0,
        0.0,
        uncovered_us / 1e6,
        CASE WHEN method = 'sampled' THEN gaps ELSE 0 END,
        CASE WHEN method = 'counter' THEN gaps ELSE 0 END,
        duplicates,
        factor_ids,
        file,
        line
    FROM metered
    WHERE uncovered_us > 0 OR gaps > 0 OR duplicates > 0 OR covered_us = 0
    UNION ALL
    SELECT
        s.run_id,
        s.answer,
        s.origin,
        s.method,
        CASE WHEN len(s.covers) = 1 THEN s.covers[1] END,
        s.basis,
        r.started_at,
        r.ended_at,
        as_double(s.energy_kwh),
        as_double(coalesce(s.energy_low_kwh, s.energy_kwh)),
        as_double(coalesce(s.energy_high_kwh, s.energy_kwh)),
        NULL,
        NULL,
        NULL,
        0,
        0,
        0,
        [],
        s.file,
        s.line
    FROM statement AS s
    INNER JOIN run AS r ON s.run_id = r.run_id
    UNION ALL
    SELECT
        run_id,
        device_id,
        origin,
        'declared',
        CASE WHEN component <> 'host' THEN component END,
        'device',
        started_at,
        ended_at,
        device_energy_kwh(power_w, hours_h),
        device_energy_kwh(power_low_w, hours_h * low_ratio),
        device_energy_kwh(power_high_w, hours_h * high_ratio),
        NULL,
        NULL,
        NULL,
        0,
        0,
        0,
        factor_ids,
        file,
        line
    FROM declared
    WHERE hours_h * power_w IS NOT NULL
    UNION ALL
    SELECT
        m.run_id,
        m.answer,
        'model',
        'modelled',
        m.component,
        'device',
        r.started_at,
        r.ended_at,
        m.value,
        m.low,
        m.high,
        NULL,
        NULL,
        NULL,
        0,
        0,
        0,
        m.factor_ids,
        m.file,
        m.line
    FROM modelled AS m
    INNER JOIN run AS r ON m.run_id = r.run_id
    WHERE m.value IS NOT NULL
)

SELECT
    e.run_id,
    e.answer,
    e.origin,
    a.method,
    a.covers,
    e.basis,
    e.from_at,
    e.to_at,
    exact(finite(e.value)) AS energy_kwh,
    exact(finite(e.low)) AS energy_low_kwh,
    exact(finite(e.high)) AS energy_high_kwh,
    e.covered_s,
    e.still_s,
    e.uncovered_s,
    e.gaps,
    e.resets,
    e.duplicates,
    c.answer IS NOT NULL OR d.device_id IS NOT NULL AS is_counted,
    list_sort(coalesce(e.factor_ids, [])) AS factor_ids,
    e.file,
    e.line
FROM rows_of_answers AS e
INNER JOIN answer AS a ON e.run_id = a.run_id AND e.answer = a.answer
LEFT JOIN counted AS c ON e.run_id = c.run_id AND e.answer = c.answer
LEFT JOIN dark AS d ON e.run_id = d.run_id AND e.answer = d.device_id || '/' || coalesce(e.method, 'none')
ORDER BY e.run_id, e.answer, e.from_at, e.to_at
