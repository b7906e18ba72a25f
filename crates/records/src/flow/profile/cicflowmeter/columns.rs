//! The columns: present name / name of 2018 / name of 2017, and the native columns that they are made of.

use super::helpers::{both, bulk_rate, bwd, flow_id, fwd, per_bulk, per_subflow, ports};
use crate::column::Time;
use crate::flow::derive::{active, down_up_ratio, duration_us, idle, per_second};
use crate::flow::field::{Field, fields};
use crate::flow::moments::Moments;
use crate::flow::profile::{real, whole};

/// The same columns under the names of each version.
pub(super) struct Named {
    pub(super) present: &'static [Field],
    pub(super) of_2018: &'static [Field],
    pub(super) of_2017: &'static [Field],
}

macro_rules! named {
    ($group:ident: |$flow:ident| $($present:literal / $of_2018:literal / $of_2017:literal $kind:ident $help:literal
        => $value:expr;)*) => {
        pub(super) const $group: Named = Named {
            present: &fields! { Stats |$flow| $($present $kind $help => $value;)* },
            of_2018: &fields! { Stats |$flow| $($of_2018 $kind $help => $value;)* },
            of_2017: &fields! { Stats |$flow| $($of_2017 $kind $help => $value;)* },
        };
    };
}

named! { IDENTITY: |flow|
    "Flow ID" / "Flow ID" / "Flow ID" Text "addresses, ports and protocol, joined by -"
        => flow_id(flow.numbers);
    "Src IP" / "Src IP" / "Source IP" Address "src_ip"
        => flow.numbers.src_ip;
    "Src Port" / "Src Port" / "Source Port" Id "src_port, 0 where there is none"
        => ports(flow.numbers).0;
    "Dst IP" / "Dst IP" / "Destination IP" Address "dst_ip"
        => flow.numbers.dst_ip;
    "Dst Port" / "Dst Port" / "Destination Port" Id "dst_port, 0 where there is none"
        => ports(flow.numbers).1;
    "Protocol" / "Protocol" / "Protocol" Id "protocol"
        => flow.numbers.protocol;
    "Timestamp" / "Timestamp" / "Timestamp" Time "time"
        => Time(flow.epoch(flow.numbers.start_ns));
    "Flow Duration" / "Flow Duration" / "Flow Duration" Microseconds "duration_us"
        => duration_us(flow.numbers);
}

named! { LENGTHS: |flow|
    "Total Fwd Packet" / "Tot Fwd Pkts" / "Total Fwd Packets" Count "fwd_packets"
        => fwd(flow).sum(|side| side.packets);
    "Total Bwd packets" / "Tot Bwd Pkts" / "Total Backward Packets" Count "bwd_packets"
        => bwd(flow).sum(|side| side.packets);
    "Total Length of Fwd Packet" / "TotLen Fwd Pkts" / "Total Length of Fwd Packets" Bytes "fwd_payload_bytes"
        => fwd(flow).sum(|side| side.payload_bytes);
    "Total Length of Bwd Packet" / "TotLen Bwd Pkts" / "Total Length of Bwd Packets" Bytes "bwd_payload_bytes"
        => bwd(flow).sum(|side| side.payload_bytes);
    "Fwd Packet Length Max" / "Fwd Pkt Len Max" / "Fwd Packet Length Max" Bytes "fwd_payload_len_max, 0 without packets"
        => whole(fwd(flow).payload_lengths(), Moments::max);
    "Fwd Packet Length Min" / "Fwd Pkt Len Min" / "Fwd Packet Length Min" Bytes "fwd_payload_len_min, 0 without packets"
        => whole(fwd(flow).payload_lengths(), Moments::min);
    "Fwd Packet Length Mean" / "Fwd Pkt Len Mean" / "Fwd Packet Length Mean" Real "fwd_payload_len_mean, 0 without packets"
        => real(fwd(flow).payload_lengths(), Moments::mean);
    "Fwd Packet Length Std" / "Fwd Pkt Len Std" / "Fwd Packet Length Std" Real "fwd_payload_len_std, 0 of fewer than two packets"
        => real(fwd(flow).payload_lengths(), Moments::deviation);
    "Bwd Packet Length Max" / "Bwd Pkt Len Max" / "Bwd Packet Length Max" Bytes "bwd_payload_len_max, 0 without packets"
        => whole(bwd(flow).payload_lengths(), Moments::max);
    "Bwd Packet Length Min" / "Bwd Pkt Len Min" / "Bwd Packet Length Min" Bytes "bwd_payload_len_min, 0 without packets"
        => whole(bwd(flow).payload_lengths(), Moments::min);
    "Bwd Packet Length Mean" / "Bwd Pkt Len Mean" / "Bwd Packet Length Mean" Real "bwd_payload_len_mean, 0 without packets"
        => real(bwd(flow).payload_lengths(), Moments::mean);
    "Bwd Packet Length Std" / "Bwd Pkt Len Std" / "Bwd Packet Length Std" Real "bwd_payload_len_std, 0 of fewer than two packets"
        => real(bwd(flow).payload_lengths(), Moments::deviation);
    "Flow Bytes/s" / "Flow Byts/s" / "Flow Bytes/s" Rate "payload_bytes by duration; null where that is 0"
        => per_second(flow.numbers, both(flow).sum(|side| side.payload_bytes));
    "Flow Packets/s" / "Flow Pkts/s" / "Flow Packets/s" Rate "packets_per_s"
        => per_second(flow.numbers, both(flow).sum(|side| side.packets));
}

