"""Headers as the reference reads them, and as tshark does."""

import shutil
import tempfile
import unittest

import capture
import corpus
import headers
import tshark
from packets_check import PLACE, compare, record


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
            self.assertEqual({name: ours[name] for name in found}, found, number)
            compared += 1
        self.assertGreaterEqual(compared, 10_000)

    def test_what_differs_is_told(self):
        packets = [headers.parse(*frame) for frame in corpus.frames()[:50]]
        ours = [record(packet) | {"gso_segments": 1} | dict.fromkeys(PLACE) for packet in packets if packet]
        theirs = [packet and record(packet) for packet in packets]
        self.assertEqual(compare(ours, packets, theirs), ([], len(ours)))
        for column, value in (("ttl", 0), ("vlan", 7), ("truncated", None), ("cpu", 0), ("more", 1)):
            found, _ = compare([ours[0] | {column: value}, *ours[1:]], packets, theirs)
            self.assertTrue(found and column in found[0], column)
        self.assertEqual(len(compare(ours[1:], packets, theirs)[0]), 1)


if __name__ == "__main__":
    unittest.main()
