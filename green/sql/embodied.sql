-- embodied.sql: the hardware of a run -> its share of the carbon embodied in it, device by device.
--
-- reads   run(run_id, duration_s, device_hours_h, hours_low_ratio, hours_high_ratio)
--         device(run_id, device_id, component, name, device_key, count, share, is_embodied, bill, serial, ...)
--         factor(factor_id, quantity, subject, subject_key, value, low, high, unit, method, source, note)
-- gives   embodied(run_id, device_id, embodied_kgco2e, embodied_low_kgco2e, embodied_high_kgco2e, reason, ...)
-- setting lifetime_h: where neither the record nor a factor names one, or NULL
--
-- M = TE x TiR/EL x RR/ToR (SCI, ISO/IEC 21031), per calendar hour, or per used hour where a utilisation
-- is given. TE is the maker's product footprint where there is one, else the sum of the bill of materials, else
-- another published figure; the interval spans all of them. A bill with one unknown part is unknown. A run that
-- outlives the device is charged its whole footprint and no more; device-hours are spread over an unknown number
-- of devices and are never capped. What a charged host holds by its bill is not charged again beside it.
WITH criterion AS (
    SELECT
        unnest(['embodied', 'embodied_adp', 'embodied_primary_energy', 'embodied_water']) AS quantity,
        unnest(['embodied_part', 'embodied_part_adp', 'embodied_part_primary_energy', 'embodied_part_water'])
            AS part_quantity,
        unnest(['kgCO2e', 'kgSbeq', 'MJ', 'L']) AS unit
),

-- Every factor that is used here, with its interval, the best kind of source first; of several of one kind the first
-- by name, so that it never varies.
fact AS (
    SELECT
        quantity,
        subject,
        subject_key,
        unit,
        method,
        source,
        factor_id,
        value,
        coalesce(low, value) AS low,
        coalesce(high, value) AS high,
        CASE method WHEN 'maker' THEN '0' WHEN 'bottom-up' THEN '1' ELSE '2' END || factor_id AS rank,
        lower(coalesce(note, '')) AS scope,
        note
    FROM factor
    WHERE starts_with(quantity, 'embodied') OR quantity IN ('bill', 'die_area', 'lifetime', 'part_attribute')
        OR quantity = 'memory_capacity'
),

-- A published figure, and what its source says beside it of transport and end of life: added to a figure that ends
-- at the gate, taken apart from one that holds them. The scope stands in the note.
published AS (
    SELECT
        f.subject_key,
        f.quantity,
        f.rank,
        f.method = 'maker' AS is_maker,
        regexp_matches(f.scope, 'end of life|cradle-to-grave') AS is_whole,
        contains(f.scope, 'cradle-to-gate') OR t IS NOT NULL OR e IS NOT NULL AS is_gate,
        f.value,
        f.low,
        f.high,
        b.* EXCLUDE (subject_key, method, source, factor_ids),
        list_concat([f.factor_id], b.factor_ids) AS factor_ids
    FROM fact AS f
    LEFT JOIN (
        SELECT
            subject_key,
            method,
            source,
            arg_min(value, rank) FILTER (WHERE quantity = 'embodied_transport') AS t,
            arg_min(low, rank) FILTER (WHERE quantity = 'embodied_transport') AS t_low,
            arg_min(high, rank) FILTER (WHERE quantity = 'embodied_transport') AS t_high,
            arg_min(value, rank) FILTER (WHERE quantity = 'embodied_end_of_life') AS e,
            arg_min(low, rank) FILTER (WHERE quantity = 'embodied_end_of_life') AS e_low,
            arg_min(high, rank) FILTER (WHERE quantity = 'embodied_end_of_life') AS e_high,
            list(factor_id) AS factor_ids
        FROM fact
        WHERE quantity IN ('embodied_transport', 'embodied_end_of_life')
        GROUP BY subject_key, method, source
    ) AS b
        ON
            f.quantity = 'embodied'
            AND f.subject_key = b.subject_key AND f.method = b.method AND f.source = b.source
    WHERE f.quantity IN ('embodied', 'embodied_adp', 'embodied_primary_energy', 'embodied_water')
),

