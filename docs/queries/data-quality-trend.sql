-- How well runs are known, month by month: the share that is metered, modelled or unknown, and the mean coverage.
SELECT
    strftime(coalesce(ended_at, started_at) AT TIME ZONE 'UTC', '%Y-%m') AS month,
    count(*) AS runs,
    round(count(*) FILTER (WHERE quality_tier = 'measured') / count(*), 4) AS measured_ratio,
    round(count(*) FILTER (WHERE quality_tier = 'imported') / count(*), 4) AS imported_ratio,
    round(count(*) FILTER (WHERE quality_tier IN ('modelled', 'declared')) / count(*), 4) AS estimated_ratio,
    round(count(*) FILTER (WHERE emissions_kgco2e IS NULL) / count(*), 4) AS unknown_ratio,
    round(avg(coverage_ratio), 4) AS coverage_ratio
FROM runs
WHERE is_counted AND status IS DISTINCT FROM 'planned'
GROUP BY ALL
ORDER BY ALL;
