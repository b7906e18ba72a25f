//! The kernel version, by which expected drop reasons differ.

use std::fmt;

use nix::sys::utsname::uname;

use crate::{Error, Result};

/// Major and minor number of a kernel release; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion(
    /// Major number: the 6 of 6.18.
    pub u16,
    /// Minor number: the 18 of 6.18.
    pub u16,
);

impl KernelVersion {
    /// The version of the running kernel.
    pub fn running() -> Result<Self> {
        let names = uname().map_err(Error::io("uname"))?;
        let release = names.release().to_string_lossy();
        Self::parse(&release).ok_or_else(|| Error::Parse { what: format!("kernel release {release:?}") })
    }

    /// Reads the leading `MAJOR.MINOR` of a release such as `6.12.117+deb12-amd64`.
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::KernelVersion;

    #[test]
    fn reads_releases_of_distributions() {
        assert_eq!(KernelVersion::parse("6.12.117+deb12-amd64"), Some(KernelVersion(6, 12)));
        assert_eq!(KernelVersion::parse("6.1.0-56-amd64"), Some(KernelVersion(6, 1)));
        assert_eq!(KernelVersion::parse("6.18-rc3"), Some(KernelVersion(6, 18)));
        assert_eq!(KernelVersion::parse("next"), None);
        assert!(KernelVersion(6, 1) < KernelVersion(6, 12));
    }
}
