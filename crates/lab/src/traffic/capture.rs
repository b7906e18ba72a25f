//! Frames of a capture file, pcap or pcapng, as they were captured.

use crate::{Error, Result};
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use std::fs::File;
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
    /// It was longer than what was captured of it.
    pub cut: bool,
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
        let file = File::open(path).map_err(Error::io(path.display().to_string()))?;
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
            contents.cut += u64::from(frame.cut);
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
            Ok(Some(Frame { time: Some(time), cut: (bytes.len() as u64) < u64::from(packet.origlen), bytes }))
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
            let cut = (bytes.len() as u64) < u64::from(packet.origlen);
            Ok(Some(Frame { time: Some(time(interface, ticks)), bytes, cut }))
        }
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
            interface(interfaces, 0)?;
            let bytes = packet.packet_data().to_vec();
            Ok(Some(Frame { time: None, cut: (bytes.len() as u64) < u64::from(packet.origlen), bytes }))
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
        Err(format!("its link type is {}, and only Ethernet frames (1) can be sent", found.link.0))
    }
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
            PcapError::Eof | PcapError::UnexpectedEof | PcapError::Incomplete(_) => "it ends within a frame",
            PcapError::ReadError => "it cannot be read",
            PcapError::BufferTooSmall => "a block in it is longer than 1 MiB",
            PcapError::NomError(..) | PcapError::OwnedNomError(..) => "it is damaged",
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn words(bytes: &mut Vec<u8>, words: &[u32]) {
        words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    }

    /// The layout of draft-ietf-opsawg-pcap, with nanoseconds, in either byte order.
    fn pcap(frames: &[(u32, u32, &[u8])], big: bool) -> Vec<u8> {
        let mut header = [0xa1b2_3c4d_u32, 4 << 16 | 2, 0, 0, 1 << 16, 1];
        if big {
            header[1] = 2 << 16 | 4;
        }
        let mut bytes = Vec::new();
        let order = |word: u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
        header.iter().for_each(|word| bytes.extend(order(*word)));
        for (seconds, nanoseconds, frame) in frames {
            let length = frame.len() as u32;
            [*seconds, *nanoseconds, length, length].iter().for_each(|word| bytes.extend(order(*word)));
            bytes.extend(*frame);
        }
        bytes
    }

    /// The layout of draft-ietf-opsawg-pcapng: one interface with nanoseconds, one with the default microseconds.
    fn pcapng(frame: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        words(&mut bytes, &[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28]);
        words(&mut bytes, &[1, 32, 1, 0, 1 << 16 | 9, 9, 0, 32]);
        words(&mut bytes, &[1, 20, 1, 0, 20]);
        let padded = frame.len().div_ceil(4) * 4;
        for interface in 0..2 {
            let length = frame.len() as u32;
            let block = 32 + padded as u32;
            words(&mut bytes, &[6, block, interface, 0, 5000, length, length + interface]);
            bytes.extend(frame);
            bytes.resize(bytes.len() + padded - frame.len(), 0);
            words(&mut bytes, &[block]);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Frame>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut capture = Capture::open(file.path())?;
        let mut frames = Vec::new();
        while let Some(frame) = capture.frame()? {
            frames.push(frame);
        }
        assert_eq!(Capture::contents(file.path()).unwrap().frames, frames.len() as u64);
        Ok(frames)
    }

    #[test]
    fn both_formats_and_byte_orders_are_read() {
        let frame = [7; 61];
        for big in [false, true] {
            let frames = read(&pcap(&[(1, 5, &frame), (2, 6, &frame[..20])], big)).unwrap();
            assert_eq!(frames.iter().map(|frame| frame.bytes.len()).collect::<Vec<_>>(), [61, 20]);
            assert_eq!(frames[1].time, Some(2_000_000_006));
        }
        let frames = read(&pcapng(&frame)).unwrap();
        assert_eq!(frames.iter().map(|frame| frame.time).collect::<Vec<_>>(), [Some(5000), Some(5_000_000)]);
        assert_eq!(frames.iter().map(|frame| frame.cut).collect::<Vec<_>>(), [false, true]);
        assert!(frames.iter().all(|read| read.bytes == frame));
    }

    #[test]
    fn what_is_no_ethernet_is_refused() {
        let mut bytes = pcap(&[(0, 0, &[0; 60])], false);
        bytes[20] = 113;
        assert!(read(&bytes).unwrap_err().to_string().contains("link type is 113"));
    }

    proptest! {
        // Each opens files.
        #![proptest_config(ProptestConfig::with_cases(150))]
        #[test]
        fn damaged_captures_are_read_or_refused(
            which in 0..3,
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let frame = [7; 61];
            let mut bytes = match which {
                0 => pcap(&[(1, 5, &frame), (2, 6, &frame)], false),
                1 => pcap(&[(1, 5, &frame)], true),
                _ => pcapng(&frame),
            };
            for (at, value) in flips {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            let _ = read(&bytes);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
