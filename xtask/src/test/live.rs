//! The privileged tests: built once, run on this machine's kernel and on those of the VMs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::tally::Tally;
use crate::kernels::Kernel;
use crate::plumb::{self, Profile};
use crate::repo::Repo;
use crate::run;
use crate::vm::Guest;

/// How long one file of tests may take, natively and under emulation.
const FILE_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How often a VM is booted for the files of tests that have no verdict.
const BOOTS: usize = 2;

/// How long after SIGTERM a file of tests gets SIGKILL.
const KILL_AFTER: &str = "--kill-after=10";

/// Rust's test harness: tests failed.
const HARNESS_FAILED: i32 = 101;

/// timeout(1): the time was up.
const TIMED_OUT: i32 = 124;

/// timeout(1): the time was up, and SIGTERM did not help.
const KILLED: i32 = 137;

/// The plumb that the tests drive, and the tests.
pub(super) struct Live<'a> {
    repo: &'a Repo,
    plumb: PathBuf,
    /// File name of the tests without extension, and executable.
    files: BTreeMap<String, PathBuf>,
    arguments: &'a [String],
}

/// How the tests went on one kernel.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) tally: Tally,
    /// What failed, for people; empty where everything passed.
    pub(super) failures: Vec<String>,
}

impl<'a> Live<'a> {
    /// Builds plumb in release mode, because its speed is part of what is tested, and the tests that drive it.
    pub(super) fn build(repo: &'a Repo, arguments: &'a [String]) -> Result<Self> {
        let plumb = plumb::build(repo, Profile::Release)?;
        let mut cargo = run::cargo();
        cargo.args([
            "test",
            "--quiet",
            "--package=plumb-live",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ]);
        let messages = run::capture(cargo.current_dir(&repo.root))?;
        let files = executables(&messages);
        if files.is_empty() {
            bail!("tests/live has no tests");
        }
        Ok(Self { repo, plumb, files, arguments })
    }

