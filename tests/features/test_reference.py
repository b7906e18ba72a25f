"""The reference against definitions, one by one, and against the known errors of other extractors.

Run with `python3 -m unittest discover tests/features`."""

import io
import math
import re
import unittest
from pathlib import Path

import capture
import columns
import compare
import corpus
import headers
import lifecycle
import scenes
from build import ACK, FIN, PSH, QINQ, RST, SYN, VLAN, icmp, ip, tcp, udp
from scenes import MS, S, US

A, B = "192.0.2.1", "192.0.2.2"
BEGIN = 10**18


def packet(time: int, way: int, protocol: int, payload: bytes, **given) -> headers.Packet:
    frame = ip(*((A, B) if way == 0 else (B, A)), protocol, payload, **given)
    parsed = headers.parse(BEGIN + time, len(frame), frame)
    parsed.frame = frame
    return parsed


def segment(time: int, way: int, flags: int, size: int = 0, **given) -> headers.Packet:
    ports = (5000, 80) if way == 0 else (80, 5000)
    return packet(time, way, headers.TCP, tcp(*ports, flags, b"d" * size, **given))


def datagram(time: int, way: int, size: int) -> headers.Packet:
    ports = (5000, 53) if way == 0 else (53, 5000)
    return packet(time, way, headers.UDP, udp(*ports, b"d" * size))


def records(*packets: headers.Packet, **given) -> list[dict]:
    return [columns.record(flow) for flow in lifecycle.flows(packets, lifecycle.Timeouts(**given))]


def record(*packets: headers.Packet) -> dict:
    (only,) = records(*packets)
    return only


HANDSHAKE = [
    segment(0, 0, SYN, seq=9),
    segment(2 * MS, 1, SYN | ACK, seq=99, ack=10),
    segment(3 * MS, 0, ACK, seq=10, ack=100),
]
CLOSED = [*HANDSHAKE, segment(4 * MS, 0, FIN | ACK, seq=10), segment(5 * MS, 1, FIN | ACK, seq=100), segment(6 * MS, 0, ACK, seq=11)]


