//! Arguments of `plumb lab`.

use super::values;
use clap::Args;
use std::ffi::OsString;

/// A small network in namespaces with traffic and faults, to try everything without touching a real interface
///
/// Two hosts in network namespaces, joined by a veth pair, with IPv4 and IPv6, and requests that are answered. CMD runs
/// in the receiving host and its status is returned; without CMD the network stays until Ctrl-C. Everything is removed
/// at the end.
#[derive(Debug, Args)]
pub struct Lab {
    /// Inject these faults while CMD runs: names from --list (comma-separated, repeatable), or `all`
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub fault: Vec<String>,
    /// Packets per second that the asked faults offer together, each of them one at least, and requests per second of the
    /// healthy traffic beside
    #[arg(long, value_name = "PPS", default_value_t = 10, value_parser = values::number(1_u32, Some(100_000)))]
    pub rate: u32,
    /// Bulk traffic beside: datagrams per second, such as 50k, by the generator of `plumb traffic`; the receiver reads them
    #[arg(long, value_name = "RATE")]
    pub load: Option<plumb_lab::traffic::Rate>,
    /// The faults, with the drop reasons that this kernel is expected to give
    #[arg(long, conflicts_with_all = ["fault", "rate", "load", "command"])]
    pub list: bool,
    /// The command to run in the receiving host
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}
