//! An empty program on the tracepoint of dropped packets: the least that any observer of it costs. For benches.

use crate::error::Error;
use crate::session::{self, Storage};
use libbpf_rs::Link;
use skeleton::{KfreeFloorSkel, KfreeFloorSkelBuilder};

skeleton!("kfree_floor");

/// Keeps the empty program attached.
pub struct Floor<'obj> {
    _link: Link,
    _skel: KfreeFloorSkel<'obj>,
}

/// Attaches the empty program while the guard lives.
pub fn attach(storage: &mut Storage) -> Result<Floor<'_>, Error> {
    let open = session::open("floor", KfreeFloorSkelBuilder::default(), storage)?;
    let skel = session::load("floor", open)?;
    let link = session::attach("kfree_skb", &skel.progs.floor_kfree)?;
    Ok(Floor { _link: link, _skel: skel })
}
