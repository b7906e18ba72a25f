//! What a run shows to people: the first line, what could not be seen, the account, and the exit code.

use super::config::Asked;
use crate::args::drops::Drops as Arguments;
use crate::clock::{Moment, Span};
use crate::enrich::Names;
use crate::failure::{Exit, Outcome};
use crate::outputs::Outputs;
use crate::pipeline::Seen;
use crate::plan::{Run, Stdout};
use crate::{account, text};
use plumb_kernel::probes::drops::{Config, Drops, Group};
use plumb_records::ledger::Ledger;
use plumb_sinks::text::clean;

/// What a run shows, and to whom.
pub struct View<'a> {
    /// How it is observed.
    pub run: &'a Run,
    /// What was asked for.
    pub asked: &'a Asked,
    /// Names of what the kernel numbers.
    pub names: Names,
    /// Where records go.
    pub outputs: Outputs,
    /// Everything was attached then.
    pub ready: Moment,
}

impl View<'_> {
    /// The first record and the first line: what is watched, by which mechanism.
    pub fn open(&mut self, drops: &Drops<'_>) {
        let hooks = drops.mechanisms();
        let named = hooks.iter().map(|hook| (hook.hook.to_owned(), hook.mechanism.to_owned())).collect();
        let session = account::session(self.asked.filters.clone(), named, self.names.clock_offset);
        self.outputs.write_about(&session);
        self.outputs.flush();
        account::programs(self.run, hooks);
        if self.run.verbose {
            text::note(sizes(&self.asked.config));
        }
        if matches!(self.run.stdout, Stdout::Plain | Stdout::Summary) {
            let title = self.title(drops);
            self.outputs.say(&format!("{title}\n"));
        }
    }

    /// What is watched, in one line.
    pub fn title(&self, drops: &Drops<'_>) -> String {
        let hooks: Vec<String> =
            drops.mechanisms().iter().map(|hook| format!("{} by {}", hook.hook, hook.mechanism)).collect();
        let noise = if self.asked.hide_noise { ", noise hidden" } else { "" };
        let filters = if self.asked.filters.is_empty() {
            "every namespace and interface".to_owned()
        } else {
            self.asked.filters.join(", ")
        };
        clean(&format!("Dropped packets ({}): {filters}{noise}", hooks.join(", ")))
    }

    /// Interfaces and namespaces that were watched, or that packets were of, and are gone: drops of theirs are reported
    /// under the name that they had, and there will be no more. And how many locations have no name.
    pub fn tell_unknown(&self, groups: &[Group]) {
        let filter = &self.asked.config.filter;
        let watched = filter.interfaces.iter().map(|(netns, index)| (*netns, *index, None));
        let netns = filter.netns_cookie.map(|netns| (netns, 0, None));
        let seen = groups.iter().map(|group| {
            (group.netns_cookie().unwrap_or(0), group.ifindex().unwrap_or(0), group.interface())
        });
        let events = self.names.places().map(|(netns, index)| (netns, index, None));
        let gone = self.names.gone(watched.chain(netns).chain(seen).chain(events));
        if !gone.is_empty() {
            let gone: Vec<String> = gone.into_iter().collect();
            text::note(format_args!("gone meanwhile: {}", gone.join(", ")));
        }
        if let Some(note) = without_symbol(self.names.locations.unnamed()) {
            text::note(note);
        }
    }

    /// The ledger so far or, where `whole`, of the run. While programs run the counters are not of one moment, so what
    /// was seen then is what has an account.
    pub fn ledger(&self, drops: &Drops<'_>, end: Moment, whole: bool) -> Ledger {
        let cost = account::cost(&self.outputs, Span { start: self.ready, end });
        let mut ledger = Ledger {
            records: cost.records,
            duration_ns: cost.duration_ns,
            cost_cpu_ns: cost.cost_cpu_ns,
            peak_rss_bytes: cost.peak_rss_bytes,
            ..drops.ledger()
        };
        if !whole {
            ledger.seen = ledger.accounted();
        }
        ledger
    }
}

fn without_symbol(addresses: usize) -> Option<String> {
    let have = match addresses {
        0 => return None,
        1 => "1 address of code has".to_owned(),
        more => format!("{more} addresses of code have"),
    };
    Some(format!("{have} no symbol: null as a location, a number in a stack"))
}

/// What the kernel side has room for.
fn sizes(config: &Config) -> String {
    if config.events {
        return format!("ring: {} bytes", config.ring_bytes());
    }
    format!("table: {} groups of {} bytes on each CPU", config.capacity(), config.stride())
}

/// What was lost, and what would help.
pub fn hint(ledger: &Ledger, skipped: u64) {
    let no_room = ledger.lost_kernel.saturating_sub(skipped);
    if no_room > 0 {
        text::note(format_args!(
            "{no_room} packets found no room in the ring: a larger --ring-size or a faster output would help"
        ));
    }
    if skipped > 0 {
        text::note(format_args!(
            "{skipped} packets were freed while the program was already running on that CPU: the kernel skips those, before any filter"
        ));
    }
    if ledger.ungrouped > 0 {
        text::note(format_args!(
            "{} packets found no room in the table: a larger --table-size or fewer --by keys would help",
            ledger.ungrouped
        ));
    }
}

/// Writes the ledger, tells people, and decides on the exit code: a failure of ours comes before what was asked to
/// fail, and that before CMD's own status.
pub fn conclude(arguments: &Arguments, mut view: View<'_>, seen: &Seen, skipped: u64) -> Outcome<Exit> {
    let ledger = &seen.ledger;
    account::close(&mut view.outputs, view.run, ledger, text::sentence)?;
    // Whether a skipped packet would have passed a filter nobody knows.
    let strangers = if view.asked.filters.is_empty() { 0 } else { skipped };
    let dropped = ledger.seen.saturating_sub(ledger.filtered + strangers);
    let time = std::time::Duration::from_nanos(ledger.duration_ns);
    if let Some(most) = arguments.reasons.fail_over
        && most.exceeded(dropped, time)
    {
        text::note(format_args!("{dropped} packets were dropped, more than --fail-over {most} allows"));
        return Ok(Exit::Failed);
    }
    Ok(account::exit(view.run, ledger, seen.end))
}

#[cfg(test)]
mod tests {
    use super::without_symbol;

    #[test]
    fn addresses_without_a_symbol_are_told() {
        let rest = "no symbol: null as a location, a number in a stack";
        assert_eq!(without_symbol(0), None);
        assert_eq!(without_symbol(1), Some(format!("1 address of code has {rest}")));
        assert_eq!(without_symbol(2), Some(format!("2 addresses of code have {rest}")));
    }
}
