//! Stock distribution kernels for the VMs, unpacked into a cache that outlives the checkout.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

use anyhow::{Context, Result, bail};

use crate::distro::{self, Manager};
use crate::run;

/// The kernel series that the live tests run on besides this machine's.
pub(crate) const SERIES: [&str; 2] = ["6.1", "6.12"];

/// Written last: a directory without it was not unpacked to the end.
const MARKER: &str = ".complete";

/// Debian's generic flavour. The cloud flavour has no 9p, by which the VM shares this machine's files.
const FLAVOUR: &str = "-amd64";

/// A kernel in the cache.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// What `uname -r` says there.
    pub(crate) version: String,
    directory: PathBuf,
}

impl Kernel {
    /// The newest complete kernel of `series` in the cache.
    pub(crate) fn cached(series: &str) -> Option<Self> {
        let cache = cache().ok()?;
        let names = fs::read_dir(&cache).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let complete = names.filter(|name| cache.join(name).join(MARKER).is_file());
        let version = newest_first(series, complete).into_iter().next()?;
        Some(Self { directory: cache.join(&version), version })
    }

    /// The bootable image; virtme-ng finds the modules next to it.
    pub(crate) fn image(&self) -> PathBuf {
        self.directory.join("boot").join(format!("vmlinuz-{}", self.version))
    }
}

/// Whether this machine's archive could have kernels for our VMs at all.
pub(crate) fn archive_may_have(manager: Option<Manager>) -> bool {
    manager == Some(Manager::Apt) && cfg!(target_arch = "x86_64")
}

/// Fetches the newest kernel of `series` from the archive, or tells that the archive has none.
pub(crate) fn fetch(series: &str) -> Result<Option<Kernel>> {
    let mut version = archived(series)?;
    if version.is_none() && distro::lists_are_old() {
        distro::update_lists()?;
        version = archived(series)?;
    }
    let Some(version) = version else { return Ok(None) };
    let cache = cache()?;
    eprintln!("setup: fetching Linux {version} into {}", cache.display());
    let work = cache.join(format!(".fetch-{version}-{}", process::id()));
    fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
    let unpacked = unpack(&version, &work, &cache.join(&version));
    fs::remove_dir_all(&work).with_context(|| work.display().to_string())?;
    unpacked?;
    Ok(Kernel::cached(series))
}

/// The newest version of `series` that apt can download. Names of installed packages alone are not enough.
fn archived(series: &str) -> Result<Option<String>> {
    let names = run::capture(Command::new("apt-cache").args(["pkgnames", "linux-image-"]))?;
    let versions = names.lines().filter_map(|name| name.strip_prefix("linux-image-")).map(str::to_owned);
    for version in newest_first(series, versions) {
        let sources = run::capture(Command::new("apt-cache").args(["madison", &package(&version)]))?;
        if !sources.trim().is_empty() {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Downloads and unpacks in `work`; the result moves to `destination` in one step.
fn unpack(version: &str, work: &Path, destination: &Path) -> Result<()> {
    let download = |work: &Path| {
        // apt's own user cannot write to a private cache, and need not.
        let mut apt = Command::new("apt-get");
        apt.args(["--quiet", "-o", "APT::Sandbox::User=root", "download", &package(version)]);
        run::capture(apt.current_dir(work))
    };
    if download(work).is_err() {
        distro::update_lists()?;
        download(work)?;
    }
    let archive = fs::read_dir(work)?.filter_map(|entry| Some(entry.ok()?.path()));
    let archive = archive.filter(|path| path.extension().is_some_and(|end| end == "deb")).last();
    let archive = archive.with_context(|| format!("apt-get download left no {}", package(version)))?;
    let root = work.join("root");
    run::capture(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(&root))?;
    // Debian 13 moved modules below usr; depmod and virtme-ng look in lib.
    if !root.join("lib").exists() {
        std::os::unix::fs::symlink("usr/lib", root.join("lib"))?;
    }
    let depmod = run::find("depmod").context("depmod is missing (package kmod)")?;
    run::capture(Command::new(depmod).arg("-b").arg(&root).arg(version))?;
    fs::write(root.join(MARKER), "")?;
    if destination.exists() && !destination.join(MARKER).is_file() {
        fs::remove_dir_all(destination)?;
    }
    match fs::rename(&root, destination) {
        // Another setup was faster.
        Err(_) if destination.join(MARKER).is_file() => Ok(()),
        moved => moved.with_context(|| destination.display().to_string()),
    }
}

fn package(version: &str) -> String {
    format!("linux-image-{version}")
}

/// `$PLUMB_CACHE/kernels`, else `plumb/kernels` in the user's cache directory.
fn cache() -> Result<PathBuf> {
    let directory = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let plumb = directory("PLUMB_CACHE")
        .or_else(|| Some(directory("XDG_CACHE_HOME")?.join("plumb")))
        .or_else(|| Some(directory("HOME")?.join(".cache").join("plumb")));
    let Some(plumb) = plumb else { bail!("no place for VM kernels: set PLUMB_CACHE or HOME") };
    Ok(std::path::absolute(plumb)?.join("kernels"))
}

/// Those of `versions` that are generic kernels of `series`, newest first.
fn newest_first(series: &str, versions: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = versions.filter(|version| is_generic(series, version)).collect();
    found.sort_by_cached_key(|version| std::cmp::Reverse(numbers(version)));
    found
}

/// `6.12.117+deb12-amd64` and `6.1.0-56-amd64`, but not `6.12-amd64` (a meta-package) or `6.1.0-56-rt-amd64`.
fn is_generic(series: &str, version: &str) -> bool {
    let Some(release) = version.strip_suffix(FLAVOUR) else { return false };
    let in_series = release.strip_prefix(series).is_some_and(|rest| rest.starts_with('.'));
    let flavoured =
        release.split('-').skip(1).any(|part| part.starts_with(|first: char| first.is_ascii_alphabetic()));
    in_series && !flavoured
}

/// The numbers in a version, which order kernels of one series.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHIVE: [&str; 14] = [
        "6.1.0-9-amd64",
        "6.1.0-56-amd64",
        "6.1.0-56-cloud-amd64",
        "6.1.0-57-rt-amd64",
        "6.1.0-58-amd64-dbg",
        "6.1.0-58-amd64-unsigned",
        "6.12-amd64",
        "6.12.9+deb12-amd64",
        "6.12.117+deb12-amd64",
        "6.12.118+deb12-cloud-amd64",
        "6.12.118+deb12-rt-amd64",
        "6.12-amd64-signed-template",
        "6.120.1-amd64",
        "amd64",
    ];

    fn order(series: &str) -> Vec<String> {
        newest_first(series, ARCHIVE.iter().map(|&version| version.to_owned()))
    }

    #[test]
    fn chooses_the_newest_generic_kernel() {
        assert_eq!(order("6.1"), ["6.1.0-56-amd64", "6.1.0-9-amd64"]);
        assert_eq!(order("6.12"), ["6.12.117+deb12-amd64", "6.12.9+deb12-amd64"]);
    }

    #[test]
    fn finds_nothing_in_a_foreign_archive() {
        assert_eq!(order("6.6"), [""; 0]);
        let ubuntu = ["6.8.0-51-generic", "unsigned-6.8.0-51-generic", "6.1.0-1036-oem"];
        assert_eq!(newest_first("6.1", ubuntu.iter().map(|&name| name.to_owned())), [""; 0]);
    }

    #[test]
    fn orders_by_number() {
        assert!(numbers("6.12.117+deb12-amd64") > numbers("6.12.99+deb13-amd64"));
    }
}
