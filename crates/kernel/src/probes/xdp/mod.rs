//! XDP programs: our own, with one verdict for every packet of an interface, counted, timed and streamed; and those of
//! others, listed and watched.
//!
//! Hooks: `xdp` on an interface, native or generic; `xdp_exception`, `xdp_redirect_err` and `xdp_bulk_tx` beside,
//! optional; fentry and fexit on programs of others, else the kernel's statistics of them; `iter/bpf_prog` for names,
//! optional. Records: `xdp_action`, or `xdp_packet` with events, `xdp_fault`, `xdp_program`. Needs `xdp.frags` and
//! bpf_xdp_get_buff_len (5.18); cheaper with bpf_cast_to_kern_ctx (6.2).
//! Cost: see docs/journal; counting adds a nanosecond or two to a packet, timing two readings of the clock.

mod config;
mod cost;
mod counts;
mod event;
mod faults;
mod floor;
mod list;
mod names;
mod replace;
mod unsent;
mod watch;

pub use config::{Action, Config, Transport};
pub use cost::{StatisticsCost, statistics_cost, watch_cost_ns};
pub use counts::{Count, Counts, Times};
pub use event::Event;
pub use faults::{Fault, Faults};
pub use floor::{Floor, LoadedFloor, Statistics, clock_cost_ns};
pub use list::{Inventory, Loaded};
pub use names::Names;
pub use replace::{Held, Restorer, Standing};
pub use unsent::{NotSent, Unsent};
pub use watch::{Foreign, PLACES, Watch, WatchConfig};

pub use crate::hook::query::Query;
pub use crate::hook::xdp::{Attachment, Features, Mode, Occupant, attach, features, occupant};
pub use crate::hook::{Whereabouts, quiesce};

use crate::error::Error;
use crate::mapped::Mapped;
use crate::ring::{Ring, Wakeup};
use crate::session::{self, Attached, Storage};
use crate::wire::plain_bytes;
use crate::{support, sys};
use libbpf_rs::{MapHandle, ProgramInput};
use skeleton::{OpenXdpSkel, XdpSkel, XdpSkelBuilder};
use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd};

skeleton!("xdp");

plain_bytes!(skeleton::types::xdp_config);

/// The hooks without which the probe cannot run.
pub const NEEDS: &[&str] = &["xdp"];

const PROBE: &str = "xdp";

/// What the programs of a run share: where their events go.
pub struct Shared {
    ring: MapHandle,
    perf: MapHandle,
    control_map: MapHandle,
    control: Mapped,
    wakeup: Wakeup,
    pages: usize,
    transport: Option<Transport>,
    undecoded: Cell<u64>,
}

/// The program of one interface, loaded; it runs once attached.
pub struct Xdp<'obj> {
    skel: Box<XdpSkel<'obj>>,
    timed: bool,
    /// What it is attached to.
    pub attachment: Option<Attachment>,
}

impl<'obj> Xdp<'obj> {
    /// Opens, configures and loads the program of the run's interface number `interface`. The first one makes what all
    /// of them share, the others get it.
    pub fn load(
        storage: &'obj mut Storage,
        config: &Config,
        interface: u16,
        shared: Option<&Shared>,
    ) -> Result<Self, Error> {
        config.check()?;
        support::require(PROBE)?;
        let mut open = session::open(PROBE, XdpSkelBuilder::default(), storage)?;
        configure(&mut open, config, interface, shared)
            .map_err(|error| session::failed("cannot configure the xdp probe".into(), &error))?;
        let skel = Box::new(session::load(PROBE, open)?);
        Ok(Self { skel, timed: config.time, attachment: None })
    }

    /// What the programs of further interfaces get from this one.
    pub fn share(&self, config: &Config) -> Result<Shared, Error> {
        let maps = &self.skel.maps;
        let failed = |error| session::failed("cannot share the event ring".into(), &error);
        Ok(Shared {
            ring: MapHandle::try_from(&maps.xdp_ring).map_err(failed)?,
            perf: MapHandle::try_from(&maps.xdp_perf).map_err(failed)?,
            control_map: MapHandle::try_from(&maps.xdp_control).map_err(failed)?,
            control: Mapped::new(&maps.xdp_control, true)?,
            wakeup: config.wakeup,
            pages: config.perf_pages(),
            transport: config.events,
            undecoded: Cell::new(0),
        })
    }

