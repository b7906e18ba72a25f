//! What happens before anything is attached: help, errors, exit codes. No privileges needed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use assert_cmd::Command;
use assert_cmd::assert::Assert;

fn plumb(arguments: &str) -> Command {
    let mut command = Command::cargo_bin("plumb").unwrap();
    command.args(arguments.split_whitespace());
    command
}

/// One line on standard error, nothing on standard output.
fn refused(assert: Assert, code: i32) -> String {
    let output = assert.code(code).get_output().clone();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.stdout.is_empty(), "standard output holds only records");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.starts_with("plumb: "), "{message}");
    message
}

#[test]
fn every_command_has_help() {
    let help = String::from_utf8(plumb("--help").assert().success().get_output().stdout.clone()).unwrap();
    for command in ["drops", "explain", "lab", "doctor", "bench", "schema"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        plumb(&format!("{command} --help")).assert().success();
    }
    let without = plumb("").assert().code(2).get_output().clone();
    assert_eq!(String::from_utf8(without.stderr).unwrap(), help, "no arguments at all: help, but no success");
    assert!(!help.contains("become"), "the hidden command is not for people");
    plumb("--version").assert().success();
}

#[test]
fn help_that_finds_no_room_is_an_error_and_help_that_nobody_reads_is_none() {
    for arguments in ["--help", "drops --help", "--version", "schema"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let run = |stdout: std::process::Stdio| {
            let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("plumb"));
            command.args(arguments.split_whitespace()).stdout(stdout).output().unwrap()
        };
        let output = run(full.into());
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments}: {message}");
        assert!(message.starts_with("plumb: ") && message.lines().count() == 1, "{arguments}: {message}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = run(writer.into());
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]), "{arguments}");
    }
}

#[test]
fn bad_arguments_are_one_line_and_exit_2() {
    for arguments in [
        "-v",
        "fly",
        "drops --no-such-flag",
        "drops --for never",
        "drops --events --by flow",
        "drops --by colour",
        "drops --sort colour",
        "drops --by pid --sort uid",
        "drops --count 3",
        "drops --reason NO_SUCH_REASON",
        "drops --reason 4294967296",
        "drops -i no-such-device",
        "drops --netns no-such-namespace",
        "drops --cgroup no-such-cgroup",
        "drops -o drops.txt",
        "drops --stack",
        "drops --snaplen 64",
        "drops --wakeup busy",
        "drops --ring-size 1M",
        "drops --events --table-size 8",
        "drops -o drops.pcapng --by flow",
        "drops -o drops.pcapng --snaplen 1000000",
        "drops --interval 1s --ledger",
        "drops --events --interval 1s",
        "packets --read x.pcap -i lo",
        "packets -i lo -o unix:",
        "flows --read x.pcap -i lo,lo",
        "flows --read x.pcap --wakeup busy",
        "flows -i lo --sample 4294967296",
        "explain",
        "explain NO_SUCH_REASON",
        "schema no_such_record",
        "lab --fault no-such-fault -- true",
    ] {
        let message = refused(plumb(arguments).assert(), 2);
        assert!(message.contains("; "), "what would help is missing: {message}");
    }
}

#[test]
fn errors_list_what_there_is() {
    assert!(refused(plumb("drops -i no-such-device").assert(), 2).contains("there are: lo"));
    assert!(refused(plumb("drops --by colour").assert(), 2).contains("flow, process, "));
    assert!(refused(plumb("schema no_such_record").assert(), 2).contains("records are: session, "));
}

#[test]
fn the_command_begins_only_on_the_byte() {
    let mut waiting = plumb("become 0 -- echo begun");
    waiting.write_stdin("!").assert().success().stdout("begun\n");
    let mut ended_first = plumb("become 0 -- echo begun");
    ended_first.write_stdin("").assert().success().stdout("");
    plumb("become 0 -- /no/such/program").write_stdin("!").assert().code(127);
    plumb("become 0 -- /etc/passwd").write_stdin("!").assert().code(126);
    plumb("become 0 -- false").write_stdin("!").assert().code(1);
}
