"""Which packets make which flow: keys, initiators, and how flows end. All is decided at packets, by their times."""

from dataclasses import dataclass, field
from typing import Iterable, Iterator

from headers import ACK, FIN, ICMP, ICMPV6, RST, SYN, TCP, Packet

IDLE, ACTIVE, ENDED, FORCED = 1, 2, 3, 4  # IPFIX flowEndReason

# Messages that answer each other, as in Zeek and the Community ID specification.
COUNTERPARTS = {
    ICMP: {8: 0, 13: 14, 15: 16, 10: 9, 17: 18},
    ICMPV6: {128: 129, 130: 131, 133: 134, 135: 136, 139: 140, 144: 145},
}
for _pairs in COUNTERPARTS.values():
    _pairs.update({answer: ask for ask, answer in list(_pairs.items())})


@dataclass(frozen=True)
class Timeouts:
    """In nanoseconds; `linger_ns` is None where connections do not end flows."""

    idle_ns: int = 60 * 10**9
    active_ns: int = 120 * 10**9
    linger_ns: int | None = 5 * 10**9


@dataclass
class Closing:
    """What a TCP connection has shown of its end."""

    fins: set = field(default_factory=set)
    last_fin: int | None = None
    closed_ns: int | None = None


@dataclass
class Segment:
    """A flow, or what the active timeout cut of it. Directions are 0 forward, 1 backward."""

    initiator: tuple
    known: bool
    icmp: tuple | None = None
    number: int = 0
    packets: list = field(default_factory=list)
    closing: Closing = field(default_factory=Closing)
    syn_sequence: dict = field(default_factory=dict)
    earlier_highest: dict = field(default_factory=dict)
    late: int = 0
    reason: int = 0

    @property
    def start_ns(self) -> int:
        return self.packets[0][0].time_ns

    @property
    def last_ns(self) -> int:
        return max(packet.time_ns for packet, _ in self.packets)

    def side(self, direction: int) -> list:
        """The packets of one direction."""
        return [packet for packet, backward in self.packets if backward == direction]


def ends(packet: Packet) -> tuple:
    """Source and destination as a flow's key has them: address and port, or what stands for one."""
    source, destination = packet.ports or (0, 0)
    if packet.icmp:
        source, code = packet.icmp
        destination = COUNTERPARTS[packet.protocol].get(source, code)
    return (packet.src, source), (packet.dst, destination)


def key(packet: Packet) -> tuple:
    """The same for both directions of a conversation; an ICMP message that nothing answers is none."""
    kind = "icmp" if packet.icmp else "ports" if packet.ports else None
    one_way = packet.icmp and packet.icmp[0] not in COUNTERPARTS[packet.protocol]
    both = ends(packet) if one_way else sorted(ends(packet))
    return (*both, packet.vlan, packet.protocol, packet.version, kind)


def begin(packet: Packet) -> Segment:
    """A flow that this packet begins."""
    source, destination = ends(packet)
    syn = packet.protocol == TCP and packet.has(SYN)
    return Segment(destination if syn and packet.has(ACK) else source, syn, packet.icmp)


def why_ended(flow: Segment, packet: Packet, times: Timeouts) -> int:
    """Why the flow ended before this packet; 0 where it did not."""
    now, closed = packet.time_ns, flow.closing.closed_ns
    if closed is not None and times.linger_ns is not None:
        direction = int(ends(packet)[0] != flow.initiator)
        anew = packet.has(SYN) and not packet.has(ACK) and flow.syn_sequence.get(direction) != packet.seq
        if now > closed + times.linger_ns or anew:
            return ENDED
    if now > flow.last_ns + times.idle_ns:
        return IDLE
    return ACTIVE if now > flow.start_ns + times.active_ns else 0


def add(flow: Segment, packet: Packet) -> None:
    """Puts a packet into its flow."""
    direction = int(ends(packet)[0] != flow.initiator)
    flow.late += bool(flow.packets) and packet.time_ns < flow.last_ns
    flow.packets.append((packet, direction))
    if not packet.has_tcp:
        return
    if packet.has(SYN):
        flow.syn_sequence.setdefault(direction, packet.seq)
    _close(flow.closing, packet, direction)


def _close(closing: Closing, packet: Packet, direction: int) -> None:
    ended = packet.has(RST)
    if not ended and len(closing.fins) == 2 and packet.has(ACK) and direction != closing.last_fin:
        ended = True
    elif not ended and packet.has(FIN) and direction not in closing.fins:
        closing.fins.add(direction)
        closing.last_fin = direction
    if ended and closing.closed_ns is None:
        closing.closed_ns = packet.time_ns


def flows(packets: Iterable[Packet], times: Timeouts) -> Iterator[Segment]:
    """The flows of a capture, as they end; those that its end ends last. Time ends with the latest packet."""
    table: dict[tuple, Segment] = {}
    latest = 0
    for packet in packets:
        latest = max(latest, packet.time_ns)
        flow = table.get(key(packet))
        reason = why_ended(flow, packet, times) if flow else 0
        if flow and reason:
            flow.reason = reason
            yield flow
        if flow and reason == ACTIVE:
            flow = Segment(
                flow.initiator,
                flow.known,
                flow.icmp,
                flow.number + 1,
                closing=flow.closing,
                syn_sequence=flow.syn_sequence,
                earlier_highest=retransmissions(flow)[1],
            )
        elif not flow or reason:
            flow = begin(packet)
        table[key(packet)] = flow
        add(flow, packet)
    for flow in table.values():
        closed = flow.closing.closed_ns is not None and times.linger_ns is not None
        idle = latest > flow.last_ns + times.idle_ns
        flow.reason = ENDED if closed else IDLE if idle else FORCED
        yield flow


def retransmissions(flow: Segment) -> tuple[list, dict]:
    """Packets with payload that had all been seen, and how far each direction has come."""
    highest, again = dict(flow.earlier_highest), []
    for packet, direction in flow.packets:
        if not packet.has_tcp:
            continue
        end = packet.seq + packet.payload + packet.has(SYN) + packet.has(FIN)
        ahead = (end - highest[direction]) % 2**32 if direction in highest else 1
        if 0 < ahead < 2**31:
            highest[direction] = end % 2**32
        elif packet.payload:
            again.append((packet, direction))
    return again, highest
