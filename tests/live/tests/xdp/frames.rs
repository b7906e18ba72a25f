//! Frames that no host would send, of every length, through each program.

use anyhow::{Result, ensure};
use plumb_kernel::probes::xdp::{Action, Config, Transport, Xdp};
use plumb_kernel::session::Storage;
use plumb_live::TestResult;
use plumb_live::machine::emulated;

/// The kernel runs no XDP program on less than an Ethernet header (bpf_prog_test_run_xdp in net/bpf/test_run.c).
const SHORTEST: usize = 14;
/// Beyond this a frame comes in fragments; a jumbo frame has two of them.
const LONGEST: usize = 9014;

/// A fast generator with a seed: xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Every program that there is: each action, with and without what can be switched on.
fn configs() -> Vec<(Config, Action)> {
    let mut configs = Vec::new();
    for action in [Action::Pass, Action::Drop, Action::Aborted, Action::Tx] {
        let plain = Config::of(action);
        configs.push((plain.clone(), action));
        configs.push((Config { time: true, ..plain.clone() }, action));
        for transport in [Transport::Ring, Transport::Perf] {
            configs.push((Config { events: Some(transport), ..plain.clone() }, action));
        }
        configs.push((Config { drop_share: 1.0, ..plain }, Action::Drop));
    }
    configs
}

/// A truncated, damaged or senseless frame of this length.
fn damage(frame: &mut [u8], whole: &[u8], random: &mut Random) {
    let length = frame.len();
    frame.copy_from_slice(&whole[..length]);
    for _ in 0..random.next() % 4 {
        let at = random.next() as usize % length;
        frame[at] = random.next() as u8;
    }
}

fn variants(config: &Config, expected: Action, count: usize) -> Result<()> {
    let mut storage = Storage::new();
    let program = Xdp::load(&mut storage, config, 0, None)?;
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ count as u64);
    let whole: Vec<u8> = (0..LONGEST).map(|_| random.next() as u8).collect();
    let (mut frame, mut after) = (vec![0; LONGEST], vec![0; LONGEST]);
    let mut bytes = 0;
    for variant in 0..count {
        // Lengths of an ordinary frame one after another, and now and then one of the others.
        let length = match variant % 16 {
            0 => SHORTEST + random.next() as usize % (LONGEST - SHORTEST + 1),
            _ => SHORTEST + variant % (1514 - SHORTEST + 1),
        };
        damage(&mut frame[..length], &whole, &mut random);
        let (verdict, left) = program.try_on(&frame[..length], &mut after)?;
        ensure!(verdict == Some(expected), "{verdict:?} on {length} bytes with {config:?}");
        ensure!(left.len() == length && left[12..] == frame[12..length], "{length} bytes were changed");
        let addresses =
            if expected == Action::Tx { (&left[..6], &left[6..12]) } else { (&left[6..12], &left[..6]) };
        ensure!(addresses == (&frame[6..12], &frame[..6]), "addresses of {length} bytes with {config:?}");
        bytes += length as u64;
    }
    let counts = program.counts()?;
    let all = counts.iter().flatten().fold((0, 0), |sum, count| (sum.0 + count.packets, sum.1 + count.bytes));
    let right = counts.iter().map(|cpu| cpu[expected as usize].packets).sum::<u64>();
    ensure!(all == (count as u64, bytes) && right == all.0, "{all:?}, not {count} and {bytes}: {config:?}");
    if let Some(times) = program.times()? {
        let timed: u64 = times.iter().map(|cpu| cpu[expected as usize].count()).sum();
        ensure!(timed == count as u64, "{timed} of {count} are timed");
    }
    Ok(())
}

#[test]
fn malformed_frames_of_every_length_are_counted_exactly() -> TestResult {
    let configs = configs();
    let all = if emulated() { 60_000 } else { 1_200_000 };
    for (config, expected) in &configs {
        variants(config, *expected, all / configs.len())?;
    }
    Ok(())
}
