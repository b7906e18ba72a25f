//! What a reader says at its end, as text between its process and the bench.

use super::features::Totals;
use plumb_records::histogram::Histogram;
use serde_json::{Value, json};

/// Below so many samples there is no 99.9th percentile.
const ENOUGH: u64 = 1000;

/// What a reader says at its end.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Sums over the packets that the bench offered.
    pub totals: Totals,
    /// Flows; `None` where the reader has packets only.
    pub flows: Option<u64>,
    /// From the beginning of a packet to its record, in nanoseconds.
    pub delays: Histogram,
    /// That beginning is the stamp in the packet, and not the hook's time.
    pub from_stamp: bool,
    /// Time inside the reader, in nanoseconds.
    pub inside: Histogram,
}

impl Told {
    /// One line.
    pub fn json(&self) -> String {
        let Totals { packets, frame_bytes, ip_bytes, payload_bytes, ip_squares } = self.totals;
        let quantiles = |histogram: &Histogram| {
            let spread = histogram.spread();
            let counted = histogram.buckets.iter().sum::<u64>() + histogram.overflow;
            json!([spread.p50, spread.p99, spread.p999.filter(|_| counted >= ENOUGH)])
        };
        json!({
            "record": "read", "packets": packets, "frame_bytes": frame_bytes, "ip_bytes": ip_bytes,
            "payload_bytes": payload_bytes, "ip_squares": ip_squares, "flows": self.flows,
            "delay_from": if self.from_stamp { "stamp" } else { "hook" },
            "delay_ns": quantiles(&self.delays), "inside_ns": quantiles(&self.inside),
        })
        .to_string()
    }

    /// The totals in such a line; `None` where it is none.
    pub fn totals_in(line: &Value) -> Option<Totals> {
        let number = |name: &str| line[name].as_u64();
        Some(Totals {
            packets: number("packets")?,
            frame_bytes: number("frame_bytes")?,
            ip_bytes: number("ip_bytes")?,
            payload_bytes: number("payload_bytes")?,
            ip_squares: number("ip_squares")?,
        })
    }
}
