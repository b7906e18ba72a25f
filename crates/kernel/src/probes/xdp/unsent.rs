//! Frames that were to be sent back and were not taken, where the driver tells (veth does): on the whole machine.

use crate::error::Error;
use crate::session::{self, Attached, Storage};
use crate::wire::{self, xdp_unsent_key};
use libbpf_rs::{Link, MapCore, MapFlags};
use nix::errno::Errno;
use skeleton::{UnsentSkel, UnsentSkelBuilder};

skeleton!("unsent");

const HOOK: &str = "xdp_bulk_tx";

/// Frames that one interface could not send for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSent {
    /// Cookie of the interface's network namespace.
    pub netns_cookie: u64,
    /// Index of the interface.
    pub ifindex: u32,
    /// The error's name; `no room` where the queue of the receiver was full.
    pub cause: String,
    /// Frames.
    pub packets: u64,
}

/// The tracepoint's counters.
pub struct Unsent<'obj> {
    skel: Box<UnsentSkel<'obj>>,
    _link: Link,
    mechanism: Attached,
}

impl<'obj> Unsent<'obj> {
    /// Loads and attaches.
    pub fn attach(storage: &'obj mut Storage) -> Result<Self, Error> {
        let open = session::open("xdp unsent", UnsentSkelBuilder::default(), storage)?;
        let skel = Box::new(session::load("xdp unsent", open)?);
        let program = &skel.progs.xdp_bulk_tx;
        let (link, mechanism) = (session::attach(HOOK, program)?, session::attached(HOOK, "tp_btf", program));
        Ok(Self { skel, _link: link, mechanism })
    }

    /// What is attached.
    pub fn mechanism(&self) -> &Attached {
        &self.mechanism
    }

    /// Frames so far.
    pub fn read(&self) -> Vec<NotSent> {
        let map = &self.skel.maps.xdp_unsent;
        let entry = |key: Vec<u8>| {
            let value = map.lookup(&key, MapFlags::ANY).ok()??;
            let key: xdp_unsent_key = wire::read(&key).ok()?;
            let packets = wire::read(&value).ok()?;
            Some(NotSent { netns_cookie: key.netns, ifindex: key.ifindex, cause: cause(key.cause), packets })
        };
        map.keys().filter_map(entry).collect()
    }
}

fn cause(errno: u32) -> String {
    match i32::try_from(errno).map(Errno::from_raw) {
        _ if errno == 0 => "no room".to_owned(),
        Ok(Errno::UnknownErrno) | Err(_) => errno.to_string(),
        Ok(known) => format!("{known:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::cause;

    #[test]
    fn causes_have_names() {
        assert_eq!([0, 6, 5000].map(cause), ["no room", "ENXIO", "5000"]);
    }
}
