# From experiment logs to an audited verdict. No logic here: configuration, shard index, rules, targets.
import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

REPO = Path(workflow.basedir).resolve()
sys.path.insert(0, str(REPO))
# Jobs find the `green` of this interpreter, also where its environment is not activated.
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]


include: "rules/common.smk"


rule all:
    input:
        "results/audit.json",
        "results/check.json",
        "results/verdicts.json",
        "results/verdicts.md",
        "results/verdicts.sarif",
        "results/verdicts.junit.xml",
        "results/rejects.parquet",
        "results/report.html",


include: "rules/ingest.smk"
include: "rules/energy.smk"
include: "rules/embodied.smk"
include: "rules/emissions.smk"
include: "rules/audit.smk"
include: "rules/check.smk"
include: "rules/report.smk"