class Errors(unittest.TestCase):
    """Each has been in an extractor that people use."""

    def test_the_first_packet_counts_once(self):
        flow = record(datagram(0, 0, 100), datagram(MS, 1, 50), datagram(2 * MS, 0, 30))
        self.assertEqual(flow["payload_len_mean"], 60)
        self.assertEqual((flow["payload_bytes"], flow["packets"]), (180, 3))

    def test_a_subflow_begins_after_a_second_and_not_before(self):
        for gap, subflows in ((S - US, 1), (S, 1), (S + US, 2)):
            self.assertEqual(record(datagram(0, 0, 1), datagram(gap, 0, 1))["subflow_count"], subflows)

    def test_bulks_are_of_their_direction(self):
        flow = record(datagram(0, 0, 0), *(datagram(step * MS, 1, 10) for step in range(1, 6)))
        self.assertEqual((flow["fwd_bulk_count"], flow["bwd_bulk_count"]), (0, 1))
        self.assertEqual((flow["bwd_bulk_packets"], flow["bwd_bulk_bytes"], flow["bwd_bulk_duration_us"]), (5, 50, 4000))

    def test_a_bulk_is_four_packets_within_seconds(self):
        for gaps, bulks in (((MS,) * 2, 0), ((MS,) * 3, 1), ((S, S, S), 1), ((S, S + US, S), 0)):
            times = [sum(gaps[:count]) for count in range(len(gaps) + 1)]
            self.assertEqual(record(*(datagram(time, 0, 1) for time in times))["fwd_bulk_count"], bulks, gaps)

    def test_the_initial_window_is_the_first(self):
        flow = record(*HANDSHAKE, segment(4 * MS, 1, ACK, window=0), segment(5 * MS, 1, ACK, window=7))
        self.assertEqual((flow["bwd_init_window"], flow["bwd_window_min"], flow["bwd_zero_window_count"]), (65535, 0, 1))

    def test_a_ratio_has_a_fraction(self):
        self.assertEqual(record(datagram(0, 0, 1), datagram(1, 0, 1), datagram(2, 1, 1))["down_up_ratio"], 0.5)

    def test_flags_count_on_every_packet(self):
        flow = record(*(segment(step * MS, 0, ACK | PSH, 1) for step in range(3)))
        self.assertEqual((flow["fwd_psh_count"], flow["bwd_psh_count"], flow["fwd_data_packets"]), (3, 0, 3))

    def test_a_connection_ends_with_its_last_ack_and_keeps_its_stragglers(self):
        flow = record(*CLOSED, segment(4 * S, 1, ACK, seq=101))
        self.assertEqual((flow["end_reason"], flow["packets"], flow["conn_state"]), (3, 7, "SF"))
        self.assertEqual(flow["src_port"], 5000)

    def test_a_reset_ends_a_connection(self):
        first, second = records(*HANDSHAKE, segment(4 * MS, 1, RST), segment(4 * MS + 5 * S + 1, 0, ACK))
        self.assertEqual((first["end_reason"], first["conn_state"], second["initiator_known"]), (3, "RSTR", False))

    def test_silence_ends_a_flow_and_a_long_life_cuts_it(self):
        for gap, flows in ((60 * S, 1), (60 * S + 1, 2)):
            self.assertEqual(len(records(datagram(0, 0, 1), datagram(gap, 0, 1))), flows)
        steps = [datagram(step * 30 * S, 0, 1) for step in range(5)]
        self.assertEqual(len(records(*steps)), 1)
        first, second = records(*steps[:4], datagram(120 * S + 1, 1, 1))
        self.assertEqual((first["end_reason"], first["final"], second["segment"]), (2, False, 1))

    def test_a_cut_keeps_the_initiator_and_counts_its_gap_nowhere(self):
        first, second = records(*(datagram(step * 50 * S, step == 3, 1) for step in range(4)))
        self.assertEqual((first["packets"], second["src_port"], second["bwd_packets"]), (3, 5000, 1))
        self.assertEqual((first["iat_max_us"], second["iat_max_us"]), (50_000_000, None))

    def test_one_packet_is_a_flow_and_has_no_rates(self):
        flow = record(datagram(0, 0, 1))
        self.assertEqual([flow[name] for name in ("packets_per_s", "iat_mean_us", "down_up_ratio")], [None, None, 0])

    def test_the_last_period_of_activity_counts(self):
        flow = record(*(datagram(time, 0, 1) for time in (0, S, 6 * S + US, 8 * S)))
        self.assertEqual((flow["active_count"], flow["active_max_us"], flow["idle_max_us"]), (2, 1_999_999, 5_000_001))

    def test_late_packets_have_no_negative_gap(self):
        flow = record(datagram(10 * US, 0, 1), datagram(4 * US, 0, 1), datagram(12 * US, 0, 1))
        self.assertEqual((flow["iat_min_us"], flow["iat_max_us"], flow["late_packets"]), (0, 2, 1))
        self.assertEqual((flow["duration_us"], flow["fwd_iat_total_us"]), (2, 2))

    def test_icmp_keeps_its_protocol_and_pairs_by_type(self):
        ask, answer = (packet(kind, way, headers.ICMP, icmp(kind)) for way, kind in ((0, 8), (1, 0)))
        other = packet(9, 0, headers.ICMP, icmp(13))
        first, second = records(ask, answer, other)
        self.assertEqual((first["protocol"], first["icmp_type"], first["packets"], second["icmp_type"]), (1, 8, 2, 13))

    def test_padding_is_no_payload(self):
        bare = segment(0, 0, ACK)
        self.assertEqual((bare.frame_len, bare.ip_len, bare.payload), (60, 40, 0))

    def test_gaps_are_in_microseconds(self):
        self.assertEqual(record(datagram(999, 0, 1), datagram(3 * US + 1, 0, 1))["iat_max_us"], 3)

    def test_times_are_whole(self):
        afternoon = record(datagram(12 * 3600 * S + 123_456_789, 0, 1))
        self.assertEqual(afternoon["time"], "2001-09-09T13:46:40.123456789Z")

    def test_nothing_is_nan_or_infinite(self):
        values = [value for flow in records(datagram(0, 0, 0), datagram(0, 1, 0)) for value in flow.values()]
        self.assertTrue(all(math.isfinite(value) for value in values if isinstance(value, float)))


class Table(unittest.TestCase):
    def test_known_errors_have_the_tests_that_they_name(self):
        root = Path(__file__).resolve().parents[2]
        rows = [row for row in (root / "docs/flows.md").read_text().splitlines() if row.startswith("| ")][1:]
        sources = [*(root / "tests").rglob("*.py"), *(root / "tests").rglob("*.rs"), *(root / "crates/records").rglob("*.rs")]
        there = {name for source in sources for name in re.findall(r"(?:def|fn) (\w+)\(", source.read_text())}
        self.assertGreater(len(rows), 20)
        for row in rows:
            named = set(re.findall(r"`(\w+)`", row.rsplit("|", 2)[1]))
            self.assertTrue(named and named <= there, (row, named - there))


