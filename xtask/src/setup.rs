//! `cargo xtask setup`: what building, the demo and the tests need from the machine, and how to get it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::distro::{Distro, Manager};
use crate::kernels::{self, Kernel};
use crate::repo::Repo;
use crate::run;

/// The oldest clang whose BPF back end and CO-RE built-ins our programs need.
const OLDEST_CLANG: u32 = 14;

/// Python packages in the private environment. clang-format is pinned exactly: every version formats differently.
const PYTHON_PACKAGES: [&str; 2] = ["virtme-ng>=1.38,<2", "clang-format==14.0.6"];

/// What users read our columns with: the tests of `sinks` and `flight` do too.
const READERS: [&str; 5] =
    ["duckdb>=2,<3", "nfstream>=6.6,<7", "polars>=2,<3", "pyarrow>=26,<27", "scikit-learn>=1.9,<2"];

/// How much of the table a command needs: each value includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// The private Python environment alone.
    Tools,
    /// Building `plumb`.
    Build,
    /// Running `plumb lab`.
    Lab,
    /// The live tests' independent witnesses.
    Tests,
    /// Booting kernels in VMs, where this machine has or can get such kernels.
    Everything,
    /// Running the benches: the lab and the rivals, without what tests need.
    Bench,
}

impl Scope {
    fn includes(self, other: Self) -> bool {
        other == self || other <= if self == Self::Bench { Self::Lab } else { self }
    }
}