published_measure AS (
    SELECT
        subject_key,
        quantity,
        rank,
        unnest(CASE
            WHEN is_whole AND (t IS NULL OR e IS NULL)
                THEN [{'measure': quantity, 'value': value, 'low': low, 'high': high}]
            WHEN is_whole
                THEN [
                    {'measure': quantity, 'value': value, 'low': low, 'high': high},
                    {
                        'measure': 'manufacture',
                        'value': greatest(value - t - e, 0),
                        'low': greatest(low - t_high - e_high, 0),
                        'high': greatest(high - t_low - e_low, 0)
                    },
                    {'measure': 'transport', 'value': t, 'low': t_low, 'high': t_high},
                    {'measure': 'end_of_life', 'value': e, 'low': e_low, 'high': e_high}
                ]
            ELSE [
                {
                    'measure': quantity,
                    'value': value + coalesce(t, 0) + coalesce(e, 0),
                    'low': low + coalesce(t_low, 0) + coalesce(e_low, 0),
                    'high': high + coalesce(t_high, 0) + coalesce(e_high, 0)
                },
                {
                    'measure': CASE WHEN quantity = 'embodied' AND is_gate THEN 'manufacture' END,
                    'value': value,
                    'low': low,
                    'high': high
                },
                {'measure': 'transport', 'value': t, 'low': t_low, 'high': t_high},
                {'measure': 'end_of_life', 'value': e, 'low': e_low, 'high': e_high}
            ]
        END) AS m
    FROM published
),

source AS (
    SELECT
        subject_key,
        quantity,
        min(rank) AS rank,
        arg_min(is_maker, rank) AS is_maker,
        arg_min(list_filter([
            CASE WHEN is_whole OR is_gate THEN 'manufacture' END,
            CASE WHEN is_whole OR t IS NOT NULL THEN 'transport' END,
            CASE WHEN is_whole OR e IS NOT NULL THEN 'end_of_life' END
        ], LAMBDA x: x IS NOT NULL), rank) AS stages,
        list_sort(list_distinct(flatten(list(factor_ids)))) AS factor_ids
    FROM published
    GROUP BY ALL
),

-- The best source gives the value, all together the interval; of a stage only where the best source has it apart.
source_measure AS (
    SELECT
        p.subject_key,
        p.quantity,
        p.m.measure AS measure,
        max(p.m.value) FILTER (WHERE p.rank = s.rank) AS value,
        min(p.m.low) AS low,
        max(p.m.high) AS high
    FROM published_measure AS p
    INNER JOIN source AS s ON p.subject_key = s.subject_key AND p.quantity = s.quantity
    WHERE p.m.measure IS NOT NULL AND p.m.value IS NOT NULL
    GROUP BY ALL
),

-- Kinds of device: what has one name, component and bill has one footprint, however many runs use it.
kind AS (
    SELECT
        row_number() OVER (ORDER BY d.device_key, d.component, d.bill) AS kind_id,
        d.device_key,
        d.component,
        d.bill AS declared,
        coalesce(d.bill, c.bill, a.bill) AS bill,
        CASE WHEN d.bill IS NULL THEN coalesce(c.factor_ids, a.factor_ids) END AS factor_ids
    FROM (SELECT DISTINCT device_key, component, bill FROM device WHERE is_embodied) AS d
    LEFT JOIN (
        SELECT
            subject_key,
            string_agg(concat(note, chr(59), 'count=', value), '|' ORDER BY note, factor_id) AS bill,
            list_sort(list(factor_id)) AS factor_ids
        FROM fact
        WHERE quantity = 'bill'
        GROUP BY ALL
    ) AS c ON d.device_key = c.subject_key
    LEFT JOIN (
        SELECT
            subject_key,
            format('cpu{0}count=1{0}die_mm2={1},{2},{3}', chr(59), arg_min(value, rank), min(low), max(high)) AS bill,
            list_sort(list(factor_id)) AS factor_ids
        FROM fact
        WHERE quantity = 'die_area'
        GROUP BY ALL
    ) AS a ON d.component = 'cpu' AND d.device_key = a.subject_key
),

