"""Reads live flows over TLS with a bearer token to their end: PORT CERTIFICATE TOKEN fast|slow. A slow client waits for a line on
its standard input before it goes on. Prints how many flows came, how many it is told that it missed, and the ledger's records."""

import json
import sys

import pyarrow.flight as flight

port, certificate, token, pace = sys.argv[1:]
client = flight.connect(f"grpc+tls://localhost:{port}", tls_root_certs=open(certificate, "rb").read())


def options(word):
    return flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {word}".encode())])


try:
    list(client.list_flights(options=options(token + "x")))
    raise AssertionError("another token is let in")
except flight.FlightUnauthenticatedError:
    pass
reader = client.do_get(flight.Ticket(b"flows"), options=options(token))
assert "fwd_packets" in reader.schema.names
print("begun", flush=True)
if pace == "slow":
    sys.stdin.readline()
rows, last = 0, {}
try:
    while True:
        chunk = reader.read_chunk()
        if chunk.app_metadata is not None:
            last = json.loads(chunk.app_metadata.to_pybytes())
        if chunk.data is not None:
            rows += chunk.data.num_rows
except StopIteration:
    pass
print(rows, last["missed_records"], last["ledger"]["records"], flush=True)
