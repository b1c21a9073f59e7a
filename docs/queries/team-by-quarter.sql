-- Each team by quarter of the run's end (UTC); a total with an unknown part is NULL, its known part stands beside it.
SELECT
    team,
    strftime(coalesce(ended_at, started_at) AT TIME ZONE 'UTC', '%Y')
    || '-Q' || quarter(coalesce(ended_at, started_at) AT TIME ZONE 'UTC') AS quarter,
    count(*) AS runs,
    count(*) FILTER (WHERE emissions_kgco2e IS NULL) AS runs_unknown,
    CASE WHEN count(energy_kwh) = count(*) THEN round(sum(exact(energy_kwh)), 6) END AS energy_kwh,
    CASE WHEN count(emissions_kgco2e) = count(*) THEN round(sum(exact(emissions_kgco2e)), 6) END AS emissions_kgco2e,
    round(sum(exact(emissions_kgco2e)), 6) AS known_emissions_kgco2e
FROM runs
WHERE is_counted AND status IS DISTINCT FROM 'planned'
GROUP BY ALL
ORDER BY ALL;
