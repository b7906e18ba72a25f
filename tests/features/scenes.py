"""What happens in the corpus. A scene yields (order, time, frame): frames are seen in order, time is what is stamped."""

import random
from dataclasses import dataclass
from typing import Callable, Iterator

import headers
from build import ACK, CWR, ECE, FIN, PSH, QINQ, RST, SYN, URG, VLAN, ethernet, extension, fragment_header, icmp, ip
from build import sctp, tcp, udp

US, MS, S = 1000, 10**6, 10**9
Seen = Iterator[tuple[int, int, bytes]]


@dataclass
class Scene:
    make: Callable[[random.Random, int], Seen]
    times: int


class Talk:
    """Two hosts, their ports and tags."""

    def __init__(self, chance: random.Random):
        self.chance, six = chance, chance.random() < 0.4
        net = "2001:db8::" if six else "192.0.2."
        self.hosts = [net + str(chance.randrange(1, 100)), net + str(chance.randrange(100, 200))]
        chance.shuffle(self.hosts)
        self.ports = [chance.randrange(1024, 65536), chance.choice((22, 53, 80, 443, 8080))]
        self.tags = chance.choice(((), (), ((VLAN, 7),), ((QINQ, 9), (VLAN, 7))))
        self.ttl, self.tos = chance.choice((64, 128, 255)), chance.choice((0, 0, 0xB8, 1, 3))

    def frame(self, way: int, protocol: int, payload: bytes, **given) -> bytes:
        given = {"ttl": self.ttl - way, "tos": self.tos, "tags": self.tags} | given
        return ip(self.hosts[way], self.hosts[1 - way], protocol, payload, **given)

    def tcp(self, way: int, flags: int, size: int = 0, **given) -> bytes:
        return self.frame(way, headers.TCP, tcp(self.ports[way], self.ports[1 - way], flags, b"d" * size, **given))

    def udp(self, way: int, size: int) -> bytes:
        return self.frame(way, headers.UDP, udp(self.ports[way], self.ports[1 - way], b"d" * size))


SYN_OPTIONS = bytes.fromhex("020405b4 0402080a0000000100000000 01 030307")


