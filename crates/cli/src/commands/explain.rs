//! `plumb explain`: what a drop reason means, its usual causes, what to look at next.

use crate::args::Report;
use crate::args::explain::Explain;
use crate::failure::{Exit, Failure, Outcome};
use crate::tables;
use crate::text::width;
use plumb_records::enrich::Reasons;
use plumb_records::explain::{self, Entry};
use plumb_sinks::text::Style;
use plumb_sinks::text::table::{Head, Table};
use serde_json::{Value, json};

/// Longer lines are tiring to read.
const WIDEST: usize = 100;

/// Prints one reason, or all of them.
pub fn run(arguments: &Explain) -> Outcome<Exit> {
    let reasons = tables::reasons();
    let text = match (&arguments.reason, arguments.format) {
        (Some(word), format) => {
            let found = Found::new(word, &reasons)?;
            match format {
                Report::Text => found.text(),
                Report::Json => format!("{:#}\n", found.json()),
            }
        }
        (None, Report::Text) => list_text(&reasons),
        (None, Report::Json) => format!("{:#}\n", list_json(&reasons)),
    };
    super::print(&text)
}

/// A reason that was asked for: how the running kernel numbers it, and the entry that explains it.
struct Found {
    name: String,
    number: Option<u32>,
    entry: &'static Entry,
}

impl Found {
    fn new(word: &str, reasons: &Reasons) -> Outcome<Self> {
        let number = reasons.number(word);
        let name = number.and_then(|number| reasons.lookup(number).name).unwrap_or(word);
        match explain::find(name) {
            Some(entry) => Ok(Self { name: name.to_ascii_uppercase(), number, entry }),
            None => Err(unknown(word, name, number)),
        }
    }

    fn text(&self) -> String {
        let mut text = self.entry.render(width().unwrap_or(WIDEST).min(WIDEST));
        if !self.is_own() && self.number.is_some() {
            text.insert_str(0, &format!("{} is a reason of this subsystem:\n\n", self.name));
        }
        if let Some(number) = self.number {
            text.push_str(&format!("\nNumber on this kernel: {number}\n"));
        }
        text
    }

    /// Whether the entry is about the reason itself, not about the subsystem that defines it.
    fn is_own(&self) -> bool {
        self.name == self.entry.name
    }

    fn json(&self) -> Value {
        let Entry { what, causes, next, kernels, related, .. } = self.entry;
        json!({
            "reason": self.name, "reason_id": self.number, "explained_as": self.entry.name, "what": what,
            "causes": causes, "next": next, "kernels": kernels, "related": related,
        })
    }
}

fn unknown(word: &str, name: &str, number: Option<u32>) -> Failure {
    let failure = match number {
        Some(_) if name != word => {
            Failure::arguments(format!("{name} is a drop reason of this kernel without an explanation"))
        }
        Some(number) => Failure::arguments(format!("this kernel has no name for drop reason {number}")),
        None => Failure::arguments(format!("there is no drop reason {word}")),
    };
    match explain::nearest(word).as_slice() {
        [] => failure.help("`plumb explain --list` shows all"),
        near => failure.help(format!("did you mean {}?", near.join(", "))),
    }
}

/// Every reason of the running kernel, then those that only other kernels have.
fn list(reasons: &Reasons) -> Vec<(Option<u32>, String, Option<&'static str>)> {
    let own = reasons.iter().filter(|(_, name)| !explain::is_marker(name));
    let summary = |name: &str| explain::find(name).map(Entry::summary);
    let mut listed: Vec<_> =
        own.map(|(number, name)| (Some(number), name.to_owned(), summary(name))).collect();
    let others = explain::entries().filter(|entry| !listed.iter().any(|(_, name, _)| name == entry.name));
    let others: Vec<_> = others.map(|entry| (None, entry.name.to_owned(), Some(entry.summary()))).collect();
    listed.extend(others);
    listed
}

fn list_text(reasons: &Reasons) -> String {
    let mut table = Table::new([Head::number("number"), Head::text("reason"), Head::flexible("meaning")]);
    for (number, name, summary) in list(reasons) {
        let number = number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        table.row([number, name, summary.unwrap_or_default().to_owned()]);
    }
    table.render(width(), Style::default())
}

fn list_json(reasons: &Reasons) -> Value {
    let reason = |(number, name, summary): (Option<u32>, String, Option<&str>)| json!({ "reason": name, "reason_id": number, "summary": summary });
    json!({ "reasons": list(reasons).into_iter().map(reason).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::{Found, list};
    use crate::failure::Exit;
    use plumb_records::enrich::Reasons;

    #[test]
    fn a_kernel_without_btf_has_explanations_but_no_numbers() {
        let found = Found::new("no_socket", &Reasons::default()).unwrap();
        assert_eq!((found.name.as_str(), found.number), ("NO_SOCKET", None));
        assert!(found.text().starts_with("NO_SOCKET\n"));
        assert!(
            list(&Reasons::default())
                .iter()
                .all(|(number, _, summary)| number.is_none() && summary.is_some())
        );
    }

    #[test]
    fn what_is_mistyped_finds_its_neighbours() {
        let failure = Found::new("NO_SOCKETS", &Reasons::default()).err().unwrap();
        assert_eq!(failure.exit, Exit::Arguments);
        assert!(failure.to_string().contains("did you mean NO_SOCKET"), "{failure}");
    }
}
