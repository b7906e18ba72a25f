"""Clients of a Flight server: `read`, `stuck`, `ask` or `guarded`, each as the test of that kind wants it."""

import json
import sys
import time

import pyarrow.flight as flight


def read(uri, ticket):
    reader = flight.connect(uri).do_get(flight.Ticket(ticket))
    schema = reader.schema
    print("begun", flush=True)
    counts, last = [], {}
    column = next(name for name in schema.names if "ackets" in name)
    try:
        while True:
            chunk = reader.read_chunk()
            if chunk.app_metadata is not None:
                last = json.loads(chunk.app_metadata.to_pybytes())
            if chunk.data is not None:
                counts += chunk.data.column(column).to_pylist()
    except StopIteration:
        pass
    in_order = counts == list(range(len(counts)))
    began = json.loads(schema.metadata[b"plumb.ledger"])["seen"]
    print(
        ",".join(schema.names), len(counts), in_order,
        "missed", last["missed_records"], "ledger", last.get("ledger", {}).get("seen"), "began", began,
        flush=True,
    )


def stuck(uri, ticket):
    reader = flight.connect(uri).do_get(flight.Ticket(ticket))
    assert reader.schema is not None
    print("begun", flush=True)
    time.sleep(600)


def refused(error, call):
    try:
        call()
    except error as cause:
        return str(cause)
    raise AssertionError(f"no {error}")


def ask(uri):
    client = flight.connect(uri)
    infos = {info.descriptor.path[0].decode(): info for info in client.list_flights()}
    assert list(infos) == ["flows", "flows?profile=renamed"], infos
    for name, columns in [("flows", ["time", "time_ns", "packets", "name"]), ("flows?profile=renamed", ["Total Packets"])]:
        info = client.get_flight_info(flight.FlightDescriptor.for_path(name))
        assert info.endpoints[0].ticket.ticket == name.encode() and info.total_records == -1
        by_command = client.get_schema(flight.FlightDescriptor.for_command(name))
        assert info.schema.names == by_command.schema.names == infos[name].schema.names == columns
        assert info.schema.metadata[b"plumb.record"] == b"flow"
    told = refused(KeyError, lambda: client.do_get(flight.Ticket("no")).read_all())
    assert "there are: flows" in told, told
    refused(KeyError, lambda: client.get_flight_info(flight.FlightDescriptor.for_path("flows", "more")))
    refused(NotImplementedError, lambda: list(client.do_action("drop")))


def guarded(port, certificate, token):
    roots = open(certificate, "rb").read()
    client = flight.connect(f"grpc+tls://localhost:{port}", tls_root_certs=roots)
    for headers in [[], [(b"authorization", b"Bearer s3cre_")], [(b"authorization", f"{token}".encode())]]:
        options = flight.FlightCallOptions(headers=headers)
        refused(flight.FlightUnauthenticatedError, lambda: list(client.list_flights(options=options)))
    allowed = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])
    assert len(list(client.list_flights(options=allowed))) == 2
    assert "packets" in client.do_get(flight.Ticket("flows"), options=allowed).schema.names
    plain = flight.connect(f"grpc://localhost:{port}")
    refused(flight.FlightUnavailableError, lambda: list(plain.list_flights(options=flight.FlightCallOptions(timeout=10))))


{"read": read, "stuck": stuck, "ask": ask, "guarded": guarded}[sys.argv[1]](*sys.argv[2:])
