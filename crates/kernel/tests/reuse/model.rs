//! Packets and what must become of them.

use crate::ways::{OTHERS, Op, Part, TRANSMITTED, WAYS};
use std::collections::HashMap;

/// Addresses, of which each has one packet at a time.
const PLACES: usize = 16;

/// A step as it is told to the programs.
struct Step {
    op: Op,
    place: u8,
    cpu: u8,
    packet: u32,
    ends: Option<u32>,
    /// The packet that had the address before and went unseen, where this shows that it did.
    shows: Option<Gone>,
}

/// A packet that was freed unseen.
#[derive(Clone, Copy, Debug)]
struct Gone {
    packet: u32,
    sent: bool,
    becomes: Becomes,
}

/// What an unseen packet counts as when its address is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Becomes {
    Strayed,
    /// To be found in the packet that it was merged into.
    Parked,
    /// The driver had it: nothing was missing.
    Transmitted,
}

impl Gone {
    fn of(packet: u32, way: &[Part]) -> Self {
        let has = |op| way.iter().any(|(other, ..)| *other == op);
        let becomes = match (has(Op::Driven), has(Op::Segment)) {
            (true, _) => Becomes::Transmitted,
            (_, true) => Becomes::Parked,
            _ => Becomes::Strayed,
        };
        Self { packet, becomes, sent: has(Op::Sent) }
    }
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

    /// Of the counters: packets that were taken up, and those that a stage is missing of.
    pub(crate) fn seen_and_unstaged(&self) -> (u64, u64) {
        (self.stamps[0], self.stamps[6])
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
        let mut gone = [None::<Gone>; PLACES];
        while made < packets || here.iter().any(Option::is_some) {
            let place = random(PLACES);
            let now = match here[place] {
                Some(now) => now,
                None if made == packets => continue,
                None => {
                    made += 1;
                    let turned = u8::from(random(2) == 1);
                    // That a sent packet went unseen shows at the first hook of another one, which these do not have.
                    let sent = gone[place].is_some_and(|gone| gone.sent);
                    let first = if sent { OTHERS } else { 0 };
                    let way = WAYS[first + random(WAYS.len() - first)];
                    Here { packet: made, way, at: 0, turned }
                }
            };
            let (op, cpu, ends) = now.way[now.at];
            let shows = if now.at == 1 { gone[place].take() } else { None };
            steps.push(Step {
                op,
                place: place as u8,
                cpu: cpu ^ now.turned,
                packet: now.packet,
                ends,
                shows,
            });
            if op == Op::Unseen {
                gone[place] = Some(Gone::of(now.packet, now.way));
            }
            let next = Here { at: now.at + 1, ..now };
            here[place] = (next.at < next.way.len()).then_some(next);
        }
        Self(steps)
    }

    /// So many packets, one after the other, that go the same way.
    pub(crate) fn repeated(way: &[Part], packets: u32) -> Self {
        let step = |packet, (op, cpu, ends)| Step { op, place: 0, cpu, packet, ends, shows: None };
        Self((1..=packets).flat_map(|packet| way.iter().map(move |part| step(packet, *part))).collect())
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
        let [seen, emitted, strayed, none, left, parked, ..] = sums.stamps;
        let told = told.len() as u64;
        if seen != emitted + strayed + parked + left || none != 0 || emitted != told {
            return Err(format!("{sums:?} of {told} told"));
        }
        // Those whose addresses were not used again are still there.
        let unseen = self.0.iter().filter(|step| step.op == Op::Unseen).count() as u64;
        let shown = |wanted: Becomes| {
            let gone = self.0.iter().filter_map(|step| step.shows);
            gone.filter(|gone| gone.becomes == wanted).count() as u64
        };
        let expected = (shown(Becomes::Strayed), shown(Becomes::Parked));
        let still = unseen - expected.0 - expected.1 - shown(Becomes::Transmitted);
        if (strayed, parked) != expected || left != still {
            return Err(format!(
                "{strayed} strayed, {parked} parked, {left} left, not {expected:?} and {still}"
            ));
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
            let mut end = |packet| ends.remove(&(number, packet)).map(|journey| journey.outcome);
            if let Some(gone) = step.shows {
                let outcome = end(gone.packet);
                let transmitted = gone.becomes == Becomes::Transmitted;
                if outcome != transmitted.then_some(TRANSMITTED) {
                    return Err(format!("step {number} shows {gone:?}: {outcome:?}"));
                }
            }
            let outcome = end(step.packet);
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
