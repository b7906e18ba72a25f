//! One room per probe: `<x>.h` crosses to Rust, `<x>.bpf.c` does not, `mod.rs` configures, attaches and decodes.

pub mod drops;
pub mod flows;
pub mod latency;
mod name;
pub mod packets;
pub mod xdp;

/// A probe as tables and checks know it.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Name of the folder, of the command and of the live test.
    pub name: &'static str,
    /// The hooks without which it cannot run.
    pub needs: &'static [&'static str],
}

/// Every probe.
pub const PROBES: &[Probe] = &[
    Probe { name: "drops", needs: drops::NEEDS },
    Probe { name: "flows", needs: flows::NEEDS },
    Probe { name: "latency", needs: latency::NEEDS },
    Probe { name: "packets", needs: packets::NEEDS },
    Probe { name: "xdp", needs: xdp::NEEDS },
];
