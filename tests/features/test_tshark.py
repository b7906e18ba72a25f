"""Headers as the reference reads them, and as tshark does."""

import shutil
import tempfile
import unittest

import capture
import corpus
import headers
import tshark
from headers import Packet


def record(packet: Packet) -> dict:
    """The columns that tshark has too."""
    src_port, dst_port = packet.ports or (None, None)
    icmp_type, icmp_code = packet.icmp or (None, None)
    tcp = [packet.flags, packet.window, packet.seq, packet.ack] if packet.has_tcp else [None] * 4
    return {
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


@unittest.skipUnless(shutil.which("tshark"), "there is no tshark")
class Tshark(unittest.TestCase):
    def test_every_column_of_every_packet_is_the_same(self):
        frames = corpus.frames()
        with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
            capture.write(file, frames)
            file.flush()
            theirs = list(tshark.records(file.name))
        self.assertEqual(len(theirs), len(frames))
        compared = 0
        for number, (frame, found) in enumerate(zip(frames, theirs)):
            packet = headers.parse(*frame)
            if found is None:
                self.assertTrue(packet is None or not tshark.reads_on(packet), (number, packet))
                continue
            self.assertIsNotNone(packet, number)
            ours = record(packet)
            self.assertEqual(ours, {name: found[name] for name in ours}, number)
            compared += 1
        self.assertGreaterEqual(compared, 10_000)


if __name__ == "__main__":
    unittest.main()
