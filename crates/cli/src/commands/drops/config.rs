//! From the arguments of `plumb drops` to what the probe is asked for.

use crate::args::drops::{Drops as Arguments, Noise};
use crate::failure::{Failure, Outcome};
use crate::plan;
use crate::plan::filter::{describe, filter};
use crate::plan::keys::{self, Order};
use crate::tables;
use plumb_kernel::probes::drops::{Config, Key};
use plumb_records::column::Shown;
use plumb_records::drop::DropGroup;
use plumb_records::enrich::Reasons;
use std::time::Duration;

/// Bytes of each packet in a capture, unless --snaplen says otherwise.
const SNAPLEN: u32 = 128;
/// How often the timer looks. The default ring holds several times as much as a flood writes meanwhile.
const TIMER: Duration = Duration::from_millis(20);

/// What was asked for, checked.
pub struct Asked {
    /// For the probe.
    pub config: Config,
    /// The columns of a group.
    pub shown: Shown,
    /// Columns that --by added, in the order in which they were given.
    pub keys: Vec<&'static str>,
    /// How groups are ordered.
    pub order: Order,
    /// At most so many groups.
    pub top: Option<usize>,
    /// Noise is hidden.
    pub hide_noise: bool,
    /// The filters in force, as text.
    pub filters: Vec<String>,
}

/// Checks and translates. `capture`: packets are written as packets.
pub fn resolve(arguments: &Arguments, events: bool, capture: bool) -> Outcome<Asked> {
    let Arguments { grouping, reasons, observing, .. } = arguments;
    check(arguments, events, capture)?;
    let keys = by(&grouping.by)?;
    let shown = DropGroup::shown_for(&keys);
    let sort = grouping.sort.as_deref().unwrap_or("packets");
    let order = keys::order(sort, DropGroup::COLUMNS, |index| shown.has(index) && differs(index))?;
    let filter = filter(&observing.filter)?;
    let mut filters = describe(&observing.filter, &filter);
    for (word, given) in [("reason", &reasons.reason), ("not-reason", &reasons.not_reason)] {
        if !given.is_empty() {
            filters.push(format!("{word} {}", given.join(" or ")));
        }
    }
    let named = |key: &&str| Key::NAMES.iter().find(|(name, _)| name == key).map(|(_, key)| *key);
    let table = if reasons.reason.is_empty() && reasons.not_reason.is_empty() {
        Reasons::default()
    } else {
        tables::reasons()
    };
    let config = Config {
        keys: keys.iter().filter_map(named).collect(),
        events,
        filter,
        reasons: numbers(&reasons.reason, &table)?,
        not_reasons: numbers(&reasons.not_reason, &table)?,
        table_size: observing.kernel.table_size,
        ring_size: observing.kernel.ring_size,
        wakeup: plan::wakeup(observing.kernel.wakeup, TIMER),
        snaplen: arguments.events.snaplen.unwrap_or(SNAPLEN) * u32::from(capture),
        stack: arguments.events.stack,
        sample: arguments.events.sample,
    };
    let top = grouping.top.map(|top| top as usize);
    Ok(Asked { config, shown, keys, order, top, hide_noise: reasons.noise == Noise::Hide, filters })
}

/// Refuses what would have no effect, and what the probe has no room for.
fn check(arguments: &Arguments, events: bool, capture: bool) -> Outcome<()> {
    let Arguments { events: each, grouping, observing, .. } = arguments;
    let kernel = &observing.kernel;
    if each.snaplen.is_some() && !capture {
        return Err(
            Failure::arguments("--snaplen has no format to write packets in").help("add -o FILE.pcapng")
        );
    }
    if each.snaplen.is_some_and(|bytes| bytes > Config::SNAPLEN_MAX) {
        return Err(Failure::arguments("--snaplen is too long")
            .help(format!("at most {} bytes of a packet are captured", Config::SNAPLEN_MAX)));
    }
    if !events && (kernel.ring_size.is_some() || kernel.wakeup.is_some()) {
        return Err(Failure::arguments(
            "--ring-size and --wakeup are about events, and groups are counted in the kernel",
        )
        .help("add --events"));
    }
    if events && kernel.table_size.is_some() {
        return Err(Failure::arguments("--table-size has no table to size").help("leave --events out"));
    }
    let groups = !grouping.by.is_empty() || grouping.top.is_some() || grouping.sort.is_some();
    if events && groups {
        return Err(Failure::arguments(
            "--by, --top and --sort are about groups, and a capture has every packet",
        )
        .help("use another format"));
    }
    Ok(())
}

/// Expands --by. `in_softirq` belongs to the process: it says whether that is a bystander.
fn by(words: &[String]) -> Outcome<Vec<&'static str>> {
    let always = DropGroup::shown_for(&[]);
    let askable = |name: &str| Key::NAMES.iter().any(|(key, _)| *key == name);
    let mut keys =
        keys::keys(words, DropGroup::COLUMNS, |index, name| askable(name) || is_key(index, name, always))?;
    keys.retain(|name| askable(name));
    if keys.iter().any(|name| ["pid", "comm"].contains(name)) {
        keys.push("in_softirq");
    }
    Ok(keys)
}

/// Whether the groups of one table can differ in a column: all of them are of the same time.
fn differs(index: usize) -> bool {
    DropGroup::COLUMNS.get(index).is_some_and(|column| !["time", "duration_ns"].contains(&column.name))
}

/// Columns by which groups differ in any case: asking for them changes nothing, and is no mistake.
fn is_key(index: usize, name: &str, always: Shown) -> bool {
    always.has(index) && !["time", "duration_ns", "packets", "bytes"].contains(&name)
}

fn numbers(words: &[String], table: &Reasons) -> Outcome<Vec<u32>> {
    if words.len() > Config::REASONS_MAX {
        return Err(Failure::arguments(format!("{} drop reasons were given", words.len()))
            .help(format!("at most {} are compared", Config::REASONS_MAX)));
    }
    words.iter().map(|word| number(word, table)).collect()
}

fn number(word: &str, table: &Reasons) -> Outcome<u32> {
    table.number(word).ok_or_else(|| {
        let failure = Failure::arguments(format!("this kernel has no drop reason {word}"));
        if table.is_empty() {
            failure.help("its BTF could not be read, so give a number")
        } else {
            failure.help("`plumb explain --list` shows those that it has; a number works too")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::differs;
    use crate::plan::keys::order;
    use plumb_records::drop::DropGroup;

    #[test]
    fn what_all_groups_share_is_no_order() {
        for word in ["time", "duration_ns"] {
            let refused = order(word, DropGroup::COLUMNS, differs).unwrap_err().to_string();
            assert!(refused.contains("columns are: reason, reason_id"), "{refused}");
        }
        assert!(order("netns_name", DropGroup::COLUMNS, differs).is_ok());
    }
}
