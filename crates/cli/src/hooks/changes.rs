//! What attaching an XDP program changes on an interface, and who may be there already.

use super::target::{Target, Targets, cannot_enter};
use crate::failure::{Failure, Outcome};
use plumb_kernel::hook::xdp::{self, Features, Mode, Occupant};
use std::os::fd::BorrowedFd;

/// A program that is in the way.
pub fn occupied(target: &Target, occupant: &Occupant) -> Failure {
    let name = occupant.name.as_deref().map_or_else(String::new, |name| format!(" {name}"));
    Failure::failed(format!("{} has an XDP program already", target.name))
        .because(format!("program {}{name}", occupant.id))
}

/// What attaching to the interface `number` changes on it, beyond the packets, as far as its driver is known; and what
/// will not work. `sends_back`: the program returns packets.
pub fn changes(
    targets: &Targets,
    number: usize,
    program: BorrowedFd<'_>,
    mode: Option<Mode>,
    sends_back: bool,
) -> Outcome<Vec<String>> {
    let target = &targets.all[number];
    let Some(driver) = target.driver.as_deref() else { return Ok(Vec::new()) };
    let features = targets.netns.within(|| xdp::features(program, target.index))?.map_err(cannot_enter)?;
    let told = told(driver, mode, features, sends_back);
    Ok(told.into_iter().map(|told| format!("{}: {told}", target.name)).collect())
}

/// `features` is what the kernel tells, where it does.
fn told(driver: &str, wanted: Option<Mode>, features: Option<Features>, sends_back: bool) -> Vec<String> {
    const GENERIC: &str = "generic XDP switches LRO and GRO by the hardware off";
    let native = wanted != Some(Mode::Generic) && features.is_none_or(|features| features.native);
    if !native {
        // Native mode where there is none is refused, and changes nothing.
        return if wanted == Some(Mode::Native) { Vec::new() } else { vec![GENERIC.to_owned()] };
    }
    let takes = features.map(|features| features.sends);
    let back = match (driver, takes) {
        _ if !sends_back => None,
        ("veth", Some(true)) => None,
        ("veth", Some(false)) => Some(
            "nothing that is sent back will arrive: the other end of this veth takes none, because it has neither a native XDP program nor GRO; `ethtool -K IFACE gro on` there helps"
                .to_owned(),
        ),
        ("veth", None) => Some(
            "whether the other end of this veth takes what is sent back is not known before; it does with a native XDP program or GRO"
                .to_owned(),
        ),
        (driver, _) => Some(format!(
            "what the driver {driver} cannot send back is not known here, but may be in its own counters: ethtool -S"
        )),
    };
    let change = match (driver, features) {
        ("veth", _) => {
            "native XDP on veth switches TSO of its peer off while it is attached, and packets pass a NAPI queue"
                .to_owned()
        }
        (driver, Some(_)) => format!(
            "the driver {driver} may reset its queues when XDP is attached and detached, which loses packets"
        ),
        (driver, None) => format!(
            "where the driver {driver} has native XDP, it may reset its queues when that is attached and detached, which loses packets"
        ),
    };
    std::iter::once(change).chain(back).collect()
}

#[cfg(test)]
mod tests {
    use super::{Features, Mode, told};

    fn said(driver: &str, wanted: Option<Mode>, features: Option<(bool, bool)>, back: bool) -> String {
        let features = features.map(|(native, sends)| Features { native, sends });
        told(driver, wanted, features, back).join("; ")
    }

    #[test]
    fn only_what_will_happen_is_said() {
        assert!(said("e1000e", None, Some((false, false)), false).starts_with("generic XDP"));
        assert!(said("e1000e", None, None, false).contains("where the driver e1000e has native XDP"));
        assert!(said("ixgbe", None, Some((true, true)), false).contains("may reset its queues"));
        assert_eq!(said("bridge", Some(Mode::Native), Some((false, false)), true), "");
        assert!(said("ixgbe", Some(Mode::Generic), Some((true, true)), true).starts_with("generic XDP"));
    }

    #[test]
    fn what_cannot_come_back_is_said() {
        assert!(said("veth", None, Some((true, false)), true).contains("takes none"));
        assert!(!said("veth", None, Some((true, true)), true).contains("sent back"));
        assert!(!said("veth", None, Some((true, false)), false).contains("sent back"));
        assert!(said("veth", None, None, true).contains("is not known before"));
        assert!(said("ixgbe", None, Some((true, true)), true).contains("ethtool -S"));
    }
}
