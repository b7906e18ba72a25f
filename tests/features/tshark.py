#!/usr/bin/env python3
"""What tshark says of a capture, in the shape of `plumb packets` records, to compare with column by column.

Left out are frames without a whole IP header, and columns that are of the hook and not of the bytes."""

import argparse
import json
import subprocess
import sys
from typing import Iterator

from columns import rfc3339
from headers import AUTHENTICATION, DCCP, DESTINATION, EXTENSIONS, FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, MOBILITY, ROUTING
from headers import SCTP, TCP, UDP, UDPLITE, Packet

FIELDS = """frame.time_epoch frame.len frame.cap_len vlan.id ieee8021ad.id
ip.version ip.src ip.dst ip.len ip.hdr_len ip.ttl ip.dsfield ip.proto ip.id ip.frag_offset ip.flags.mf
ipv6.version ipv6.src ipv6.dst ipv6.plen ipv6.hlim ipv6.tclass ipv6.nxt
ipv6.hopopts.nxt ipv6.dstopts.nxt ipv6.routing.nxt ipv6.fraghdr.nxt ah.next_header mip6.proto
ipv6.hopopts.len ipv6.dstopts.len ipv6.routing.len ah.length mip6.hlen
ipv6.fraghdr.offset ipv6.fraghdr.more ipv6.fraghdr.ident
tcp.srcport tcp.dstport tcp.hdr_len tcp.flags tcp.window_size_value tcp.seq_raw tcp.ack_raw
udp.srcport udp.dstport sctp.srcport sctp.dstport dccp.srcport dccp.dstport
icmp.type icmp.code icmp.ident icmpv6.type icmpv6.code icmpv6.echo.identifier frame.protocols""".split()

