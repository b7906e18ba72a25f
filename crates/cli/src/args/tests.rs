use super::values::{self, FailOver, Output};
use super::{Cli, Command};
use clap::{CommandFactory, Parser};
use plumb_sinks::format::Format;
use plumb_sinks::rotate::Rotate;
use std::time::Duration;

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

fn drops(arguments: &str) -> Result<Box<super::drops::Drops>, clap::Error> {
    let words = ["plumb", "drops"].into_iter().chain(arguments.split_whitespace());
    match Cli::try_parse_from(words)?.command {
        Command::Drops(drops) => Ok(drops),
        other => panic!("parsed as {other:?}"),
    }
}

#[test]
fn words_repeat_and_take_commas() {
    let drops =
        drops("--host 10.0.0.1,2001:db8::/32 --host 10.1.0.0/16 --dport 53,1000-2000 --reason NO_SOCKET,5")
            .unwrap();
    assert_eq!(drops.observing.filter.headers.host.len(), 3);
    assert_eq!(drops.observing.filter.headers.dport.len(), 2);
    assert_eq!(drops.reasons.reason, ["NO_SOCKET", "5"]);
}

#[test]
fn what_follows_two_dashes_is_the_command() {
    let drops = drops("--for 2s -- ping -c 1 ::1 --for").unwrap();
    assert_eq!(drops.observing.command, ["ping", "-c", "1", "::1", "--for"]);
    assert_eq!(drops.observing.ends.duration, Some(Duration::from_secs(2)));
}

#[test]
fn what_excludes_each_other_is_refused() {
    for arguments in [
        "--events --by flow",
        "--events --top 3",
        "--stack",
        "--rotate 10M",
        "--ledger",
        "--count 0",
        "--sample 0",
        "--for 0s",
        "--for never",
        "-o out.txt",
        "--host 10.0.0.1/8",
        "--port 70000",
        "stray",
    ] {
        assert!(drops(arguments).is_err(), "{arguments} was taken");
    }
}

#[test]
fn times_and_sizes_do_not_mix() {
    assert_eq!(values::duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(values::duration("1m30s"), Ok(Duration::from_secs(90)));
    assert_eq!(values::duration("1.5"), Ok(Duration::from_millis(1500)));
    assert!(values::duration("-1s").is_err());
    assert!(values::duration("").is_err());
    assert_eq!(values::size("256K"), Ok(256 << 10));
    assert_eq!(values::size("1GiB"), Ok(1 << 30));
    assert!(values::size("99999999999G").is_err());
    assert!(values::size_32("4G").is_err());
    assert!(values::size("K").is_err());
    assert_eq!(values::rotate("10M"), Ok(Rotate::Size(10 << 20)));
    assert_eq!(values::rotate("10m"), Ok(Rotate::Every(Duration::from_mins(10))));
    assert!(values::rotate("10x").is_err());
    assert_eq!(values::rotate("4K"), Ok(Rotate::Size(4096)));
    assert!(values::rotate("1").is_err(), "not a file for each record");
}

#[test]
fn fail_over_takes_packets_or_a_rate() {
    assert_eq!("100".parse(), Ok(FailOver::Packets(100)));
    assert_eq!("0.5/s".parse(), Ok(FailOver::Rate(0.5)));
    assert!("-1/s".parse::<FailOver>().is_err());
    assert!("nan/s".parse::<FailOver>().is_err());
    let second = Duration::from_secs(1);
    assert!(!FailOver::Packets(100).exceeded(100, second));
    assert!(FailOver::Packets(100).exceeded(101, second));
    assert!(!FailOver::Rate(50.0).exceeded(100, 2 * second));
    assert!(FailOver::Rate(50.0).exceeded(101, 2 * second));
}

#[test]
fn the_extension_is_the_format() {
    assert_eq!("a/b.pcapng".parse::<Output>().unwrap().format, Format::Pcapng);
    assert_eq!("b.jsonl".parse::<Output>().unwrap().format, Format::Json);
    assert!("b".parse::<Output>().is_err());
}
