# The store and the policies -> verdicts. A broken budget is a result; only the gate fails.
rule check:
    input:
        PLAN.policies,
        receipt="results/audit.json",
        settings="results/index/check.settings",
    output:
        receipt="results/check.json",
        verdicts="results/verdicts.json",
        comment="results/verdicts.md",
        sarif="results/verdicts.sarif",
        junit="results/verdicts.junit.xml",
    log:
        "results/log/check.log",
    benchmark:
        "results/benchmark/check.tsv"
    shell:
        "green stage check 2> {log}"


rule gate:
    input:
        verdicts="results/verdicts.json",
        report="results/report.html",
    shell:
        "green stage gate"
