# Energy, embodied carbon, factors -> one row a run with every total and its interval.
rule emissions:
    input:
        expand("results/energy/{shard}.parquet", shard=PLAN.shards),
        PLAN.factors,
        PLAN.series,
        embodied="results/embodied.parquet",
        shards="results/index/shards.txt",
        settings="results/index/emissions.settings",
    output:
        "results/emissions.parquet",
    log:
        "results/log/emissions.log",
    benchmark:
        "results/benchmark/emissions.tsv"
    shell:
        "green stage emissions 2> {log}"
