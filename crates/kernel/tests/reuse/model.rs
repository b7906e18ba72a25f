//! Packets and what must become of them.

use std::collections::HashMap;

/// Addresses, of which each has one packet at a time.
const PLACES: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Op {
    Received,
    Sent,
    Other,
    Driver,
    Receive,
    Readable,
    Queue,
    Start,
    Driven,
    Merged,
    Consumed,
    Dropped,
    Unseen,
    /// The driver of the packet that had the address before returns.
    Late,
}

/// `enum latency_outcome`.
const DELIVERED: u32 = 0;
const TRANSMITTED: u32 = 1;
const FORWARDED: u32 = 2;
const DROPPED: u32 = 3;
const MERGED: u32 = 4;

/// A step of a packet on a CPU of two, where something ends with what it ends as.
type Part = (Op, u8, Option<u32>);

/// Ways that packets go, from where they come into being to where they are freed. What GRO merged, and what a socket merges, is
/// freed unseen.
const WAYS: &[&[Part]] = &[
    &[
        (Op::Received, 0, None),
        (Op::Driver, 0, None),
        (Op::Receive, 0, None),
        (Op::Readable, 0, None),
        (Op::Consumed, 1, Some(DELIVERED)),
    ],
    &[(Op::Received, 0, None), (Op::Driver, 0, None), (Op::Dropped, 0, Some(DROPPED))],
    &[
        (Op::Received, 0, None),
        (Op::Driver, 0, None),
        (Op::Receive, 1, None),
        (Op::Dropped, 1, Some(DROPPED)),
    ],
    &[(Op::Received, 0, None), (Op::Driver, 0, None), (Op::Receive, 0, None), (Op::Unseen, 0, None)],
    &[
        (Op::Received, 0, None),
        (Op::Driver, 0, None),
        (Op::Receive, 0, None),
        (Op::Readable, 0, None),
        (Op::Unseen, 1, None),
    ],
    &[(Op::Received, 0, None), (Op::Merged, 0, Some(MERGED))],
    &[
        (Op::Sent, 0, None),
        (Op::Queue, 0, None),
        (Op::Start, 0, None),
        (Op::Driven, 0, None),
        (Op::Consumed, 1, Some(TRANSMITTED)),
    ],
    &[(Op::Sent, 0, None), (Op::Queue, 0, None), (Op::Dropped, 0, Some(DROPPED))],
    // Forwarded.
    &[
        (Op::Received, 0, None),
        (Op::Driver, 0, None),
        (Op::Receive, 0, None),
        (Op::Queue, 0, None),
        (Op::Start, 1, None),
        (Op::Driven, 1, None),
        (Op::Consumed, 0, Some(FORWARDED)),
    ],
    // Out of a veth's one end, into its other.
    &[
        (Op::Sent, 0, None),
        (Op::Queue, 0, None),
        (Op::Start, 0, None),
        (Op::Driver, 0, None),
        (Op::Driven, 0, Some(TRANSMITTED)),
        (Op::Receive, 0, None),
        (Op::Readable, 0, None),
        (Op::Consumed, 0, Some(DELIVERED)),
    ],
    // The one before went through a veth and was read before its driver returned.
    &[
        (Op::Sent, 0, None),
        (Op::Queue, 0, None),
        (Op::Start, 0, None),
        (Op::Late, 1, None),
        (Op::Driven, 0, None),
        (Op::Consumed, 0, Some(TRANSMITTED)),
    ],
    // Of no interest, and with an address that others had.
    &[(Op::Other, 0, None), (Op::Consumed, 0, None)],
    &[(Op::Other, 0, None), (Op::Dropped, 1, None)],
];

/// A step as it is told to the programs.
struct Step {
    op: Op,
    place: u8,
    cpu: u8,
    packet: u32,
    ends: Option<u32>,
}

/// All steps of all packets.
pub(crate) struct Steps(Vec<Step>);

/// A journey that ended, or the counters.
#[derive(Debug)]
pub(crate) struct Ended {
    packet: u32,
    outcome: u32,
    step: u64,
    count: usize,
    stamps: [u64; 16],
}

