-- Assessments that a later one superseded, in what the two differ, and why the later one was made.
SELECT run_id, seq, recorded_at, energy_kwh, operational_kgco2e, superseded_by, superseded_because, superseded_reason
FROM run_history
WHERE superseded_by IS NOT NULL
ORDER BY run_id, seq;
