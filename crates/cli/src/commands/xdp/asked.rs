//! What a run of our own programs is asked to do.

use crate::args::observing::Format as FormatWord;
use crate::args::xdp::{
    Action as ActionWord, By, Mode as ModeWord, Run as Arguments, Transport as TransportWord,
};
use crate::failure::{Failure, Outcome};
use crate::plan;
use plumb_kernel::probes::xdp::{Action, Config, Mode, Transport};
use plumb_records::column::Shown;
use plumb_records::xdp::{XdpAction, XdpPacket};
use plumb_sinks::format::{Format, Layout};
use std::time::Duration;

/// How often a reader on a timer looks.
const TIMER: Duration = Duration::from_millis(10);

/// What a run is asked to do.
#[derive(Debug)]
pub struct Asked {
    /// What the programs do.
    pub config: Config,
    /// The mode to attach in; `None`: native where that works.
    pub mode: Option<Mode>,
    /// Take the place of programs that are there.
    pub replace: bool,
    /// Counts for each CPU.
    pub by_cpu: bool,
    /// Columns of `xdp_action`.
    pub shown: Shown,
}

/// Refuses what would have no effect.
pub fn resolve(arguments: &Arguments) -> Outcome<Asked> {
    let Arguments { verdict, attaching, telling, output, .. } = arguments;
    let file = output.output.as_ref().map(|output| output.format);
    if file == Some(Format::Pcapng) || output.format == Some(FormatWord::Pcapng) {
        return Err(Failure::arguments("plumb xdp captures no packets for pcapng").help("use json or csv"));
    }
    let action = match verdict.action {
        Some(ActionWord::Drop) if verdict.drop_percent.is_none() => Action::Drop,
        Some(ActionWord::Drop | ActionWord::Pass) | None => Action::Pass,
        Some(ActionWord::Abort) => Action::Aborted,
        Some(ActionWord::Tx) => Action::Tx,
    };
    let by_cpu = telling.by == Some(By::Cpu);
    let transport = match telling.transport {
        None | Some(TransportWord::Ring) => Transport::Ring,
        Some(TransportWord::Perf) => Transport::Perf,
    };
    let config = Config {
        action,
        drop_share: verdict.drop_percent.unwrap_or(0.0) / 100.0,
        time: telling.time,
        events: telling.events.then_some(transport),
        print: telling.trace_printk,
        ring_size: telling.ring_size,
        wakeup: plan::wakeup(telling.wakeup, TIMER),
    };
    let mode = match attaching.mode {
        ModeWord::Auto => None,
        ModeWord::Native => Some(Mode::Native),
        ModeWord::Generic => Some(Mode::Generic),
    };
    let shown = XdpAction::shown_for(by_cpu, telling.time);
    Ok(Asked { config, mode, replace: attaching.replace, by_cpu, shown })
}

/// What a format with one record kind holds.
pub fn layout(asked: &Asked) -> Layout {
    if asked.config.events.is_some() {
        Layout { record: XdpPacket::RECORD, columns: XdpPacket::COLUMNS, shown: Shown::ALL }
    } else {
        Layout { record: XdpAction::RECORD, columns: XdpAction::COLUMNS, shown: asked.shown }
    }
}
