//! The values behind the filter's words: text in, checked value out, and the same text back.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Why a text is no value of its word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// Neither an address nor address/length.
    #[error("'{0}' is not an IPv4 or IPv6 address, such as 10.0.0.1 or 2001:db8::/32")]
    Address(String),
    /// The part after the slash.
    #[error("'{text}' has no valid prefix length: {family} takes 0 to {max}")]
    PrefixLength {
        /// What was given.
        text: String,
        /// IPv4 or IPv6.
        family: &'static str,
        /// 32 or 128.
        max: u8,
    },
    /// Address bits that the prefix length does not cover.
    #[error("'{text}' has address bits beyond its prefix length; write {network}, or the address alone")]
    HostBits {
        /// What was given.
        text: String,
        /// The prefix that contains it.
        network: Prefix,
    },
    /// Neither a port nor a range of ports.
    #[error("'{0}' is not a port from 0 to 65535 or a range such as 1000-2000")]
    Port(String),
    /// A range that ends before it starts.
    #[error("the port range '{text}' ends before it starts; write {ordered}")]
    PortOrder {
        /// What was given.
        text: String,
        /// The same range, lower port first.
        ordered: PortRange,
    },
    /// Neither a known protocol name nor a number.
    #[error(
        "'{0}' is not an IP protocol: use a number from 0 to 255 or a name such as tcp, udp, icmp, icmpv6, sctp"
    )]
    Protocol(String),
    /// Longer than the kernel keeps.
    #[error("'{0}' is longer than the 15 bytes that the kernel keeps of a process name")]
    CommLength(String),
    /// Empty or with a NUL in it.
    #[error("a process name is not empty and has no NUL byte")]
    CommContent,
}

/// A number in plain decimal digits: `u8::from_str` would also take a sign.
fn decimal<T: FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// An address prefix; a single address is a prefix of full length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    network: IpAddr,
    length: u8,
}

impl Prefix {
    /// The prefix of `length` bits that contains `address`; `None` where the family has no such length.
    pub fn containing(address: IpAddr, length: u8) -> Option<Self> {
        if length > bits(address) {
            return None;
        }
        let network = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        };
        Some(Self { network, length })
    }

    /// The lowest address of the prefix.
    pub const fn network(&self) -> IpAddr {
        self.network
    }

    /// Length in bits: up to 32 or 128.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether `address` is of the same family and within. An IPv4 prefix never contains an IPv6 address, not
    /// even an IPv4-mapped one: the two are different packets.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.network.is_ipv4()
            && Self::containing(address, self.length).is_some_and(|prefix| prefix.network == self.network)
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl FromStr for Prefix {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| WordError::Address(text.to_owned()))?;
        let max = bits(address);
        let wrong_length = || {
            let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            WordError::PrefixLength { text: text.to_owned(), family, max }
        };
        let length = match length {
            Some(length) => decimal(length).ok_or_else(wrong_length)?,
            None => max,
        };
        let prefix = Self::containing(address, length).ok_or_else(wrong_length)?;
        if prefix.network == address {
            Ok(prefix)
        } else {
            Err(WordError::HostBits { text: text.to_owned(), network: prefix })
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == bits(self.network) {
            write!(f, "{}", self.network)
        } else {
            write!(f, "{}/{}", self.network, self.length)
        }
    }
}

/// Ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The ports between `one` and `other`, in either order.
    pub fn between(one: u16, other: u16) -> Self {
        Self { first: one.min(other), last: one.max(other) }
    }

    /// The lowest port.
    pub const fn first(&self) -> u16 {
        self.first
    }

    /// The highest port.
    pub const fn last(&self) -> u16 {
        self.last
    }

    /// Whether `port` is within.
    pub fn contains(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl FromStr for PortRange {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |digits| decimal::<u16>(digits).ok_or_else(|| WordError::Port(text.to_owned()));
        let (first, last) = (port(first)?, port(last)?);
        let range = Self::between(first, last);
        if first <= last {
            Ok(range)
        } else {
            Err(WordError::PortOrder { text: text.to_owned(), ordered: range })
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// Names of protocol numbers as IANA and /etc/protocols have them; the first name of a number is the one printed.
const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
];

/// An IP protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol(pub u8);

impl FromStr for Protocol {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let named =
            PROTOCOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| *number);
        named.or_else(|| decimal(text)).map(Self).ok_or_else(|| WordError::Protocol(text.to_owned()))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PROTOCOLS.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A process name as the kernel keeps it: 1 to 15 bytes (TASK_COMM_LEN less the closing NUL).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Comm(String);

impl Comm {
    /// Bytes that the kernel keeps of a name.
    pub const MAX: usize = 15;

    /// The name without a closing NUL.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The name as the kernel stores it, padded with NULs.
    pub fn padded(&self) -> [u8; Self::MAX + 1] {
        let mut bytes = [0; Self::MAX + 1];
        for (to, from) in bytes.iter_mut().zip(self.as_bytes()) {
            *to = *from;
        }
        bytes
    }
}

impl FromStr for Comm {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        if text.is_empty() || text.contains('\0') {
            Err(WordError::CommContent)
        } else if text.len() > Self::MAX {
            Err(WordError::CommLength(text.to_owned()))
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
