//! Packets for tshark and Wireshark: draft-ietf-opsawg-pcapng, nanosecond times, the record in the packet's comment.
//!
//! A packet of which nothing could be captured, such as one without headers yet, is a packet block without bytes. The blocks are few and simple, so they are written here: the stable
//! release of the `pcap-file` crate is of 2023 and its successor a pre-release.

use crate::Encode;
use crate::cells::{self, Clock};
use crate::json;
use plumb_records::column::{Capture, Column, Kind, Link, Row, Value};
use std::collections::HashMap;

/// What a file says of its making: the options of its section header.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The machine, such as `x86_64`.
    pub hardware: String,
    /// The system, such as `Linux 6.12.0`.
    pub system: String,
    /// The program, such as `plumb 0.1.0`.
    pub application: String,
}

/// So many interfaces are remembered; when more come and go they are described anew, which the format allows.
const REMEMBERED: u32 = 4096;

type Place = (Option<u64>, Link);

/// The pcapng format.
#[derive(Debug)]
pub struct Pcapng {
    origin: Origin,
    /// Numbers of the interfaces described in this section, by namespace and link, then by name.
    interfaces: HashMap<Place, HashMap<String, u32>>,
    /// Interfaces described in this section, and how many of them are remembered.
    described: u32,
    remembered: u32,
    clock: Clock,
    comment: Vec<u8>,
}

mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const PACKET: u32 = 6;
}

mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const HARDWARE: u16 = 2;
    pub(super) const SYSTEM: u16 = 3;
    pub(super) const APPLICATION: u16 = 4;
    pub(super) const IF_NAME: u16 = 2;
    pub(super) const IF_DESCRIPTION: u16 = 3;
    pub(super) const IF_TSRESOL: u16 = 9;
}

impl Pcapng {
    /// For files that were made by `origin`.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            interfaces: HashMap::new(),
            described: 0,
            remembered: 0,
            clock: Clock::default(),
            comment: Vec::new(),
        }
    }

    /// The number of the packet's interface, described first where it is new.
    fn interface(&mut self, out: &mut Vec<u8>, capture: &Capture<'_>) -> u32 {
        let (place, name) =
            ((capture.netns_cookie.or(capture.netns), capture.link), capture.interface.unwrap_or_default());
        if let Some(number) = self.interfaces.get(&place).and_then(|names| names.get(name)) {
            return *number;
        }
        if self.remembered == REMEMBERED {
            self.interfaces.clear();
            self.remembered = 0;
        }
        let number = self.described;
        self.interfaces.entry(place).or_default().insert(name.to_owned(), number);
        self.described += 1;
        self.remembered += 1;
        describe(out, capture);
        number
    }
}

impl Encode for Pcapng {
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.interfaces.clear();
        (self.described, self.remembered) = (0, 0);
        write_block(out, block::SECTION, |out| {
            out.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
            out.extend_from_slice(&[1, 0, 0, 0]);
            out.extend_from_slice(&u64::MAX.to_le_bytes()); // section length: not known
            write_option(out, option::HARDWARE, self.origin.hardware.as_bytes());
            write_option(out, option::SYSTEM, self.origin.system.as_bytes());
            write_option(out, option::APPLICATION, self.origin.application.as_bytes());
        });
    }

    fn encode(&mut self, row: &dyn Row, out: &mut Vec<u8>) -> bool {
        let Some(capture) = row.capture() else { return false };
        // A block's length has 32 bits; no packet comes near it.
        let Ok(captured) = u32::try_from(capture.bytes.len()) else { return false };
        let interface = self.interface(out, &capture);
        self.comment.clear();
        comment(&mut self.comment, &mut self.clock, row);
        write_block(out, block::PACKET, |out| {
            let words = [
                interface,
                (capture.time >> 32) as u32,
                capture.time as u32,
                captured,
                capture.length.max(captured),
            ];
            out.extend(words.into_iter().flat_map(u32::to_le_bytes));
            out.extend_from_slice(capture.bytes);
            pad(out, capture.bytes.len());
            write_option(out, option::COMMENT, &self.comment);
        });
        true
    }
}

fn describe(out: &mut Vec<u8>, capture: &Capture<'_>) {
    // https://www.tcpdump.org/linktypes.html: LINKTYPE_ETHERNET, LINKTYPE_RAW.
    let link: u16 = match capture.link {
        Link::Ethernet => 1,
        Link::Ip => 101,
    };
    write_block(out, block::INTERFACE, |out| {
        out.extend_from_slice(&link.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&[0; 4]); // snapshot length: no limit, it may differ by packet
        write_option(out, option::IF_NAME, capture.interface.unwrap_or_default().as_bytes());
        if let Some(netns) = capture.netns {
            write_option(out, option::IF_DESCRIPTION, format!("network namespace {netns}").as_bytes());
        }
        write_option(out, option::IF_TSRESOL, &[9]);
    });
}

/// `name=value` of the columns that neither the packet nor its interface shows.
fn comment(out: &mut Vec<u8>, clock: &mut Clock, row: &dyn Row) {
    let columns = row.columns();
    row.walk(&mut |index, value| {
        let column = &columns[index];
        if value == Value::Null || in_packet(column) {
            return;
        }
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(column.name.as_bytes());
        out.push(b'=');
        match value {
            Value::Text(text) if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') => {
                json::string(out, text);
            }
            _ => cells::plain(out, clock, value),
        }
    });
}

fn in_packet(column: &Column) -> bool {
    let parts = ["_port", "protocol", "tcp_flags", "family", "tunnel", "interface", "length_bytes"];
    matches!(column.kind, Kind::Time | Kind::Address) || parts.iter().any(|part| column.name.ends_with(part))
}

/// Appends a block: its kind and length, the body, the end of its options where it has any, and the length again.
fn write_block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out);
    out.extend_from_slice(&option::END.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    let length = ((out.len() - start + 4) as u32).to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&length);
    out.extend_from_slice(&length);
}

/// Appends an option; none where it would be empty.
fn write_option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let mut length = value.len().min(usize::from(u16::MAX));
    // A text that is too long ends at a character.
    while length < value.len() && value[length] & 0xc0 == 0x80 {
        length -= 1;
    }
    if length == 0 {
        return;
    }
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&(length as u16).to_le_bytes());
    out.extend_from_slice(&value[..length]);
    pad(out, length);
}

/// Fields of any `length` end at a multiple of four bytes.
fn pad(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&[0; 3][..length.wrapping_neg() & 3]);
}

#[cfg(test)]
mod tests;
