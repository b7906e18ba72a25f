//! Each fact of the kernel with what it costs the user where it is missing, and what would help.

use super::capabilities::{ROOT, holds_sys_admin};
use super::tries::Tried;
use super::{Fact, SKIPS_INIT, host, skips_init};
use crate::error::Class;
use plumb_records::enrich::btf::Btf;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

pub(super) const OBSERVING: &[&str] = &["drops"];
pub(super) const BPF: &[&str] = &["drops", "xdp", "packets"];
const EVENTS: &[&str] = &["drops", "packets"];
const XDP: &[&str] = &["xdp", "packets"];
const TC: &[&str] = &["packets"];
pub(super) const NONE: &[&str] = &[];

/// What files of the kernel tell.
pub(super) fn kernel() -> Vec<Fact> {
    vec![vmlinux_btf(), lockdown(), init(), jit(), kallsyms(), tracefs(), bpffs()]
}

/// BTF of the running kernel.
pub(super) fn vmlinux_btf() -> Fact {
    let size = fs::metadata("/sys/kernel/btf/vmlinux").map(|file| file.len());
    let usable = size.is_ok();
    Fact {
        name: "btf",
        usable,
        found: match size {
            Ok(size) => format!("/sys/kernel/btf/vmlinux, {size} bytes"),
            Err(error) => format!("this kernel shows no BTF (/sys/kernel/btf/vmlinux: {error})"),
        },
        costs: unless(usable, "programs cannot be fitted to this kernel and drop reasons have no names"),
        help: unless(usable, "a kernel built with CONFIG_DEBUG_INFO_BTF is needed, with /sys mounted"),
        needed_by: OBSERVING,
        class: Class::Unsupported,
    }
}

/// Lockdown: `confidentiality` keeps BPF from reading kernel memory, `integrity` refuses kprobes and fentry on some kernels.
pub(super) fn lockdown() -> Fact {
    let mode = lockdown_mode().unwrap_or_else(|| "not known: securityfs is not mounted".to_owned());
    let usable = mode != "confidentiality";
    Fact {
        name: "lockdown",
        usable,
        found: format!("mode: {mode}"),
        costs: unless(usable, "BPF programs may not read kernel memory"),
        help: unless(usable, "boot with lockdown=integrity or none"),
        needed_by: OBSERVING,
        class: Class::Unsupported,
    }
}

fn lockdown_mode() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    text.split(['[', ']']).nth(1).map(str::to_owned)
}

/// What helps where the kernel says EPERM.
fn against_refusal(root: bool, lockdown: Option<&str>) -> &'static str {
    match lockdown {
        _ if !root => ROOT,
        Some("integrity" | "confidentiality") => {
            "boot without lockdown (lockdown=none; secure boot may turn it on)"
        }
        None => {
            "mount securityfs to see whether it is lockdown (then boot with lockdown=none); else a security module or the sandbox around this process would have to allow it"
        }
        Some(_) => "a security module or the sandbox around this process would have to allow it",
    }
}

/// Whether what happens while PID 1 runs is seen.
fn init() -> Fact {
    let hidden = host::btf().ok().and_then(|bytes| Btf::new(&bytes).ok().map(|types| skips_init(&types)));
    let (found, costs, help) = match hidden {
        Some(false) => ("seen as any other", "", ""),
        Some(true) => (
            SKIPS_INIT,
            "drops in interrupts of PID 1 are missing from every count",
            "a kernel without that rule; the interrupts of another CPU than PID 1 runs on",
        ),
        None => (
            "not known: the kernel's BTF cannot be read",
            "drops in interrupts of PID 1 may be missing from every count",
            "BTF that can be read tells",
        ),
    };
    Fact {
        name: "pid_1",
        usable: hidden == Some(false),
        found: found.into(),
        costs: costs.into(),
        help: help.into(),
        needed_by: NONE,
        class: Class::Unsupported,
    }
}

fn jit() -> Fact {
    let value = fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").unwrap_or_default();
    let usable = value.trim() != "0";
    Fact {
        name: "jit",
        usable,
        found: if value.is_empty() {
            "always on".into()
        } else {
            format!("bpf_jit_enable = {}", value.trim())
        },
        costs: unless(usable, "programs are interpreted, several times slower"),
        help: unless(usable, "sysctl net.core.bpf_jit_enable=1"),
        needed_by: NONE,
        class: Class::Unsupported,
    }
}

