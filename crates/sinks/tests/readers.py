"""Compares what pyarrow, DuckDB and Polars read with the JSON lines of the same rows."""

import datetime
import json
import pathlib
import sys

import duckdb
import polars
import pyarrow
import pyarrow.dataset
import pyarrow.ipc
import pyarrow.parquet

folder = pathlib.Path(sys.argv[1])
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


def expected(line):
    """A row as every reader must give it."""
    row = json.loads(line)
    seconds, rest = row["time"].removesuffix("Z").split(".")
    whole = datetime.datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    row["time_ns"] = (whole - EPOCH) // datetime.timedelta(seconds=1) * 10**9 + int(rest)
    row["time"] = whole + datetime.timedelta(microseconds=int(rest) // 1000)
    del row["record"]
    return row


def plain(row):
    """A row without what a reader may choose: the name of UTC, the partition columns, the text of JSON."""
    row = {name: value for name, value in row.items() if name not in ("v", "date", "hour", "node")}
    row["time"] = row["time"].astimezone(UTC)
    row["hooks"] = json.loads(row["hooks"])
    return row


lines = (folder / "rows.jsonl").read_text().splitlines()
wanted = [expected(line) for line in lines if json.loads(line)["record"] == "every"]
assert len(wanted) == 20_000


def check(name, rows):
    rows = sorted(map(plain, rows), key=lambda row: row["time_ns"])
    assert len(rows) == len(wanted), f"{name}: {len(rows)} rows"
    for found, row in zip(rows, wanted):
        assert found == row, f"{name}: {found} is not {row}"
    print(f"{name}: {len(rows)} rows are equal")


parquet, arrow, stream, dataset = (
    str(folder / name) for name in ("rows.parquet", "rows.arrow", "rows.arrows", "dataset/everys/v=1")
)
duck = duckdb.connect()
duck.execute("SET TimeZone = 'UTC'")


def query(source):
    # Times as integers: DuckDB would want another package for those with a zone.
    cursor = duck.execute(f"SELECT * REPLACE (epoch_us(time) AS time) FROM {source}")
    names = [column[0] for column in cursor.description]
    for row in map(lambda cells: dict(zip(names, cells)), cursor.fetchall()):
        yield row | {"time": EPOCH + datetime.timedelta(microseconds=row["time"])}


check("pyarrow, Parquet", pyarrow.parquet.read_table(parquet).to_pylist())
check("Polars, Parquet", polars.read_parquet(parquet).to_dicts())
check("DuckDB, Parquet", query(f"read_parquet('{parquet}')"))
check("pyarrow, Arrow file", pyarrow.ipc.open_file(arrow).read_all().to_pylist())
check("Polars, Arrow file", polars.read_ipc(arrow).to_dicts())
check("pyarrow, Arrow stream", pyarrow.ipc.open_stream(stream).read_all().to_pylist())
check("Polars, Arrow stream", polars.read_ipc_stream(stream).to_dicts())
check("pyarrow, dataset", pyarrow.dataset.dataset(dataset, partitioning="hive").to_table().to_pylist())
check("Polars, dataset", polars.scan_parquet(dataset, hive_partitioning=True).collect().to_dicts())
check("DuckDB, dataset", query(f"read_parquet('{dataset}/**/*.parquet', hive_partitioning = true)"))

# What a filter on partitions leaves is what has that time.
hours = duck.execute(
    f"SELECT date, hour, node, count(*), sum((strftime(time, '%Y-%m-%d %H') != date || ' ' || hour)::INT)"
    f" FROM read_parquet('{dataset}/**/*.parquet', hive_partitioning = true, hive_types_autocast = false)"
    f" GROUP BY ALL ORDER BY ALL"
).fetchall()
assert len(hours) >= 3 and sum(count for *_, count, _ in hours) == len(wanted), hours
assert all(wrong == 0 and node in ("this node", "this%20node") for _, _, node, _, wrong in hours), hours

# The account is in the metadata, and the schema says what a column is.
about = pyarrow.parquet.read_metadata(parquet).metadata
assert json.loads(about[b"plumb.ledger"])["seen"] == 20_000, about
assert about[b"plumb.record"] == b"every" and about[b"plumb.schema_version"] == b"1"
assert about[b"plumb.cells_without_place"] == b"0"
told = dict(duck.execute(f"SELECT key, value FROM parquet_kv_metadata('{parquet}')").fetchall())
assert json.loads(told[b"plumb.ledger"])["seen"] == 20_000
assert json.loads(pyarrow.ipc.open_stream(stream).schema.metadata[b"plumb.ledger"])["seen"] == 1
span = pyarrow.parquet.read_schema(parquet).field("span_us")
assert span.metadata == {b"help": b"how long", b"unit": b"us"}, span.metadata
columns = pyarrow.parquet.read_metadata(parquet).row_group(0)
assert columns.column(0).compression == "ZSTD"
