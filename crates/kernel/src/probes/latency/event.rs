//! One packet at the end of its way.

use super::{Direction, Hook};
use crate::probes::name::Name;
use crate::wire::{
    self, WrongSize, journey_flag, latency_const, latency_event, latency_journey, latency_outcome,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const HOOK_SHIFT: u32 = latency_const::LATENCY_HOOK_SHIFT.0;

/// A packet's way.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    raw: latency_event,
    comm: Name,
}

/// What ended a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// An application has all of the packet's data.
    Delivered,
    /// The driver took it.
    Transmitted,
    /// The same, of a packet that was received.
    Forwarded,
    /// It was freed as dropped: the kernel's number of the reason.
    Dropped(u32),
    /// GRO merged it into an earlier packet.
    Merged,
    /// The stack used it up.
    Consumed,
    /// Its socket was closed before it was read.
    Unread,
}

impl Ended {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Transmitted => "transmitted",
            Self::Forwarded => "forwarded",
            Self::Dropped(_) => "dropped",
            Self::Merged => "merged",
            Self::Consumed => "consumed",
            Self::Unread => "unread",
        }
    }
}

impl Event {
    /// Reads a record of the ring.
    pub fn decode(bytes: &[u8]) -> Result<Self, WrongSize> {
        let raw: latency_event = wire::read(bytes)?;
        Ok(Self { raw, comm: Name::of(&raw.journey.owner.comm) })
    }

    /// Number of the packet, unlike any other's of the run.
    pub fn id(&self) -> u64 {
        self.raw.journey.id
    }

    /// Which way it went; `None` for one that we do not know.
    pub fn direction(&self) -> Option<Direction> {
        Direction::ALL.into_iter().find(|direction| *direction as u8 == self.raw.journey.direction)
    }

    /// What ended it; `None` for what we do not know.
    pub fn ended(&self) -> Option<Ended> {
        Some(match latency_outcome(self.raw.outcome) {
            latency_outcome::LATENCY_DELIVERED => Ended::Delivered,
            latency_outcome::LATENCY_TRANSMITTED => Ended::Transmitted,
            latency_outcome::LATENCY_FORWARDED => Ended::Forwarded,
            latency_outcome::LATENCY_DROPPED => Ended::Dropped(self.raw.reason),
            latency_outcome::LATENCY_MERGED => Ended::Merged,
            latency_outcome::LATENCY_CONSUMED => Ended::Consumed,
            latency_outcome::LATENCY_UNREAD => Ended::Unread,
            _ => return None,
        })
    }

    /// The hooks that it came by, with CLOCK_MONOTONIC in nanoseconds, in their order.
    pub fn stamps(&self) -> impl Iterator<Item = (Hook, u64)> + '_ {
        let journey = &self.raw.journey;
        journey.stamps.iter().take(usize::from(journey.count)).filter_map(|stamp| {
            Some((Hook::of((stamp >> HOOK_SHIFT) as usize)?, stamp & ((1 << HOOK_SHIFT) - 1)))
        })
    }

    /// Cookie of the network namespace, and index of the interface there, of the first hook.
    pub fn place(&self) -> (u64, u32) {
        (self.raw.journey.netns, self.raw.journey.ifindex)
    }

    /// IP protocol.
    pub fn protocol(&self) -> u8 {
        self.raw.journey.flow.protocol
    }

    /// Addresses, source first.
    pub fn addresses(&self) -> (IpAddr, IpAddr) {
        let flow = &self.raw.journey.flow;
        let address = |bytes: [u8; 16]| match (flow.version, bytes) {
            (4, [a, b, c, d, ..]) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            _ => IpAddr::V6(Ipv6Addr::from(bytes)),
        };
        (address(flow.src), address(flow.dst))
    }

    /// Ports, source first.
    pub fn ports(&self) -> (u16, u16) {
        (self.raw.journey.flow.src_port, self.raw.journey.flow.dst_port)
    }

    /// Process that reads the packet or sent it, and its name; `None` where that is not known.
    pub fn process(&self) -> Option<(u32, &str)> {
        let pid = self.raw.journey.owner.pid;
        (pid != 0).then(|| (pid, self.comm.text()))
    }

    /// Owner and cgroup id of the packet's socket; `None` where no socket is known.
    pub fn socket(&self) -> Option<(u32, u64)> {
        let latency_journey { owner, flags, .. } = &self.raw.journey;
        (u32::from(*flags) & journey_flag::JOURNEY_HAS_SOCKET.0 != 0).then_some((owner.uid, owner.cgroup))
    }

    /// Length of the packet at its first hook, from the network header on.
    pub fn length(&self) -> u32 {
        self.raw.journey.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decoding_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let event = Event::decode(&bytes);
            prop_assert_eq!(event.is_ok(), bytes.len() == size_of::<latency_event>());
            if let Ok(event) = event {
                prop_assert!(event.stamps().count() <= 16);
                let _ = (event.direction(), event.ended(), event.addresses(), event.process(), event.socket());
            }
        }
    }
}
