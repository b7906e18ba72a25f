"""The record of a flow: every column of `plumb flows --level full`, computed from the list of its packets."""

import base64
import hashlib
import struct
from datetime import datetime, timezone
from fractions import Fraction

import tcp
from exact import deviation, gaps, mean, ratio, variance
from headers import ICMP, ICMPV6, SCTP, TCP, UDP, Packet, text
from lifecycle import ACTIVE, COUNTERPARTS, Segment, ends

SECOND_US = 1_000_000
SCOPES = {"": (0, 1), "fwd_": (0,), "bwd_": (1,)}
SIDES = {"fwd_": (0,), "bwd_": (1,)}


def record(flow: Segment, firsts: int = 20, active_gap_us: int = 5 * SECOND_US) -> dict:
    """All columns; None where a value is unknown."""
    out = identity(flow)
    for prefix, directions in SCOPES.items():
        packets = [packet for packet, direction in flow.packets if direction in directions]
        out |= {prefix + name: value for name, value in volume(flow, packets).items()}
        out |= {prefix + name: value for name, value in lengths(packets).items()}
        out |= {prefix + name: value for name, value in spread("iat_{}_us", iats(packets)).items()}
        out |= {prefix + name: value for name, value in tcp.flags(flow, packets).items()}
    for prefix, (direction,) in SIDES.items():
        side = one_way(flow, direction) | tcp.one_way(flow, direction)
        out |= {prefix + name: value for name, value in side.items()}
    out["down_up_ratio"] = ratio(len(flow.side(1)), len(flow.side(0)))
    return out | activity(flow, active_gap_us) | bulks(flow) | tcp.handshake(flow) | first_packets(flow, firsts)


def identity(flow: Segment) -> dict:
    """Who, when, and how it ended."""
    first = flow.packets[0][0]
    source, destination = ends(first) if flow.packets[0][1] == 0 else reversed(ends(first))
    ports = (source[1], destination[1]) if first.ports else (None, None)
    icmp = flow.icmp or (None, None)
    return {
        "record": "flow",
        "time": rfc3339(flow.start_ns),
        "end_time": rfc3339(flow.last_ns),
        "duration_us": duration_us(flow),
        "flow_id": flow_id(flow, source[0], destination[0], ports),
        "community_id": community_id(flow, source, destination),
        "interface": None,
        "ifindex": 0,
        "vlan": first.vlan,
        "ip_version": first.version,
        "protocol": first.protocol,
        "src_ip": text(source[0]),
        "dst_ip": text(destination[0]),
        "src_port": ports[0],
        "dst_port": ports[1],
        "icmp_type": icmp[0],
        "icmp_code": icmp[1],
        "initiator_known": flow.known,
        "segment": flow.number,
        "end_reason": flow.reason,
        "final": flow.reason != ACTIVE,
        "hooks": 1,
        "sampling": 1,
        "late_packets": flow.late,
        "conn_state": tcp.conn_state(flow),
        "history": tcp.history(flow),
    }


def duration_us(flow: Segment) -> int:
    return flow.last_ns // 1000 - flow.start_ns // 1000


def volume(flow: Segment, packets: list[Packet]) -> dict:
    duration = Fraction(duration_us(flow), SECOND_US)
    ip_bytes = sum(packet.ip_len for packet in packets)
    return {
        "packets": len(packets),
        "frame_bytes": sum(packet.frame_len for packet in packets),
        "ip_bytes": ip_bytes,
        "payload_bytes": sum(packet.payload for packet in packets),
        "l4_header_bytes": sum(packet.l4_len for packet in packets),
        "data_packets": sum(packet.payload > 0 for packet in packets),
        "packets_per_s": float(len(packets) / duration) if duration else None,
        "bytes_per_s": float(ip_bytes / duration) if duration else None,
    }


def spread(name: str, numbers: list[int]) -> dict:
    """Minimum, maximum, mean and deviation under names made of this one."""
    values = {
        "min": min(numbers, default=None),
        "max": max(numbers, default=None),
        "mean": mean(numbers),
        "std": deviation(numbers),
    }
    return {name.format(statistic): value for statistic, value in values.items()}


def lengths(packets: list[Packet]) -> dict:
    out = {}
    for name, numbers in (
        ("ip_len", [packet.ip_len for packet in packets]),
        ("payload_len", [packet.payload for packet in packets]),
    ):
        out |= spread(name + "_{}", numbers) | {name + "_var": variance(numbers)}
    return out


def iats(packets: list[Packet]) -> list[int]:
    """Gaps between packets in microseconds."""
    return gaps([packet.time_us for packet in packets])


