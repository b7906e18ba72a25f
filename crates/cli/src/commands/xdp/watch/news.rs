//! What changes about the programs that are watched while they are, in words.

use super::Watched;
use super::spot::Now;
use plumb_kernel::probes::xdp::{Inventory, Mode, Names};
use plumb_records::column::Time;

/// Names of programs: of those that were there at the start, and of later ones where the kernel lets us ask.
pub struct Known {
    pub inventory: Inventory,
    pub later: Option<Names>,
}

impl Known {
    /// Name and id, or the id alone.
    pub fn told(&self, id: u32) -> String {
        let first = self.inventory.program(id).map(|program| program.name.clone());
        match first.or_else(|| self.later.as_ref()?.of(id)) {
            Some(name) => format!("{name} {id}"),
            None => format!("program {id}"),
        }
    }
}

/// Looks at every place: what has changed, a sentence each.
pub fn look(programs: &mut [Watched<'_>], known: &Known, at: impl Fn() -> Time) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for program in &mut *programs {
        let traced = program.watch.is_some();
        for spot in &mut program.spots {
            let Some(now) = spot.look().filter(|now| *now != spot.now) else { continue };
            spot.now = now;
            let (name, id) = (&spot.place.interface.name, spot.place.program);
            let change = change(now, &known.told(id), |id| known.told(id));
            let rest = rest(now, traced);
            // Components have the places of what they are components of.
            let about = format!("{name} in {}: {change}", spot.place.namespace());
            if !told.iter().any(|known| known.starts_with(&about)) {
                told.push(format!("{about} at {} UTC: {rest}", clock(at())));
            }
        }
    }
    told
}

/// Whether there were places, and no packets come to a program at any of them now.
pub fn none_left(programs: &[Watched<'_>]) -> bool {
    let mut spots = programs.iter().flat_map(|program| &program.spots).peekable();
    spots.peek().is_some() && spots.all(|spot| !spot.now.counts())
}

fn change(now: Now, program: &str, name: impl Fn(u32) -> String) -> String {
    match now {
        Now::Attached => format!("{program} is attached again"),
        Now::Moded(mode) => {
            format!("{program} is attached in {} mode now", mode.map_or("offloaded", Mode::name))
        }
        Now::Replaced(other) => format!("{program} was replaced by {}", name(other)),
        Now::Detached => format!("{program} was detached"),
        Now::Gone => "the interface is deleted or was moved to another namespace".to_owned(),
    }
}

fn rest(now: Now, traced: bool) -> &'static str {
    match (traced, now.counts()) {
        (true, true) => "it is counted",
        (false, true) => "its runs are counted; its bytes and drops stay unknown",
        (true, false) => "what was counted stays in the totals",
        (false, false) => {
            "its runs stay in the totals; its bytes and drops are unknown, because the driver counts by interface, whatever \
             the program"
        }
    }
}

/// The time of day.
fn clock(time: Time) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default();
    time.strftime("%H:%M:%S%.3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_words() {
        let told = |now| change(now, "filter 7", |id| format!("other {id}"));
        assert_eq!(told(Now::Replaced(9)), "filter 7 was replaced by other 9");
        assert_eq!(told(Now::Detached), "filter 7 was detached");
        assert_eq!(told(Now::Moded(Some(Mode::Generic))), "filter 7 is attached in generic mode now");
        assert!(rest(Now::Detached, false).contains("bytes and drops are unknown"));
        assert_eq!(clock(Time(1_763_734_173_250_000_000)), "14:09:33.250");
    }
}