    /// Asks `plumb doctor` whether drops can run here; what it says is shown where they cannot.
    pub(super) fn machine_allows_bpf(&self) -> Result<bool> {
        let output = run::as_root(&self.plumb)?.arg("doctor").output().context("plumb doctor")?;
        match output.status.code() {
            Some(0) => Ok(true),
            // The kernel cannot, or privileges are missing.
            Some(3 | 4) => {
                println!("{}", String::from_utf8_lossy(&output.stdout).trim_end());
                println!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
                println!("this machine does not let plumb run: live tests run in VMs only");
                Ok(false)
            }
            _ => bail!("plumb doctor: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Runs every file of tests as root on this machine's kernel.
    pub(super) fn natively(&self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for (name, executable) in &self.files {
            let mut command = run::as_root("env")?;
            command.args(self.words(executable)?).current_dir(self.directory());
            let status = run::lines(&mut command, &mut |line| {
                println!("{line}");
                outcome.tally.line(line);
            })?;
            if !status.success() {
                outcome.failed(name, status.code());
            }
        }
        Ok(outcome.checked(self.arguments))
    }

    /// Boots `kernel` and runs every file of tests there.
    pub(super) fn in_vm(&self, kernel: &Kernel) -> Result<Outcome> {
        let verdicts = self.repo.target.join("vm").join(format!("{}.verdicts", kernel.version));
        if verdicts.exists() {
            fs::remove_file(&verdicts)?;
        }
        fs::create_dir_all(self.repo.target.join("vm"))?;
        let mut outcome = Outcome::default();
        for boot in 1..=BOOTS {
            let known = parse_verdicts(&fs::read_to_string(&verdicts).unwrap_or_default());
            let due = |name: &&str| !known.contains_key(*name);
            let rest: Vec<&str> = self.files.keys().map(String::as_str).filter(due).collect();
            if rest.is_empty() {
                break;
            }
            let Err(error) = self.boot(kernel, &rest, &verdicts, &mut outcome.tally) else { continue };
            println!("{} | {error:#}", kernel.version);
            match boot {
                BOOTS => outcome.failures.push("the VM did not end by itself".to_owned()),
                _ => println!("{} | boots again for what has no verdict", kernel.version),
            }
        }
        let verdicts = parse_verdicts(&fs::read_to_string(&verdicts).unwrap_or_default());
        for name in self.files.keys() {
            match verdicts.get(name).copied() {
                Some(0) => {}
                status => outcome.failed(name, status),
            }
        }
        Ok(outcome.checked(self.arguments))
    }

    /// Runs these files of tests in one boot; each that ends has its name and status in `verdicts`.
    fn boot(&self, kernel: &Kernel, names: &[&str], verdicts: &Path, tally: &mut Tally) -> Result<()> {
        let files = u32::try_from(names.len())?;
        let limit = FILE_LIMIT * files + Duration::from_secs(120);
        let shared = self.repo.target.join("vm").join(&kernel.version).join("verdicts");
        let guest = Guest { repo: self.repo, kernel, directory: &self.directory(), limit };
        let ended = guest.run(&self.script(names, &shared)?, &mut |line| {
            println!("{} | {line}", kernel.version);
            tally.line(line);
        });
        let mut all = fs::read_to_string(verdicts).unwrap_or_default();
        all.push_str(&fs::read_to_string(&shared).unwrap_or_default());
        fs::write(verdicts, all)?;
        ended.map(drop)
    }

    /// Runs each file and writes its name and status to `verdicts`.
    fn script(&self, names: &[&str], verdicts: &Path) -> Result<String> {
        let verdicts = verdicts.to_str().context("path is not UTF-8")?;
        let mut script = String::new();
        for name in names {
            let words = self.words(&self.files[*name])?;
            let command = shlex::try_join(words.iter().map(String::as_str))?;
            let verdicts = shlex::try_quote(verdicts)?;
            script.push_str(&format!("env {command}\necho {name} $? >>{verdicts}\n"));
        }
        Ok(script)
    }

    /// The words after env(1) for one file of tests. One test at a time: they share the machine's kernel.
    fn words(&self, executable: &Path) -> Result<Vec<String>> {
        let text = |path: &Path| path.to_str().map(str::to_owned).context("path is not UTF-8");
        // No backtraces: under emulation finding the symbols of one takes minutes.
        let mut words = vec![format!("PLUMB_BIN={}", text(&self.plumb)?), "RUST_BACKTRACE=0".to_owned()];
        // In the foreground, or Ctrl-C would not reach the tests.
        words.extend(["timeout", "--foreground", KILL_AFTER].map(str::to_owned));
        words.extend([FILE_LIMIT.as_secs().to_string(), text(executable)?, "--test-threads=1".to_owned()]);
        words.extend_from_slice(self.arguments);
        Ok(words)
    }

    /// Where `cargo test` would run them.
    fn directory(&self) -> PathBuf {
        self.repo.root.join("tests/live")
    }
}

impl Outcome {
    /// Notes that a file of tests ended with this status, or without one.
    fn failed(&mut self, name: &str, status: Option<i32>) {
        let what = match status {
            // The harness has counted its failed tests.
            Some(HARNESS_FAILED) => return self.failures.push(name.to_owned()),
            Some(TIMED_OUT | KILLED) => format!("{name}: no end after {} s", FILE_LIMIT.as_secs()),
            Some(status) => format!("{name}: status {status}"),
            None => format!("{name}: no verdict"),
        };
        self.tally.failed += 1;
        self.failures.push(what);
    }

    /// A privileged test never passes by being left out, and a run without tests has shown nothing.
    fn checked(mut self, arguments: &[String]) -> Self {
        if self.tally.ignored > 0 {
            self.failures.push(format!("{} tests were ignored", self.tally.ignored));
        }
        if self.tally.passed + self.tally.failed == 0 && arguments.is_empty() {
            self.failures.push("no test ran".to_owned());
        }
        self
    }
}

/// The test executables in cargo's messages, by name.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let target = &message["target"];
        let is_test = target["kind"].as_array()?.iter().any(|kind| kind == "test");
        let path = message["executable"].as_str()?;
        is_test.then(|| Some((target["name"].as_str()?.to_owned(), PathBuf::from(path))))?
    };
    messages.lines().filter_map(executable).collect()
}

/// `NAME STATUS` on each line.
fn parse_verdicts(text: &str) -> BTreeMap<String, i32> {
    let verdict = |line: &str| {
        let (name, status) = line.split_once(' ')?;
        Some((name.to_owned(), status.trim().parse().ok()?))
    };
    text.lines().filter_map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_test_executables() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"plumb_live"},"executable":"/t/lib"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"drops"},"executable":"/t/drops-1"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"meta"},"executable":null}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\nnot json\n",
        );
        let expected = BTreeMap::from([("drops".to_owned(), PathBuf::from("/t/drops-1"))]);
        assert_eq!(executables(messages), expected);
    }

    #[test]
    fn reads_verdicts() {
        let verdicts = parse_verdicts("drops 0\nlab 101\nbroken\nhalf x\n");
        assert_eq!(verdicts, BTreeMap::from([("drops".to_owned(), 0), ("lab".to_owned(), 101)]));
    }

    #[test]
    fn a_run_without_tests_fails() {
        assert_eq!(Outcome::default().checked(&[]).failures, ["no test ran"]);
        assert!(Outcome::default().checked(&["nft".to_owned()]).failures.is_empty());
    }

    #[test]
    fn a_file_without_a_result_counts_as_a_failed_test() {
        let mut outcome = Outcome::default();
        outcome.failed("tests", Some(HARNESS_FAILED));
        assert_eq!((outcome.tally.failed, outcome.failures.as_slice()), (0, ["tests".to_owned()].as_slice()));
        outcome.failed("hang", Some(TIMED_OUT));
        outcome.failed("crash", Some(139));
        outcome.failed("lost", None);
        assert_eq!(outcome.tally.failed, 3);
        assert_eq!(outcome.failures[2..], ["crash: status 139", "lost: no verdict"]);
    }
}
