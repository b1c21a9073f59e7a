# Hardware of every run -> its share of embodied carbon.
rule embodied:
    input:
        expand(
            "results/ingest/{shard}/{table}.parquet",
            shard=PLAN.shards,
            table=["run", "device"],
        ),
        PLAN.factors,
        shards="results/index/shards.txt",
        settings="results/index/embodied.settings",
    output:
        "results/embodied.parquet",
    log:
        "results/log/embodied.log",
    benchmark:
        "results/benchmark/embodied.tsv"
    shell:
        "green stage embodied 2> {log}"
