//! `cargo xtask test`: everything that must hold before a change goes in, cheap checks first.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use live::Live;

use crate::kernels::{self, Kernel};
use crate::repo::Repo;
use crate::{fmt, run, setup, tidy};

mod live;
mod tally;

use tally::Tally;

/// `cargo xtask test`
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the live tests: no formatting, tidy, clippy or unit tests
    #[arg(long)]
    live: bool,
    /// Run live tests on this machine's kernel only
    #[arg(long, conflicts_with = "vm_only")]
    native_only: bool,
    /// Run live tests in VMs only
    #[arg(long)]
    vm_only: bool,
    /// Run the VM part on this kernel series only
    #[arg(long, value_parser = kernels::SERIES, conflicts_with = "native_only")]
    kernel: Option<String>,
    /// Arguments for the live tests, such as a part of a test's name
    #[arg(last = true)]
    filter: Vec<String>,
}

/// Runs everything; fails where anything failed.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    let mut report = Report::default();
    let scope = if args.native_only { setup::Scope::Tests } else { setup::Scope::Everything };
    let ready = report.step("setup", || setup::ensure(repo, scope))?;
    if !args.live {
        report.step("fmt", || fmt::run(repo, true))?;
        report.step("tidy", || tidy::run(repo, false))?;
        report.step("clippy", || clippy(repo))?;
        report.step("reference for features", || reference(repo))?;
        let tally = report.step("unit tests", || unit_tests(repo))?;
        report.tally += tally;
    }
    let live = report.step("build for live tests", || Live::build(repo, &args.filter))?;
    let native = !args.vm_only && report.step("doctor", || live.machine_allows_bpf())?;
    if args.native_only && !native {
        bail!("this machine does not let plumb run, so there is nothing to test natively");
    }
    if native {
        println!("== live tests on this machine's kernel");
        let start = Instant::now();
        let outcome = live.natively()?;
        report.place("this machine's kernel", start.elapsed(), outcome);
    } else if !args.vm_only {
        report.notes.push("left out: this machine's kernel, which does not let plumb run".to_owned());
    }
    let wanted = |series: &str| args.kernel.as_deref().is_none_or(|kernel| kernel == series);
    let mut booted = Vec::new();
    for (series, kernel) in ready.kernels.iter().filter(|(series, _)| wanted(series)) {
        match kernel {
            Ok(kernel) => booted.push(kernel),
            Err(reason) => report.notes.push(format!("left out: Linux {series}: {reason}")),
        }
    }
    in_vms(&live, &booted, &mut report)?;
    if !native && booted.is_empty() {
        bail!(
            "the live tests ran nowhere: this machine does not let plumb run, and there is no kernel for a VM"
        );
    }
    report.finish()
}

/// The live tests on kernels in VMs, at the same time: each has one thread of this machine.
fn in_vms(live: &Live<'_>, kernels: &[&Kernel], report: &mut Report) -> Result<()> {
    if kernels.is_empty() {
        return Ok(());
    }
    println!("== live tests in VMs");
    let timed = move |kernel: &Kernel| {
        let start = Instant::now();
        (live.in_vm(kernel), start.elapsed())
    };
    let outcomes = thread::scope(|scope| {
        let threads: Vec<_> =
            kernels.iter().map(|kernel| (*kernel, scope.spawn(move || timed(kernel)))).collect();
        let join = |(kernel, thread): (_, thread::ScopedJoinHandle<'_, _>)| (kernel, thread.join());
        threads.into_iter().map(join).collect::<Vec<(&Kernel, _)>>()
    });
    for (kernel, outcome) in outcomes {
        let (outcome, took) = outcome.map_err(|_| anyhow!("the tests in a VM ended by a panic"))?;
        report.place(&format!("Linux {}", kernel.version), took, outcome?);
    }
    Ok(())
}

fn clippy(repo: &Repo) -> Result<()> {
    let mut cargo = run::cargo();
    cargo.args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    run::run(cargo.current_dir(&repo.root))
}

/// The tests of what flows are compared with: a program that counts them on its own.
fn reference(repo: &Repo) -> Result<()> {
    let mut python = Command::new(repo.readers().join("bin/python"));
    python.args(["-B", "-m", "unittest", "discover", "tests/features"]);
    run::run(python.current_dir(&repo.root))
}

/// All tests that need no privileges, those of the live tests' own library too.
fn unit_tests(repo: &Repo) -> Result<Tally> {
    let everything = ["--workspace", "--exclude=plumb-live"].as_slice();
    let mut tally = Tally::default();
    for packages in [everything, &["--package=plumb-live", "--lib"]] {
        let mut cargo = run::cargo();
        cargo.args(["test", "--quiet", "--no-fail-fast"]).args(packages).current_dir(&repo.root);
        let status = run::lines(&mut cargo, &mut |line| {
            println!("{line}");
            tally.line(line);
        })?;
        run::check(&cargo, status)?;
    }
    Ok(tally)
}

/// What ran, how long it took and how it ended.
#[derive(Default)]
struct Report {
    rows: Vec<(String, Duration, String)>,
    notes: Vec<String>,
    tally: Tally,
    failed: bool,
}

impl Report {
    /// A step that the rest depends on.
    fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("== {name}");
        let start = Instant::now();
        let done = work()?;
        self.rows.push((name.to_owned(), start.elapsed(), "ok".to_owned()));
        Ok(done)
    }

    /// The live tests on one kernel: a failure is kept, so that the other kernels are tested too.
    fn place(&mut self, place: &str, took: Duration, outcome: live::Outcome) {
        let verdict = match outcome.failures.as_slice() {
            [] => format!("ok: {}", outcome.tally),
            failures => format!("FAILED: {}; {}", outcome.tally, failures.join(", ")),
        };
        self.failed |= !outcome.failures.is_empty();
        self.tally += outcome.tally;
        self.rows.push((format!("live tests on {place}"), took, verdict));
    }

    fn finish(self) -> Result<()> {
        println!("== summary");
        for (name, time, verdict) in &self.rows {
            println!("{name:<44} {:>6.1} s  {verdict}", time.as_secs_f64());
        }
        for note in &self.notes {
            println!("{note}");
        }
        println!("{}", self.tally);
        if self.failed { bail!("live tests failed") } else { Ok(()) }
    }
}
