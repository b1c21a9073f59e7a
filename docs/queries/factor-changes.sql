-- Factors that changed while the ledger was kept: both values, the source, and when the later one was first used.
SELECT
    f.factor_id,
    f.value AS value_before,
    n.value AS value_after,
    f.unit,
    round(100 * (n.value / nullif(f.value, 0) - 1), 3) AS change_percent,
    n.source,
    l.recorded_at
FROM (
    SELECT factor_id, seq, value, unit, lead(seq) OVER (PARTITION BY factor_id ORDER BY seq) AS later
    FROM factor
) AS f
INNER JOIN factor AS n ON f.later = n.seq
INNER JOIN ledger AS l ON n.seq = l.seq
ORDER BY l.recorded_at, f.factor_id;
