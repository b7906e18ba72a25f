use super::{Run, Stdout, captures};
use crate::args::{Cli, Command};
use crate::failure::{Exit, Outcome};
use clap::Parser;
use plumb_sinks::format::Format;
use std::time::Duration;

fn resolve(arguments: &str, terminal: bool) -> Outcome<Run> {
    let words = ["plumb", "drops"].into_iter().chain(arguments.split_whitespace());
    match Cli::try_parse_from(words).unwrap().command {
        Command::Drops(drops) => {
            let events = drops.events.events || captures(&drops.observing);
            let (ends, out) = (&drops.observing.ends, &drops.observing.output);
            Run::on(ends, out, &drops.observing.command, events, false, terminal)
        }
        other => panic!("parsed as {other:?}"),
    }
}

#[test]
fn standard_output_depends_on_who_reads_it() {
    let stdout = |arguments, terminal| resolve(arguments, terminal).unwrap().stdout;
    assert_eq!(stdout("", true), Stdout::Live);
    assert_eq!(stdout("", false), Stdout::Plain);
    assert_eq!(stdout("-- true", true), Stdout::Plain, "CMD writes there too");
    assert_eq!(stdout("--events", true), Stdout::Plain);
    assert_eq!(stdout("--format json", true), Stdout::Records(Format::Json));
    assert_eq!(stdout("-o x.jsonl", true), Stdout::Live);
    assert_eq!(stdout("-o x.jsonl", false), Stdout::Summary);
    assert_eq!(stdout("-o x.jsonl --events", true), Stdout::Summary);
    assert_eq!(stdout("-o x.jsonl --events --format text", false), Stdout::Plain);
    assert_eq!(stdout("-o x.pcapng", true), Stdout::Summary);
}

#[test]
fn a_terminal_is_redrawn_each_second() {
    assert_eq!(resolve("", true).unwrap().interval, Some(Duration::from_secs(1)));
    assert_eq!(resolve("", false).unwrap().interval, None);
    assert_eq!(resolve("--interval 5s", true).unwrap().interval, Some(Duration::from_secs(5)));
}

#[test]
fn what_would_have_no_effect_is_refused() {
    assert_eq!(resolve("--count 5", false).unwrap_err().exit, Exit::Arguments);
    assert_eq!(resolve("--count 5 --interval 1s", false).unwrap().count, Some(5));
    assert_eq!(resolve("--count 5 --events", false).unwrap().count, Some(5));
    for arguments in ["--format pcapng", "--interval 1s --ledger", "--events --interval 1s"] {
        assert_eq!(resolve(arguments, true).unwrap_err().exit, Exit::Arguments, "{arguments}");
    }
    assert!(resolve("--interval 1s --ledger -o x.jsonl", true).unwrap().ledger);
    assert!(resolve("--events --interval 1s -o x.csv", false).is_ok());
}
