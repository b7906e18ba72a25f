"""Prints live flows: ADDRESS:PORT TICKET COUNT."""

import sys

import pyarrow.flight as flight

address, ticket, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
packets = {"flows": "packets", "flows?profile=nfstream": "bidirectional_packets"}[ticket]
seen = []
for chunk in flight.connect(f"grpc://{address}").do_get(flight.Ticket(ticket.encode())):
    seen += chunk.data.column(packets).to_pylist()
    if len(seen) >= count:
        break
for number in seen:
    print(f"packets={number} ")
