"""Frames, byte by byte. Checksums are left 0: nothing here looks at them."""

import ipaddress
import struct

import headers

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
VLAN, QINQ = 0x8100, 0x88A8
SMALLEST = 60


def ethernet(payload: bytes, ethertype: int, tags: tuple = (), pad: bool = True) -> bytes:
    """A frame with VLAN tags (type, id), the outer first, filled up to the least that a frame may have."""
    frame = b"\x02\0\0\0\0\2" + b"\x02\0\0\0\0\1"
    for kind, vlan in tags:
        frame += struct.pack(">HH", kind, 0x6000 | vlan)
    frame += struct.pack(">H", ethertype) + payload
    return frame.ljust(SMALLEST, b"\0") if pad else frame


def ipv4(src: str, dst: str, protocol: int, payload: bytes, *, ttl: int = 64, tos: int = 0, identification: int = 1,
         fragment: int = 0, options: bytes = b"") -> bytes:
    """`fragment`: flags and offset as the header has them."""
    length = 20 + len(options)
    head = struct.pack(">BBHHHBBH", 0x40 | length // 4, tos, length + len(payload), identification, fragment, ttl,
                       protocol, 0)
    return head + ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed + options + payload


def ipv6(src: str, dst: str, protocol: int, payload: bytes, *, ttl: int = 64, tos: int = 0,
         extensions: tuple = ()) -> bytes:
    """Extension headers as (number, bytes behind the number of the next one)."""
    numbers = [number for number, _ in extensions] + [protocol]
    chain = b"".join(bytes([number]) + rest for number, (_, rest) in zip(numbers[1:], extensions))
    head = struct.pack(">IHBB", 6 << 28 | tos << 20, len(chain) + len(payload), numbers[0], ttl)
    return head + ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed + chain + payload


def extension(number: int, units: int = 0) -> tuple:
    """A header of 8 + 8 * units bytes, filled with padding options; AH in its own units."""
    if number == headers.AUTHENTICATION:
        return number, bytes([4 + 2 * units]) + b"\0\0" + b"\0\0\1\0" + b"\0\0\0\1" + b"\x11" * (12 + 8 * units)
    if number == headers.ROUTING:
        return number, bytes([units, 253, 0]) + b"\0" * (4 + 8 * units)
    if number == headers.MOBILITY:
        return number, bytes([units, 0, 0, 0, 0]) + b"\0" * (2 + 8 * units)
    return number, bytes([units, 1, 4 + 8 * units]) + b"\0" * (4 + 8 * units)


def fragment_header(offset: int, more: bool, identification: int) -> tuple:
    """`offset` in bytes."""
    return headers.FRAGMENT, struct.pack(">BHI", 0, offset | more, identification)


def tcp(sport: int, dport: int, flags: int, payload: bytes = b"", *, seq: int = 0, ack: int = 0, window: int = 65535,
        options: bytes = b"") -> bytes:
    options += b"\0" * (-len(options) % 4)
    length = 20 + len(options)
    return struct.pack(">HHIIHHHH", sport, dport, seq % 2**32, ack % 2**32, length // 4 << 12 | flags, window, 0,
                       0) + options + payload


def udp(sport: int, dport: int, payload: bytes = b"") -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def icmp(kind: int, code: int = 0, identification: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">BBHHH", kind, code, 0, identification, 1) + payload


def sctp(sport: int, dport: int, chunks: bytes) -> bytes:
    return struct.pack(">HHII", sport, dport, 7, 0) + chunks


def ip(src: str, dst: str, protocol: int, payload: bytes, tags: tuple = (), **given) -> bytes:
    """A whole frame of either version."""
    if ":" in src:
        return ethernet(ipv6(src, dst, protocol, payload, **given), 0x86DD, tags)
    return ethernet(ipv4(src, dst, protocol, payload, **given), 0x0800, tags)