    /// The program, for questions about an interface.
    pub fn program(&self) -> BorrowedFd<'_> {
        self.skel.progs.xdp_run.as_fd()
    }

    /// The kernel's id and sizes of the program.
    pub fn facts(&self) -> Attached {
        session::attached("xdp", "xdp", &self.skel.progs.xdp_run)
    }

    /// Where it is now; `None` where it was never attached.
    pub fn whereabouts(&self) -> Option<Whereabouts> {
        self.attachment.as_ref().map(Attachment::whereabouts)
    }

    /// What was counted so far.
    pub fn counts(&self) -> Result<Counts, Error> {
        counts::counts(&self.skel.maps.xdp_counts)
    }

    /// What was measured so far; `None` where packets are not timed.
    pub fn times(&self) -> Result<Option<Times>, Error> {
        self.timed.then(|| counts::times(&self.skel.maps.xdp_times)).transpose()
    }

    /// Run time and runs of the program; 0 and 0 while the kernel's BPF statistics are off.
    pub fn statistics(&self) -> (u64, u64) {
        let facts = sys::program_facts(self.program()).unwrap_or_default();
        (facts.run_time_ns, facts.runs)
    }

    /// Runs the program once on a frame that no interface has received (BPF_PROG_TEST_RUN); what the frame is then goes to
    /// `after`, of which the used part is returned. The verdict is not carried out, everything else is as ever.
    pub fn try_on<'a>(&self, frame: &[u8], after: &'a mut [u8]) -> Result<(Option<Action>, &'a [u8]), Error> {
        let input =
            ProgramInput { data_in: Some(frame), data_out: Some(&mut *after), ..ProgramInput::default() };
        let ran = self.skel.progs.xdp_run.test_run(input);
        let ran = ran.map_err(|error| session::failed("cannot run the program on a frame".into(), &error))?;
        let (verdict, length) = (ran.return_value, ran.data.as_ref().map_or(0, |data| data.len()));
        Ok((Action::of(verdict), &after[..length.min(after.len())]))
    }

    /// Detaches. The program may still run on packets that were under way: see [`quiesce`].
    pub fn detach(&mut self) {
        self.attachment = None;
    }
}

impl Shared {
    /// A reader of the events. For the perf transport it needs CAP_PERFMON.
    pub fn reader<'a>(&'a self, mut on_event: impl FnMut(Event) + 'a) -> Result<Ring<'a>, Error> {
        let handle = move |bytes: &[u8]| match Event::decode(bytes) {
            Ok(event) => on_event(event),
            Err(_) => self.undecoded.set(self.undecoded.get() + 1),
        };
        match self.transport {
            Some(Transport::Perf) => Ring::perf(&self.perf, self.pages, self.wakeup, handle),
            Some(Transport::Ring) | None => Ring::new(&self.ring, &self.control, self.wakeup, handle),
        }
    }

    /// Records that were none.
    pub fn undecoded(&self) -> u64 {
        self.undecoded.get()
    }
}

/// Sizes the maps and writes the read-only data.
fn configure(
    open: &mut OpenXdpSkel<'_>,
    config: &Config,
    interface: u16,
    shared: Option<&Shared>,
) -> libbpf_rs::Result<()> {
    let maps = &mut open.maps;
    match shared {
        Some(shared) => {
            maps.xdp_ring.reuse_fd(shared.ring.as_fd())?;
            maps.xdp_perf.reuse_fd(shared.perf.as_fd())?;
            maps.xdp_control.reuse_fd(shared.control_map.as_fd())?;
        }
        None => maps.xdp_ring.set_max_entries(config.ring_bytes())?,
    }
    if config.time {
        maps.xdp_times.set_max_entries(Action::ALL.len() as u32)?;
    }
    if let Some(data) = maps.rodata_data.as_mut() {
        data.config = bytemuck::cast(config.wire(interface));
    }
    Ok(())
}
