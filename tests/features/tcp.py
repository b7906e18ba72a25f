"""What is said of TCP. Everything is None where no TCP header was seen."""

from headers import ACK, FIN, RST, SYN, TCP, UDP, Packet
from lifecycle import Segment, retransmissions

NAMES = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")


def is_tcp(flow: Segment) -> bool:
    return any(packet.has_tcp for packet, _ in flow.packets)


def flags(flow: Segment, packets: list[Packet]) -> dict:
    counted = [packet.flags for packet in packets if packet.has_tcp]
    return {
        name + "_count": sum(flags >> bit & 1 for flags in counted) if is_tcp(flow) else None
        for bit, name in enumerate(NAMES)
    }


def one_way(flow: Segment, direction: int) -> dict:
    packets = flow.side(direction)
    own = [packet for packet in packets if packet.has_tcp]
    windows = [packet.window for packet in own]
    syn = next((packet for packet in own if packet.has(SYN)), None)
    again = [packet for packet, way in retransmissions(flow)[0] if way == direction]
    together = 0
    for packet in own:
        together |= packet.flags
    return {
        "tcp_flags": together if is_tcp(flow) and packets else None,
        "init_window": windows[0] if own else None,
        "window_min": min(windows, default=None),
        "window_max": max(windows, default=None),
        "zero_window_count": windows.count(0) if own else None,
        "syn_mss": syn.mss if syn else None,
        "syn_wscale": syn.wscale if syn else None,
        "retrans_packets": len(again) if own else None,
        "retrans_bytes": sum(packet.payload for packet in again) if own else None,
    }


def handshake(flow: Segment) -> dict:
    """Times of the handshake, and from the first payload to the answer."""
    syn = syn_ack = ack = None
    data: dict = {}
    for packet, direction in flow.packets:
        if packet.payload:
            data.setdefault(direction, packet.time_us)
        if not packet.has_tcp:
            continue
        if packet.has(SYN) and not packet.has(ACK) and direction == 0 and syn is None:
            syn = packet.time_us
        elif packet.has(SYN | ACK) and direction == 1 and syn_ack is None:
            syn_ack = packet.time_us
        elif packet.has(ACK) and not packet.has(SYN) and direction == 0 and syn_ack is not None and ack is None:
            ack = packet.time_us
    return {
        "hs_syn_synack_us": since(syn, syn_ack),
        "hs_synack_ack_us": since(syn_ack, ack),
        "tcp_rtt_us": since(syn, ack),
        "ttfb_us": since(data.get(0), data.get(1)),
    }


def since(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None or after < before else after - before


def history(flow: Segment) -> str | None:
    """Zeek's letters, each once per direction; upper case forward."""
    letters: list[str] = []
    for packet, direction in flow.packets:
        if not packet.has_tcp:
            continue
        found = ""
        if packet.has(SYN):
            found += "H" if packet.has(ACK) else "S"
        if packet.payload:
            found += "D"
        elif packet.has(ACK) and not packet.flags & (SYN | FIN | RST):
            found += "A"
        found += "F" * packet.has(FIN) + "R" * packet.has(RST)
        for letter in found.lower() if direction else found:
            if letter not in letters:
                letters.append(letter)
    return "".join(letters[:16]) or None


def conn_state(flow: Segment) -> str:
    """Zeek's states, by its documentation of conn.log; a SYN of an earlier segment counts."""
    sent = [flow.side(0), flow.side(1)]
    if flow.packets[0][0].protocol == UDP:
        return {(True, True): "SF", (True, False): "S0", (False, True): "SHR"}[(bool(sent[0]), bool(sent[1]))]
    if flow.packets[0][0].protocol != TCP:
        return "OTH"
    fin, rst = ([any(p.has_tcp and p.has(flag) for p in side) for side in sent] for flag in (FIN, RST))
    syn = [direction in flow.syn_sequence for direction in (0, 1)]
    established = all(syn)
    shown = [fin[way] or syn[way] or rst[way] for way in (0, 1)]
    payload = any(packet.payload for side in sent for packet in side)
    if rst[1]:
        if (rst[0] and not payload) or (not rst[0] and not fin[0] and syn[0] and not established):
            return "REJ"
        return "RSTR" if shown[0] else "RSTRH"
    if rst[0]:
        if shown[1]:
            return "RSTO"
        return "RSTOS0" if syn[0] and not fin[0] else "OTH"
    if all(fin):
        return "SF"
    if fin[0]:
        return "S2" if shown[1] else "SH"
    if fin[1]:
        return "S3" if shown[0] else "SHR"
    if established:
        return "S1"
    return "S0" if syn[0] and not syn[1] else "OTH"
