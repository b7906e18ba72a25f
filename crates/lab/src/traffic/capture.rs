//! Frames of a capture file, pcap or pcapng, as they were captured.

use crate::{Error, Result};
use nix::fcntl::OFlag;
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Room for the largest block: jumbo frames, and the comments that pcapng may carry.
const ROOM: usize = 1 << 20;

/// A captured frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Nanoseconds since the Unix epoch; `None` where the file does not tell.
    pub time: Option<i128>,
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
    /// Bytes that it had on the wire.
    pub length: u32,
}

impl Frame {
    /// It was longer than what was captured of it.
    pub fn cut(&self) -> bool {
        self.bytes.len() < self.length as usize
    }
}

/// A capture file that is read frame by frame.
pub struct Capture {
    path: PathBuf,
    reader: Box<dyn PcapReaderIterator + Send>,
    /// Link type, ticks per second, and seconds to add, of each interface of the section.
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    ticks: u128,
    offset: i64,
}

/// What is in a capture file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Frames.
    pub frames: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Of which so many were cut when they were captured.
    pub cut: u64,
    /// The shortest.
    pub shortest: usize,
    /// The longest.
    pub longest: usize,
}

impl Capture {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> Result<Self> {
        // Not waiting for a writer: what is no file is refused, because it could not be read from its start again.
        let mut options = OpenOptions::new();
        let opened = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
        let (file, kind) = opened
            .and_then(|file| file.metadata().map(|kind| (file, kind)))
            .map_err(|error| wrong(path, &error.to_string()))?;
        if !kind.is_file() {
            return Err(wrong(path, "it is no regular file, and a capture is read more than once"));
        }
        if kind.len() == 0 {
            return Err(wrong(path, "it is empty"));
        }
        let reader = create_reader(ROOM, file).map_err(|error| damaged(path, &error))?;
        Ok(Self { path: path.to_owned(), reader, interfaces: Vec::new() })
    }

    /// Reads a whole file for what is in it: what is damaged is found before the first frame goes out.
    pub fn contents(path: &Path) -> Result<Contents> {
        let (mut capture, mut contents) = (Self::open(path)?, Contents::default());
        while let Some(frame) = capture.frame()? {
            let length = frame.bytes.len();
            contents.shortest = if contents.frames == 0 { length } else { contents.shortest.min(length) };
            contents.longest = contents.longest.max(length);
            contents.frames += 1;
            contents.bytes += length as u64;
            contents.cut += u64::from(frame.cut());
        }
        Ok(contents)
    }

    /// The next frame; `None` at the end.
    pub fn frame(&mut self) -> Result<Option<Frame>> {
        let mut refilled = false;
        loop {
            match self.reader.next() {
                Ok((length, block)) => {
                    let frame =
                        understand(&mut self.interfaces, &block).map_err(|what| wrong(&self.path, &what));
                    self.reader.consume(length);
                    refilled = false;
                    if let Some(frame) = frame? {
                        return Ok(Some(frame));
                    }
                }
                Err(PcapError::Eof) => return Ok(None),
                Err(PcapError::Incomplete(_)) if !refilled => {
                    refilled = true;
                    self.reader.refill().map_err(|error| damaged(&self.path, &error))?;
                }
                Err(error) => return Err(damaged(&self.path, &error)),
            }
        }
    }
}

/// A frame where the block is one; other blocks may tell of interfaces.
fn understand(
    interfaces: &mut Vec<Interface>,
    block: &PcapBlockOwned<'_>,
) -> std::result::Result<Option<Frame>, String> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let ticks = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
            interfaces.push(Interface { link: header.network, ticks, offset: 0 });
            Ok(None)
        }
        PcapBlockOwned::Legacy(packet) => {
            let interface = interface(interfaces, 0)?;
            let time =
                time(interface, u128::from(packet.ts_sec) * interface.ticks + u128::from(packet.ts_usec));
            let bytes = packet.data.to_vec();
            Ok(Some(Frame { time: Some(time), length: packet.origlen, bytes }))
        }
        // Interfaces are numbered within their section.
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            interfaces.clear();
            Ok(None)
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
            let ticks =
                ticks(description.if_tsresol).ok_or("an interface has an impossible resolution of time")?;
            interfaces.push(Interface { link: description.linktype, ticks, offset: description.if_tsoffset });
            Ok(None)
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let interface = interface(interfaces, packet.if_id)?;
            let ticks = u128::from(packet.ts_high) << 32 | u128::from(packet.ts_low);
            let bytes = packet.packet_data().to_vec();
            Ok(Some(Frame { time: Some(time(interface, ticks)), length: packet.origlen, bytes }))
        }
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
            interface(interfaces, 0)?;
            let bytes = packet.packet_data().to_vec();
            Ok(Some(Frame { time: None, length: packet.origlen, bytes }))
        }
        PcapBlockOwned::NG(_) => Ok(None),
    }
}

fn interface(interfaces: &[Interface], number: u32) -> std::result::Result<Interface, String> {
    let found =
        interfaces.get(number as usize).ok_or("a frame is of an interface that the file does not tell")?;
    if found.link == Linktype::ETHERNET {
        Ok(*found)
    } else {
        Err(format!("its link type is {}, and only Ethernet frames (1) are understood", name_of(found.link)))
    }
}

/// Link types that captures often have, by number (https://www.tcpdump.org/linktypes.html).
fn name_of(link: Linktype) -> String {
    let name = match link.0 {
        0 => "BSD loopback",
        101 => "raw IP",
        105 => "Wi-Fi",
        113 | 276 => "Linux cooked",
        127 => "Wi-Fi with radiotap",
        228 => "raw IPv4",
        229 => "raw IPv6",
        number => return number.to_string(),
    };
    format!("{name} ({})", link.0)
}

/// Ticks per second (if_tsresol of the pcapng format): a negative power of 10, or of 2 with the highest bit.
fn ticks(resolution: u8) -> Option<u128> {
    let base: u128 = if resolution & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(u32::from(resolution & 0x7f)).filter(|ticks| *ticks <= 1 << 64)
}

fn time(interface: Interface, ticks: u128) -> i128 {
    let nanoseconds = ticks.saturating_mul(1_000_000_000) / interface.ticks;
    i128::try_from(nanoseconds)
        .unwrap_or(i128::MAX)
        .saturating_add(i128::from(interface.offset) * 1_000_000_000)
}

fn wrong(path: &Path, what: &str) -> Error {
    Error::Capture { path: path.to_owned(), what: what.to_owned() }
}

fn damaged<I>(path: &Path, error: &PcapError<I>) -> Error {
    wrong(
        path,
        match error {
            PcapError::HeaderNotRecognized => "it is neither pcap nor pcapng",
            PcapError::Eof | PcapError::UnexpectedEof | PcapError::Incomplete(_) => {
                "it ends within a frame; `editcap FILE NEW` keeps those before"
            }
            PcapError::ReadError => "it cannot be read",
            PcapError::BufferTooSmall => "a block in it is longer than 1 MiB",
            PcapError::NomError(..) | PcapError::OwnedNomError(..) => "it is damaged",
        },
    )
}

#[cfg(test)]
mod tests;