def connection(chance: random.Random, begin: int) -> Seen:
    """A TCP connection, with what may go wrong."""
    talk, at = Talk(chance), begin
    seq = [chance.randrange(2**32), chance.choice((2**32 - 300, chance.randrange(2**32)))]

    def send(way: int, flags: int, size: int = 0, again: int = 0, **given) -> tuple[int, int, bytes]:
        nonlocal at
        at += chance.choice((1, 999, 1 * US, 250 * US, 3 * MS, 40 * MS))
        number = seq[way] - again
        frame = talk.tcp(way, flags, size, seq=number, ack=seq[1 - way], **given)
        if not again:
            seq[way] += size + bool(flags & SYN) + bool(flags & FIN)
        return at, at, frame

    start = chance.choice(("whole", "whole", "whole", "late", "syn_ack", "alone", "refused", "given up"))
    if start in ("whole", "alone", "refused", "given up"):
        yield send(0, SYN | chance.choice((0, ECE | CWR)), options=SYN_OPTIONS)
        if chance.random() < 0.2:
            seq[0] -= 1
            yield send(0, SYN, options=SYN_OPTIONS)
    if start == "refused":
        yield send(1, RST | ACK, window=0)
    if start == "given up":
        yield send(0, RST)
    if start in ("alone", "refused", "given up"):
        return
    if start in ("whole", "syn_ack"):
        yield send(1, SYN | ACK, options=SYN_OPTIONS[:4])
        yield send(0, ACK)
    for _ in range(chance.randrange(12)):
        way, size = chance.randrange(2), chance.choice((0, 1, 15, 16, 100, 536, 1023, 1024, 1448))
        yield send(way, ACK | chance.choice((0, PSH, PSH | URG, ECE, 0x100)), size, window=chance.choice((0, 1, 512, 64240)))
        if size and chance.random() < 0.15:
            yield send(way, ACK, size, again=size)
        if size > 20 and chance.random() < 0.1:
            yield send(way, ACK, size, again=size // 2)
    yield from closing(chance, send)


def closing(chance: random.Random, send: Callable) -> Seen:
    """How connections end, or do not, and what still comes then."""
    way, how = chance.randrange(2), chance.choice(("fin", "fin", "reset", "half", "never", "together"))
    if how == "never":
        return
    if how == "reset":
        yield (last := send(way, RST | chance.choice((0, ACK))))
    else:
        yield send(way, FIN | ACK)
        if how == "half":
            yield send(1 - way, ACK, 10)
            return
        if how == "fin":
            yield send(1 - way, ACK)
        yield send(1 - way, FIN | ACK)
        yield (last := send(way, ACK))
        yield send(1 - way, ACK)
    then = last[0] + 5 * S + chance.choice((-4 * S, -2 * US, -1, 0, 1, US))
    after = chance.choice(("nothing", "ack", "again", "reborn", "twice"))
    if after != "nothing":
        flags = {"ack": ACK, "again": RST, "reborn": SYN, "twice": SYN}[after]
        _, _, frame = send(way, flags)
        yield then, then, frame
        if after == "twice":
            _, _, frame = send(1 - way, ACK, 3)
            yield then + 5 * MS, then + 5 * MS, frame


def exchange(chance: random.Random, begin: int) -> Seen:
    """UDP both ways; now and then a packet that was stamped earlier than the one before."""
    talk, at, late = Talk(chance), begin, chance.random() < 0.3
    for _ in range(chance.randrange(1, 40)):
        at += chance.choice((0, 1, 3 * US, 4 * US, 16 * US - 1, 70 * US, 5 * MS, 300 * MS))
        stamped = at - chance.choice((1, 999, 5 * US, 2 * MS)) if late and chance.random() < 0.2 else at
        yield at, stamped, talk.udp(chance.randrange(2), chance.choice((0, 1, 18, 40, 512, 1400)))


def thresholds(chance: random.Random, begin: int) -> Seen:
    """Gaps at the borders of subflows and bulks (1 s), activity (5 s), idle (60 s), and lives at that of active (120 s)."""
    talk, at, way = Talk(chance), begin, 0
    border = chance.choice((1 * S, 5 * S, 60 * S, 120 * S))
    if border == 120 * S:
        gaps = [30 * S, 30 * S, 30 * S, 30 * S + chance.choice((-US, -1, 0, 1, US)), 40 * S]
    else:
        gaps = [border + chance.choice((-US, -1, 0, 1, US, 1001)) for _ in range(3)]
    for gap in [MS, MS, MS, *gaps, MS, MS, 2 * MS, MS]:
        yield at, at, talk.udp(way, chance.choice((10, 10, 10, 0)))
        at, way = at + gap, way if chance.random() < 0.85 else 1 - way


def long_connection(chance: random.Random, begin: int) -> Seen:
    """One that the active timeout cuts, whose end and retransmissions are in a later segment."""
    talk, at, seq = Talk(chance), begin, [100, 2**32 - 50]
    yield at, at, talk.tcp(0, SYN, seq=99, options=SYN_OPTIONS)
    yield at + US, at + US, talk.tcp(1, SYN | ACK, seq=2**32 - 51, ack=100)
    for step in range(16):
        at += 20 * S
        way, again = step % 2, step % 5 == 4
        yield at, at, talk.tcp(way, ACK | PSH, 30, seq=seq[way] - 30 * again, ack=seq[1 - way])
        seq[way] += 0 if again else 30
    for way, flags in ((1, FIN | ACK), (0, FIN | ACK), (1, ACK)):
        at += MS
        yield at, at, talk.tcp(way, flags, seq=seq[way], ack=seq[1 - way])


def messages(chance: random.Random, begin: int) -> Seen:
    """ICMP and ICMPv6: pairs, and what stands alone."""
    talk, at = Talk(chance), begin
    six = ":" in talk.hosts[0]
    protocol = headers.ICMPV6 if six else headers.ICMP
    pairs = ((128, 129), (130, 131), (133, 134), (135, 136), (144, 145)) if six else ((8, 0), (13, 14), (15, 16), (10, 9), (17, 18))
    for _ in range(chance.randrange(1, 6)):
        ask, answer = chance.choice(pairs)
        for way, kind in ((0, ask), (1, answer))[: chance.randrange(1, 3)]:
            at += chance.choice((10 * US, 20 * MS))
            yield at, at, talk.frame(way, protocol, icmp(kind, 0, talk.ports[0], b"p" * chance.randrange(60)))
        if chance.random() < 0.5:
            at += MS
            kind, code = chance.choice(((1, 4), (2, 0), (3, 1)) if six else ((3, 1), (3, 3), (11, 0), (5, 1)))
            yield at, at, talk.frame(chance.randrange(2), protocol, icmp(kind, code, 0, b"e" * 28))


def fragments(chance: random.Random, begin: int) -> Seen:
    """A datagram in three parts, and a frame that says it is all there."""
    talk = Talk(chance)
    six, number = ":" in talk.hosts[0], chance.randrange(65536)
    whole = udp(talk.ports[0], talk.ports[1], b"f" * 3000)
    for index, offset in enumerate((0, 1024, 2048)):
        part, more, at = whole[offset : offset + 1024] if offset < 2048 else whole[offset:], offset < 2048, begin + index * US
        if six:
            frame = talk.frame(0, headers.UDP, part, extensions=(fragment_header(offset, more, number),))
        else:
            frame = talk.frame(0, headers.UDP, part, identification=number, fragment=more << 13 | offset // 8)
        yield at, at, frame
    given = {"extensions": (fragment_header(0, False, number),)} if six else {"fragment": 0x4000}
    yield begin + 9 * US, begin + 9 * US, talk.frame(1, headers.UDP, udp(talk.ports[1], talk.ports[0], b"x"), **given)


def extended(chance: random.Random, begin: int) -> Seen:
    """Options of IPv4, extension headers of IPv6."""
    talk = Talk(chance)
    for step in range(4):
        if ":" in talk.hosts[0]:
            kinds = (headers.HOP_BY_HOP, headers.DESTINATION, headers.ROUTING, headers.AUTHENTICATION, headers.MOBILITY)
            chain = tuple(extension(chance.choice(kinds[1:]), chance.randrange(3)) for _ in range(chance.randrange(1, 4)))
            given = {"extensions": ((extension(headers.HOP_BY_HOP),) if step % 2 else ()) + chain}
        else:
            given = {"options": b"\x01" * (4 * chance.randrange(1, 11))}
        protocol, payload = chance.choice((
            (headers.UDP, udp(talk.ports[0], talk.ports[1], b"o" * step)),
            (headers.TCP, tcp(talk.ports[0], talk.ports[1], ACK, b"o" * step, seq=1 + step)),
        ))
        yield begin + step * MS, begin + step * MS, talk.frame(0, protocol, payload, **given)


def others(chance: random.Random, begin: int) -> Seen:
    """Other protocols, and what is not IP or not whole."""
    talk, at = Talk(chance), begin
    chunks = b"\0\3\0\x14" + b"s" * chance.randrange(16, 200)
    yield at, at, talk.frame(0, headers.SCTP, sctp(*talk.ports, chunks))
    yield at + US, at + US, talk.frame(1, headers.SCTP, sctp(*reversed(talk.ports), chunks))
    yield at + MS, at + MS, talk.frame(0, headers.UDPLITE, udp(*talk.ports, b"l" * 30))
    for protocol in (47, 50, 89, 112, 253):
        at += 2 * MS
        yield at, at, talk.frame(chance.randrange(2), protocol, b"\0\0\x08\0" + b"u" * chance.randrange(100))
    bad = [ethernet(b"\0\1\x08\0\6\4\0\1" + b"\0" * 20, 0x0806), ethernet(b"\x02\x07\4" + b"\0" * 40, 0x88CC)]
    bad += [ethernet(b"\x45" + b"\0" * 12, 0x0800, pad=False), ethernet(b"\x55" + b"\0" * 40, 0x0800)]
    bad += [ethernet(b"\x44" + b"\0" * 40, 0x0800), ethernet(b"\x60" + b"\0" * 30, 0x86DD, pad=False)]
    bad += [ethernet(b"\x45" + b"\0" * 40, 0x0800, ((QINQ, 1), (VLAN, 2), (VLAN, 3))), ethernet(b"B" * 46, 46)]
    for frame in bad:
        at += US
        yield at, at, frame


SCENES = [
    Scene(connection, 520),
    Scene(exchange, 150),
    Scene(thresholds, 120),
    Scene(long_connection, 20),
    Scene(messages, 100),
    Scene(fragments, 60),
    Scene(extended, 60),
    Scene(others, 40),
]
