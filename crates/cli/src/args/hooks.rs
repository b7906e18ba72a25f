//! Arguments of commands that observe the packets of interfaces.

use super::xdp::Mode;
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(next_help_heading = "How to attach")]
pub struct Attaching {
    /// Where packets are seen
    #[arg(long, value_enum, default_value_t = Hook::Auto)]
    pub hook: Hook,
    /// Which packets [default: both at TC, incoming ones at XDP, which sees no others]
    #[arg(long, value_enum)]
    pub direction: Option<Direction>,
    /// Where in the receive path an XDP program runs [default: auto]
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
}

/// A place in the kernel where packets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Hook {
    /// TC, where attaching disturbs nothing; generic XDP where the kernel has no TC programs
    Auto,
    /// XDP: before the stack, incoming packets only; what attaching changes is said first
    Xdp,
    /// TC: TCX, or filters of clsact where the kernel has no TCX
    Tc,
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// What the interface receives
    Ingress,
    /// What it sends
    Egress,
    /// Either
    Both,
}

impl Direction {
    /// Each of them.
    pub fn each(self) -> &'static [plumb_kernel::hook::Direction] {
        use plumb_kernel::hook::Direction::{Egress, Ingress};
        match self {
            Self::Ingress => &[Ingress],
            Self::Egress => &[Egress],
            Self::Both => &[Ingress, Egress],
        }
    }

    /// The word for these.
    pub fn of(directions: &[plumb_kernel::hook::Direction]) -> Self {
        match directions {
            [plumb_kernel::hook::Direction::Ingress] => Self::Ingress,
            [plumb_kernel::hook::Direction::Egress] => Self::Egress,
            _ => Self::Both,
        }
    }

    /// As it is typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
            Self::Both => "both",
        }
    }
}

/// Attaches TC filters, waits for the end of its standard input and removes them: see [`crate::hooks`].
#[derive(Debug, Args)]
pub struct Filters {
    pub interface: String,
    pub ifindex: u32,
    #[arg(value_enum)]
    pub direction: Direction,
    /// Numbers of inherited descriptors: a program for each direction.
    pub programs: Vec<i32>,
}
