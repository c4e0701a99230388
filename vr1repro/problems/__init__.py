"""Sources of problems: the hub, local folders, Parquet and JSONL files, in the schemas of the data sets in use."""
