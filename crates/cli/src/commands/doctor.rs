//! `plumb doctor`: what this kernel and these privileges allow, what the rest costs, and what would help.

use crate::args::{Doctor, Report};
use crate::failure::{Exit, Outcome};
use crate::text::{self, width};
use plumb_kernel::Class;
use plumb_kernel::probes::PROBES;
use plumb_kernel::support::{Fact, Support, host};
use plumb_sinks::text::table::{Cell, Head, Table};
use plumb_sinks::text::{Ink, Style};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};

/// Prints the facts. The exit code is what `plumb drops` would end with: 0, 3 or 4.
pub fn run(arguments: &Doctor) -> Outcome<Exit> {
    let support = Support::probe();
    let exit = match support.obstacle("drops").map(|fact| fact.class) {
        None => Exit::Done,
        Some(Class::Privileges) => Exit::Privileges,
        Some(Class::Unsupported | Class::Arguments | Class::Failed) => Exit::Unsupported,
    };
    let json = arguments.json || arguments.format == Report::Json;
    let report = if json {
        format!("{:#}\n", as_json(&support))
    } else {
        as_text(&support, text::style(stdout().is_terminal()))
    };
    super::print(&report).map(|_| exit)
}

/// Commands that need something of the kernel, and what stands in the way of each.
fn commands(support: &Support) -> impl Iterator<Item = (&'static str, Option<&Fact>)> {
    PROBES.iter().map(|probe| probe.name).chain(["lab"]).map(|name| (name, support.obstacle(name)))
}

fn as_text(support: &Support, style: Style) -> String {
    let mut table = Table::new([Head::text("fact"), Head::text("usable"), Head::flexible("found")]);
    for fact in &support.facts {
        let (word, ink) = verdict(fact);
        table.row([Cell::from(fact.name), Cell::new(word, ink), Cell::from(fact.found.as_str())]);
    }
    let mut out = table.render(width(), style);
    for fact in support.facts.iter().filter(|fact| !fact.usable) {
        let help = if fact.help.is_empty() { "nothing is known to help" } else { &fact.help };
        let _ = write!(out, "\nWithout {}: {}.\n  What would help: {help}.\n", fact.name, fact.costs);
    }
    out.push('\n');
    for (name, obstacle) in commands(support) {
        let _ = match obstacle {
            None => writeln!(out, "plumb {name} can run."),
            Some(fact) => writeln!(out, "plumb {name} cannot run: {}.", fact.found),
        };
    }
    out
}

fn verdict(fact: &Fact) -> (&'static str, Ink) {
    match (fact.usable, fact.needed_by.is_empty()) {
        (true, _) => ("yes", Ink::Plain),
        (false, true) => ("no", Ink::Warning),
        (false, false) => ("no", Ink::Bad),
    }
}

fn as_json(support: &Support) -> Value {
    let some = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
    let fact = |fact: &Fact| {
        json!({
            "fact": fact.name, "usable": fact.usable, "found": fact.found, "costs": some(&fact.costs),
            "help": some(&fact.help), "needed_by": fact.needed_by,
        })
    };
    let command = |(name, obstacle): (&str, Option<&Fact>)| json!({ "command": name, "runs": obstacle.is_none(), "missing": obstacle.map(|fact| fact.name) });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "kernel": host().kernel,
        "facts": support.facts.iter().map(fact).collect::<Vec<_>>(),
        "commands": commands(support).map(command).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::{as_json, as_text};
    use plumb_kernel::Class;
    use plumb_kernel::support::{Fact, Support};
    use plumb_sinks::text::Style;

    fn support() -> Support {
        let there = Fact {
            name: "btf",
            usable: true,
            found: "6 MB".into(),
            costs: String::new(),
            help: String::new(),
            needed_by: &["drops"],
            class: Class::Unsupported,
        };
        let missing = Fact {
            name: "CAP_BPF",
            usable: false,
            found: "this process lacks CAP_BPF".into(),
            costs: "no program can be loaded".into(),
            help: "run as root".into(),
            needed_by: &["drops"],
            class: Class::Privileges,
        };
        Support { facts: vec![there, missing] }
    }

    #[test]
    fn text_says_what_is_missing_and_what_would_help() {
        let expected = "\
fact     usable  found
btf      yes     6 MB
CAP_BPF  no      this process lacks CAP_BPF

Without CAP_BPF: no program can be loaded.
  What would help: run as root.

plumb drops cannot run: this process lacks CAP_BPF.
";
        let text = as_text(&support(), Style::default());
        assert!(text.starts_with(expected) && text.ends_with("plumb lab can run.\n"), "{text}");
    }

    #[test]
    fn json_says_the_same() {
        let json = as_json(&support());
        assert!(json["facts"][0]["help"].is_null());
        assert_eq!(json["commands"][0]["missing"], "CAP_BPF");
        let lab = json["commands"].as_array().unwrap().last().unwrap();
        assert_eq!((&lab["command"], &lab["runs"]), (&"lab".into(), &true.into()));
    }
}
