#!/usr/bin/env python3
"""Flows as NFStream (PyPI, 6.6) counts them: counts, bytes, flags, minima and maxima of every flow must be the same.

Reads flow records (JSON lines of the native schema, made with the same timeouts and without ends by TCP) and the capture
that they are of. NFStream tells ICMP messages and fragments apart in other ways, merges VLANs' inner ids and truncates
times to milliseconds, so that TCP and UDP flows that no timeout cut are compared."""

import argparse
import json
import re
import sys
from typing import Iterable, Iterator

FLAGS = ("syn", "cwr", "ece", "urg", "ack", "psh", "rst", "fin")
SIDES = {"fwd_": "src2dst_", "bwd_": "dst2src_"}
TURNED = re.compile("src2dst|dst2src")


def names() -> Iterator[tuple[str, str]]:
    """Native and NFStream's names of what must be equal, of a flow that began at the same end in both."""
    for native, other in {"": "bidirectional_", **SIDES}.items():
        yield native + "packets", other + "packets"
        yield native + "ip_bytes", other + "bytes"
        yield native + "ip_len_min", other + "min_ps"
        yield native + "ip_len_max", other + "max_ps"
        for flag in FLAGS:
            yield f"{native}{flag}_count", f"{other}{flag}_packets"


def ends(flow: dict) -> tuple:
    return tuple(sorted(((flow["src_ip"], flow["src_port"]), (flow["dst_ip"], flow["dst_port"])))) + (flow["protocol"],)


def theirs(file: str, idle: int, active: int) -> dict:
    """NFStream's flows by their ends; those that it has more than once are cut."""
    from nfstream import NFStreamer

    columns = [name for _, name in names()] + ["src_ip", "dst_ip", "src_port", "dst_port", "protocol"]
    found: dict = {}
    streamer = NFStreamer(source=file, idle_timeout=idle, active_timeout=active, accounting_mode=1, n_dissections=0,
                          statistical_analysis=True, n_meters=1, decode_tunnels=False)
    for flow in streamer:
        one = {name: getattr(flow, name) for name in columns}
        found.setdefault(ends(one), []).append(one)
    return {key: flows[0] for key, flows in found.items() if len(flows) == 1}


def differences(records: Iterable[dict], others: dict) -> tuple[int, list[str]]:
    """How many flows were compared, and what differs."""
    ours: dict = {}
    for flow in records:
        if flow["protocol"] in (6, 17) and flow["src_port"] is not None:
            ours.setdefault(ends(flow), []).append(flow)
    compared, found = 0, []
    for key in ours.keys() & others.keys():
        flow, other = ours[key][0], others[key]
        if len(ours[key]) > 1:
            continue
        compared += 1
        same_way = (flow["src_ip"], flow["src_port"]) == (other["src_ip"], other["src_port"])
        for native, name in names():
            if not same_way:
                name = TURNED.sub(lambda side: "dst2src" if side[0] == "src2dst" else "src2dst", name)
            if (flow[native] or 0) != other[name]:
                found.append(f"{key}: {native} {flow[native]}, {name} {other[name]}")
    return compared, found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("capture")
    asked.add_argument("records", type=argparse.FileType())
    asked.add_argument("--idle", type=int, default=60)
    asked.add_argument("--active", type=int, default=120)
    given = asked.parse_args()
    records = [flow for flow in map(json.loads, given.records) if flow["record"] == "flow"]
    compared, found = differences(records, theirs(given.capture, given.idle, given.active))
    print(*found, f"{compared} flows compared, {len(found)} values differ", sep="\n")
    sys.exit(bool(found) or not compared)


if __name__ == "__main__":
    main()
