"""What a frame's headers say, by the RFCs that define them. Written apart from the parser that it checks."""

import ipaddress
import struct
from dataclasses import dataclass

ICMP, TCP, UDP, DCCP, ICMPV6, SCTP, UDPLITE = 1, 6, 17, 33, 58, 132, 136
# RFC 8200, and the mobility header of RFC 6275; AH (RFC 4302) and fragments have lengths of their own.
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, MOBILITY = 0, 43, 44, 51, 60, 135
EXTENSIONS = {HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, MOBILITY}
EXTENSIONS_FOLLOWED, TAGS_FOLLOWED = 8, 2
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))


@dataclass
class Packet:
    """An IP packet. Lengths are bytes; `l4_len` is 0 where there is no transport header that is known."""

    time_ns: int
    frame_len: int
    version: int = 0
    src: bytes = b""
    dst: bytes = b""
    protocol: int = 0
    vlan: int | None = None
    ip_len: int = 0
    l3_len: int = 0
    l4_len: int = 0
    ttl: int = 0
    tos: int = 0
    ip_id: int | None = None
    fragment: str | None = None
    truncated: bool = False
    ports: tuple[int, int] | None = None
    icmp: tuple[int, int] | None = None
    icmp_id: int | None = None
    flags: int = 0
    window: int = 0
    seq: int = 0
    ack: int = 0
    mss: int | None = None
    wscale: int | None = None
    mobility: bool = False
    frame: bytes = b""  # of those that are made for a test

    @property
    def payload(self) -> int:
        """Bytes behind the headers by what IP says: a frame's padding is none of them."""
        return max(0, self.ip_len - self.l3_len - self.l4_len)

    @property
    def has_tcp(self) -> bool:
        """Whether there is a TCP header."""
        return self.protocol == TCP and self.l4_len > 0

    @property
    def time_us(self) -> int:
        """Flows count in whole microseconds."""
        return self.time_ns // 1000

    def has(self, flags: int) -> bool:
        """Whether all these flags are set."""
        return self.flags & flags == flags


def parse(time_ns: int, length: int, data: bytes) -> Packet | None:
    """The packet in an Ethernet frame; None where there is none or its IP header is not whole or not one."""
    if len(data) < 14:
        return None
    packet = Packet(time_ns, length)
    ethertype, at = struct.unpack_from(">H", data, 12)[0], 14
    for _ in range(TAGS_FOLLOWED):
        if ethertype not in (0x8100, 0x88A8) or len(data) < at + 4:
            break
        tag, ethertype = struct.unpack_from(">HH", data, at)
        packet.vlan = tag & 0xFFF if packet.vlan is None else packet.vlan
        at += 4
    network = {0x0800: _ipv4, 0x86DD: _ipv6}.get(ethertype)
    if network is None or not network(packet, data[at:]):
        return None
    return packet


def _ipv4(packet: Packet, data: bytes) -> bool:
    if len(data) < 20 or data[0] >> 4 != 4 or data[0] & 15 < 5:
        return False
    packet.version, packet.l3_len = 4, (data[0] & 15) * 4
    packet.tos, packet.ip_len, packet.ip_id, fragment = struct.unpack_from(">xBHHH", data)
    packet.ttl, packet.protocol, packet.src, packet.dst = data[8], data[9], data[12:16], data[16:20]
    if fragment & 0x1FFF:
        packet.fragment = "later"
    elif fragment & 0x2000:
        packet.fragment = "first"
    if packet.fragment != "later":
        _transport(packet, data[packet.l3_len:])
    return True


def _ipv6(packet: Packet, data: bytes) -> bool:
    if len(data) < 40 or data[0] >> 4 != 6:
        return False
    packet.version, packet.tos = 6, (struct.unpack_from(">H", data)[0] >> 4) & 0xFF
    packet.ip_len, following, packet.ttl = 40 + struct.unpack_from(">H", data, 4)[0], data[6], data[7]
    packet.src, packet.dst, at = data[8:24], data[24:40], 40
    for _ in range(EXTENSIONS_FOLLOWED):
        if following not in EXTENSIONS or packet.fragment == "later":
            break
        if len(data) < at + 8:
            packet.truncated = True
            break
        kind, following, size = following, data[at], data[at + 1]
        packet.mobility |= kind == MOBILITY
        if kind == FRAGMENT:
            offset, identification = struct.unpack_from(">HI", data, at + 2)
            packet.ip_id = identification
            packet.fragment = "later" if offset & 0xFFF8 else "first" if offset & 1 else packet.fragment
            at += 8
        elif kind == AUTHENTICATION:
            at += (size + 2) * 4
        else:
            at += (size + 1) * 8
    packet.protocol, packet.l3_len = following, at
    if packet.fragment != "later" and not packet.truncated:
        _transport(packet, data[at:])
    return True


def _transport(packet: Packet, data: bytes) -> None:
    if packet.protocol in (ICMP, ICMPV6):
        if len(data) < 8:
            packet.truncated = True
            return
        packet.l4_len, packet.icmp = 8, (data[0], data[1])
        echo = (8, 0) if packet.protocol == ICMP else (128, 129)
        packet.icmp_id = struct.unpack_from(">H", data, 4)[0] if data[0] in echo else None
        return
    least = {TCP: 20, UDP: 8, UDPLITE: 8, DCCP: 8, SCTP: 12}.get(packet.protocol)
    if least is None:
        return
    if len(data) >= 4:
        packet.ports = struct.unpack_from(">HH", data)
    if len(data) < least:
        packet.truncated = True
        return
    packet.l4_len = least
    if packet.protocol == TCP:
        packet.seq, packet.ack, offset, packet.window = struct.unpack_from(">IIHH", data, 4)
        packet.l4_len, packet.flags = (offset >> 12) * 4, offset & 0xFFF
        _options(packet, data[20:packet.l4_len])


def _options(packet: Packet, options: bytes) -> None:
    """Maximum segment size and window scale (RFC 9293, RFC 7323), of a SYN alone."""
    at = 0
    while packet.flags & SYN and at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        size = options[at + 1] if at + 1 < len(options) else 0
        if size < 2 or at + size > len(options):
            return
        if options[at] == 2 and size == 4 and packet.mss is None:
            packet.mss = struct.unpack_from(">H", options, at + 2)[0]
        if options[at] == 3 and size == 3 and packet.wscale is None:
            packet.wscale = options[at + 2]
        at += size


def text(address: bytes) -> str:
    """Canonical text of an address."""
    return str(ipaddress.ip_address(address))
