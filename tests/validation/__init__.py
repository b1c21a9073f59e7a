"""Published results as run records: what papers print is what the pipeline has to give."""