item AS (
    SELECT
        part,
        part_kind(part) AS part_kind,
        nullif(part_text(part, 'device'), '') AS reference,
        part_text(part, 'embodied_kgco2e') <> '' AS is_own
    FROM (SELECT DISTINCT unnest(string_split(bill, '|')) AS part FROM kind)
),

-- What the catalogue knows of a device that a bill refers to: its figures, else attributes for the model of its kind.
figure AS (
    SELECT
        r.reference,
        string_agg(
            format(
                '{}{}={},{},{}', chr(59), CASE m.quantity
                    WHEN 'embodied' THEN 'embodied_kgco2e' WHEN 'embodied_adp' THEN 'adp_kgsbeq'
                    WHEN 'embodied_primary_energy' THEN 'primary_energy_mj' ELSE 'embodied_water_l'
                END, m.value, m.low, m.high
            ), '' ORDER BY m.quantity
        ) || any_value(CASE WHEN s.stages = ['manufacture'] THEN chr(59) || 'is_manufacture=1' ELSE '' END) AS text,
        any_value(s.stages) AS stages,
        list_sort(list_distinct(flatten(list(a.factor_ids)))) AS factor_ids
    FROM (
        SELECT i.reference, min(f.subject_key) AS subject_key
        FROM item AS i
        INNER JOIN fact AS f ON f.quantity = 'embodied' AND i.reference IN (f.subject, f.subject_key)
        GROUP BY ALL
    ) AS r
    INNER JOIN source AS s ON r.subject_key = s.subject_key AND s.quantity = 'embodied'
    INNER JOIN source_measure AS m ON r.subject_key = m.subject_key AND m.quantity = m.measure
    INNER JOIN source AS a ON r.subject_key = a.subject_key AND m.quantity = a.quantity
    GROUP BY ALL
),

attribute AS (
    SELECT
        part_kind,
        reference,
        name,
        CASE
            WHEN min(low) = max(high) THEN format('{}{}={}', chr(59), name, min(low))
            ELSE format('{}{}={},{},{}', chr(59), name, arg_min(value, rank), min(low), max(high))
        END AS text,
        list(factor_id ORDER BY factor_id) FILTER (WHERE quantity <> 'part_attribute') AS factor_ids
    FROM (
        SELECT part_kind(subject) AS part_kind, NULL AS reference, split_part(subject, chr(59), 2) AS name, *
        FROM fact
        WHERE quantity = 'part_attribute'
        UNION ALL BY NAME
        SELECT DISTINCT ON (i.part_kind, i.reference, f.factor_id)
            i.part_kind,
            i.reference,
            CASE f.quantity WHEN 'die_area' THEN 'die_mm2' ELSE 'memory_gb' END AS name,
            f.*
        FROM item AS i
        INNER JOIN fact AS f
            ON i.reference IN (f.subject, f.subject_key) AND f.quantity IN ('die_area', 'memory_capacity')
    )
    GROUP BY part_kind, reference, name
),

piece AS (
    SELECT
        i.part,
        i.part_kind,
        i.part || coalesce(any_value(f.text), string_agg(a.text, '' ORDER BY a.name), '') AS whole,
        any_value(f.stages) AS stages,
        list_concat(any_value(f.factor_ids), flatten(list(a.factor_ids))) AS factor_ids
    FROM item AS i
    LEFT JOIN figure AS f ON i.reference = f.reference AND NOT i.is_own
    LEFT JOIN attribute AS a
        ON
            i.part_kind = a.part_kind
            AND coalesce(a.reference, i.reference) IS NOT DISTINCT FROM i.reference
            AND f.reference IS NULL AND NOT i.is_own AND part_text(i.part, a.name) = ''
    GROUP BY i.part, i.part_kind
),

amount AS (
    SELECT
        part,
        place,
        unnest(part_terms(part_kind, has)) AS t
    FROM (
        SELECT
            p.part,
            p.part_kind,
            e.place,
            part_attributes(p.whole, e.place) AS has
        FROM piece AS p
        CROSS JOIN (SELECT unnest([1, 2, 3]) AS place) AS e
    )
),

