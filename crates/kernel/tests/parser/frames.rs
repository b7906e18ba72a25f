//! Frames of every kind that the parser knows, whole, mutated and cut short; the same for the same seed.

use etherparse::{
    Ethernet2Header, IpHeaders, IpNumber, PacketBuilder, PacketBuilderStep, VlanHeader, VlanId,
};

/// splitmix64: enough randomness for mutations, and the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// An endless series of frames.
pub(crate) struct Frames(Random);

impl Frames {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Random::seeded(seed))
    }

    fn whole(&mut self) -> Vec<u8> {
        let random = &mut self.0;
        let (tags, v6, extension) = (random.below(3), random.one_in(2), random.below(5));
        let addresses: [u8; 32] = std::array::from_fn(|_| random.next() as u8);
        let (number, inside) = transport(random, v6);
        let vlan =
            VlanId::try_new(u16::from_ne_bytes([addresses[8], addresses[9]]) & 0xfff).expect("12 bits");
        let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]);
        let step = match tags {
            0 => network(ethernet, v6, &addresses),
            1 => network(ethernet.single_vlan(vlan), v6, &addresses),
            _ => network(ethernet.double_vlan(vlan, VlanId::ZERO), v6, &addresses),
        };
        let mut frame = Vec::new();
        step.write(&mut frame, IpNumber(number), &inside).expect("a vector takes all");
        if v6 && extension > 0 {
            extend(&mut frame, 14 + tags * 4, extension);
        }
        if !v6 && extension == 1 {
            fragment(&mut frame, 14 + tags * 4);
        }
        frame
    }
}

/// A builder's step that an IP header may follow.
trait Link {
    fn v4(self, source: [u8; 4], destination: [u8; 4]) -> PacketBuilderStep<IpHeaders>;
    fn v6(self, source: [u8; 16], destination: [u8; 16]) -> PacketBuilderStep<IpHeaders>;
}

macro_rules! link {
    ($($step:ty),*) => { $(
        impl Link for PacketBuilderStep<$step> {
            fn v4(self, source: [u8; 4], destination: [u8; 4]) -> PacketBuilderStep<IpHeaders> {
                self.ipv4(source, destination, 3)
            }

            fn v6(self, source: [u8; 16], destination: [u8; 16]) -> PacketBuilderStep<IpHeaders> {
                self.ipv6(source, destination, 3)
            }
        }
    )* };
}
link!(Ethernet2Header, VlanHeader);

fn network(link: impl Link, v6: bool, addresses: &[u8; 32]) -> PacketBuilderStep<IpHeaders> {
    if v6 {
        let (source, destination) = addresses.split_at(16);
        link.v6(source.try_into().expect("16"), destination.try_into().expect("16"))
    } else {
        let [a, b, c, d, e, f, g, h, ..] = *addresses;
        link.v4([a, b, c, d], [e, f, g, h])
    }
}

/// An IP protocol, and what comes behind the IP header.
fn transport(random: &mut Random, v6: bool) -> (u8, Vec<u8>) {
    let payload = vec![0x5a; random.below(40)];
    let ports = random.next().to_ne_bytes();
    match random.below(10) {
        0 => (6, [&ports[..4], &tcp(random), &payload].concat()),
        1 => (47, gre(random)),
        2 => (4, ip_inside(4)),
        3 => (41, ip_inside(6)),
        4 => (132, [&ports[..], &[0; 4], &payload].concat()),
        5 => (33, [&ports[..], &payload].concat()),
        6 => (136, [&ports[..4], &udp(8), &payload].concat()),
        7 => (if v6 { 58 } else { 1 }, icmp(random, v6, &payload)),
        8 => {
            let (port, inside) =
                if random.one_in(2) { (4789_u16, vxlan(random)) } else { (6081, geneve(random)) };
            (17, [&ports[..2], &port.to_be_bytes(), &udp(8 + inside.len()), &inside].concat())
        }
        _ => (17, [&ports[..4], &udp(8 + payload.len()), &payload].concat()),
    }
}

