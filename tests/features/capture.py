"""Captures in the classic format (pcap), with microseconds or nanoseconds, of Ethernet frames."""

import struct
from typing import BinaryIO, Iterable, Iterator, NamedTuple

MICROSECONDS, NANOSECONDS, ETHERNET = 0xA1B2C3D4, 0xA1B23C4D, 1


class Frame(NamedTuple):
    """A frame: when, how long it was on the wire, and as much of it as was captured."""

    time_ns: int
    length: int
    data: bytes


def read(file: BinaryIO) -> Iterator[Frame]:
    """Every frame of a capture, in its order."""
    head = file.read(24)
    for order in "<>":
        magic = struct.unpack(order + "I", head[:4])[0]
        if magic in (MICROSECONDS, NANOSECONDS):
            break
    else:
        raise ValueError("not a pcap file")
    if struct.unpack(order + "I", head[20:])[0] & 0xFFFF != ETHERNET:
        raise ValueError("not a capture of Ethernet frames")
    scale = 1 if magic == NANOSECONDS else 1000
    while record := file.read(16):
        seconds, fraction, captured, length = struct.unpack(order + "IIII", record)
        yield Frame(seconds * 10**9 + fraction * scale, length, file.read(captured))


def write(file: BinaryIO, frames: Iterable[Frame]) -> None:
    """Writes a capture with nanoseconds."""
    file.write(struct.pack("<IHHiIII", NANOSECONDS, 2, 4, 0, 0, 262144, ETHERNET))
    for frame in frames:
        seconds, nanoseconds = divmod(frame.time_ns, 10**9)
        file.write(struct.pack("<IIII", seconds, nanoseconds, len(frame.data), frame.length) + frame.data)