coefficient AS (
    SELECT
        quantity,
        subject AS term,
        unit,
        [arg_min(value, rank), min(low), max(high)] AS at
    FROM fact
    WHERE starts_with(quantity, 'embodied_part')
    GROUP BY ALL
),

impact AS (
    SELECT
        part,
        place,
        quantity,
        stage,
        part_impact(amount, coefficient) AS one
    FROM (
        SELECT
            a.part,
            a.place,
            c.quantity,
            a.t.life_cycle_stage AS stage,
            a.t.amount AS amount,
            CASE WHEN a.t.unit = c.unit THEN 1.0 ELSE k.at[a.place] END AS coefficient
        FROM amount AS a
        INNER JOIN criterion AS c ON a.t.unit = c.unit OR a.t.unit NOT IN ('kgCO2e', 'kgSbeq', 'MJ', 'L')
        LEFT JOIN coefficient AS k
            ON
                c.part_quantity = k.quantity AND a.t.term = k.term
                AND k.unit = c.unit || CASE a.t.unit WHEN '1' THEN '' ELSE '/' || a.t.unit END
    )
),

piece_sum AS (
    SELECT
        i.part,
        i.place,
        i.quantity,
        known_sum(i.one) AS whole,
        sum(i.one) FILTER (WHERE i.stage = 'manufacture') AS manufacture,
        sum(i.one) FILTER (WHERE i.stage = 'transport') AS transport,
        sum(i.one) FILTER (WHERE i.stage = 'end_of_life') AS end_of_life,
        list_concat(list(DISTINCT i.stage), any_value(p.stages)) AS stages,
        any_value(p.factor_ids) AS factor_ids
    FROM impact AS i
    INNER JOIN piece AS p ON i.part = p.part
    GROUP BY ALL
),

bill AS (
    SELECT
        b.bill,
        p.part_kind,
        p.part,
        p.whole,
        part_units(b.count) AS units
    FROM (
        SELECT bill, part, part_attributes(part, 1)['count'] AS count
        FROM (
            SELECT bill, unnest(string_split(bill, '|')) AS part
            FROM (SELECT DISTINCT bill FROM kind WHERE bill IS NOT NULL)
        )
    ) AS b
    INNER JOIN piece AS p ON b.part = p.part
),

bill_sum AS (
    SELECT
        * EXCLUDE (held_stages),
        list_filter(['manufacture', 'transport', 'end_of_life'], LAMBDA x: list_bool_and(
            list_transform(held_stages, LAMBDA one: list_contains(one, x))
        )) AS stages
    FROM (
        SELECT
            b.bill,
            s.place,
            s.quantity,
            CASE
                WHEN count(s.whole * b.units) = len(string_split(b.bill, '|')) THEN sum(s.whole * b.units)
            END AS total,
            sum(s.manufacture * b.units) AS manufacture,
            sum(s.transport * b.units) AS transport,
            sum(s.end_of_life * b.units) AS end_of_life,
            list(s.stages) AS held_stages,
            list_sort(list_distinct(flatten(list(s.factor_ids)))) AS factor_ids
        FROM bill AS b
        INNER JOIN piece_sum AS s ON b.part = s.part
        GROUP BY b.bill, s.place, s.quantity
    )
),

bill_measure AS (
    SELECT
        bill,
        quantity,
        m.measure AS measure,
        as_double(max(m.amount) FILTER (WHERE place = 1)) AS value,
        as_double(max(m.amount) FILTER (WHERE place = 2)) AS low,
        as_double(max(m.amount) FILTER (WHERE place = 3)) AS high
    FROM (
        SELECT
            bill,
            place,
            quantity,
            unnest([
                {'measure': quantity, 'amount': total},
                {'measure': 'manufacture', 'amount': manufacture},
                {'measure': 'transport', 'amount': transport},
                {'measure': 'end_of_life', 'amount': end_of_life}
            ]) AS m
        FROM bill_sum
        WHERE total IS NOT NULL
    )
    WHERE m.measure = quantity OR quantity = 'embodied'
    GROUP BY ALL
),

