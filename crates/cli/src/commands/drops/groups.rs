//! What the groups brought since the last look, and their order.

use super::config::Asked;
use crate::clock::Moment;
use crate::enrich::Names;
use plumb_kernel::probes::drops::Group;
use plumb_records::column::{Shown, Value};
use plumb_records::drop::DropGroup;
use std::cmp::Ordering;

/// Intervals that a row's history shows.
pub const HISTORY: usize = 16;

/// A group's part of an interval or of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The group's place among the probe's groups.
    pub index: usize,
    /// Packets in it.
    pub packets: u64,
    /// Bytes in it.
    pub bytes: u64,
}

/// What each group had at the last look. Groups keep their place and never go, so an index is enough.
#[derive(Default)]
pub struct Past {
    totals: Vec<(u64, u64)>,
    histories: Vec<[u64; HISTORY]>,
    ungrouped: (u64, u64),
    last_interval: u64,
}

impl Past {
    /// What each group brought since the last look; those that brought nothing are left out.
    pub fn since(&self, groups: &[Group]) -> Vec<Part> {
        let parts = groups.iter().enumerate().map(|(index, group)| {
            let (packets, bytes) = self.totals.get(index).copied().unwrap_or_default();
            Part { index, packets: group.packets - packets, bytes: group.bytes - bytes }
        });
        parts.filter(|part| part.packets > 0).collect()
    }

    /// Packets and bytes that found no room in the table since the last look.
    pub fn ungrouped_since(&self, ungrouped: (u64, u64)) -> (u64, u64) {
        (ungrouped.0 - self.ungrouped.0, ungrouped.1 - self.ungrouped.1)
    }

    /// Remembers this look. `history`: rows show one.
    pub fn remember(&mut self, groups: &[Group], ungrouped: (u64, u64), history: bool) {
        let before: u64 = self.totals.iter().map(|(packets, _)| packets).sum::<u64>() + self.ungrouped.0;
        let now: u64 = groups.iter().map(|group| group.packets).sum::<u64>() + ungrouped.0;
        self.last_interval = now - before;
        self.ungrouped = ungrouped;
        self.totals.resize(groups.len(), (0, 0));
        if history {
            self.histories.resize(groups.len(), [0; HISTORY]);
        }
        for (index, group) in groups.iter().enumerate() {
            if let Some(history) = self.histories.get_mut(index) {
                history.rotate_left(1);
                history[HISTORY - 1] = group.packets - self.totals[index].0;
            }
            self.totals[index] = (group.packets, group.bytes);
        }
    }

    /// Packets of all groups in the last interval.
    pub fn last_interval(&self) -> u64 {
        self.last_interval
    }

    /// Packets of a group in the last interval.
    pub fn recent(&self, index: usize) -> u64 {
        self.history(index).last().copied().unwrap_or(0)
    }

    /// Packets of a group in each of the last intervals, the oldest first.
    pub fn history(&self, index: usize) -> &[u64] {
        self.histories.get(index).map_or(&[], |history| history.as_slice())
    }
}

/// Everything that the groups have.
pub fn totals(groups: &[Group]) -> Vec<Part> {
    let parts = groups.iter().enumerate();
    parts.map(|(index, group)| Part { index, packets: group.packets, bytes: group.bytes }).collect()
}

/// A cell by which rows are ordered.
#[derive(Clone, Debug, PartialEq)]
enum SortKey {
    Number(u64),
    Text(String),
    /// Unknown comes last.
    Unknown,
}

impl SortKey {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Unknown,
            Value::Number(number) | Value::Time(number) => Self::Number(number),
            Value::Bool(truth) => Self::Number(u64::from(truth)),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Address(address) => match address {
                // As text 10.0.0.9 would come after 10.0.0.10.
                std::net::IpAddr::V4(address) => Self::Text(format!("4{:08x}", address.to_bits())),
                std::net::IpAddr::V6(address) => Self::Text(format!("6{:032x}", address.to_bits())),
            },
            Value::Texts(texts) => Self::Text(texts.join(";")),
            Value::Signed(_) | Value::Real(_) | Value::Integers(_) | Value::Map(_) | Value::Stamps(_) => {
                Self::Unknown
            }
        }
    }

    fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let known = match (self, other) {
            (Self::Number(one), Self::Number(two)) => one.cmp(two),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (one, two) => return (*one == Self::Unknown).cmp(&(*two == Self::Unknown)),
        };
        if descending { known.reverse() } else { known }
    }
}

/// Orders the parts as --sort asks, the larger first among equals, and keeps the --top of them. `past` is given where
/// parts are totals beside the rate of the last interval.
pub fn arrange(
    parts: &mut Vec<Part>,
    groups: &[Group],
    asked: &Asked,
    names: &mut Names,
    past: Option<&Past>,
) {
    let order = asked.order;
    let recent = past.filter(|_| order.recent);
    match DropGroup::COLUMNS.get(order.column).map(|column| column.name) {
        Some("packets") => parts.sort_by_key(|part| {
            std::cmp::Reverse((recent.map(|past| past.recent(part.index)), part.packets))
        }),
        Some("bytes") => parts.sort_by_key(|part| std::cmp::Reverse(part.bytes)),
        _ => {
            parts.sort_by_key(|part| std::cmp::Reverse(part.packets));
            let now = Moment::now();
            let mut keyed: Vec<(SortKey, Part)> = parts
                .iter()
                .map(|part| {
                    (
                        groups
                            .get(part.index)
                            .map_or(SortKey::Unknown, |group| key(group, order.column, names, now)),
                        *part,
                    )
                })
                .collect();
            keyed.sort_by(|(one, _), (two, _)| one.compare(two, order.descending));
            *parts = keyed.into_iter().map(|(_, part)| part).collect();
        }
    }
    parts.truncate(asked.top.unwrap_or(usize::MAX));
}

fn key(group: &Group, column: usize, names: &mut Names, now: Moment) -> SortKey {
    let mut key = SortKey::Unknown;
    names.group(group, now).cells(Shown::only(column), &mut |_, value| key = SortKey::of(value));
    key
}

#[cfg(test)]
mod tests {
    use super::SortKey;
    use plumb_records::column::Value;
    use std::cmp::Ordering;

    #[test]
    fn unknown_comes_last_whatever_the_direction() {
        for descending in [false, true] {
            let unknown = SortKey::of(Value::Null);
            assert_eq!(SortKey::of(Value::Number(1)).compare(&unknown, descending), Ordering::Less);
            assert_eq!(unknown.compare(&SortKey::of(Value::Text("a")), descending), Ordering::Greater);
        }
        let (one, two) = (SortKey::of(Value::Number(1)), SortKey::of(Value::Number(2)));
        assert_eq!(one.compare(&two, false), Ordering::Less);
        assert_eq!(one.compare(&two, true), Ordering::Greater);
    }

    #[test]
    fn addresses_are_ordered_as_numbers() {
        let key = |text: &str| SortKey::of(Value::Address(text.parse().unwrap()));
        assert_eq!(key("10.0.0.9").compare(&key("10.0.0.10"), false), Ordering::Less);
        assert_eq!(key("10.0.0.9").compare(&key("::1"), false), Ordering::Less);
    }
}