# No reassembly: a fragment is what it is. No heuristics: what is behind ports is payload.
OPTIONS = ["-n", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE"]
OPTIONS += ["-o", "tcp.analyze_sequence_numbers:FALSE", "-o", "ip.tso_support:FALSE", "-o", "esp.enable_null_encryption_decode_heuristic:FALSE"]

# Extension headers by number: the field of the next header's number, that of the length, and what the length counts.
CHAIN = {
    HOP_BY_HOP: ("ipv6.hopopts.nxt", "ipv6.hopopts.len", lambda size: 8 * size + 8),
    DESTINATION: ("ipv6.dstopts.nxt", "ipv6.dstopts.len", lambda size: 8 * size + 8),
    ROUTING: ("ipv6.routing.nxt", "ipv6.routing.len", lambda size: 8 * size + 8),
    AUTHENTICATION: ("ah.next_header", "ah.length", lambda size: 4 * size + 8),
    MOBILITY: ("mip6.proto", "mip6.hlen", lambda size: 8 * size + 8),
    FRAGMENT: ("ipv6.fraghdr.nxt", None, lambda _: 8),
}

# Where tshark has the ports of a protocol, and the least that its header has.
PORTS = {TCP: "tcp", UDP: "udp", UDPLITE: "udp", SCTP: "sctp", DCCP: "dccp"}
LEAST = {TCP: 20, UDP: 8, UDPLITE: 8, DCCP: 8, SCTP: 12, ICMP: 8, ICMPV6: 8}


class Fields:
    """One frame's fields; the outermost come first."""

    def __init__(self, line: str):
        values = line.rstrip("\n").split("\t")
        self.all = {name: [item for item in value.split("|") if item] for name, value in zip(FIELDS, values)}

    def number(self, name: str, index: int = 0) -> int | None:
        found = self.all[name]
        return int(found[index], 0) if len(found) > index else None

    def text(self, name: str) -> str | None:
        return next(iter(self.all[name]), None)


def record(fields: Fields) -> dict | None:
    """The packet record of a frame; None where there is none, or where tshark does not read on (mobility headers)."""
    protocols = fields.text("frame.protocols") or ""
    layers = [layer for layer in protocols.split(":") if layer not in ("vlan", "ieee8021ad", "ethertype", "eth")]
    if not layers or layers[0] not in ("ip", "ipv6"):
        return None
    out = _ipv4(fields) if layers[0] == "ip" else _ipv6(fields)
    if out is None:
        return None
    seconds, _, fraction = (fields.text("frame.time_epoch") or "0").partition(".")
    outer = fields.number("ieee8021ad.id")
    out |= {
        "record": "packet",
        "time": rfc3339(int(seconds) * 10**9 + int(fraction.ljust(9, "0"))),
        "frame_len": fields.number("frame.len"),
        "vlan": fields.number("vlan.id") if outer is None else outer,
    }
    begins = 14 + 4 * len(fields.all["vlan.id"] + fields.all["ieee8021ad.id"]) + out["l3_header_len"]
    out |= _transport(fields, out["protocol"], out["fragment"], fields.number("frame.cap_len") - begins)
    out["payload_len"] = max(0, out["ip_len"] - out["l3_header_len"] - (out["l4_header_len"] or 0))
    return out


def reads_on(packet: Packet) -> bool:
    """Whether tshark follows this packet's headers: neither behind mobility headers nor into what is cut."""
    return not packet.mobility and not packet.truncated


def _ipv4(fields: Fields) -> dict | None:
    if fields.text("ip.dst") is None or (fields.number("ip.hdr_len") or 0) < 20 or fields.number("ip.version") != 4:
        return None
    offset, more = fields.number("ip.frag_offset"), fields.text("ip.flags.mf") in ("1", "True")
    tos = fields.number("ip.dsfield")
    return {
        "ip_version": 4,
        "src_ip": fields.text("ip.src"),
        "dst_ip": fields.text("ip.dst"),
        "protocol": fields.number("ip.proto"),
        "ip_len": fields.number("ip.len"),
        "l3_header_len": fields.number("ip.hdr_len"),
        "ip_id": fields.number("ip.id"),
        "ttl": fields.number("ip.ttl"),
        "dscp": tos >> 2,
        "ecn": tos & 3,
        "fragment": "later" if offset else "first" if more else None,
    }


def _ipv6(fields: Fields) -> dict | None:
    if fields.text("ipv6.dst") is None or fields.number("ipv6.version") != 6:
        return None
    protocol, length, used = fields.number("ipv6.nxt"), 40, dict.fromkeys(CHAIN, 0)
    fragment = None
    while protocol in EXTENSIONS and fragment != "later":
        following, size, in_bytes = CHAIN[protocol]
        index = used[protocol]
        used[protocol] += 1
        if protocol == MOBILITY or fields.number(following, index) is None:
            return None
        if protocol == FRAGMENT:
            more = fields.text("ipv6.fraghdr.more") in ("1", "True")
            fragment = "later" if fields.number("ipv6.fraghdr.offset") else "first" if more else None
        length += in_bytes(fields.number(size, index) if size else 0)
        protocol = fields.number(following, index)
    tos = fields.number("ipv6.tclass")
    return {
        "ip_version": 6,
        "src_ip": fields.text("ipv6.src"),
        "dst_ip": fields.text("ipv6.dst"),
        "protocol": protocol,
        "ip_len": 40 + fields.number("ipv6.plen"),
        "l3_header_len": length,
        "ip_id": fields.number("ipv6.fraghdr.ident"),
        "ttl": fields.number("ipv6.hlim"),
        "dscp": tos >> 2,
        "ecn": tos & 3,
        "fragment": fragment,
    }


def _transport(fields: Fields, protocol: int, fragment: str | None, captured: int) -> dict:
    """Transport columns, of what was captured behind the IP headers. A later fragment has none."""
    names = ["src_port", "dst_port", "icmp_type", "icmp_code", "icmp_id", "tcp_flags", "tcp_window", "tcp_seq", "tcp_ack"]
    out = dict.fromkeys(names) | {"l4_header_len": None, "truncated": False}
    if fragment == "later" or protocol not in LEAST:
        return out
    if protocol in PORTS:
        both = [fields.number(f"{PORTS[protocol]}.{end}") for end in ("srcport", "dstport")]
        out["src_port"], out["dst_port"] = both if None not in both else (None, None)
    if captured < LEAST[protocol]:
        return out | {"truncated": True}
    out["l4_header_len"] = LEAST[protocol]
    if protocol in (ICMP, ICMPV6):
        name, echo = ("icmp", "icmp.ident") if protocol == ICMP else ("icmpv6", "icmpv6.echo.identifier")
        out["icmp_type"], out["icmp_code"] = fields.number(f"{name}.type"), fields.number(f"{name}.code")
        if out["icmp_type"] in ((8, 0) if protocol == ICMP else (128, 129)):
            out["icmp_id"] = fields.number(echo)
    elif protocol == TCP:
        out["l4_header_len"] = fields.number("tcp.hdr_len")
        for column, name in (("flags", "flags"), ("window", "window_size_value"), ("seq", "seq_raw"), ("ack", "ack_raw")):
            out[f"tcp_{column}"] = fields.number(f"tcp.{name}")
    return out


def records(file: str) -> Iterator[dict | None]:
    """One record or None per frame."""
    command = ["tshark", *OPTIONS, "-r", file, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|"]
    command += [word for name in FIELDS for word in ("-e", name)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as tshark:
        yield from (record(Fields(line)) for line in tshark.stdout)
    if tshark.returncode:
        raise RuntimeError(f"tshark ended with {tshark.returncode}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("file")
    for number, found in enumerate(records(asked.parse_args().file)):
        if found is not None:
            json.dump(found | {"frame": number}, sys.stdout, separators=(",", ":"))
            sys.stdout.write("\n")


if __name__ == "__main__":
    main()
