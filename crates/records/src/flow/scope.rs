//! What columns are derived from: both directions of a flow, or one.

use super::moments::Moments;
use super::numbers::{FlowNumbers, Full, Side, SideFull, SideStats, Stats};

/// Both directions of a flow, or one: what a family of columns is derived from.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    flow: &'a FlowNumbers,
    both: bool,
    first: usize,
}

impl<'a> Scope<'a> {
    pub(super) fn both(flow: &'a FlowNumbers) -> Self {
        Self { flow, both: true, first: 0 }
    }

    pub(super) fn forward(flow: &'a FlowNumbers) -> Self {
        Self { flow, both: false, first: 0 }
    }

    pub(super) fn backward(flow: &'a FlowNumbers) -> Self {
        Self { flow, both: false, first: 1 }
    }

    /// The flow of which this is a part or all.
    pub(super) fn flow(self) -> &'a FlowNumbers {
        self.flow
    }

    fn of<T>(self, halves: &'a [T; 2]) -> &'a [T] {
        match self.both {
            true => halves,
            false => std::slice::from_ref(&halves[self.first]),
        }
    }

    /// The directions.
    pub(super) fn sides(self) -> &'a [Side] {
        self.of(&self.flow.sides)
    }

    /// Those that have packets.
    fn seen(self) -> impl Iterator<Item = &'a Side> {
        self.sides().iter().filter(|side| side.packets > 0)
    }

    /// A number of every direction, added up.
    pub(super) fn sum(self, number: impl Fn(&Side) -> u64) -> u64 {
        self.sides().iter().map(number).fold(0, u64::saturating_add)
    }

    /// The smallest of a number; none without packets.
    pub(super) fn min<T: Ord>(self, number: impl Fn(&Side) -> T) -> Option<T> {
        self.seen().map(number).min()
    }

    /// The largest of a number; none without packets.
    pub(super) fn max<T: Ord>(self, number: impl Fn(&Side) -> T) -> Option<T> {
        self.seen().map(number).max()
    }

    /// Bits of every direction together; none without packets.
    pub(super) fn or(self, bits: impl Fn(&Side) -> u16) -> Option<u16> {
        self.seen().map(bits).reduce(|these, those| these | those)
    }

    fn with_stats(self) -> Option<(&'a Stats, impl Iterator<Item = (&'a Side, &'a SideStats)>)> {
        let stats = self.flow.stats.as_ref()?;
        Some((stats, self.sides().iter().zip(self.of(&stats.sides))))
    }

    /// A number that level `stats` adds, added up.
    pub(super) fn stats_sum(self, number: impl Fn(&SideStats) -> u64) -> Option<u64> {
        let (_, sides) = self.with_stats()?;
        Some(sides.map(|(_, stats)| number(stats)).fold(0, u64::saturating_add))
    }

    /// What level `stats` adds to the one direction, where that has packets.
    pub(super) fn stats(self) -> Option<&'a SideStats> {
        let (_, mut sides) = self.with_stats()?;
        sides.find(|(side, _)| side.packets > 0).map(|(_, stats)| stats)
    }

    /// The shortest transport header of the one direction; none where none was seen.
    pub(super) fn min_transport_header(self) -> Option<u8> {
        self.stats().map(|stats| stats.min_transport_header).filter(|length| *length != u8::MAX)
    }

    /// What level `stats` adds to the one direction of a TCP connection.
    pub(super) fn tcp_stats(self) -> Option<&'a SideStats> {
        self.stats().filter(|_| self.sides().iter().any(|side| side.init_window.is_some()))
    }

    /// Lengths from the IP header on.
    pub(super) fn ip_lengths(self) -> Option<Moments> {
        let (_, sides) = self.with_stats()?;
        let moments = sides.map(|(side, stats)| Moments::new(side.packets, side.ip_bytes, stats.ip_length));
        moments.reduce(Moments::merge)
    }

    /// Lengths after the transport header.
    pub(super) fn payload_lengths(self) -> Option<Moments> {
        let (_, sides) = self.with_stats()?;
        let moments =
            sides.map(|(side, stats)| Moments::new(side.packets, side.payload_bytes, stats.payload_length));
        moments.reduce(Moments::merge)
    }

    /// From the first packet to the last; none without packets.
    pub(super) fn span_us(self) -> Option<u64> {
        let (first, last) = match self.sides() {
            [side] => (side.packets > 0).then_some((side.first_ns, side.last_ns))?,
            _ => (self.flow.start_ns, self.flow.last_ns),
        };
        Some((last / 1000).saturating_sub(first / 1000))
    }

    /// Gaps between packets: one less than these.
    pub(super) fn gaps_us(self) -> Option<Moments> {
        let (stats, mut sides) = self.with_stats()?;
        let spread = match self.both {
            true => stats.shared.gap_us,
            false => sides.next()?.1.gap_us,
        };
        let gaps = self.sum(|side| side.packets).saturating_sub(1);
        Some(Moments::new(gaps, self.span_us().unwrap_or_default(), spread))
    }

    /// What level `full` adds to the one direction.
    pub(super) fn full(self) -> Option<&'a SideFull> {
        let Full { sides, .. } = self.flow.full.as_ref()?;
        self.of(sides).first()
    }
}
