//! The edits that make frames wrong, and right again.

use super::ETHERNET;
use crate::{Error, Result};

/// Writes `bytes` over the frame at `offset`; an edit beyond its end is an error.
pub fn patch(frame: &mut [u8], offset: usize, bytes: &[u8]) -> Result<()> {
    let end = offset + bytes.len();
    let length = frame.len();
    let room = frame
        .get_mut(offset..end)
        .ok_or_else(|| Error::Frame(format!("bytes {offset} to {end} of a frame of {length}")))?;
    room.copy_from_slice(bytes);
    Ok(())
}

/// Inverts the bits of the byte at `offset`, which breaks the checksum that covers it.
pub fn corrupt(frame: &mut [u8], offset: usize) -> Result<()> {
    let length = frame.len();
    let byte =
        frame.get_mut(offset).ok_or_else(|| Error::Frame(format!("byte {offset} of a frame of {length}")))?;
    *byte = !*byte;
    Ok(())
}

/// Makes the IPv4 header's checksum right again after an edit; the header's length is read from the header.
pub fn fix_ipv4_checksum(frame: &mut [u8]) -> Result<()> {
    const CHECKSUM: usize = ETHERNET + 10;
    patch(frame, CHECKSUM, &[0, 0])?;
    let words = usize::from(frame[ETHERNET] & 0x0f) * 2;
    let mut sum: u32 = 0;
    for pair in frame[ETHERNET..].chunks_exact(2).take(words) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
    }
    // Twice: the first fold can carry.
    for _ in 0..2 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    patch(frame, CHECKSUM, &(!(sum as u16)).to_be_bytes())
}

/// Inserts an 802.1Q tag behind the hardware addresses.
pub fn tag(frame: &mut Vec<u8>, vlan: u16) {
    const ADDRESSES: usize = 12;
    let [high, low] = vlan.to_be_bytes();
    frame.splice(ADDRESSES..ADDRESSES, [0x81, 0x00, high, low]);
}

#[cfg(test)]
mod tests {
    use etherparse::SlicedPacket;

    use super::*;
    use crate::frames::{Family, tests::path};

    #[test]
    fn checksums_break_and_heal() {
        let mut frame = path().udp(Family::V4, (1, 2), b"x").unwrap();
        let intact = frame.clone();
        corrupt(&mut frame, ETHERNET + 10).unwrap();
        assert_ne!(frame, intact);
        fix_ipv4_checksum(&mut frame).unwrap();
        assert_eq!(frame, intact);
        patch(&mut frame, ETHERNET + 8, &[1]).unwrap();
        fix_ipv4_checksum(&mut frame).unwrap();
        let header = etherparse::Ipv4HeaderSlice::from_slice(&frame[ETHERNET..]).unwrap().to_header();
        assert_eq!(header.calc_header_checksum(), header.header_checksum);
    }

    #[test]
    fn a_tag_is_read_back() {
        let mut frame = path().echo(Family::V6, 1, b"").unwrap();
        tag(&mut frame, 42);
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        assert_eq!(packet.vlan_ids()[0].value(), 42);
    }

    #[test]
    fn edits_beyond_the_end_are_errors() {
        let mut frame = path().ethernet(0x88b5, b"");
        assert!(patch(&mut frame, ETHERNET, &[0]).is_err());
        assert!(corrupt(&mut frame, ETHERNET).is_err());
        assert!(fix_ipv4_checksum(&mut frame).is_err());
    }
}
