//! Frames as programs at XDP and TC read them: directly, where they lie.

use super::build;
use super::frames::{Frames, Random};
use super::headers::{Headers, Met, agree};
use std::io::{BufReader, BufWriter, Read, Write};
use std::net::{IpAddr, Ipv6Addr};

const FRAMES: usize = 200_000;
/// Answers per frame: XDP and TC, each with the whole frame in the linear part and with some of it.
const WAYS: usize = 4;

/// How a frame is put: `struct question` of frames.c, and whether it is without its tag.
#[derive(Clone, Debug)]
struct Question {
    bytes: Vec<u8>,
    linear: usize,
    gso_size: u32,
    tag: Option<u16>,
}

impl Question {
    /// What TC sees has its tag taken off by the device now and then; XDP sees the same bytes, without a tag.
    fn of(frame: &[u8], random: &mut Random) -> Self {
        let tagged = frame.len() >= 18 && matches!(frame[12..14], [0x81, 0x00] | [0x88, 0xa8]);
        let tag = (tagged && random.one_in(2)).then(|| u16::from_be_bytes([frame[14], frame[15]]));
        let mut bytes = frame.to_vec();
        if tag.is_some() {
            bytes.drain(12..16);
        }
        // The kernel pulls an Ethernet header into the linear part.
        let linear = 14.min(bytes.len()) + random.below(bytes.len().saturating_sub(14) + 1);
        let gso_size = if random.one_in(2) { 1 + random.below(60) as u32 } else { 0 };
        Self { bytes, linear, gso_size, tag }
    }

    fn write(&self, to: &mut impl Write) -> std::io::Result<()> {
        let tag = self.tag.map_or(0, |tag| u32::from(tag) << 16 | 1);
        for word in [self.bytes.len() as u32, self.linear as u32, self.gso_size, tag] {
            to.write_all(&word.to_ne_bytes())?;
        }
        to.write_all(&self.bytes)
    }
}

/// `struct answer` of frames.c.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    kind: u32,
    length: u32,
    segments: u32,
    headers: Headers,
}

impl Answer {
    const SIZE: usize = 92;
    const IP: u32 = 0;

    fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let half = |at: usize| u16::from_ne_bytes(bytes[at..at + 2].try_into().expect("two bytes"));
        let address = |at: usize| -> Option<IpAddr> {
            match bytes[37] {
                4 => Some(<[u8; 4]>::try_from(&bytes[at..at + 4]).expect("four bytes").into()),
                6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[at..at + 16]).expect("sixteen")).into()),
                _ => None,
            }
        };
        let (protocol, bits, transport) = (bytes[36], bytes[87], bytes[84]);
        let transport_header = (transport > 0).then_some(u32::from(transport));
        let known = |of: &[u8]| of.contains(&protocol) && transport > 0;
        let icmp = known(&[1, 58]).then_some((bytes[88], bytes[89]));
        let echo = matches!((protocol, bytes[88]), (1, 0 | 8) | (58, 128 | 129));
        let fragment = if bits & 2 > 0 { Some(false) } else { (bits & 1 > 0).then_some(true) };
        let (size, scale) = (half(82), bytes[90]);
        let headers = Headers {
            addresses: address(0).zip(address(16)),
            protocol,
            ports: (bytes[38] != 0).then(|| (half(32), half(34))),
            vlan: (half(72) != 0xffff).then_some(half(72)),
            ip_length: word(56),
            network_header: u32::from(half(80)),
            transport_header,
            payload: word(60),
            ttl: bytes[85],
            tos: bytes[86],
            ip_id: (bits & 8 > 0).then_some(word(68)),
            fragment,
            truncated: bits & 4 > 0,
            icmp,
            icmp_id: (icmp.is_some() && echo).then_some(half(78)),
            tcp: known(&[6]).then_some((half(76), half(74), word(44), word(48))),
            syn: known(&[6]).then_some(((size > 0).then_some(size), scale.checked_sub(1))),
        };
        Self { kind: word(40), length: word(52), segments: word(64), headers }
    }

    fn found(&self) -> Option<&Headers> {
        (self.kind == Self::IP).then_some(&self.headers)
    }
}

/// What a super-packet with this frame's headers says: lengths follow from the buffer's.
fn of_super_packet(question: &Question, whole: &Answer) -> (u32, u32, u32) {
    let h = &whole.headers;
    if question.gso_size == 0 || whole.kind != Answer::IP {
        return (h.ip_length, h.payload, 1);
    }
    let mut link = 14;
    for _ in 0..2 {
        let tag = question.bytes.get(link - 2..link);
        link += if matches!(tag, Some([0x81, 0x00] | [0x88, 0xa8])) { 4 } else { 0 };
    }
    let ip_length = (question.bytes.len() - link) as u32;
    let headers = h.network_header + h.transport_header.unwrap_or(0);
    let payload = ip_length.saturating_sub(headers);
    (ip_length, payload, payload.div_ceil(question.gso_size).max(1))
}

/// The four answers agree with each other, and with etherparse.
fn check(question: &Question, answers: &[Answer; WAYS], met: &mut Met) -> Result<(), String> {
    let [xdp, tc, xdp_in_parts, tc_in_parts] = answers;
    if (xdp, tc) != (xdp_in_parts, tc_in_parts) {
        return Err("what is linear changes the answer".into());
    }
    let length = question.bytes.len() as u32;
    if xdp.length != length || tc.length != length + if question.tag.is_some() { 4 } else { 0 } {
        return Err("another length".into());
    }
    agree(&question.bytes, xdp.found(), met)?;
    let (ip_length, payload, segments) = of_super_packet(question, xdp);
    let vlan = question.tag.map(|tag| tag & 0xfff).or(xdp.headers.vlan);
    let headers = Headers { ip_length, payload, vlan, ..xdp.headers.clone() };
    if (tc.found(), tc.segments) != ((xdp.kind == Answer::IP).then_some(&headers), segments) {
        return Err(format!("XDP and TC differ: {segments} segments, {headers:?}"));
    }
    Ok(())
}

#[test]
fn frames_agree_with_etherparse() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut program = build(folder.path(), "frames.c");
    let (to, from) = (program.stdin.take().expect("stdin"), program.stdout.take().expect("stdout"));
    let questions = || {
        let mut random = Random::seeded(9);
        Frames::seeded(8).take(FRAMES).map(move |frame| Question::of(&frame, &mut random))
    };
    let writer = std::thread::spawn(move || {
        let mut to = BufWriter::new(to);
        questions().for_each(|question| question.write(&mut to).expect("the program reads"));
    });
    let mut from = BufReader::new(from);
    let mut met = Met::default();
    for (number, question) in questions().enumerate() {
        let answers = std::array::from_fn(|_| {
            let mut bytes = [0; Answer::SIZE];
            from.read_exact(&mut bytes).expect("four answers: otherwise the sanitizer stopped the program");
            Answer::from_bytes(&bytes)
        });
        if let Err(why) = check(&question, &answers, &mut met) {
            panic!("frame {number}: {why}\n{question:02x?}\n{answers:?}");
        }
    }
    writer.join().expect("all frames were written");
    assert!(program.wait().expect("the program ends").success());
    met.assert_everything(500);
}
