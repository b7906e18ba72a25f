//! What a stamp says, and what a receiver counts by it: loss, order and delay.
//!
//! The layout is `struct traffic_stamp` in crates/kernel/src/traffic/traffic.h: 24 bytes in network order.

use plumb_kernel::traffic::STAMP_MAGIC;

/// A stamp, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which of the sending threads.
    pub stream: u32,
    /// 0, 1, 2, ... within the stream.
    pub sequence: u64,
    /// When the frame was made, in nanoseconds since the Unix epoch.
    pub time_ns: u64,
}

impl Stamp {
    /// Bytes of a stamp.
    pub const BYTES: usize = size_of::<plumb_kernel::traffic::Stamp>();

    /// As it stands in a payload.
    pub fn bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&STAMP_MAGIC.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.stream.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[16..].copy_from_slice(&self.time_ns.to_be_bytes());
        bytes
    }

    /// The stamp that a payload begins with; `None` where it does not.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_be_bytes(payload.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(u64::from_be_bytes(payload.get(at..at + 8)?.try_into().ok()?));
        (word(0)? == STAMP_MAGIC).then_some(())?;
        Some(Self { stream: word(4)?, sequence: long(8)?, time_ns: long(16)? })
    }
}

#[cfg(test)]
mod tests {
    use super::Stamp;

    #[test]
    fn what_is_written_is_read() {
        let stamp = Stamp { stream: 3, sequence: 1 << 40, time_ns: 1_700_000_000_000_000_000 };
        let mut payload = stamp.bytes().to_vec();
        payload.extend([1, 2, 3]);
        assert_eq!(Stamp::read(&payload), Some(stamp));
        assert_eq!(Stamp::read(&payload[..23]), None);
        payload[0] ^= 1;
        assert_eq!(Stamp::read(&payload), None);
    }
}