-- Of one device first, else of its component.
lifetime AS (
    SELECT
        subject_key,
        min(low) AS low,
        max(high) AS high,
        list(factor_id ORDER BY factor_id) AS factor_ids,
        arg_min(value, factor_id) AS value
    FROM fact
    WHERE quantity = 'lifetime'
    GROUP BY ALL
),

-- The maker's footprint, else the bill, else another published figure; a bill that a record declares and that has an
-- unknown part is not replaced by what somebody else published.
basis AS (
    SELECT
        k.kind_id,
        k.device_key,
        k.bill,
        c.quantity,
        c.unit,
        coalesce(
            CASE WHEN s.is_maker THEN 'source' END,
            CASE WHEN b.value IS NOT NULL THEN 'bill' END,
            CASE WHEN s.rank IS NOT NULL AND k.declared IS NULL THEN 'source' END
        ) AS basis,
        CASE basis WHEN 'source' THEN s.stages WHEN 'bill' THEN n.stages END AS stages,
        list_concat(s.factor_ids, CASE
            WHEN b.value IS NOT NULL OR c.quantity = 'embodied' THEN list_concat(n.factor_ids, k.factor_ids)
        END) AS factor_ids
    FROM kind AS k
    CROSS JOIN criterion AS c
    LEFT JOIN source AS s ON k.device_key = s.subject_key AND c.quantity = s.quantity
    LEFT JOIN bill_measure AS b ON k.bill = b.bill AND c.quantity = b.measure
    LEFT JOIN bill_sum AS n ON k.bill = n.bill AND c.quantity = n.quantity AND n.place = 1
),

kind_measure AS (
    SELECT
        a.kind_id,
        a.quantity,
        a.unit,
        m.measure,
        CASE a.basis WHEN 'source' THEN s.value WHEN 'bill' THEN b.value END AS value,
        least(s.low, b.low) AS low,
        greatest(s.high, b.high) AS high
    FROM basis AS a
    INNER JOIN (
        SELECT
            unnest(['manufacture', 'transport', 'end_of_life'] || list(quantity)) AS measure,
            CASE WHEN starts_with(measure, 'embodied') THEN measure ELSE 'embodied' END AS quantity
        FROM criterion
    ) AS m ON a.quantity = m.quantity
    LEFT JOIN source_measure AS s
        ON a.device_key = s.subject_key AND a.quantity = s.quantity AND m.measure = s.measure
    LEFT JOIN bill_measure AS b ON a.bill = b.bill AND a.quantity = b.quantity AND m.measure = b.measure
),

-- All that is known of a kind of device: one row.
footprint AS (
    SELECT
        k.kind_id,
        k.device_key,
        k.component,
        k.declared,
        k.bill IS NOT NULL AS has_bill,
        m.total,
        m.total_low,
        m.total_high,
        -- a figure that is all of one stage says so in its stages
        CASE WHEN m.is_split THEN 'footprint' || m.text END AS footprint,
        b.low AS bill_low,
        b.high AS bill_high,
        coalesce(d.value, c.value) AS life_h,
        coalesce(d.low, c.low) AS life_low_h,
        coalesce(d.high, c.high) AS life_high_h,
        coalesce(w.bill, k.bill) AS bill,
        nullif(array_to_string(a.stages, '+'), '') AS stages,
        list_sort(list_distinct(coalesce(a.factor_ids, []))) AS total_ids,
        list_sort(coalesce(d.factor_ids, c.factor_ids, [])) AS life_ids,
        list_sort(list_distinct(list_concat(a.factor_ids, coalesce(d.factor_ids, c.factor_ids)))) AS factor_ids
    FROM kind AS k
    LEFT JOIN bill_measure AS b ON k.bill = b.bill AND b.measure = 'embodied'
    LEFT JOIN (
        SELECT bill AS raw, string_agg(whole, '|' ORDER BY whole) AS bill
        FROM bill
        GROUP BY ALL
    ) AS w ON k.bill = w.raw
    LEFT JOIN lifetime AS d ON k.device_key = d.subject_key
    LEFT JOIN lifetime AS c ON k.component = c.subject_key
    LEFT JOIN (
        SELECT
            kind_id,
            any_value(stages) FILTER (WHERE quantity = 'embodied') AS stages,
            flatten(list(factor_ids)) AS factor_ids
        FROM basis
        GROUP BY ALL
    ) AS a ON k.kind_id = a.kind_id
    LEFT JOIN (
        SELECT
            kind_id,
            max(total) AS total,
            max(low) FILTER (WHERE measure = 'embodied') AS total_low,
            max(high) FILTER (WHERE measure = 'embodied') AS total_high,
            string_agg(
                CASE
                    WHEN low = value AND high = value
                        THEN format('{}{}_{}={:.12g}', chr(59), measure, lower(unit), value)
                    ELSE format('{}{}_{}={:.12g},{:.12g},{:.12g}', chr(59), measure, lower(unit), value, low, high)
                END, '' ORDER BY measure
            ) AS text,
            bool_or(quantity <> 'embodied' OR (measure <> 'embodied' AND value <> total)) AS is_split
        FROM (
            SELECT *, max(value) FILTER (WHERE measure = 'embodied') OVER (PARTITION BY kind_id) AS total
            FROM kind_measure
        )
        WHERE value IS NOT NULL
        GROUP BY kind_id
    ) AS m ON k.kind_id = m.kind_id
),

