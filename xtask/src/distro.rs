//! The distribution and its package manager.

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};

use crate::run;

/// How old apt's lists may be before a package that they lack is looked for in new ones.
const LISTS_AGE: Duration = Duration::from_secs(24 * 3600);

/// A package manager that we know the package names of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    /// Debian, Ubuntu and what is made from them.
    Apt,
    /// Fedora and what is made from it.
    Dnf,
}

/// The distribution's name for people, and its package manager where we know it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Distro {
    pub(crate) name: String,
    pub(crate) manager: Option<Manager>,
}

impl Distro {
    /// Reads /etc/os-release.
    pub(crate) fn here() -> Self {
        Self::parse(&fs::read_to_string("/etc/os-release").unwrap_or_default())
    }

    /// os-release(5): ID, then the distributions it is like, in ID_LIKE.
    fn parse(os_release: &str) -> Self {
        let field = |key: &str| {
            let value = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        let ids = format!("{} {}", field("ID"), field("ID_LIKE"));
        let manager = ids.split_whitespace().find_map(|id| match id {
            "debian" | "ubuntu" => Some(Manager::Apt),
            "fedora" => Some(Manager::Dnf),
            _ => None,
        });
        let name = field("PRETTY_NAME");
        Self { name: if name.is_empty() { "this system".to_owned() } else { name }, manager }
    }
}

impl Manager {
    /// Installs packages, as root.
    pub(crate) fn install(self, packages: &[&str]) -> Result<()> {
        match self {
            Self::Apt => {
                update_lists()?;
                let apt =
                    apt_get()?.args(["install", "--yes", "--no-install-recommends"]).args(packages).status();
                if !apt?.success() {
                    bail!("apt-get could not install {}", packages.join(" "));
                }
                Ok(())
            }
            Self::Dnf => run::run(
                run::as_root("dnf")?
                    .args(["install", "--assumeyes", "--setopt=install_weak_deps=False"])
                    .args(packages),
            ),
        }
    }
}

/// Fetches apt's lists. A third party's list that cannot be had is not our business: what is missing shows later.
pub(crate) fn update_lists() -> Result<()> {
    if !apt_get()?.args(["--quiet", "update"]).status()?.success() {
        eprintln!("setup: apt-get update did not fetch every list");
    }
    Ok(())
}

/// Whether apt's lists are too old, or absent, to believe that a package does not exist.
pub(crate) fn lists_are_old() -> bool {
    let changed = |path: &str| fs::metadata(path).and_then(|found| found.modified()).ok();
    let newest = changed("/var/lib/apt/lists/partial").max(changed("/var/lib/apt/lists"));
    let age = newest.and_then(|time| SystemTime::now().duration_since(time).ok());
    age.is_none_or(|age| age > LISTS_AGE)
        || run::capture(Command::new("apt-cache").arg("pkgnames").arg("linux-image-"))
            .is_ok_and(|names| names.is_empty())
}

/// env(1) sets the variable because sudo does not pass it on.
fn apt_get() -> Result<Command> {
    let mut command = run::as_root("env")?;
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(os_release: &str) -> Option<Manager> {
        Distro::parse(os_release).manager
    }

    #[test]
    fn knows_families() {
        assert_eq!(manager("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"), Some(Manager::Apt));
        assert_eq!(manager("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), Some(Manager::Apt));
        assert_eq!(manager("ID=fedora\nVERSION_ID=41\n"), Some(Manager::Dnf));
        assert_eq!(manager("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"), Some(Manager::Dnf));
    }

    #[test]
    fn names_strangers() {
        let arch = Distro::parse("NAME=\"Arch Linux\"\nPRETTY_NAME=\"Arch Linux\"\nID=arch\n");
        assert_eq!(arch, Distro { name: "Arch Linux".to_owned(), manager: None });
        assert_eq!(Distro::parse("").name, "this system");
    }

    #[test]
    fn id_is_not_version_id() {
        assert_eq!(manager("VERSION_ID=fedora\nBUILD_ID=debian\n"), None);
    }
}
