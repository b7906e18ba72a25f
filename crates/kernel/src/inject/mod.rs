//! Frames at the highest rate that the stack takes: XDP live frames redirected to one end of a veth pair.
//!
//! For the lab, tests and benches. The caller is in the network namespace of the sending end where [`Injector::send`]
//! is called, and in that of the receiving end where [`Injector::accept`] is.

use crate::error::Error;
use crate::session::{self, Storage};
use libbpf_rs::{Link, ProgramInput};
use skeleton::{InjectSkel, InjectSkelBuilder};

skeleton!("inject");

/// `BPF_F_TEST_XDP_LIVE_FRAMES` of include/uapi/linux/bpf.h: verdicts are carried out.
const LIVE_FRAMES: u32 = 1 << 1;
/// struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
const CONTEXT_WORDS: usize = 6;

/// How frames vary.
#[derive(Clone, Copy, Debug)]
pub struct Variation {
    /// Byte offset of the UDP or TCP source port; frames must have no transport checksum. 0 leaves frames alone.
    pub port_offset: u32,
    /// The lowest source port.
    pub first_port: u16,
    /// How many source ports, used in turn.
    pub flows: u32,
}

/// A loaded pair of programs.
pub struct Injector<'obj> {
    skel: InjectSkel<'obj>,
}

impl<'obj> Injector<'obj> {
    /// Loads the programs; frames will go to the interface with `ifindex` in the namespace that `send` is called in.
    pub fn load(storage: &'obj mut Storage, ifindex: u32, variation: Variation) -> Result<Self, Error> {
        let mut open = session::open("inject", InjectSkelBuilder::default(), storage)?;
        if let Some(data) = open.maps.rodata_data.as_mut() {
            data.ifindex = ifindex;
            data.flows = variation.flows.max(1);
            data.port_offset = variation.port_offset;
            data.first_port = variation.first_port;
        }
        Ok(Self { skel: session::load("inject", open)? })
    }

    /// Lets the interface with `ifindex` take redirected frames while the guard lives.
    pub fn accept(&self, ifindex: u32) -> Result<Accepting, Error> {
        let link = self.skel.progs.inject_accept.attach_xdp(ifindex as i32).map_err(|error| {
            session::failed(format!("cannot attach XDP to the interface with index {ifindex}"), &error)
        })?;
        Ok(Accepting { _link: link })
    }

    /// Offers `frame` `times` times; returns when the last one was handed to the interface.
    pub fn send(&self, frame: &[u8], times: u32) -> Result<(), Error> {
        let mut context = [0_u32; CONTEXT_WORDS];
        context[1] = frame.len() as u32;
        let input = ProgramInput {
            context_in: Some(bytemuck::cast_slice_mut(&mut context)),
            data_in: Some(frame),
            flags: LIVE_FRAMES,
            repeat: times,
            ..ProgramInput::default()
        };
        let sent = self.skel.progs.inject_frames.test_run(input);
        sent.map(drop).map_err(|error| session::failed("cannot inject frames".into(), &error))
    }
}

/// Attaches an empty program to the tracepoint of dropped packets while the guard lives: the least that any observer of
/// it costs.
pub fn floor(storage: &mut Storage) -> Result<Floor<'_>, Error> {
    let open = session::open("floor", InjectSkelBuilder::default(), storage)?;
    let skel = session::load("floor", open)?;
    let link = session::attach("kfree_skb", &skel.progs.inject_floor)?;
    Ok(Floor { _link: link, _skel: skel })
}

/// Keeps the empty program attached.
pub struct Floor<'obj> {
    _link: Link,
    _skel: InjectSkel<'obj>,
}

/// Keeps an interface ready for injected frames.
pub struct Accepting {
    _link: Link,
}
