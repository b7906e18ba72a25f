//! Captures of both formats, whole and damaged, and what is no capture.

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
    assert_eq!(frames.iter().map(|frame| frame.cut()).collect::<Vec<_>>(), [false, true]);
    assert!(frames.iter().all(|read| read.bytes == frame));
}

#[test]
fn what_is_no_file_with_frames_is_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| Capture::contents(path).unwrap_err().to_string();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [pipe.as_path(), Path::new("/dev/null"), folder.path()] {
        assert!(refused(path).contains("no regular file"), "{}", refused(path));
    }
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    assert!(refused(&empty).ends_with("it is empty"));
    assert!(refused(&folder.path().join("none")).contains("No such file"));
}

#[test]
fn what_is_no_ethernet_is_refused() {
    let mut bytes = pcap(&[(0, 0, &[0; 60])], false);
    bytes[20] = 113;
    assert!(read(&bytes).unwrap_err().to_string().contains("link type is Linux cooked (113)"));
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