class Definitions(unittest.TestCase):
    def test_who_began(self):
        late = record(segment(0, 1, SYN | ACK), segment(1, 0, ACK))
        midstream = record(segment(0, 1, ACK))
        self.assertEqual((late["src_port"], late["initiator_known"], late["conn_state"]), (5000, True, "OTH"))
        self.assertEqual((midstream["src_port"], midstream["initiator_known"]), (80, False))

    def test_a_new_syn_ends_a_lingering_connection_and_a_repeated_one_does_not(self):
        self.assertEqual(len(records(*CLOSED, segment(S, 0, SYN, seq=9))), 1)
        first, second = records(*CLOSED, segment(S, 0, SYN, seq=10))
        self.assertEqual((first["end_reason"], second["conn_state"], second["segment"]), (3, "S0", 0))

    def test_without_tcp_close_connections_end_by_time_alone(self):
        (flow,) = records(*CLOSED, segment(30 * S, 0, SYN, seq=10), linger_ns=None)
        self.assertEqual(flow["end_reason"], 4)

    def test_a_handshake_has_times(self):
        flow = record(*HANDSHAKE, segment(4 * MS, 0, ACK, 5), segment(9 * MS, 1, ACK, 5))
        names = ("hs_syn_synack_us", "hs_synack_ack_us", "tcp_rtt_us", "ttfb_us")
        self.assertEqual([flow[name] for name in names], [2000, 1000, 3000, 5000])
        self.assertEqual((flow["history"], flow["conn_state"]), ("ShADd", "S1"))

    def test_payload_that_was_seen_is_a_retransmission(self):
        data = [segment(time, 0, ACK, 10, seq=seq) for time, seq in ((1, 2**32 - 5), (2, 2**32 - 5), (3, 5), (4, 1), (5, 6))]
        flow = record(*data)
        self.assertEqual((flow["fwd_retrans_packets"], flow["fwd_retrans_bytes"], flow["bwd_retrans_packets"]), (2, 20, None))

    def test_tags_options_and_fragments(self):
        tagged = packet(0, 0, headers.UDP, udp(1, 2), tags=((QINQ, 9), (VLAN, 7)))
        self.assertEqual((tagged.vlan, tagged.frame_len, tagged.payload), (9, 60, 0))
        later = packet(0, 0, headers.UDP, b"x" * 8, fragment=2)
        self.assertEqual((later.fragment, later.ports, later.payload, later.l4_len), ("later", None, 8, 0))
        optional = packet(0, 0, headers.UDP, udp(1, 2, b"abc"), options=b"\1" * 8)
        self.assertEqual((optional.l3_len, optional.payload, optional.ports), (28, 3, (1, 2)))

    def test_community_ids_are_those_of_the_specification(self):
        frame = ip("128.232.110.120", "66.35.250.204", headers.TCP, tcp(34855, 80, SYN))
        flow = record(headers.parse(BEGIN, len(frame), frame))
        self.assertEqual(flow["community_id"], "1:LQU9qZlK+B5F3KDmev6m5PMibrg=")

    def test_the_first_packets_are_kept(self):
        flow = record(*(datagram(step * MS, step % 2, step) for step in range(30)))
        self.assertEqual((len(flow["splt_dir"]), flow["splt_dir"][:3]), (20, [1, -1, 1]))
        self.assertEqual((flow["splt_rel_us"][3], flow["splt_payload_len"][3]), (3000, 3))


class Comparing(unittest.TestCase):
    def test_what_differs_is_told(self):
        flow = record(datagram(0, 0, 1), datagram(MS, 1, 2), datagram(3 * MS, 0, 1))
        near = flow | {"ip_len_mean": flow["ip_len_mean"] * (1 + 1e-12), "hooks": 6}
        self.assertEqual(compare.differences({1: near}, {1: flow}), [])
        for column, value in (("packets", 4), ("ip_len_mean", 1.0), ("ip_len_std", None), ("final", 1), ("splt_dir", [1])):
            self.assertEqual(len(compare.differences({1: flow | {column: value}}, {1: flow})), 1, column)
        self.assertEqual(len(compare.differences({}, {1: flow})), 1)


class Corpus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.frames = corpus.frames()
        parsed = (headers.parse(*frame) for frame in cls.frames)
        cls.packets = [packet for packet in parsed if packet]
        cls.flows = list(lifecycle.flows(cls.packets, lifecycle.Timeouts()))
        cls.records = [columns.record(flow) for flow in cls.flows]

    def test_it_is_large_and_the_same_each_time(self):
        self.assertGreaterEqual(len(self.packets), 10_000)
        self.assertEqual(self.frames, corpus.frames())

    def test_a_capture_of_it_reads_back(self):
        file = io.BytesIO()
        capture.write(file, self.frames)
        file.seek(0)
        self.assertEqual(list(capture.read(file)), self.frames)

    def test_it_has_everything(self):
        def found(name):
            return {flow[name] for flow in self.records}

        self.assertEqual(found("end_reason"), {1, 2, 3, 4})
        states = {"S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"}
        self.assertEqual(found("conn_state"), states)
        self.assertLessEqual({1, 6, 17, 47, 50, 58, 89, 132, 136, 253}, found("protocol"))
        self.assertLessEqual({0, 1, 2}, found("segment"))
        self.assertEqual(found("ip_version"), {4, 6})
        for name in ("late_packets", "fwd_retrans_packets", "fwd_bulk_count", "idle_count", "fwd_frag_packets"):
            self.assertTrue(any(flow[name] for flow in self.records), name)
        self.assertTrue(any(packet.truncated for packet in self.packets))

    def test_every_packet_is_in_one_flow(self):
        self.assertEqual(sum(flow["packets"] for flow in self.records), len(self.packets))
        self.assertEqual(len({flow["flow_id"] for flow in self.records}), len(self.records))

    def test_every_scene_is_made(self):
        made = {name for name, scene in vars(scenes).items() if callable(scene) and scene in {s.make for s in scenes.SCENES}}
        self.assertEqual(len(made), len(scenes.SCENES))


if __name__ == "__main__":
    unittest.main()
