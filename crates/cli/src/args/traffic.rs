//! Arguments of `plumb traffic`.

use super::observing::Outputs;
use super::values;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use plumb_lab::traffic::{Bandwidth, Rate, Sizes};
use plumb_records::filter::{PortRange, Prefix};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  plumb traffic -i v0 --dst 10.9.0.2 --rate 20k --for 10s
      datagrams of 64 bytes
  plumb traffic -i v0 --dst 10.9.0.2 --bandwidth 1G --size IMIX --flows 500 --random
      500 flows, sizes as they are mixed on the Internet
  plumb traffic -i v0 --pcap web.pcapng --count 100000 --rate max
      a capture, again and again, as fast as possible";

/// Offer packets at a set rate
///
/// Frames go out as XDP live frames where kernel and interface take them, else by packet sockets, and it is said which.
/// Nothing is sent where nothing would arrive: link, neighbour and the first frame are looked at before.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Traffic {
    /// The interface to send by
    #[arg(short, long, value_name = "NAME", env = "INTERFACE", value_parser = NonEmptyStringValueParser::new())]
    pub interface: String,
    /// Its network namespace: a name of /run/netns, a process id, or an inode
    #[arg(long, value_name = "NAME|PID|INODE")]
    pub netns: Option<String>,
    #[command(flatten)]
    pub pace: Pace,
    #[command(flatten)]
    pub frames: Frames,
    #[command(flatten)]
    pub ends: Ends,
    #[command(flatten)]
    pub output: Outputs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "When to stop")]
pub struct Ends {
    /// Send for this time [default: until Ctrl-C, or a capture's end]
    #[arg(long = "for", value_name = "TIME", value_parser = values::duration)]
    pub duration: Option<Duration>,
    /// Stop when exactly so many packets were sent; those that the interface did not take do not count
    #[arg(long, value_name = "N", value_parser = values::number(1_u64, None))]
    pub count: Option<u64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "How fast")]
pub struct Pace {
    /// Packets per second, such as 1000, 250k, 1.5M or max [default: 1000; a capture as it is timed]
    #[arg(long, value_name = "RATE", conflicts_with = "bandwidth")]
    pub rate: Option<Rate>,
    /// Bits per second of whole frames without the FCS, such as 100M or 1G
    #[arg(long, value_name = "BITS")]
    pub bandwidth: Option<Bandwidth>,
    /// Sending threads, which share rate and count
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = values::number(1_u32, Some(32)))]
    pub threads: u32,
    /// How frames get to the interface
    #[arg(long, value_enum, default_value_t = Way::Auto)]
    pub transport: Way,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What to send")]
pub struct Frames {
    /// Destination address or prefix
    #[arg(long, value_name = "ADDRESS[/LEN]", required_unless_present = "pcap")]
    pub dst: Option<Prefix>,
    /// Source address or prefix [default: the interface's]
    #[arg(long, value_name = "ADDRESS[/LEN]")]
    pub src: Option<Prefix>,
    /// Transport protocol; icmp sends echo requests
    #[arg(long, value_enum, default_value_t = Proto::Udp)]
    pub proto: Proto,
    /// Source port or range [default: 10000, or with --flows as many from there as needed]
    #[arg(long, value_name = "PORT[-PORT]")]
    pub sport: Option<PortRange>,
    /// Destination port or range [default: 9]
    #[arg(long, value_name = "PORT[-PORT]")]
    pub dport: Option<PortRange>,
    /// Flags of TCP segments: fin, syn, rst, psh, ack, urg, ece, cwr (comma-separated), or none [default: syn]
    #[arg(long, value_name = "FLAG", value_delimiter = ',')]
    pub tcp_flags: Vec<TcpFlag>,
    /// How many flows, of those that addresses and ports give [default: all of them]
    #[arg(long, value_name = "N", value_parser = values::number(1_u32, None))]
    pub flows: Option<u32>,
    /// Length of frames in bytes without the FCS, a range, or IMIX (60, 590 and 1514 bytes, 7 to 4 to 1) [default: 64]
    #[arg(long, value_name = "BYTES|A-B|IMIX")]
    pub size: Option<Sizes>,
    /// Flows and sizes at random rather than in turn
    #[arg(long)]
    pub random: bool,
    /// Where randomness starts: the same seed, the same frames
    #[arg(long, value_name = "N", requires = "random")]
    pub seed: Option<u64>,
    /// 802.1Q VLAN id of the frames
    #[arg(long, value_name = "ID", value_parser = values::number(0_u16, Some(4094)))]
    pub vlan: Option<u16>,
    /// Destination hardware address [default: the neighbour's]
    #[arg(long, value_name = "MAC")]
    pub dst_mac: Option<Mac>,
    /// Sequence number and time at the start of the payload, by which a receiver counts loss, order and delay
    #[arg(long)]
    pub stamp: bool,
    /// Replay the frames of this capture (pcap or pcapng) instead; from its start again while --for or --count last
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "dst", "src", "proto", "sport", "dport", "tcp_flags", "flows", "size", "random", "vlan", "dst_mac", "stamp",
            "threads",
        ]
    )]
    pub pcap: Option<PathBuf>,
}

/// How frames get to the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// Live where it works, else packet
    Auto,
    /// XDP live frames
    Live,
    /// Packet sockets
    Packet,
}

/// Transport protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Proto {
    /// Datagrams
    Udp,
    /// Segments
    Tcp,
    /// Echo requests
    Icmp,
}

/// Flags of TCP, by their bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names of RFC 9293")]
pub enum TcpFlag {
    Fin,
    Syn,
    Rst,
    Psh,
    Ack,
    Urg,
    Ece,
    Cwr,
    /// No flag at all
    None,
}

/// A hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl std::str::FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "not a hardware address such as 02:00:00:00:00:0b".to_owned();
        let mut mac = [0; 6];
        let mut words = text.split([':', '-']);
        for byte in &mut mac {
            let word =
                words.next().filter(|word| word.len() == 2 && word.bytes().all(|c| c.is_ascii_hexdigit()));
            *byte = u8::from_str_radix(word.ok_or_else(wrong)?, 16).map_err(|_| wrong())?;
        }
        if words.next().is_none() { Ok(Self(mac)) } else { Err(wrong()) }
    }
}
