//! Small networks on demand: two hosts in network namespaces, joined by one veth pair, with crafted frames,
//! background traffic and faults whose drops are known beforehand.
//!
//! Nothing here touches an interface that it did not make. A [`Lab`] removes its namespaces when dropped, also while
//! a panic unwinds; [`sweep`] removes what killed runs left behind.
//!
//! Needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN), `ip` and `tc` of iproute2, and `nft` for the faults that filter.

mod error;
pub mod faults;
pub mod flood;
pub mod frames;
pub mod host;
pub mod load;
pub mod machine;
pub mod netns;
pub mod packet;
pub mod process;
pub mod readers;
pub mod stats;
pub mod tools;
mod topology;
pub mod traffic;
pub mod version;
pub mod wait;

pub use error::{Error, Result};
pub use host::{Host, Role};
pub use netns::sweep;
pub use topology::Lab;
pub use version::KernelVersion;
