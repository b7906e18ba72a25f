//! Open, configure, load, attach: what every probe does alike. Each step fails with a sentence, not with a number.

use crate::error::{Class, Error};
use crate::{support, sys};
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{Link, OpenObject, PrintLevel, ProgramMut};
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::{Mutex, Once, PoisonError};

/// Room for one probe's BPF object: it lives on the stack of whoever runs the probe.
#[derive(Debug)]
pub struct Storage(pub(crate) MaybeUninit<OpenObject>);

impl Storage {
    /// Room for one probe.
    #[must_use]
    pub const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self::new()
    }
}

/// An attached program, as -v and the ledger want to know it.
#[derive(Clone, Debug, Default)]
pub struct Attached {
    /// Where it is attached.
    pub hook: &'static str,
    /// By what: tp_btf, fentry, kprobe, xdp, ...
    pub mechanism: &'static str,
    /// The kernel's id of the program.
    pub id: u32,
    /// Bytes of BPF code, and of machine code (0 where the kernel interprets or hides it).
    pub bpf_bytes: u32,
    /// Bytes of machine code.
    pub jited_bytes: u32,
}

/// How many of libbpf's last lines are kept: the end of a verifier log says what is wrong.
const LOG_LINES: usize = 24;
static LOG: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
static LISTEN: Once = Once::new();

fn keep_line(_: PrintLevel, text: String) {
    keep_tail(&mut LOG.lock().unwrap_or_else(PoisonError::into_inner), &text);
}

fn keep_tail(log: &mut VecDeque<String>, text: &str) {
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if log.len() == LOG_LINES {
            log.pop_front();
        }
        log.push_back(line.to_owned());
    }
}

fn take_log() -> String {
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.drain(..).collect::<Vec<_>>().join("\n")
}

/// Keeps libbpf's warnings for errors, instead of letting them go to standard error.
pub(crate) fn listen() {
    LISTEN.call_once(|| {
        libbpf_rs::set_print(Some((PrintLevel::Warn, keep_line)));
    });
    take_log();
}

/// Opens a skeleton; its log is kept for errors.
pub(crate) fn open<'obj, B: SkelBuilder<'obj>>(
    probe: &str,
    builder: B,
    storage: &'obj mut Storage,
) -> Result<B::Output, Error> {
    listen();
    builder.open(&mut storage.0).map_err(|error| failed(format!("cannot open the {probe} probe"), &error))
}

/// Loads an opened skeleton: the kernel verifies its programs; nothing runs yet.
pub(crate) fn load<'obj, O: OpenSkel<'obj>>(probe: &str, open: O) -> Result<O::Output, Error> {
    take_log();
    open.load().map_err(|error| failed(format!("cannot load the {probe} probe"), &error))
}

/// Attaches a program to what its section names.
pub(crate) fn attach(hook: &str, program: &ProgramMut<'_>) -> Result<Link, Error> {
    take_log();
    program.attach().map_err(|error| failed(format!("cannot attach to {hook}"), &error))
}

/// What is known of a loaded program.
pub(crate) fn attached(hook: &'static str, mechanism: &'static str, program: &ProgramMut<'_>) -> Attached {
    let facts = sys::program_facts(program.as_fd()).unwrap_or_default();
    Attached { hook, mechanism, id: facts.id, bpf_bytes: facts.bpf_bytes, jited_bytes: facts.jited_bytes }
}

/// Closes links, the last one first, and returns when no program of theirs runs any more. What attaches the ends of ways first
/// so sees those ends as long as anything begins.
pub(crate) fn detach(links: &mut Vec<Link>) {
    if !links.is_empty() {
        while let Some(link) = links.pop() {
            drop(link);
        }
        sys::wait_for_programs();
    }
}

/// A libbpf error as a sentence. EPERM where the capabilities are there is the kernel's policy.
pub(crate) fn failed(what: String, error: &libbpf_rs::Error) -> Error {
    let detail = take_log();
    if error.kind() == libbpf_rs::ErrorKind::PermissionDenied
        && let Some(lacking) = support::lacking()
    {
        return Error::new(Class::Privileges, what, lacking).help("run as root, or grant it").detail(detail);
    }
    let (class, help) = match error.kind() {
        _ if detail.contains("processed ") && detail.contains(" insns") => (
            Class::Unsupported,
            "the kernel's verifier refuses the program: -v shows its log, please report it",
        ),
        libbpf_rs::ErrorKind::PermissionDenied => (
            Class::Unsupported,
            "the kernel's lockdown mode or a security module refuses it: run `plumb doctor`",
        ),
        libbpf_rs::ErrorKind::NotFound | libbpf_rs::ErrorKind::InvalidInput => {
            (Class::Unsupported, "run `plumb doctor` to see what this kernel allows, and -v for libbpf's log")
        }
        _ => (Class::Failed, "-v shows libbpf's log"),
    };
    Error::new(class, what, format!("{error:#}")).help(help).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::{LOG_LINES, keep_tail};
    use std::collections::VecDeque;

    /// libbpf hands a verifier's log over as one text, which may have a million lines; what is wrong is at its end.
    #[test]
    fn of_a_verifier_log_the_end_is_kept() {
        let log: String = (0..100_000).map(|line| format!("{line}: (b7) r0 = 0\n\n")).collect();
        let mut tail = VecDeque::from(["earlier".to_owned()]);
        keep_tail(&mut tail, &format!("{log}R1 invalid mem access 'scalar'\nprocessed 9 insns\n"));
        keep_tail(&mut tail, "libbpf: failed to load\n");
        assert_eq!(tail.len(), LOG_LINES);
        let end: Vec<&str> = tail.iter().rev().take(4).map(String::as_str).collect();
        assert_eq!(
            end,
            [
                "libbpf: failed to load",
                "processed 9 insns",
                "R1 invalid mem access 'scalar'",
                "99999: (b7) r0 = 0"
            ]
        );
    }
}
