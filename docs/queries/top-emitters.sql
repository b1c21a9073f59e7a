-- The twenty runs that emitted most, with interval, method and how they count.
SELECT
    run_id,
    team,
    project,
    emissions_kgco2e,
    emissions_kgco2e_low,
    emissions_kgco2e_high,
    operational_kgco2e,
    embodied_kgco2e,
    quality_tier,
    is_counted
FROM runs
ORDER BY emissions_kgco2e DESC NULLS LAST, run_id
LIMIT 20;
