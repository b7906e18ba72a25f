"""Reads every Parquet file below a directory with pyarrow, DuckDB and Polars, and prints how many files and rows there are."""

import json
import sys
from pathlib import Path

import duckdb
import polars
import pyarrow.parquet as parquet

files = sorted(str(path) for path in Path(sys.argv[1]).rglob("*.parquet"))
rows = 0
for file in files:
    table = parquet.read_table(file, partitioning=None)
    metadata = parquet.read_metadata(file).metadata
    assert json.loads(metadata[b"plumb.session"])["record"] == "session", metadata.keys()
    counts = {table.num_rows, polars.read_parquet(file, hive_partitioning=False).height}
    counts.add(duckdb.execute("SELECT count(*) FROM read_parquet(?, hive_partitioning = false)", [file]).fetchone()[0])
    assert len(counts) == 1, (file, counts)
    rows += table.num_rows
print(f"files={len(files)} rows={rows}")
