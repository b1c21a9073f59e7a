# Logs of a shard -> typed readings, statements and rejects.
rule ingest:
    input:
        index="results/index/shard/{shard}.json",
        settings="results/index/ingest.settings",
    output:
        expand("results/ingest/{{shard}}/{table}.parquet", table=INGESTED),
    log:
        "results/log/ingest/{shard}.log",
    benchmark:
        "results/benchmark/ingest/{shard}.tsv"
    shell:
        "green stage ingest --shard {wildcards.shard} 2> {log}"