impl Ended {
    pub(crate) const SIZE: usize = 8 + 8 + 8 + 16 * 8;

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        let half = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let stamps = std::array::from_fn(|at| word(24 + 8 * at));
        Self { packet: half(0), outcome: half(4), step: word(8), count: word(16) as usize, stamps }
    }
}

/// The packet at an address: its number, its way, and how far it is.
#[derive(Clone, Copy)]
struct Here {
    packet: u32,
    way: &'static [Part],
    at: usize,
    turned: u8,
}

impl Steps {
    /// The same for the same seed: an address at random makes its next step.
    pub(crate) fn seeded(seed: u64, packets: u32) -> Self {
        let mut state = seed;
        // Knuth's linear congruential generator (MMIX).
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let (mut steps, mut here, mut made) = (Vec::new(), [None::<Here>; PLACES], 0);
        while made < packets || here.iter().any(Option::is_some) {
            let place = random(PLACES);
            let now = match here[place] {
                Some(now) => now,
                None if made == packets => continue,
                None => {
                    made += 1;
                    let turned = u8::from(random(2) == 1);
                    Here { packet: made, way: WAYS[random(WAYS.len())], at: 0, turned }
                }
            };
            let (op, cpu, ends) = now.way[now.at];
            steps.push(Step { op, place: place as u8, cpu: cpu ^ now.turned, packet: now.packet, ends });
            let next = Here { at: now.at + 1, ..now };
            here[place] = (next.at < next.way.len()).then_some(next);
        }
        Self(steps)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let bytes = |step: &Step| {
            let [a, b, c, d] = step.packet.to_ne_bytes();
            [step.op as u8, step.place, step.cpu, 0, a, b, c, d]
        };
        self.0.iter().flat_map(bytes).collect()
    }

    /// Whether what the programs told is true.
    pub(crate) fn agree(&self, told: &[Ended]) -> Result<(), String> {
        let (sums, told) = told.split_last().ok_or("no answer")?;
        let whose = |step: u64| step.checked_sub(1).and_then(|at| self.0.get(at as usize));
        for journey in told {
            for stamp in &journey.stamps[..journey.count] {
                let time = stamp & ((1 << 58) - 1);
                let owner = whose(time).filter(|step| step.op != Op::Late).map(|step| step.packet);
                if owner != Some(journey.packet) {
                    return Err(format!("a stamp of {owner:?} at {time} is in {journey:?}"));
                }
            }
        }
        self.ends(told)?;
        let gone = self.0.iter().filter(|step| step.op == Op::Unseen).count() as u64;
        let [seen, emitted, strayed, none, left, ..] = sums.stamps;
        if seen != emitted + strayed + left || none != 0 || emitted != told.len() as u64 {
            return Err(format!(
                "{seen} seen, {emitted} told, {strayed} strayed, {left} left, {none} not followed"
            ));
        }
        // Those whose addresses were not used again are still there.
        if strayed + left != gone || left > PLACES as u64 {
            return Err(format!("{strayed} strayed and {left} left of {gone} that went unseen"));
        }
        Ok(())
    }

    /// Each packet that was seen to end has ended then, as what it did, and no other has.
    fn ends(&self, told: &[Ended]) -> Result<(), String> {
        let mut ends: HashMap<(u64, u32), &Ended> = HashMap::new();
        for journey in told {
            if ends.insert((journey.step, journey.packet), journey).is_some() {
                return Err(format!("two ends at once: {journey:?}"));
            }
        }
        for (number, step) in (1..).zip(&self.0) {
            let outcome = ends.remove(&(number, step.packet)).map(|journey| journey.outcome);
            if outcome != step.ends {
                return Err(format!(
                    "step {number} of {}, {:?}: {outcome:?}, not {:?}",
                    step.packet, step.op, step.ends
                ));
            }
        }
        ends.into_values().next().map_or(Ok(()), |journey| Err(format!("nothing ended there: {journey:?}")))
    }
}
