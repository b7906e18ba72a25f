#!/usr/bin/env python3
"""Flows of a capture, computed exactly and apart from Plumb: the same records as `plumb flows --read FILE --level full
--format json`, to compare with."""

import argparse
import json
import sys

import capture
import columns
import headers
import lifecycle


def nanoseconds(text: str) -> int:
    """Seconds, with up to nine digits after the point."""
    whole, _, fraction = text.partition(".")
    return int(whole) * 10**9 + int(fraction.ljust(9, "0") or 0)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("file")
    asked.add_argument("--idle", type=nanoseconds, default=nanoseconds("60"), help="seconds")
    asked.add_argument("--active", type=nanoseconds, default=nanoseconds("120"), help="seconds")
    asked.add_argument("--linger", type=nanoseconds, default=nanoseconds("5"), help="seconds")
    asked.add_argument("--no-tcp-close", action="store_true", help="connections do not end flows")
    asked.add_argument("--firsts", type=int, default=20)
    given = asked.parse_args()
    times = lifecycle.Timeouts(given.idle, given.active, None if given.no_tcp_close else given.linger)
    with open(given.file, "rb") as file:
        parsed = (headers.parse(*frame) for frame in capture.read(file))
        for flow in lifecycle.flows((packet for packet in parsed if packet), times):
            json.dump(columns.record(flow, given.firsts), sys.stdout, separators=(",", ":"))
            sys.stdout.write("\n")


if __name__ == "__main__":
    main()
