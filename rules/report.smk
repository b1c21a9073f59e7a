# Verdicts and the store -> one page that opens without a network.
rule report:
    input:
        verdicts="results/verdicts.json",
        rejects="results/rejects.parquet",
        settings="results/index/report.settings",
    output:
        "results/report.html",
    log:
        "results/log/report.log",
    benchmark:
        "results/benchmark/report.tsv"
    shell:
        "green stage report 2> {log}"