fn kallsyms() -> Fact {
    let first = host::kallsyms().ok().and_then(|file| BufReader::new(file).lines().nth(1)?.ok());
    let usable = first.as_deref().is_some_and(|line| !line.starts_with("0000000000000000 "));
    Fact {
        name: "kallsyms",
        usable,
        found: match (&first, usable) {
            (Some(_), true) => "addresses visible".into(),
            (Some(_), false) => "addresses hidden from this process (kptr_restrict)".into(),
            (None, _) => "/proc/kallsyms cannot be read".into(),
        },
        costs: unless(usable, "locations have no names and noise by symbol is not hidden"),
        help: unless(usable, "sysctl kernel.kptr_restrict=1 at most, and CAP_SYSLOG"),
        needed_by: NONE,
        class: Class::Privileges,
    }
}

fn tracefs() -> Fact {
    let found = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];
    let path = found.into_iter().find(|path| Path::new(path).is_dir());
    Fact {
        name: "tracefs",
        usable: path.is_some(),
        found: path.map_or("not mounted".into(), |path| path.trim_end_matches("/events").to_owned()),
        costs: unless(
            path.is_some(),
            "kprobes by tracefs and the trace pipe cannot be used; drops does not need it",
        ),
        help: unless(path.is_some(), "mount -t tracefs tracefs /sys/kernel/tracing"),
        needed_by: NONE,
        class: Class::Unsupported,
    }
}

fn bpffs() -> Fact {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let place = mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (place, kind) = (words.nth(1)?, words.next()?);
        (kind == "bpf").then(|| place.to_owned())
    });
    Fact {
        name: "bpffs",
        usable: place.is_some(),
        found: place.clone().unwrap_or_else(|| "not mounted".into()),
        costs: unless(place.is_some(), "nothing can be pinned; Plumb pins nothing unless asked"),
        help: unless(place.is_some(), "mount -t bpf bpf /sys/fs/bpf"),
        needed_by: NONE,
        class: Class::Unsupported,
    }
}

/// A kind of program or map that was tried.
pub(super) fn kind(tried: Tried) -> Fact {
    let (needed_by, costs) = match tried.name {
        "tp_btf" => (OBSERVING, "drops cannot be seen"),
        "ringbuf" => (EVENTS, "events cannot be streamed"),
        "mmapable_array" => (BPF, "counters cannot be read"),
        "raw_tp" => (NONE, "tracepoints without BTF cannot be used"),
        "fentry" | "fexit" => (NONE, "kernel functions that are no tracepoints cannot be traced cheaply"),
        "freplace" => (NONE, "functions of other BPF programs cannot be replaced"),
        "kprobe" => (NONE, "kernel functions without BTF cannot be traced"),
        "xdp" => (XDP, "no XDP program can be loaded"),
        "tc" => (TC, "no TC program can be loaded"),
        "tcx" => (NONE, "TC programs need clsact"),
        _ => (NONE, "TC programs need TCX, which comes with 6.6: without both only XDP sees packets"),
    };
    let usable = tried.refused.is_none();
    let help = match &tried.refused {
        Some(why) if why.contains("os error 1)") => {
            against_refusal(holds_sys_admin(), lockdown_mode().as_deref())
        }
        Some(_) => "a kernel that has it",
        None => "",
    };
    Fact {
        name: tried.name,
        usable,
        found: tried.refused.unwrap_or_else(|| "tried, works".into()),
        costs: unless(usable, costs),
        help: help.into(),
        needed_by,
        class: Class::Unsupported,
    }
}

pub(super) fn unless(usable: bool, text: &str) -> String {
    if usable { String::new() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{ROOT, against_refusal};

    #[test]
    fn what_refuses_is_told_apart() {
        assert_eq!(against_refusal(false, Some("integrity")), ROOT);
        assert!(against_refusal(true, Some("integrity")).contains("lockdown=none"));
        for mode in [None, Some("none")] {
            assert!(against_refusal(true, mode).contains("security module"));
            assert_eq!(against_refusal(true, mode).contains("securityfs"), mode.is_none());
        }
    }
}
