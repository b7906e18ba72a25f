//! What is asked of flows: how much is kept how long, and under whose names it is written.

use crate::anonymizing::Anonymizer;
use crate::args::flows::{Flows as Arguments, Level as LevelWord, Names, Profile};
use crate::args::observing::Format as FormatWord;
use crate::failure::{Failure, Outcome};
use crate::plan::{self, filter};
use plumb_kernel::hook::Hooks;
use plumb_kernel::probes::flows::Config;
use plumb_records::column::Shown;
use plumb_records::flow::{
    CICFLOWMETER, CICFLOWMETER_2017, CICFLOWMETER_2018, Level, NATIVE, NFSTREAM, Table,
};
use plumb_sinks::format::{Format, Layout};
use std::time::Duration;

/// How often a reader on a timer looks.
const TIMER: Duration = Duration::from_millis(1);

/// A run of flows, resolved.
pub struct Asked {
    /// What the kernel is to keep.
    pub config: Config,
    /// What a record's columns are.
    pub table: Table,
    /// Which of them are shown.
    pub shown: Shown,
    /// What becomes of addresses.
    pub anonymizer: Anonymizer,
}

impl Asked {
    /// What a format with one record kind holds.
    pub fn layout(&self) -> Layout {
        Layout { record: self.table.record, columns: self.table.columns, shown: self.shown }
    }

    /// The feeds of --serve: the run's own columns, and those of each profile.
    pub fn feeds(&self) -> Vec<(String, Layout)> {
        let profile = |(name, table): (&str, &Table)| {
            let shown = table.shown(self.config.level);
            (name.to_owned(), Layout { record: table.record, columns: table.columns, shown })
        };
        std::iter::once(("flows".to_owned(), self.layout())).chain(PROFILES.map(profile)).collect()
    }
}

/// Feeds of --serve by the profile that they are asked for by: each has the columns of its profile that the level keeps.
pub static PROFILES: [(&str, &Table); 3] = [
    ("flows?profile=native", &NATIVE),
    ("flows?profile=cicflowmeter", &CICFLOWMETER),
    ("flows?profile=nfstream", &NFSTREAM),
];

/// Timeouts of a profile: idle, active, and whether connections end flows.
fn timeouts(profile: Profile) -> (Duration, Duration, bool) {
    let seconds = Duration::from_secs;
    match profile {
        Profile::Native => (seconds(60), seconds(120), true),
        // It has no idle timeout: flows are cut by their duration alone.
        Profile::Cicflowmeter => (seconds(120), seconds(120), true),
        Profile::Nfstream => (seconds(120), seconds(1800), false),
    }
}

/// Refuses what cannot be, and resolves the rest.
pub fn resolve(arguments: &Arguments) -> Outcome<Asked> {
    let keeping = &arguments.keeping;
    let file = arguments.output.output.as_ref().map(|output| output.format);
    if file == Some(Format::Pcapng) || arguments.output.format == Some(FormatWord::Pcapng) {
        return Err(
            Failure::arguments("plumb flows writes flows, not packets for pcapng").help("use json or csv")
        );
    }
    let profile = keeping.profile.unwrap_or(Profile::Native);
    let table = match (profile, keeping.names) {
        (Profile::Native, None) => NATIVE,
        (Profile::Nfstream, None) => NFSTREAM,
        (Profile::Cicflowmeter, None | Some(Names::Current)) => CICFLOWMETER,
        (Profile::Cicflowmeter, Some(Names::Of2017)) => CICFLOWMETER_2017,
        (Profile::Cicflowmeter, Some(Names::Of2018)) => CICFLOWMETER_2018,
        (_, Some(_)) => {
            return Err(
                Failure::arguments("--names chooses among CICFlowMeter's").help("add --profile cicflowmeter")
            );
        }
    };
    let level = match keeping.level {
        Some(LevelWord::Basic) => Level::Basic,
        Some(LevelWord::Stats) => Level::Stats,
        Some(LevelWord::Full) => Level::Full,
        None if profile == Profile::Native => Level::Stats,
        None => table.level,
    };
    if level < Level::Full && keeping.first.is_some() {
        return Err(Failure::arguments("first packets are kept at level full only").help("add --level full"));
    }
    let (idle, active, tcp_close) = timeouts(profile);
    let linger =
        (tcp_close && !keeping.no_tcp_close).then(|| keeping.linger.unwrap_or(Duration::from_secs(5)));
    let defaults = Config::default();
    let config = Config {
        filter: filter::headers(&arguments.headers)?,
        level,
        idle: keeping.idle.unwrap_or(idle),
        active: keeping.active.unwrap_or(active),
        linger,
        active_gap: keeping.active_gap.unwrap_or(defaults.active_gap),
        firsts: keeping.first.unwrap_or(defaults.firsts),
        sample: keeping.sample,
        table_size: arguments.table_size.unwrap_or(defaults.table_size),
        ring_size: arguments.reading.ring_size,
        wakeup: plan::wakeup(arguments.reading.wakeup, TIMER),
        hooks: Hooks::XDP,
        capture: arguments.read.is_some(),
        drop: false,
    };
    let anonymizer = Anonymizer::open(arguments.anonymizing.anonymize.as_ref())?;
    Ok(Asked { config, table, shown: table.shown(level), anonymizer })
}
