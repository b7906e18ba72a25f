//! An empty program on the tracepoint of dropped packets.

use super::{Error, Link, Storage, session};
use skeleton::{KfreeFloorSkel, KfreeFloorSkelBuilder};

skeleton!("kfree_floor");

/// Keeps the program attached.
pub struct Attached<'obj> {
    _link: Link,
    _skel: KfreeFloorSkel<'obj>,
}

pub(super) fn attach(storage: &mut Storage) -> Result<Attached<'_>, Error> {
    let open = session::open("floor", KfreeFloorSkelBuilder::default(), storage)?;
    let skel = session::load("floor", open)?;
    let link = session::attach("kfree_skb", &skel.progs.floor_kfree)?;
    Ok(Attached { _link: link, _skel: skel })
}
