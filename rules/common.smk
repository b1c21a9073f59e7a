# Configuration and shard index: read once at parse time, in the main process.
from green.pipeline import INGESTED, from_snakemake

PLAN = from_snakemake(REPO, workflow.config_settings, main=workflow.is_main_process)


wildcard_constraints:
    shard="[0-9a-f]+|all",
