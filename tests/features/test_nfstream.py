"""The reference, and NFStream: flows that no timeout cuts and nothing truncates."""

import tempfile
import unittest

import capture
import columns
import corpus
import headers
import lifecycle
import nfstream_check

TIMES = lifecycle.Timeouts(linger_ns=None)


class Nfstream(unittest.TestCase):
    def test_counts_bytes_flags_minima_and_maxima_are_the_same(self):
        frames = [frame for frame in corpus.frames() if plain(frame)]
        packets = [headers.parse(*frame) for frame in frames]
        ours = [columns.record(flow) for flow in lifecycle.flows(packets, TIMES)]
        with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
            capture.write(file, frames)
            file.flush()
            theirs = nfstream_check.theirs(file.name, TIMES.idle_ns // 10**9, TIMES.active_ns // 10**9)
        compared, differences = nfstream_check.differences(ours, theirs)
        self.assertEqual(differences, [])
        self.assertGreaterEqual(compared, 400)


def plain(frame: capture.Frame) -> bool:
    """TCP and UDP without extension headers, whole."""
    packet = headers.parse(*frame)
    if packet is None or packet.protocol not in (headers.TCP, headers.UDP) or packet.fragment:
        return False
    return len(frame.data) == frame.length and (packet.version == 4 or packet.l3_len == 40)


if __name__ == "__main__":
    unittest.main()
