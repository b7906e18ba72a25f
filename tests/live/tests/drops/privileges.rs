//! Capabilities instead of root: which are enough, which are named where they are missing, and that none is kept.

use anyhow::{Context, Result, ensure};
use plumb_lab::{Lab, faults};
use plumb_live::{PACKETS, Plumb, Running, TestResult, base_symbol, binary, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Who may look at the kernel's addresses by way of its profiler.
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";

/// The binary where any user may run it: a build directory may lie in a home that only its owner enters.
struct Anyone {
    folder: TempDir,
}

impl Anyone {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::copy(binary()?, folder.path().join("plumb"))?;
        open_to_all(folder.path())?;
        Ok(Self { folder })
    }

    /// `plumb ARGS` as nobody with these capabilities and no others, such as `["bpf", "perfmon"]`.
    fn plumb(&self, capabilities: &[&str], args: &[&str]) -> Result<Plumb> {
        self.through(Command::new("env"), capabilities, args)
    }

    /// The same, started by `command`.
    fn through(&self, mut command: Command, capabilities: &[&str], args: &[&str]) -> Result<Plumb> {
        let set = capabilities.iter().fold("-all".to_owned(), |set, name| format!("{set},+{name}"));
        command.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.args([format!("--inh-caps={set}"), format!("--ambient-caps={set}")]);
        command.arg(self.folder.path().join("plumb"));
        let plumb = Plumb::through(command, args)?;
        open_to_all(plumb.folder())?;
        Ok(plumb)
    }
}

fn open_to_all(folder: &Path) -> Result<()> {
    Ok(fs::set_permissions(folder, fs::Permissions::from_mode(0o777))?)
}

/// The capability sets of every thread of a process must become empty: the ready file itself is made with what a folder
/// of another owner needs.
fn holds_no_capability(plumb: &Running) -> Result<()> {
    wait_for("plumb to drop its capabilities", || {
        let mut held = Vec::new();
        for task in fs::read_dir(format!("/proc/{}/task", plumb.pid()))? {
            held.push(capabilities(&fs::read_to_string(task?.path().join("status"))?)?);
        }
        ensure!(!held.is_empty(), "it has no thread");
        Ok(held.iter().all(|(sets, no_new)| *sets == 0 && *no_new))
    })
}

/// All capability sets together, and whether an exec can bring any back.
fn capabilities(status: &str) -> Result<(u64, bool)> {
    let mut sets = 0;
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        let line = status.lines().find_map(|line| line.strip_prefix(set)).context(set)?;
        sets |= u64::from_str_radix(line.trim(), 16)?;
    }
    Ok((sets, status.contains("NoNewPrivs:\t1")))
}

/// Counts a fault in groups and checks it; gives the only group.
fn counts_exactly(lab: &Lab, plumb: Plumb) -> Result<(serde_json::Value, String)> {
    let plumb = plumb.start()?;
    holds_no_capability(&plumb)?;
    let expected = faults::run_fault(lab, "udp-closed-port", PACKETS)?;
    let finished = plumb.stop()?;
    let records = finished.records()?;
    let ours: Vec<_> =
        records.of("drop_group").filter(|group| group["reason"] == expected[0].expect.reason).collect();
    ensure!(ours.len() == 1 && ours[0]["packets"] == expected[0].count, "{records:#?}");
    Ok((ours[0].clone(), finished.stderr))
}

#[test]
fn three_capabilities_are_enough() -> TestResult {
    let (anyone, lab) = (Anyone::new()?, Lab::new()?);
    let netns = lab.receiver().netns.inode().to_string();
    let args = ["drops", "--format", "json", "--netns", &netns];
    let (group, _) = counts_exactly(&lab, anyone.plumb(&["bpf", "perfmon", "syslog"], &args)?)?;
    ensure!(base_symbol(&group) == "__udp4_lib_rcv", "{group}");
    ensure!(group["interface"] == lab.receiver().interface, "{group}");
    Ok(())
}