named! { GAPS: |flow|
    "Flow IAT Mean" / "Flow IAT Mean" / "Flow IAT Mean" Real "iat_mean_us, 0 without gaps"
        => real(both(flow).gaps_us(), Moments::mean);
    "Flow IAT Std" / "Flow IAT Std" / "Flow IAT Std" Real "iat_std_us, 0 of fewer than two gaps"
        => real(both(flow).gaps_us(), Moments::deviation);
    "Flow IAT Max" / "Flow IAT Max" / "Flow IAT Max" Microseconds "iat_max_us, 0 without gaps"
        => whole(both(flow).gaps_us(), Moments::max);
    "Flow IAT Min" / "Flow IAT Min" / "Flow IAT Min" Microseconds "iat_min_us, 0 without gaps"
        => whole(both(flow).gaps_us(), Moments::min);
    "Fwd IAT Total" / "Fwd IAT Tot" / "Fwd IAT Total" Microseconds "fwd_iat_total_us, 0 without packets"
        => fwd(flow).span_us().unwrap_or_default();
    "Fwd IAT Mean" / "Fwd IAT Mean" / "Fwd IAT Mean" Real "fwd_iat_mean_us, 0 without gaps"
        => real(fwd(flow).gaps_us(), Moments::mean);
    "Fwd IAT Std" / "Fwd IAT Std" / "Fwd IAT Std" Real "fwd_iat_std_us, 0 of fewer than two gaps"
        => real(fwd(flow).gaps_us(), Moments::deviation);
    "Fwd IAT Max" / "Fwd IAT Max" / "Fwd IAT Max" Microseconds "fwd_iat_max_us, 0 without gaps"
        => whole(fwd(flow).gaps_us(), Moments::max);
    "Fwd IAT Min" / "Fwd IAT Min" / "Fwd IAT Min" Microseconds "fwd_iat_min_us, 0 without gaps"
        => whole(fwd(flow).gaps_us(), Moments::min);
    "Bwd IAT Total" / "Bwd IAT Tot" / "Bwd IAT Total" Microseconds "bwd_iat_total_us, 0 without packets"
        => bwd(flow).span_us().unwrap_or_default();
    "Bwd IAT Mean" / "Bwd IAT Mean" / "Bwd IAT Mean" Real "bwd_iat_mean_us, 0 without gaps"
        => real(bwd(flow).gaps_us(), Moments::mean);
    "Bwd IAT Std" / "Bwd IAT Std" / "Bwd IAT Std" Real "bwd_iat_std_us, 0 of fewer than two gaps"
        => real(bwd(flow).gaps_us(), Moments::deviation);
    "Bwd IAT Max" / "Bwd IAT Max" / "Bwd IAT Max" Microseconds "bwd_iat_max_us, 0 without gaps"
        => whole(bwd(flow).gaps_us(), Moments::max);
    "Bwd IAT Min" / "Bwd IAT Min" / "Bwd IAT Min" Microseconds "bwd_iat_min_us, 0 without gaps"
        => whole(bwd(flow).gaps_us(), Moments::min);
}

