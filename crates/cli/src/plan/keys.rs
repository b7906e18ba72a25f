//! The words of --by, --sort and --top against a record's columns.

use crate::failure::{Failure, Outcome};
use plumb_records::column::{Column, Kind};

/// Short hands of --by.
const SHORT_HANDS: [(&str, &[&str]); 2] =
    [("flow", &["protocol", "src_ip", "dst_ip", "src_port", "dst_port"]), ("process", &["pid", "comm"])];

/// The columns that --by names, short hands expanded, each once; `askable` says which can be keys.
pub fn keys(
    words: &[String],
    columns: &'static [Column],
    askable: impl Fn(usize, &str) -> bool,
) -> Outcome<Vec<&'static str>> {
    let known = || columns.iter().enumerate().map(|(index, column)| (index, column.name));
    let known = || known().filter(|(index, name)| askable(*index, name)).map(|(_, name)| name);
    let whole = |names: &[&str]| names.iter().all(|name| known().any(|key| key == *name));
    let short_hands = || SHORT_HANDS.iter().filter(|(_, names)| whole(names));
    let mut keys = Vec::new();
    for word in words {
        let short_hand = short_hands().find(|(name, _)| name == word).map(|(_, names)| *names);
        let named = known().find(|name| name == word);
        let names = short_hand.map_or_else(|| named.into_iter().collect(), <[&str]>::to_vec);
        if names.is_empty() {
            return Err(Failure::arguments(format!("--by knows no key {word:?}")).help(format!(
                "keys are: {}",
                short_hands().map(|(name, _)| *name).chain(known()).collect::<Vec<_>>().join(", ")
            )));
        }
        for name in names {
            if !keys.contains(&name) {
                keys.push(name);
            }
        }
    }
    Ok(keys)
}

/// How groups are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Index of the column.
    pub column: usize,
    /// Counts, sizes and rates descend; names and identifiers ascend.
    pub descending: bool,
    /// By the last interval alone, where rows show more than that.
    pub recent: bool,
}

/// What tables for people show of `packets`: it orders by that.
const FIGURES: [&str; 2] = ["rate", "share"];

/// The order that --sort asks for, among the columns that are shown and what tables show of them.
pub fn order(word: &str, columns: &[Column], shown: impl Fn(usize) -> bool) -> Outcome<Order> {
    let known = || columns.iter().enumerate().filter(|(index, _)| shown(*index));
    let name = if FIGURES.contains(&word) { "packets" } else { word };
    match known().find(|(_, column)| column.name == name) {
        Some((index, column)) => {
            let descending = matches!(
                column.kind,
                Kind::Count | Kind::Bytes | Kind::Rate | Kind::Real | Kind::Nanoseconds | Kind::Microseconds
            );
            Ok(Order { column: index, descending, recent: word == "rate" })
        }
        None => Err(Failure::arguments(format!("--sort knows no column {word:?}")).help(format!(
            "columns are: {}",
            known().map(|(_, column)| column.name).chain(FIGURES).collect::<Vec<_>>().join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Order, keys, order};
    use plumb_records::column::{Column, Kind};

    const COLUMNS: &[Column] = &[
        Column { name: "pid", kind: Kind::Id, help: "" },
        Column { name: "comm", kind: Kind::Text, help: "" },
        Column { name: "packets", kind: Kind::Count, help: "" },
    ];

    #[test]
    fn short_hands_expand_and_nothing_repeats() {
        let words = ["comm", "process"].map(String::from);
        assert_eq!(keys(&words, COLUMNS, |_, _| true).unwrap(), ["comm", "pid"]);
    }

    #[test]
    fn an_unknown_key_lists_those_that_exist() {
        let message = keys(&["flag".into()], COLUMNS, |_, name| name != "packets").unwrap_err().to_string();
        assert_eq!(message, "--by knows no key \"flag\"; keys are: process, pid, comm");
    }

    #[test]
    fn only_shown_columns_order() {
        let by = |word| order(word, COLUMNS, |_| true).unwrap();
        let packets = Order { column: 2, descending: true, recent: false };
        assert_eq!((by("packets"), by("share")), (packets, packets));
        assert_eq!(by("rate"), Order { recent: true, ..packets });
        assert_eq!(by("comm"), Order { column: 1, descending: false, recent: false });
        let message = order("comm", COLUMNS, |index| index != 1).unwrap_err().to_string();
        assert_eq!(message, "--sort knows no column \"comm\"; columns are: pid, packets, rate, share");
    }
}
