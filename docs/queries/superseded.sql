-- Assessments that a later one superseded, and in what the two differ.
SELECT run_id, seq, recorded_at, energy_kwh, operational_kgco2e, superseded_by, superseded_because
FROM run_history
WHERE superseded_by IS NOT NULL
ORDER BY run_id, seq;
