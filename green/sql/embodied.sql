-- embodied.sql: the hardware of a run -> its share of the carbon embodied in it, device by device.
--
-- reads   run(run_id, duration_s, device_hours_h)
--         device(run_id, device_id, component, name, device_key, count, share, is_embodied, embodied_kgco2e, ...)
--         factor(factor_id, quantity, subject_key, value, low, high, method)
-- gives   embodied(run_id, device_id, embodied_kgco2e, embodied_low_kgco2e, embodied_high_kgco2e, reason, ...)
-- setting lifetime_h: where neither the record nor a factor names one, or NULL
--
-- M = TE x TiR/EL x RR/ToR (SCI, ISO/IEC 21031), per calendar hour, or per used hour where a utilisation
-- is given. TE is the maker's product footprint where there is one, else the bottom-up model, else another
-- published figure; the interval spans all sources. A run that outlives the device is charged its whole
-- footprint and no more; device-hours are spread over an unknown number of devices and are never capped.
WITH source AS (
    SELECT
        subject_key,
        min(coalesce(low, value)) AS low,
        max(coalesce(high, value)) AS high,
        list(factor_id ORDER BY factor_id) AS factor_ids,
        -- the best kind of source counts; of several of one kind the first by name, so that it never varies
        arg_min(
            value,
            CASE method WHEN 'maker' THEN '0' WHEN 'bottom-up' THEN '1' ELSE '2' END || factor_id
        ) AS value
    FROM factor
    WHERE quantity = 'embodied'
    GROUP BY ALL
),

lifetime AS (
    SELECT
        subject_key,
        min(coalesce(low, value)) AS low,
        max(coalesce(high, value)) AS high,
        list(factor_id ORDER BY factor_id) AS factor_ids,
        arg_min(value, factor_id) AS value
    FROM factor
    WHERE quantity = 'lifetime'
    GROUP BY ALL
),

term AS (
    SELECT
        d.run_id,
        d.device_id,
        d.component,
        d.name,
        d.count,
        d.share,
        d.file,
        d.line,
        r.device_hours_h IS NOT NULL AS is_device_hours,
        coalesce(r.device_hours_h, d.count * r.duration_s / 3600.0) AS hours_h,
        coalesce(d.utilisation, 1.0) AS utilisation,
        coalesce(d.embodied_kgco2e, s.value) AS total,
        CASE
            WHEN d.embodied_kgco2e IS NOT NULL THEN coalesce(d.embodied_low_kgco2e, d.embodied_kgco2e) ELSE s.low
        END AS total_low,
        CASE
            WHEN d.embodied_kgco2e IS NOT NULL THEN coalesce(d.embodied_high_kgco2e, d.embodied_kgco2e) ELSE s.high
        END AS total_high,
        coalesce(d.lifetime_h, cast($lifetime_h AS DOUBLE), l.value) AS life_h,
        CASE
            WHEN d.lifetime_h IS NOT NULL THEN coalesce(d.lifetime_low_h, d.lifetime_h)
            ELSE coalesce(cast($lifetime_h AS DOUBLE), l.low)
        END AS life_low_h,
        CASE
            WHEN d.lifetime_h IS NOT NULL THEN coalesce(d.lifetime_high_h, d.lifetime_h)
            ELSE coalesce(cast($lifetime_h AS DOUBLE), l.high)
        END AS life_high_h,
        list_concat(
            CASE WHEN d.embodied_kgco2e IS NULL THEN s.factor_ids END,
            CASE WHEN d.lifetime_h IS NULL AND $lifetime_h IS NULL THEN l.factor_ids END
        ) AS factor_ids
    FROM device AS d
    INNER JOIN run AS r ON d.run_id = r.run_id
    LEFT JOIN source AS s ON d.device_key = s.subject_key
    LEFT JOIN lifetime AS l ON d.component = l.subject_key
    WHERE d.is_embodied
),

capped AS (
    SELECT
        *,
        CASE
            WHEN is_device_hours OR hours_h IS NULL THEN hours_h ELSE least(hours_h, count * life_h * utilisation)
        END AS charged_h,
        CASE
            WHEN is_device_hours OR hours_h IS NULL THEN hours_h ELSE least(hours_h, count * life_low_h * utilisation)
        END AS charged_low_h,
        CASE
            WHEN is_device_hours OR hours_h IS NULL THEN hours_h ELSE least(hours_h, count * life_high_h * utilisation)
        END AS charged_high_h
    FROM term
)

SELECT
    run_id,
    device_id,
    component,
    name,
    hours_h AS device_hours_h,
    life_h AS lifetime_h,
    utilisation,
    share,
    total AS embodied_total_kgco2e,
    exact(finite(embodied_kgco2e(total, charged_h, life_h, utilisation, share))) AS embodied_kgco2e,
    -- least and greatest: a capped charge is the same product in another order, and may round apart
    least(
        exact(finite(embodied_kgco2e(total_low, charged_high_h, life_high_h, utilisation, share))),
        exact(finite(embodied_kgco2e(total, charged_h, life_h, utilisation, share)))
    ) AS embodied_low_kgco2e,
    greatest(
        exact(finite(embodied_kgco2e(total_high, charged_low_h, life_low_h, utilisation, share))),
        exact(finite(embodied_kgco2e(total, charged_h, life_h, utilisation, share)))
    ) AS embodied_high_kgco2e,
    CASE
        WHEN name IS NULL AND total IS NULL THEN 'NO_HARDWARE'
        WHEN total IS NULL THEN 'UNKNOWN_DEVICE'
        WHEN hours_h IS NULL THEN 'MISSING_FIELD'
        WHEN life_h IS NULL THEN 'NO_FACTOR'
    END AS reason,
    list_sort(coalesce(factor_ids, [])) AS factor_ids,
    file,
    line
FROM capped
ORDER BY run_id, device_id