-- What a host holds by its bill, and how many of the devices beside it stand outside, in the order of their ids.
held AS (
    SELECT
        d.run_id,
        CASE b.part_kind WHEN 'ram' THEN 'memory' ELSE b.part_kind END AS component,
        min(d.device_id) AS host,
        sum(d.count * b.units) AS units
    FROM device AS d
    INNER JOIN kind AS k
        ON
            d.device_key IS NOT DISTINCT FROM k.device_key AND d.component = k.component
            AND d.bill IS NOT DISTINCT FROM k.declared
    INNER JOIN bill AS b ON k.bill = b.bill
    WHERE d.is_embodied AND d.component = 'host' AND b.part_kind IN ('cpu', 'gpu', 'ram')
    GROUP BY ALL
),

inside AS (
    SELECT
        d.run_id,
        d.device_id,
        h.host,
        least(
            d.count,
            greatest(sum(d.count) OVER (PARTITION BY d.run_id, d.component ORDER BY d.device_id) - h.units, 0)
        ) AS outside
    FROM device AS d
    INNER JOIN held AS h ON d.run_id = h.run_id AND d.component = h.component
    WHERE d.is_embodied
    QUALIFY outside < d.count
),

term AS (
    SELECT
        d.run_id,
        d.device_id,
        d.component,
        d.name,
        coalesce(d.serial, d.uuid) AS machine,
        d.count,
        d.share,
        d.file,
        d.line,
        i.host,
        coalesce(i.outside, d.count) AS units,
        r.device_hours_h IS NOT NULL AS is_device_hours,
        coalesce(r.device_hours_h * (units / d.count), units * r.duration_s / 3600.0) AS hours_h,
        hours_h * coalesce(r.hours_low_ratio, 1.0) AS hours_low_h,
        hours_h * coalesce(r.hours_high_ratio, 1.0) AS hours_high_h,
        coalesce(d.utilisation, 1.0) AS utilisation,
        d.embodied_kgco2e IS NOT NULL AS is_declared,
        coalesce(d.embodied_kgco2e, f.total) AS total,
        CASE
            WHEN d.embodied_kgco2e IS NULL THEN f.total_low
            WHEN d.bill IS NULL THEN coalesce(d.embodied_low_kgco2e, d.embodied_kgco2e)
            ELSE least(coalesce(d.embodied_low_kgco2e, d.embodied_kgco2e), f.bill_low)
        END AS total_low,
        CASE
            WHEN d.embodied_kgco2e IS NULL THEN f.total_high
            WHEN d.bill IS NULL THEN coalesce(d.embodied_high_kgco2e, d.embodied_kgco2e)
            ELSE greatest(coalesce(d.embodied_high_kgco2e, d.embodied_kgco2e), f.bill_high)
        END AS total_high,
        coalesce(d.lifetime_h, cast($lifetime_h AS DOUBLE), f.life_h) AS life_h,
        CASE
            WHEN d.lifetime_h IS NOT NULL THEN coalesce(d.lifetime_low_h, d.lifetime_h)
            ELSE coalesce(cast($lifetime_h AS DOUBLE), f.life_low_h)
        END AS life_low_h,
        CASE
            WHEN d.lifetime_h IS NOT NULL THEN coalesce(d.lifetime_high_h, d.lifetime_h)
            ELSE coalesce(cast($lifetime_h AS DOUBLE), f.life_high_h)
        END AS life_high_h,
        CASE
            WHEN d.lifetime_h IS NOT NULL OR $lifetime_h IS NOT NULL
                THEN CASE WHEN is_declared THEN [] ELSE f.total_ids END
            WHEN is_declared THEN f.life_ids
            ELSE f.factor_ids
        END AS factor_ids,
        CASE WHEN NOT is_declared THEN f.stages END AS stages,
        CASE WHEN NOT is_declared THEN f.footprint END AS footprint,
        f.bill,
        f.has_bill
    FROM device AS d
    INNER JOIN run AS r ON d.run_id = r.run_id
    LEFT JOIN footprint AS f
        ON
            d.device_key IS NOT DISTINCT FROM f.device_key AND d.component = f.component
            AND d.bill IS NOT DISTINCT FROM f.declared
    LEFT JOIN inside AS i ON d.run_id = i.run_id AND d.device_id = i.device_id
    WHERE d.is_embodied
),