/// The header behind the ports, with any flags; a SYN's options among them.
fn tcp(random: &mut Random) -> Vec<u8> {
    let options: &[u8] = match random.below(4) {
        0 => &[2, 4, 5, 0xb4, 1, 3, 3, 7],
        1 => &[1, 3, 3, 14, 4, 2, 2, 4, 2, 0, 0, 0],
        2 => &[8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0],
        _ => &[],
    };
    let numbers = [random.next().to_ne_bytes(), random.next().to_ne_bytes()].concat();
    let offset = (5 + options.len() as u8 / 4) << 4;
    let flags = random.next().to_ne_bytes();
    [&numbers[..8], &[offset | flags[0] & 0x0f, flags[1]], &numbers[8..14], options].concat()
}

fn udp(length: usize) -> [u8; 4] {
    let [high, low] = (length as u16).to_be_bytes();
    [high, low, 0, 0]
}

fn icmp(random: &mut Random, v6: bool, payload: &[u8]) -> Vec<u8> {
    let echo = if v6 { 128 } else { 8 };
    let kind = if random.one_in(2) { echo } else { random.next() as u8 };
    [&[kind, 0, 0, 0], &random.next().to_ne_bytes()[..4], payload].concat()
}

impl Iterator for Frames {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut frame = self.whole();
        let random = &mut self.0;
        for _ in 0..random.below(4) {
            let (at, value) = (12 + random.below(frame.len() - 12), random.next() as u8);
            frame[at] = value;
        }
        if random.one_in(3) {
            frame.truncate(14 + random.below(frame.len() - 13));
        }
        Some(frame)
    }
}

/// Puts one IPv6 extension header behind the fixed header at `at`.
fn extend(frame: &mut Vec<u8>, at: usize, kind: usize) {
    let next = frame[at + 6];
    let (number, header): (u8, Vec<u8>) = match kind {
        1 => (0, vec![next, 0, 1, 4, 0, 0, 0, 0]),
        2 => (60, [vec![next, 1], vec![0; 14]].concat()),
        3 => (44, vec![next, 0, 0, 8, 0, 0, 0, 1]),
        _ => (44, vec![next, 0, 0, 1, 0, 0, 0, 1]),
    };
    let length = u16::from_be_bytes([frame[at + 4], frame[at + 5]]) + header.len() as u16;
    frame[at + 4..at + 6].copy_from_slice(&length.to_be_bytes());
    frame[at + 6] = number;
    frame.splice(at + 40..at + 40, header);
}

/// Makes an IPv4 packet a later fragment.
fn fragment(frame: &mut [u8], at: usize) {
    frame[at + 7] = 3;
}

fn ip_inside(version: u8) -> Vec<u8> {
    let mut inside = Vec::new();
    let step = if version == 4 {
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 9)
    } else {
        PacketBuilder::ipv6([1; 16], [2; 16], 9)
    };
    step.udp(77, 78).write(&mut inside, b"inside").expect("a vector takes all");
    inside
}

fn frame_inside() -> Vec<u8> {
    [vec![6; 12], vec![0x08, 0x00], ip_inside(4)].concat()
}

fn vxlan(random: &mut Random) -> Vec<u8> {
    let flags = if random.one_in(8) { 0 } else { 8 };
    [vec![flags, 0, 0, 0, 0, 0, 42, 0], frame_inside()].concat()
}

fn geneve(random: &mut Random) -> Vec<u8> {
    let options = random.below(3);
    [vec![options as u8, 0, 0x65, 0x58, 0, 0, 42, 0], vec![0; options * 4], frame_inside()].concat()
}

fn gre(random: &mut Random) -> Vec<u8> {
    let flags = (random.next() & 0xb0) as u8;
    let optional = [0x80, 0x20, 0x10].iter().filter(|bit| flags & **bit != 0).count() * 4;
    if random.one_in(2) {
        [vec![flags, 0, 0x08, 0], vec![0; optional], ip_inside(4)].concat()
    } else {
        [vec![flags, 0, 0x65, 0x58], vec![0; optional], frame_inside()].concat()
    }
}
