"""Who sent most, of what `plumb flows -i eth0 -o flows/` has written: this with the folder."""

import sys

import polars as pl

flows = pl.scan_parquet(f"{sys.argv[1]}/**/*.parquet")
senders = (
    flows.group_by("src_ip", "protocol")
    .agg(pl.len().alias("flows"), pl.sum("packets"), pl.sum("ip_bytes"), pl.mean("duration_us"))
    .sort("ip_bytes", "src_ip", descending=True)
    .collect()
)
for row in senders.head(10).iter_rows(named=True):
    print(f"{row['src_ip']} protocol={row['protocol']} flows={row['flows']} bytes={row['ip_bytes']} us={row['duration_us']:.0f}")
print(f"flows={senders['flows'].sum()} packets={senders['packets'].sum()}")