capped AS (
    SELECT
        *,
        CASE
            WHEN is_device_hours OR hours_h IS NULL THEN hours_h ELSE least(hours_h, units * life_h * utilisation)
        END AS charged_h,
        -- the most is charged over the shortest lifetime, the least over the longest
        CASE
            WHEN is_device_hours OR hours_h IS NULL THEN hours_high_h
            ELSE least(hours_high_h, units * life_low_h * utilisation)
        END AS charged_low_h,
        CASE
            WHEN is_device_hours OR hours_h IS NULL THEN hours_low_h
            ELSE least(hours_low_h, units * life_high_h * utilisation)
        END AS charged_high_h
    FROM term
),

charged AS (
    SELECT
        *,
        exact(finite(embodied_kgco2e(total, charged_h, life_h, utilisation, share))) AS value,
        exact(finite(embodied_kgco2e(total_low, charged_high_h, life_high_h, utilisation, share))) AS low,
        exact(finite(embodied_kgco2e(total_high, charged_low_h, life_low_h, utilisation, share))) AS high
    FROM capped
)

SELECT
    run_id,
    device_id,
    component,
    name,
    machine,
    count,
    host AS inside,
    hours_h AS device_hours_h,
    life_h AS lifetime_h,
    utilisation,
    share,
    total AS embodied_total_kgco2e,
    CASE WHEN units = 0 THEN 0 ELSE value END AS embodied_kgco2e,
    -- least and greatest: a capped charge is the same product in another order, and may round apart
    CASE WHEN units = 0 THEN 0 ELSE least(low, value) END AS embodied_low_kgco2e,
    CASE WHEN units = 0 THEN 0 ELSE greatest(high, value) END AS embodied_high_kgco2e,
    stages AS life_cycle_stages,
    footprint,
    CASE
        WHEN units = 0 THEN NULL
        WHEN total IS NULL AND has_bill THEN 'UNKNOWN_PART'
        WHEN name IS NULL AND total IS NULL THEN 'NO_HARDWARE'
        WHEN total IS NULL THEN 'UNKNOWN_DEVICE'
        WHEN hours_h IS NULL THEN 'MISSING_FIELD'
        WHEN life_h IS NULL THEN 'NO_FACTOR'
    END AS reason,
    bill,
    coalesce(factor_ids, []) AS factor_ids,
    file,
    line
FROM charged
ORDER BY run_id, device_id
