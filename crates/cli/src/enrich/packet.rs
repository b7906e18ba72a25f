//! Names of what a packet's headers say.

use std::collections::HashMap;

/// Ethertypes without a name that are kept as text.
const MOST: usize = 256;

/// Protocol families by ethertype; packets that never were frames go by their socket's family.
#[derive(Default)]
pub struct Families {
    numbers: HashMap<u16, Box<str>>,
}

impl Families {
    /// The name; the ethertype in hex where it has none; `None` where there is neither ethertype nor socket.
    pub fn name(&mut self, ethertype: u16, socket_family: u8) -> Option<&str> {
        Some(match (ethertype, i32::from(socket_family)) {
            (0x0800, _) | (0, address_family::INET) => "ipv4",
            (0x86dd, _) | (0, address_family::INET6) => "ipv6",
            (0x0806, _) => "arp",
            (0, address_family::UNIX) => "unix",
            (0, address_family::NETLINK) => "netlink",
            (0, address_family::PACKET) => "packet",
            (0, address_family::VSOCK) => "vsock",
            (0, _) => return None,
            _ => self.number(ethertype),
        })
    }

    /// The name of what a frame has for its ethertype, whatever that is.
    pub fn ethertype(&mut self, ethertype: u16) -> &str {
        if ethertype == 0 { self.number(0) } else { self.name(ethertype, 0).unwrap_or_default() }
    }

    fn number(&mut self, ethertype: u16) -> &str {
        if self.numbers.len() >= MOST && !self.numbers.contains_key(&ethertype) {
            self.numbers.clear();
        }
        self.numbers.entry(ethertype).or_insert_with(|| format!("{ethertype:#06x}").into())
    }
}

/// Address families of include/linux/socket.h; numbers are part of the kernel's ABI.
mod address_family {
    pub(super) const UNIX: i32 = 1;
    pub(super) const INET: i32 = 2;
    pub(super) const INET6: i32 = 10;
    pub(super) const NETLINK: i32 = 16;
    pub(super) const PACKET: i32 = 17;
    pub(super) const VSOCK: i32 = 40;
}

/// Letters of the flags byte, from the highest bit: CWR, ECE, URG, ACK, PSH, RST, SYN, FIN.
const LETTERS: [u8; 8] = *b"CEUAPRSF";

/// The text of every value of the flags byte, and its length.
const FLAGS: [([u8; 8], usize); 256] = {
    let mut texts = [([0; 8], 0); 256];
    let mut flags = 0;
    while flags < 256 {
        let (mut bit, mut length) = (0, 0);
        while bit < 8 {
            if flags >> (7 - bit) & 1 == 1 {
                texts[flags].0[length] = LETTERS[bit];
                length += 1;
            }
            bit += 1;
        }
        texts[flags].1 = length;
        flags += 1;
    }
    texts
};

/// TCP flags by letter, absent ones left out.
pub fn tcp_flags(flags: u8) -> &'static str {
    let (text, length) = &FLAGS[usize::from(flags)];
    std::str::from_utf8(&text[..*length]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Families, MOST, tcp_flags};

    #[test]
    fn flags_are_letters() {
        assert_eq!(tcp_flags(0), "");
        assert_eq!(tcp_flags(0x02), "S");
        assert_eq!(tcp_flags(0x12), "AS");
        assert_eq!(tcp_flags(0x11), "AF");
        assert_eq!(tcp_flags(0xff), "CEUAPRSF");
    }

    #[test]
    fn families_by_ethertype_then_by_socket() {
        let mut families = Families::default();
        assert_eq!(families.name(0x86dd, 2), Some("ipv6"));
        assert_eq!(families.name(0x88cc, 0), Some("0x88cc"));
        assert_eq!(families.name(0, 1), Some("unix"));
        assert_eq!(families.name(0, 0), None);
        for ethertype in 1..4 * MOST as u16 {
            families.name(ethertype, 0);
            assert!(families.numbers.len() <= MOST);
        }
    }
}
