//! The commands in the README and in the demo are really typed: each must be understood, and what needs no privileges
//! must succeed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, process};

use anyhow::{Context, Result};

use super::{House, Offence};
use crate::{demo, run};

const README: &str = "README.md";

const DEMO: &str = "xtask/src/demo.rs";

/// Blocks with these languages hold commands; other blocks hold output or code.
const SHELLS: &[&str] = &["console", "sh"];

/// plumb's status for arguments that it does not understand.
const BAD_ARGUMENTS: i32 = 2;

/// What timeout(1) returns when the time is up.
const TIMED_OUT: i32 = 124;

/// Long enough for a command that only reads; one that waits for packets cannot start without privileges.
const LIMIT: Duration = Duration::from_secs(20);

/// Subcommands that need no privileges and end by themselves.
const UNPRIVILEGED: &[&str] = &["explain", "schema", "--help", "--version", "help"];

/// Types every command of the README, and the demo's.
pub(super) fn commands(house: &House) -> Result<Vec<Offence>> {
    let mut typed: Vec<(&str, String)> = Vec::new();
    typed.extend(lines(&house.read(Path::new(README))?).into_iter().map(|line| (README, line)));
    let demo = demo::arguments(Path::new("plumb"))?;
    typed.push((DEMO, format!("plumb {}", shlex::try_join(demo.iter().map(String::as_str))?)));

    let mut offences = Vec::new();
    let directory = env::temp_dir().join(format!("xtask-readme-{}", process::id()));
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    for (file, line) in typed {
        for words in words(&line) {
            if let Err(what) = accepted(house, &words, &directory)? {
                offences.push(Offence::new(file, format!("`{line}`: {what}")));
            }
        }
    }
    fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
    Ok(offences)
}

/// Command lines of the README: in `console` blocks after a `$` or `#` prompt, in `sh` blocks every line.
fn lines(readme: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut language: Option<&str> = None;
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if let Some(fence) = line.trim_start().strip_prefix("```") {
            language = if language.is_some() { None } else { Some(fence.trim()) };
            continue;
        }
        let typed = match language {
            Some("console") => line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")),
            Some(shell) if SHELLS.contains(&shell) => Some(line),
            _ => None,
        };
        let Some(typed) = typed else { continue };
        let mut whole = typed.to_owned();
        while let Some(start) = whole.strip_suffix('\\') {
            whole = format!("{}{}", start, lines.next().unwrap_or_default().trim_start_matches("> "));
        }
        found.push(whole);
    }
    found
}

/// The commands of ours in one line, each without what the shell handles and without `sudo`. A command after `--`
/// is one more: `plumb lab -- plumb drops` is typed as a whole, and so is `plumb drops`.
fn words(line: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for part in line.split(['|', ';', '&']) {
        let part = part.split(" >").next().unwrap_or_default();
        let mut words = shlex::split(part).unwrap_or_default();
        loop {
            let is_setting =
                |word: &String| word.split_once('=').is_some_and(|(name, _)| !name.contains(['-', '/']));
            while words.first().is_some_and(|word| word == "sudo" || is_setting(word)) {
                words.remove(0);
            }
            let rest = words.iter().position(|word| word == "--").map(|at| words[at + 1..].to_vec());
            if is_ours(&words) {
                all.push(words);
            }
            match rest {
                Some(rest) => words = rest,
                None => break,
            }
        }
    }
    all
}

fn is_ours(words: &[String]) -> bool {
    match words {
        [program, ..] if program == "plumb" || program.ends_with("/plumb") => true,
        [cargo, xtask, ..] => cargo == "cargo" && xtask == "xtask",
        _ => false,
    }
}

/// Runs the command, where it can have no effect, and says why it is not right.
fn accepted(house: &House, words: &[String], directory: &Path) -> Result<Result<(), String>> {
    if words[0] == "cargo" {
        return Ok(crate::parses(&words[1..]));
    }
    let mut command = without_capabilities(&house.plumb);
    command.args(&words[1..]).current_dir(directory).stdin(Stdio::null());
    let output = command.output().context("timeout")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let complaint = stderr.lines().next().unwrap_or("no message").to_owned();
    let unprivileged = words.get(1).is_some_and(|word| UNPRIVILEGED.contains(&word.as_str()));
    Ok(match output.status.code() {
        Some(0) => Ok(()),
        Some(BAD_ARGUMENTS) => Err(complaint),
        Some(TIMED_OUT) => Err(format!("no end after {} s", LIMIT.as_secs())),
        Some(_) if !unprivileged => Ok(()),
        _ => Err(format!("{}: {complaint}", output.status)),
    })
}

/// Root without capabilities may read and write its own files and nothing more, so that a command that would change
/// the machine ends at its check of privileges. Who is not root has none anyway.
fn without_capabilities(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg(LIMIT.as_secs().to_string());
    if nix::unistd::geteuid().is_root() {
        let setpriv = run::find("setpriv").unwrap_or_else(|| "setpriv".into());
        command.arg(setpriv).args(["--bounding-set=-all", "--inh-caps=-all"]);
    }
    command.arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_commands_in_blocks() {
        let readme = "\
$ not a command
```console
$ plumb drops --for 8s
REASON  PACKETS
# plumb doctor
```
```sh
cargo xtask demo
plumb drops \\
  --events
```
```json
$ neither
```
";
        assert_eq!(
            lines(readme),
            ["plumb drops --for 8s", "plumb doctor", "cargo xtask demo", "plumb drops   --events"]
        );
    }

    #[test]
    fn an_unfinished_block_ends() {
        assert_eq!(lines("```sh\nplumb \\"), ["plumb "]);
    }

    fn joined(line: &str) -> Vec<String> {
        words(line).iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn finds_each_command_of_a_line() {
        assert_eq!(joined("sudo plumb drops --by flow | head"), ["plumb drops --by flow"]);
        assert_eq!(joined("plumb drops --format json > drops.jsonl"), ["plumb drops --format json"]);
        assert_eq!(
            joined("NO_COLOR=1 sudo ./target/release/plumb doctor"),
            ["./target/release/plumb doctor"]
        );
        assert_eq!(
            joined("plumb lab --fault a -- plumb drops"),
            ["plumb lab --fault a -- plumb drops", "plumb drops"]
        );
        assert_eq!(joined("ip netns exec x plumb drops"), [""; 0]);
        assert_eq!(joined("cd plumb && cargo xtask test -- nft"), ["cargo xtask test -- nft"]);
        assert_eq!(joined("echo 'open quote"), [""; 0]);
    }
}
