-- What was planned and what ran, the furthest off first; a figure that one of the two lacks is NULL.
SELECT
    run_id,
    team,
    planned_energy_kwh,
    energy_kwh,
    energy_ratio,
    is_within,
    planned_emissions_kgco2e,
    emissions_kgco2e,
    emissions_ratio
FROM plan_actual
ORDER BY abs(ln(nullif(energy_ratio, 0))) DESC NULLS LAST, run_id;
