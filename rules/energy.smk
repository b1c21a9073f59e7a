# Readings of a shard -> energy of each device and run, before PUE.
rule energy:
    input:
        expand("results/ingest/{{shard}}/{table}.parquet", table=INGESTED),
        PLAN.factors,
        settings="results/index/energy.settings",
    output:
        "results/energy/{shard}.parquet",
    log:
        "results/log/energy/{shard}.log",
    benchmark:
        "results/benchmark/energy/{shard}.tsv"
    shell:
        "green stage energy --shard {wildcards.shard} 2> {log}"
