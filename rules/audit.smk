# Facts -> the audit store. The store is no output (Snakemake deletes outputs); its receipt is.
rule audit:
    input:
        emissions="results/emissions.parquet",
        sources="results/index/sources.txt",
        store="results/index/store",
    output:
        receipt="results/audit.json",
        rejects="results/rejects.parquet",
    log:
        "results/log/audit.log",
    benchmark:
        "results/benchmark/audit.tsv"
    shell:
        "green stage audit 2> {log}"
