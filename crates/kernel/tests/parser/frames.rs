//! Frames of every kind that the parser knows, whole, mutated and cut short; the same for the same seed.

use etherparse::{IpNumber, PacketBuilder, PacketBuilderStep, VlanId};

/// splitmix64: enough randomness for mutations, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// An endless series of frames.
pub(crate) struct Frames(Random);

impl Frames {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Random(seed))
    }

    fn tagged(&mut self) -> PacketBuilderStep<etherparse::Ethernet2Header> {
        PacketBuilder::ethernet2([2; 6], [4; 6])
    }

    fn whole(&mut self) -> Vec<u8> {
        let random = &mut self.0;
        let payload = vec![0x5a; random.below(40)];
        let inner = match random.below(6) {
            0 => Some((4789, vxlan(random))),
            1 => Some((6081, geneve(random))),
            _ => None,
        };
        let (kind, tags, v6) = (random.below(7), random.below(3), random.one_in(2));
        let ports = (random.next() as u16, random.next() as u16);
        let flags = random.next();
        let addresses: [u8; 32] = std::array::from_fn(|_| random.next() as u8);
        let (extension, gre) = (random.below(5), gre(random));
        let ethernet = self.tagged();
        let mut frame = Vec::new();
        macro_rules! finish {
            ($network:expr) => {
                match (kind, &inner) {
                    (0, _) => {
                        let mut step = $network.tcp(ports.0, ports.1, 1, 2);
                        if flags & 1 == 1 {
                            step = step.syn();
                        }
                        if flags & 2 == 2 {
                            step = step.ack(9);
                        }
                        if flags & 4 == 4 {
                            step = step.psh().fin();
                        }
                        step.write(&mut frame, &payload).expect("a vector takes all");
                    }
                    (1, _) => $network.write(&mut frame, IpNumber(47), &gre).expect("a vector takes all"),
                    (2, _) => {
                        $network.write(&mut frame, IpNumber(4), &ip_inside(4)).expect("a vector takes all")
                    }
                    (3, _) => {
                        $network.write(&mut frame, IpNumber(41), &ip_inside(6)).expect("a vector takes all")
                    }
                    (4, _) => $network
                        .write(&mut frame, IpNumber(132), &[ports.0 as u8, 1, 2, 3, 4, 5, 6, 7])
                        .expect("all"),
                    (_, Some((port, inside))) => {
                        $network.udp(ports.0, *port).write(&mut frame, inside).expect("a vector takes all");
                    }
                    _ => $network
                        .udp(ports.0, ports.1)
                        .write(&mut frame, &payload)
                        .expect("a vector takes all"),
                }
            };
        }
        macro_rules! network {
            ($link:expr) => {
                if v6 {
                    let (source, destination) = addresses.split_at(16);
                    finish!($link.ipv6(
                        source.try_into().expect("16"),
                        destination.try_into().expect("16"),
                        3
                    ));
                } else {
                    let source = [addresses[0], addresses[1], addresses[2], addresses[3]];
                    finish!($link.ipv4(source, [addresses[4], addresses[5], addresses[6], addresses[7]], 3));
                }
            };
        }
        let vlan =
            VlanId::try_new(u16::from_ne_bytes([addresses[8], addresses[9]]) & 0xfff).expect("12 bits");
        match tags {
            0 => network!(ethernet),
            1 => network!(ethernet.single_vlan(vlan)),
            _ => network!(ethernet.double_vlan(vlan, VlanId::ZERO)),
        }
        if v6 && extension > 0 {
            extend(&mut frame, 14 + tags * 4, extension);
        }
        if !v6 && extension == 1 {
            fragment(&mut frame, 14 + tags * 4);
        }
        frame
    }
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