named! { HEADERS: |flow|
    "Fwd PSH Flags" / "Fwd PSH Flags" / "Fwd PSH Flags" Count "fwd_psh_count, 0 without TCP"
        => fwd(flow).sum(|side| side.flags[3].into());
    "Bwd PSH Flags" / "Bwd PSH Flags" / "Bwd PSH Flags" Count "bwd_psh_count, 0 without TCP"
        => bwd(flow).sum(|side| side.flags[3].into());
    "Fwd URG Flags" / "Fwd URG Flags" / "Fwd URG Flags" Count "fwd_urg_count, 0 without TCP"
        => fwd(flow).sum(|side| side.flags[5].into());
    "Bwd URG Flags" / "Bwd URG Flags" / "Bwd URG Flags" Count "bwd_urg_count, 0 without TCP"
        => bwd(flow).sum(|side| side.flags[5].into());
    "Fwd Header Length" / "Fwd Header Len" / "Fwd Header Length" Bytes "fwd_l4_header_bytes"
        => fwd(flow).sum(|side| side.transport_header_bytes);
    "Bwd Header Length" / "Bwd Header Len" / "Bwd Header Length" Bytes "bwd_l4_header_bytes"
        => bwd(flow).sum(|side| side.transport_header_bytes);
    "Fwd Packets/s" / "Fwd Pkts/s" / "Fwd Packets/s" Rate "fwd_packets_per_s"
        => per_second(flow.numbers, fwd(flow).sum(|side| side.packets));
    "Bwd Packets/s" / "Bwd Pkts/s" / "Bwd Packets/s" Rate "bwd_packets_per_s"
        => per_second(flow.numbers, bwd(flow).sum(|side| side.packets));
    "Packet Length Min" / "Pkt Len Min" / "Min Packet Length" Bytes "payload_len_min"
        => whole(both(flow).payload_lengths(), Moments::min);
    "Packet Length Max" / "Pkt Len Max" / "Max Packet Length" Bytes "payload_len_max"
        => whole(both(flow).payload_lengths(), Moments::max);
    "Packet Length Mean" / "Pkt Len Mean" / "Packet Length Mean" Real "payload_len_mean"
        => real(both(flow).payload_lengths(), Moments::mean);
    "Packet Length Std" / "Pkt Len Std" / "Packet Length Std" Real "payload_len_std, 0 of fewer than two packets"
        => real(both(flow).payload_lengths(), Moments::deviation);
    "Packet Length Variance" / "Pkt Len Var" / "Packet Length Variance" Real "payload_len_var, 0 of fewer than two packets"
        => real(both(flow).payload_lengths(), Moments::variance);
}

named! { FLAGS: |flow|
    "FIN Flag Count" / "FIN Flag Cnt" / "FIN Flag Count" Count "fin_count, 0 without TCP"
        => both(flow).sum(|side| side.flags[0].into());
    "SYN Flag Count" / "SYN Flag Cnt" / "SYN Flag Count" Count "syn_count, 0 without TCP"
        => both(flow).sum(|side| side.flags[1].into());
    "RST Flag Count" / "RST Flag Cnt" / "RST Flag Count" Count "rst_count, 0 without TCP"
        => both(flow).sum(|side| side.flags[2].into());
    "PSH Flag Count" / "PSH Flag Cnt" / "PSH Flag Count" Count "psh_count, 0 without TCP"
        => both(flow).sum(|side| side.flags[3].into());
    "ACK Flag Count" / "ACK Flag Cnt" / "ACK Flag Count" Count "ack_count, 0 without TCP"
        => both(flow).sum(|side| side.flags[4].into());
    "URG Flag Count" / "URG Flag Cnt" / "URG Flag Count" Count "urg_count, 0 without TCP"
        => both(flow).sum(|side| side.flags[5].into());
    "CWR Flag Count" / "CWE Flag Count" / "CWE Flag Count" Count "cwr_count, 0 without TCP"
        => both(flow).sum(|side| side.flags[7].into());
    "ECE Flag Count" / "ECE Flag Cnt" / "ECE Flag Count" Count "ece_count, 0 without TCP"
        => both(flow).sum(|side| side.flags[6].into());
    "Down/Up Ratio" / "Down/Up Ratio" / "Down/Up Ratio" Real "down_up_ratio"
        => down_up_ratio(flow.numbers);
    "Average Packet Size" / "Pkt Size Avg" / "Average Packet Size" Real "payload_len_mean"
        => real(both(flow).payload_lengths(), Moments::mean);
    "Fwd Segment Size Avg" / "Fwd Seg Size Avg" / "Avg Fwd Segment Size" Real "fwd_payload_len_mean, 0 without packets"
        => real(fwd(flow).payload_lengths(), Moments::mean);
    "Bwd Segment Size Avg" / "Bwd Seg Size Avg" / "Avg Bwd Segment Size" Real "bwd_payload_len_mean, 0 without packets"
        => real(bwd(flow).payload_lengths(), Moments::mean);
}

