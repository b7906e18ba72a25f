#!/usr/bin/env python3
"""Compares `plumb packets --read` with tshark and with the reference on the same capture, packet by packet: every column that
both have. Of frames that tshark does not follow (mobility headers, headers that are cut) the reference alone tells."""

import argparse
import json
import sys

import capture
import headers
import tshark
from columns import rfc3339
from headers import Packet

# Not of the bytes, and unknown in a capture.
PLACE = ("interface", "ifindex", "direction", "rx_queue", "cpu")


def record(packet: Packet) -> dict:
    """The reference's packet as `plumb packets` writes it, but for its place."""
    src_port, dst_port = packet.ports or (None, None)
    icmp_type, icmp_code = packet.icmp or (None, None)
    tcp = [packet.flags, packet.window, packet.seq, packet.ack] if packet.has_tcp else [None] * 4
    return {
        "record": "packet",
        "time": rfc3339(packet.time_ns),
        "ip_version": packet.version,
        "src_ip": headers.text(packet.src),
        "dst_ip": headers.text(packet.dst),
        "src_port": src_port,
        "dst_port": dst_port,
        "icmp_type": icmp_type,
        "icmp_code": icmp_code,
        "icmp_id": packet.icmp_id,
        "protocol": packet.protocol,
        "vlan": packet.vlan,
        "frame_len": packet.frame_len,
        "ip_len": packet.ip_len,
        "payload_len": packet.payload,
        "l3_header_len": packet.l3_len,
        "l4_header_len": packet.l4_len or None,
        **dict(zip(("tcp_flags", "tcp_window", "tcp_seq", "tcp_ack"), tcp)),
        "ip_id": packet.ip_id,
        "ttl": packet.ttl,
        "dscp": packet.tos >> 2,
        "ecn": packet.tos & 3,
        "fragment": packet.fragment,
        "truncated": packet.truncated,
    }


def differing(number: int, ours: dict, other: dict, whose: str) -> list[str]:
    """A line for each column that both have and that differs."""
    return [f"frame {number}: {name} is {ours.get(name, 'missing')!r}, {whose} says {value!r}" for name, value in other.items()
            if ours.get(name, "missing") != value]


def compare(ours: list[dict], packets: list[Packet | None], theirs: list[dict | None]) -> tuple[list[str], int]:
    """Differences, and how many packets were compared with tshark. Lists have an entry per frame, `ours` one per packet."""
    there = [number for number, packet in enumerate(packets) if packet is not None]
    if len(there) != len(ours):
        return [f"{len(ours)} packets, and the capture has {len(there)}"], 0
    found, compared = [], 0
    for number, packet in zip(there, ours):
        expected, known = record(packets[number]), theirs[number]
        found += differing(number, packet, expected | dict.fromkeys(PLACE) | {"gso_segments": 1}, "the reference")
        found += [f"frame {number}: {name} is in no reference" for name in packet.keys() - expected.keys() - set(PLACE)
                  if name != "gso_segments"]
        if known is None:
            found += [f"frame {number}: tshark has no packet"] if tshark.reads_on(packets[number]) else []
            continue
        compared += 1
        found += differing(number, packet, known, "tshark")
    return found, compared


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("capture")
    asked.add_argument("ours", help="JSON lines of plumb packets")
    given = asked.parse_args()
    with open(given.capture, "rb") as file:
        packets = [headers.parse(*frame) for frame in capture.read(file)]
    with open(given.ours, encoding="utf-8") as lines:
        ours = [written for written in map(json.loads, lines) if written["record"] == "packet"]
    found, compared = compare(ours, packets, list(tshark.records(given.capture)))
    passed_over = packets.count(None)
    print(*found[:100], sep="\n", end="\n" if found else "")
    print(f"{len(packets)} frames, {passed_over} without a packet, {compared} packets compared with tshark and {len(ours)} with "
          f"the reference: {len(found)} differences")
    sys.exit(bool(found) or not compared)


if __name__ == "__main__":
    main()
