//! Dropping privileges once everything is attached. Capabilities belong to a thread, so no other thread may run by then.

use crate::failure::{Failure, Outcome};
use caps::{CapSet, Capability, CapsHashSet};

/// Drops every capability but `keep`, for good: an exec cannot bring any back.
pub fn drop_all_but(keep: &[Capability]) -> Outcome<()> {
    let kept: CapsHashSet = keep.iter().copied().collect();
    let failed = |error: caps::errors::CapsError| Failure::failed("cannot drop capabilities").because(error);
    nix::sys::prctl::set_no_new_privs()
        .map_err(|error| Failure::failed("cannot give up gaining privileges").because(error))?;
    empty_bounding_set();
    // Kernels before 4.3 have no ambient set; where there is one it can only hold what the permitted set holds.
    let _ = caps::clear(None, CapSet::Ambient);
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new()).map_err(failed)?;
    // A capability that was never there cannot be kept.
    let held = caps::read(None, CapSet::Permitted).map_err(failed)?;
    let kept: CapsHashSet = kept.intersection(&held).copied().collect();
    caps::set(None, CapSet::Effective, &kept).map_err(failed)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(failed)
}

/// The bounding set limits what an exec could gain, not what is held. Emptying it needs CAP_SETPCAP; without that
/// no_new_privs alone keeps an exec from gaining anything.
fn empty_bounding_set() {
    for capability in caps::all() {
        let _ = caps::drop(None, CapSet::Bounding, capability);
    }
}

#[cfg(test)]
mod tests {
    use super::drop_all_but;
    use caps::{CapSet, Capability};

    /// Capabilities belong to a thread, so that a test can give up those of its own.
    #[test]
    fn nothing_is_left_and_nothing_comes_back() {
        let left = std::thread::spawn(|| {
            let had = caps::read(None, CapSet::Permitted).unwrap();
            drop_all_but(&[Capability::CAP_DAC_OVERRIDE]).unwrap();
            let kept = caps::read(None, CapSet::Effective).unwrap();
            assert_eq!(
                kept.contains(&Capability::CAP_DAC_OVERRIDE),
                had.contains(&Capability::CAP_DAC_OVERRIDE)
            );
            assert!(kept.len() <= 1, "{kept:?}");
            drop_all_but(&[]).unwrap();
            if had.contains(&Capability::CAP_SETPCAP) {
                assert!(caps::read(None, CapSet::Bounding).unwrap().is_empty());
            }
            assert!(nix::sys::prctl::get_no_new_privs().unwrap());
            [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable, CapSet::Ambient]
                .map(|set| caps::read(None, set).unwrap().len())
        });
        assert_eq!(left.join().unwrap(), [0; 4]);
    }
}