def one_way(flow: Segment, direction: int) -> dict:
    """What is said of each direction alone."""
    packets = flow.side(direction)
    headers = [packet.l4_len for packet in packets if packet.l4_len]
    subflows = 1 + sum(gap > SECOND_US for gap in iats([packet for packet, _ in flow.packets]))
    tos = 0
    for packet in packets:
        tos |= packet.tos
    return {
        "seg_size_min": min(headers, default=None),
        "iat_total_us": sum(iats(packets)) if packets else None,
        "subflow_packets_mean": ratio(len(packets), subflows),
        "subflow_bytes_mean": ratio(sum(packet.payload for packet in packets), subflows),
        "ttl_min": min((packet.ttl for packet in packets), default=None),
        "ttl_max": max((packet.ttl for packet in packets), default=None),
        "first_ttl": packets[0].ttl if packets else None,
        "ip_tos_first": packets[0].tos if packets else None,
        "ip_tos": tos if packets else None,
        "frag_packets": sum(packet.fragment is not None for packet in packets),
        "len_hist": histogram([packet.payload for packet in packets], [16 << k for k in range(7)]),
        "iat_hist": histogram(iats(packets), [4**k for k in range(1, 16)]),
    }


def histogram(numbers: list[int], borders: list[int]) -> list[int]:
    """How many numbers are below each border and not below the one before; last, those below none."""
    bins = [0] * (len(borders) + 1)
    for number in numbers:
        bins[sum(number >= border for border in borders)] += 1
    return bins


def activity(flow: Segment, active_gap_us: int) -> dict:
    """Periods of activity and the gaps between them; runs of packets."""
    between = iats([packet for packet, _ in flow.packets])
    active, idle = [0], []
    for gap in between:
        if gap > active_gap_us:
            idle.append(gap)
            active.append(0)
        else:
            active[-1] += gap
    out = spread("active_{}_us", active) | spread("idle_{}_us", idle)
    subflows = 1 + sum(gap > SECOND_US for gap in between)
    return out | {"active_count": len(active), "idle_count": len(idle), "subflow_count": subflows}


def bulks(flow: Segment) -> dict:
    """Runs of four and more packets with payload, one way, no gap over a second, none of the other side's between."""
    data = [(packet, direction) for packet, direction in flow.packets if packet.payload]
    runs: list = []
    for (packet, direction), gap in zip(data, [0] + iats([packet for packet, _ in data])):
        if not runs or runs[-1]["direction"] != direction or gap > SECOND_US:
            runs.append({"direction": direction, "packets": [], "us": 0})
            gap = 0
        runs[-1]["packets"].append(packet)
        runs[-1]["us"] += gap
    out = {}
    for prefix, (way,) in SIDES.items():
        found = [run for run in runs if run["direction"] == way and len(run["packets"]) >= 4]
        out[prefix + "bulk_count"] = len(found)
        out[prefix + "bulk_packets"] = sum(len(run["packets"]) for run in found)
        out[prefix + "bulk_bytes"] = sum(packet.payload for run in found for packet in run["packets"])
        out[prefix + "bulk_duration_us"] = sum(run["us"] for run in found)
    return out


def first_packets(flow: Segment, firsts: int) -> dict:
    kept = flow.packets[:firsts]
    start = flow.start_ns // 1000
    return {
        "splt_rel_us": [max(0, packet.time_us - start) for packet, _ in kept],
        "splt_ip_len": [packet.ip_len for packet, _ in kept],
        "splt_payload_len": [packet.payload for packet, _ in kept],
        "splt_dir": [-1 if direction else 1 for _, direction in kept],
        "splt_flags": [packet.flags for packet, _ in kept],
    }


def rfc3339(time_ns: int) -> str:
    seconds, nanoseconds = divmod(time_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def flow_id(flow: Segment, source: bytes, destination: bytes, ports: tuple) -> int:
    first = flow.packets[0][0]
    numbers = flow.icmp or tuple(port or 0 for port in ports)
    vlan = 0xFFFF if first.vlan is None else first.vlan
    ifindex = 0
    data = source + destination + struct.pack(">HHHBIQ", *numbers, vlan, first.protocol, ifindex, flow.start_ns)
    return int.from_bytes(hashlib.sha1(data).digest()[:8], "big") >> 1


def community_id(flow: Segment, source: tuple, destination: tuple) -> str | None:
    """https://github.com/corelight/community-id-spec, version 1 with seed 0."""
    first = flow.packets[0][0]
    if first.protocol not in (ICMP, ICMPV6, TCP, UDP, SCTP):
        source, destination = (source[0],), (destination[0],)
    elif not first.icmp and not first.ports:
        return None
    one_way = flow.icmp and flow.icmp[0] not in COUNTERPARTS[first.protocol]
    low, high = (source, destination) if one_way else sorted((source, destination))
    data = b"\0\0" + low[0] + high[0] + bytes([first.protocol, 0])
    data += b"".join(struct.pack(">H", port) for port in low[1:] + high[1:])
    return "1:" + base64.b64encode(hashlib.sha1(data).digest()).decode()
