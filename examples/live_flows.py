"""Scores live flows: plumb flows -i eth0 --serve 127.0.0.1:8815; then this with ADDRESS:PORT TICKET COUNT."""

import sys

import pyarrow.flight as flight
from sklearn.ensemble import IsolationForest

address, ticket, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
names = {"flows": ("packets", "ip_bytes"), "flows?profile=nfstream": ("bidirectional_packets", "bidirectional_bytes")}
packets, size = names[ticket]
seen = []
for chunk in flight.connect(f"grpc://{address}").do_get(flight.Ticket(ticket.encode())):
    seen += [[row[packets], row[size]] for row in chunk.data.select([packets, size]).to_pylist()]
    if len(seen) >= count:
        break
model = IsolationForest(random_state=1).fit(seen)
for row, score in zip(seen, model.score_samples(seen)):
    print(f"packets={row[0]} bytes={row[1]} score={score:.3f}")