/// How to find out whether something is there.
enum Probe {
    Command(&'static str),
    Header(&'static str),
    Clang,
    Venv,
    StaticBusybox,
}

struct Need {
    scope: Scope,
    probe: Probe,
    apt: &'static str,
    dnf: &'static str,
}

const fn need(scope: Scope, probe: Probe, apt: &'static str, dnf: &'static str) -> Need {
    Need { scope, probe, apt, dnf }
}

/// A C compiler is not here: without one, rustc could not have linked this program.
const NEEDS: &[Need] = &[
    // virtme-ng and clang-format come from PyPI.
    need(Scope::Tools, Probe::Venv, "python3-venv", "python3-pip"),
    // The kernel side is C.
    need(Scope::Build, Probe::Clang, "clang", "clang"),
    // libbpf-sys builds its own libbpf, which reads ELF files and compressed kernel configurations.
    need(Scope::Build, Probe::Command("make"), "make", "make"),
    need(Scope::Build, Probe::Command("pkg-config"), "pkg-config", "pkgconf-pkg-config"),
    need(Scope::Build, Probe::Header("libelf.h"), "libelf-dev", "elfutils-libelf-devel"),
    need(Scope::Build, Probe::Header("zlib.h"), "zlib1g-dev", "zlib-devel"),
    // The lab's topology and faults.
    need(Scope::Lab, Probe::Command("ip"), "iproute2", "iproute"),
    need(Scope::Lab, Probe::Command("tc"), "iproute2", "iproute-tc"),
    need(Scope::Lab, Probe::Command("nft"), "nftables", "nftables"),
    // Turns offloads on and off.
    need(Scope::Tests, Probe::Command("ethtool"), "ethtool", "ethtool"),
    // Reads the captures that we write.
    need(Scope::Tests, Probe::Command("tshark"), "tshark", "wireshark-cli"),
    // Makes certificates for the tests of `flight`.
    need(Scope::Tests, Probe::Command("openssl"), "openssl", "openssl"),
    // Attaches programs, and runs them without an interface.
    need(Scope::Tests, Probe::Command("xdp-loader"), "xdp-tools", "xdp-tools"),
    need(Scope::Tests, Probe::Command("bpftool"), "bpftool", "bpftool"),
    // What Plumb is measured against.
    need(Scope::Bench, Probe::Command("bpftrace"), "bpftrace", "bpftrace"),
    need(Scope::Bench, Probe::Command("xdp-bench"), "xdp-tools", "xdp-tools"),
    need(Scope::Bench, Probe::Command("perf"), "linux-perf", "perf"),
    // The VMs: the machine, its first user space (which virtme-ng examines with file), the index of its modules.
    need(Scope::Everything, Probe::Command("qemu-system-x86_64"), "qemu-system-x86", "qemu-system-x86-core"),
    need(Scope::Everything, Probe::StaticBusybox, "busybox-static", "busybox"),
    need(Scope::Everything, Probe::Command("file"), "file", "file"),
    need(Scope::Everything, Probe::Command("depmod"), "kmod", "kmod"),
];

/// What the machine offers to the tests.
pub(crate) struct Ready {
    /// Each kernel series with the kernel to boot, or the reason why there is none.
    pub(crate) kernels: Vec<(&'static str, Result<Kernel, &'static str>)>,
}

impl Ready {
    /// The kernel of one series, or why there is none.
    pub(crate) fn kernel(&self, series: &str) -> Result<&Kernel> {
        match self.kernels.iter().find(|(found, _)| *found == series) {
            Some((_, Ok(kernel))) => Ok(kernel),
            Some((_, Err(reason))) => bail!("no Linux {series} for a VM: {reason}"),
            None => bail!("no Linux {series} for a VM: not one of {}", kernels::SERIES.join(", ")),
        }
    }
}

/// Installs what `scope` needs and is not there. Changes nothing, and says so in one line, where all is there.
pub(crate) fn ensure(repo: &Repo, scope: Scope) -> Result<Ready> {
    check_rust_components()?;
    let distro = Distro::here();
    let all_cached = kernels::SERIES.iter().all(|series| Kernel::cached(series).is_some());
    let any_cached = kernels::SERIES.iter().any(|series| Kernel::cached(series).is_some());
    let vms = scope == Scope::Everything && (any_cached || kernels::archive_may_have(distro.manager));

    let missing: Vec<&Need> = NEEDS
        .iter()
        .filter(|need| scope.includes(need.scope) && (need.scope != Scope::Everything || vms))
        .filter(|need| !need.probe.is_there())
        .collect();
    install(&distro, &missing)?;
    let mut made_venv = ensure_venv(&repo.venv(), &PYTHON_PACKAGES, &["bin/vng", "--version"])?;
    if scope.includes(Scope::Tests) {
        let imports = ["bin/python", "-c", "import duckdb, nfstream, polars, pyarrow.flight, sklearn"];
        made_venv |= ensure_venv(&repo.readers(), &READERS, &imports)?;
    }

    let mut found = Vec::new();
    if scope == Scope::Everything {
        for series in kernels::SERIES {
            found.push((series, kernel(series, &distro)?));
        }
    }
    if missing.is_empty() && !made_venv && (all_cached || scope != Scope::Everything) {
        eprintln!("setup: everything is there");
    }
    for (series, kernel) in &found {
        if let Err(reason) = kernel {
            eprintln!("setup: no Linux {series} for a VM: {reason}");
        }
    }
    Ok(Ready { kernels: found })
}

fn kernel(series: &'static str, distro: &Distro) -> Result<Result<Kernel, &'static str>> {
    if let Some(kernel) = Kernel::cached(series) {
        return Ok(Ok(kernel));
    }
    if !kernels::archive_may_have(distro.manager) {
        return Ok(Err("this distribution has none"));
    }
    let fetched = kernels::fetch(series).with_context(|| format!("Linux {series} for a VM"))?;
    Ok(fetched.ok_or("this distribution's archive has none"))
}

impl Probe {
    fn is_there(&self) -> bool {
        match self {
            Self::Command(name) => run::find(name).is_some(),
            // The compiler knows where it looks for headers, and we do not.
            Self::Header(name) => {
                run::succeeds(Command::new("cc").args(["-E", "-x", "c", "-include", name, "/dev/null"]))
            }
            Self::Clang => run::capture(Command::new("clang").arg("--version"))
                .is_ok_and(|text| clang_version(&text).is_some_and(|version| version >= OLDEST_CLANG)),
            // Debian's ordinary busybox is dynamic; a first user space has no libraries. virtme-ng asks file(1) too.
            Self::StaticBusybox => run::find("busybox").is_some_and(|busybox| {
                run::capture(Command::new("file").arg("--dereference").arg(busybox))
                    .is_ok_and(|text| text.contains("static"))
            }),
            // Debian has the module without what it needs to make an environment.
            Self::Venv => run::succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Command(name) | Self::Header(name) => (*name).to_owned(),
            Self::Clang => format!("clang {OLDEST_CLANG} or newer"),
            Self::StaticBusybox => "a static busybox".to_owned(),
            Self::Venv => "python3 with venv and pip".to_owned(),
        }
    }
}

/// `Debian clang version 14.0.6` is 14.
fn clang_version(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("clang version ")?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn install(distro: &Distro, missing: &[&Need]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let names = |needs: &[&Need]| needs.iter().map(|need| need.probe.name()).collect::<Vec<_>>().join(", ");
    let Some(manager) = distro.manager else {
        bail!(
            "missing: {}; on {} please install them yourself (only apt and dnf are known here)",
            names(missing),
            distro.name
        );
    };
    let package = |need: &&Need| match manager {
        Manager::Apt => need.apt,
        Manager::Dnf => need.dnf,
    };
    let mut packages: Vec<&str> = missing.iter().map(package).collect();
    packages.sort_unstable();
    packages.dedup();
    eprintln!("setup: missing: {}", names(missing));
    eprintln!("setup: installing on {}: {}", distro.name, packages.join(" "));
    manager.install(&packages)?;
    let still: Vec<&Need> = missing.iter().copied().filter(|need| !need.probe.is_there()).collect();
    if !still.is_empty() {
        bail!("installed {}, but {} is still missing", packages.join(" "), names(&still));
    }
    Ok(())
}

/// Makes a private Python environment, or makes it again where it is older than the list or the program `check` fails in it.
fn ensure_venv(venv: &Path, packages: &[&str], check: &[&str]) -> Result<bool> {
    let list = packages.join("\n");
    let marker = venv.join("packages");
    let current = fs::read_to_string(&marker).is_ok_and(|installed| installed == list);
    if let (true, [program, arguments @ ..]) = (current, check)
        && run::succeeds(Command::new(venv.join(program)).args(arguments))
    {
        return Ok(false);
    }
    eprintln!("setup: installing {} into {}", packages.join(", "), venv.display());
    run::capture(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
    let pip = ["install", "--quiet", "--disable-pip-version-check"];
    run::capture(Command::new(venv.join("bin/pip")).args(pip).args(packages))?;
    fs::write(&marker, list).with_context(|| marker.display().to_string())?;
    Ok(true)
}

fn check_rust_components() -> Result<()> {
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(command, _)| !run::succeeds(run::cargo().args([command, "--version"])))
        .map(|(_, component)| component)
        .collect();
    if missing.is_empty() { Ok(()) } else { bail!("run: rustup component add {}", missing.join(" ")) }
}

/// A program of the private Python environment.
pub(crate) fn tool(repo: &Repo, name: &str) -> PathBuf {
    repo.venv().join("bin").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_clang_versions() {
        assert_eq!(clang_version("Debian clang version 14.0.6\nTarget: x"), Some(14));
        assert_eq!(clang_version("clang version 19.1.7 (Fedora 19.1.7-3.fc41)"), Some(19));
        assert_eq!(clang_version("gcc (Debian 12.2.0) 12.2.0"), None);
    }

    #[test]
    fn every_need_names_packages() {
        for need in NEEDS {
            assert!(!need.apt.is_empty() && !need.dnf.is_empty(), "{}", need.probe.name());
        }
    }

    #[test]
    fn scopes_include_each_other() {
        assert!(Scope::Tools < Scope::Build && Scope::Lab < Scope::Tests && Scope::Tests < Scope::Everything);
    }
}