named! { BULKS: |flow|
    "Fwd Bytes/Bulk Avg" / "Fwd Byts/b Avg" / "Fwd Avg Bytes/Bulk" Real "fwd_bulk_bytes by fwd_bulk_count, 0 without bulks"
        => per_bulk(fwd(flow), |stats| stats.bulk_bytes);
    "Fwd Packet/Bulk Avg" / "Fwd Pkts/b Avg" / "Fwd Avg Packets/Bulk" Real "fwd_bulk_packets by fwd_bulk_count, 0 without bulks"
        => per_bulk(fwd(flow), |stats| stats.bulk_packets);
    "Fwd Bulk Rate Avg" / "Fwd Blk Rate Avg" / "Fwd Avg Bulk Rate" Rate "fwd_bulk_bytes by fwd_bulk_duration_us in seconds, 0 without bulks"
        => bulk_rate(fwd(flow));
    "Bwd Bytes/Bulk Avg" / "Bwd Byts/b Avg" / "Bwd Avg Bytes/Bulk" Real "bwd_bulk_bytes by bwd_bulk_count, 0 without bulks"
        => per_bulk(bwd(flow), |stats| stats.bulk_bytes);
    "Bwd Packet/Bulk Avg" / "Bwd Pkts/b Avg" / "Bwd Avg Packets/Bulk" Real "bwd_bulk_packets by bwd_bulk_count, 0 without bulks"
        => per_bulk(bwd(flow), |stats| stats.bulk_packets);
    "Bwd Bulk Rate Avg" / "Bwd Blk Rate Avg" / "Bwd Avg Bulk Rate" Rate "bwd_bulk_bytes by bwd_bulk_duration_us in seconds, 0 without bulks"
        => bulk_rate(bwd(flow));
    "Subflow Fwd Packets" / "Subflow Fwd Pkts" / "Subflow Fwd Packets" Real "fwd_subflow_packets_mean"
        => per_subflow(fwd(flow), |side| side.packets);
    "Subflow Fwd Bytes" / "Subflow Fwd Byts" / "Subflow Fwd Bytes" Real "fwd_subflow_bytes_mean"
        => per_subflow(fwd(flow), |side| side.payload_bytes);
    "Subflow Bwd Packets" / "Subflow Bwd Pkts" / "Subflow Bwd Packets" Real "bwd_subflow_packets_mean"
        => per_subflow(bwd(flow), |side| side.packets);
    "Subflow Bwd Bytes" / "Subflow Bwd Byts" / "Subflow Bwd Bytes" Real "bwd_subflow_bytes_mean"
        => per_subflow(bwd(flow), |side| side.payload_bytes);
}

named! { ACTIVITY: |flow|
    "FWD Init Win Bytes" / "Init Fwd Win Byts" / "Init_Win_bytes_forward" Id "fwd_init_window"
        => fwd(flow).max(|side| side.init_window).flatten();
    "Bwd Init Win Bytes" / "Init Bwd Win Byts" / "Init_Win_bytes_backward" Id "bwd_init_window"
        => bwd(flow).max(|side| side.init_window).flatten();
    "Fwd Act Data Pkts" / "Fwd Act Data Pkts" / "act_data_pkt_fwd" Count "fwd_data_packets"
        => fwd(flow).sum(|side| side.data_packets);
    "Fwd Seg Size Min" / "Fwd Seg Size Min" / "min_seg_size_forward" Bytes "fwd_seg_size_min, 0 where it is null"
        => fwd(flow).min_transport_header().unwrap_or_default();
    "Active Mean" / "Active Mean" / "Active Mean" Real "active_mean_us"
        => real(active(flow.numbers), Moments::mean);
    "Active Std" / "Active Std" / "Active Std" Real "active_std_us, 0 of fewer than two"
        => real(active(flow.numbers), Moments::deviation);
    "Active Max" / "Active Max" / "Active Max" Microseconds "active_max_us"
        => whole(active(flow.numbers), Moments::max);
    "Active Min" / "Active Min" / "Active Min" Microseconds "active_min_us"
        => whole(active(flow.numbers), Moments::min);
    "Idle Mean" / "Idle Mean" / "Idle Mean" Real "idle_mean_us, 0 where there is none"
        => real(idle(flow.numbers), Moments::mean);
    "Idle Std" / "Idle Std" / "Idle Std" Real "idle_std_us, 0 of fewer than two"
        => real(idle(flow.numbers), Moments::deviation);
    "Idle Max" / "Idle Max" / "Idle Max" Microseconds "idle_max_us, 0 where there is none"
        => whole(idle(flow.numbers), Moments::max);
    "Idle Min" / "Idle Min" / "Idle Min" Microseconds "idle_min_us, 0 where there is none"
        => whole(idle(flow.numbers), Moments::min);
    "Label" / "Label" / "Label" Text "null: Plumb labels nothing"
        => None::<&str>;
}

/// The data set of 2017 has this column twice; readers number the second.
pub(super) const HEADER_LENGTH_AGAIN: &[Field] = &fields! { Stats |flow|
    "Fwd Header Length.1" Bytes "fwd_l4_header_bytes"
        => fwd(flow).sum(|side| side.transport_header_bytes);
};
