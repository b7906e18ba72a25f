//! Programs that look at the packets of an interface: where they hang, by which mechanism, and what has become of them.
//!
//! Everything here asks and acts in the network namespace of the calling thread; links work from anywhere once made. Links
//! ([`xdp`], [`tcx`]) go with the process that made them. Filters of [`clsact`] do not: they are removed by whoever holds
//! [`clsact::Filters`], which should be a process that outlives the one that reads.

pub mod clsact;
mod netlink;
mod programs;
pub mod query;
pub mod tcx;
pub mod xdp;

pub use programs::{Hooks, Programs};
pub use tcx::Tcx;

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// What the interface receives.
    Ingress,
    /// What it sends.
    Egress,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// Where a program of ours is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// On its interface, in whatever network namespace that is.
    Attached,
    /// In a link that the owner has put this program into meanwhile.
    Replaced(u32),
    /// On none: its interface is deleted, or somebody has detached it.
    Detached,
}

/// Whether frames of this kind of device (`ARPHRD_*` of include/uapi/linux/if_arp.h) begin with an Ethernet header.
pub const fn has_ethernet(kind: u16) -> bool {
    const ETHER: u16 = 1;
    const LOOPBACK: u16 = 772;
    matches!(kind, ETHER | LOOPBACK)
}

/// Returns when every program that ran at the call has ended.
pub fn quiesce() {
    crate::sys::wait_for_programs();
}