/// Addresses are hidden from who lacks CAP_SYSLOG, unless profiling is open to all (kallsyms_show_value in
/// kernel/ksyms_common.c).
#[test]
fn without_syslog_locations_are_null_and_explained() -> TestResult {
    let paranoid: i32 = fs::read_to_string(PARANOID)?.trim().parse()?;
    ensure!(paranoid > 1, "{PARANOID} is {paranoid}: this machine hides no address");
    let (anyone, lab) = (Anyone::new()?, Lab::new()?);
    let netns = lab.receiver().netns.inode().to_string();
    let args = ["drops", "--format", "json", "--netns", &netns];
    let (group, stderr) = counts_exactly(&lab, anyone.plumb(&["bpf", "perfmon"], &args)?)?;
    ensure!(group["location"].is_null(), "{group}");
    ensure!(stderr.contains("CAP_SYSLOG"), "not explained: {stderr}");
    Ok(())
}

#[test]
fn a_missing_capability_is_named() -> TestResult {
    let anyone = Anyone::new()?;
    for (held, missing) in
        [(&["bpf", "syslog"][..], "CAP_PERFMON"), (&["perfmon", "syslog"], "CAP_BPF"), (&[], "CAP_BPF")]
    {
        let finished = anyone.plumb(held, &["drops", "--for", "1s"])?.finish()?;
        finished.failed_with(4, &["plumb: ", missing, "setcap"])?;
    }
    Ok(())
}

/// Without symbols the softirq tracepoints tell the context. Of all limits on open files one lets them be refused (the
/// second finds no descriptor for its link) and not what is attached after they are let go.
#[test]
fn what_cannot_tell_the_context_costs_the_context_only() -> TestResult {
    let (anyone, mut refused) = (Anyone::new()?, None);
    for limit in 20..64 {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={limit}"));
        let args = ["drops", "--by", "comm", "--format", "json", "--for", "50ms"];
        let finished = anyone.through(command, &["bpf", "perfmon"], &args)?.finish()?;
        if finished.status.success() && finished.stderr.contains("softirq") {
            refused = Some(finished);
            break;
        }
    }
    let finished = refused.context("never refused, or never told")?;
    ensure!(finished.stderr.contains("in_softirq is unknown"), "{}", finished.stderr);
    let records = finished.records()?;
    let session = records.of("session").next().context("a session")?.to_string();
    ensure!(session.contains("kfree_skb") && !session.contains("softirq"), "{session}");
    ensure!(records.of("drop_group").all(|group| group["in_softirq"].is_null()), "{records:?}");
    Ok(())
}

/// Root may look at the processes of others by CAP_SYS_PTRACE alone (__ptrace_may_access in kernel/ptrace.c).
#[test]
fn a_process_that_may_not_be_looked_at_says_what_is_missing() -> TestResult {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]).arg(binary()?);
    let finished = Plumb::through(command, &["drops", "--netns", "1", "--for", "1s"])?.finish()?;
    finished.failed_with(4, &["process 1", "CAP_SYS_PTRACE"])
}

#[test]
fn root_keeps_no_capability() -> TestResult {
    for mode in [&["drops", "--format", "json"][..], &["drops", "--format", "json", "--events"]] {
        let plumb = Plumb::new(mode)?.start()?;
        holds_no_capability(&plumb)?;
        plumb.stop()?.records()?;
    }
    Ok(())
}

/// A root whose bounding set was cut, as in a container.
#[test]
fn root_with_two_capabilities_works() -> TestResult {
    let lab = Lab::new()?;
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all,+bpf,+perfmon", "--inh-caps=-all"]).arg(binary()?);
    let netns = lab.receiver().netns.inode().to_string();
    let args = ["drops", "--format", "json", "--netns", &netns];
    counts_exactly(&lab, Plumb::through(command, &args)?).map(drop)
}
