//! What is said to people around the records: style, footer, sums.

use crate::failure::{Failure, Outcome};
use crate::signals;
use plumb_records::histogram::Spread;
use plumb_records::ledger::Ledger;
use plumb_sinks::stream::{PATIENCE, Stream};
use plumb_sinks::text::table::Cell;
use plumb_sinks::text::{Style, clean, units};
use std::env;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// What standard output can show: NO_COLOR (no-color.org) and the locale decide.
pub fn style(terminal: bool) -> Style {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    Style {
        colour: terminal && set("NO_COLOR").is_none(),
        unicode: locale.contains("utf-8") || locale.contains("utf8"),
    }
}

/// Columns of the terminal on standard output; `None` where it is no terminal, or one that does not know (a serial
/// console says 0).
pub fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let columns = crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns));
    columns.filter(|columns| *columns > 0).map(|columns| columns.max(20))
}

/// Writes text to standard output. False where its reader is gone.
pub fn say(text: &str) -> Outcome<bool> {
    match put(text.as_bytes()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::failed("cannot write to standard output").because(error)),
    }
}

/// Writes to standard output, without being stuck in it once the end was asked for.
pub fn put(bytes: &[u8]) -> io::Result<()> {
    put_counted(bytes).1
}

/// The same; also how many of the bytes were written.
pub fn put_counted(bytes: &[u8]) -> (usize, io::Result<()>) {
    through(io::stdout(), PATIENCE, bytes)
}

/// A line about columns that a narrow terminal left out; nothing where there are none.
pub fn left_out<S: AsRef<str>>(titles: &[S], width: Option<usize>) -> String {
    let titles: Vec<&str> = titles.iter().map(AsRef::as_ref).collect();
    match (width, titles.as_slice()) {
        (None, _) | (_, []) => String::new(),
        (Some(width), titles) => {
            format!("left out: {} ({width} columns are too few, a pipe has all)\n", titles.join(", "))
        }
    }
}

/// Cells of a distribution's times, in the order of [`Spread::NAMES`].
pub fn times(spread: &Spread) -> [Cell; 6] {
    spread.all().map(|time| Cell::from(time.map_or_else(|| "-".to_owned(), units::duration)))
}

/// One line to people on standard error, without what a terminal would obey. A standard error that is gone, or stuck
/// when the end was asked for, hears nothing.
pub fn note(message: impl Display) {
    let line = format!("plumb: {}\n", clean(&message.to_string()));
    let _ = through(io::stderr(), Duration::ZERO, line.as_bytes());
}

fn through(to: impl AsFd, patience: Duration, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut stream = match Stream::new(to, signals::stop_request(), patience) {
        Ok(stream) => stream,
        Err(error) => return (0, Err(error)),
    };
    let mut done = 0;
    while done < bytes.len() {
        match stream.write(&bytes[done..]) {
            Ok(0) => return (done, Err(ErrorKind::WriteZero.into())),
            Ok(written) => done += written,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (done, Err(error)),
        }
    }
    (done, Ok(()))
}

/// What the footer says of the last interval.
#[derive(Clone, Copy, Debug, Default)]
pub struct Footing {
    /// Events per second.
    pub rate: f64,
    /// Share of one CPU that we used.
    pub cpu: Option<f64>,
    /// Our resident memory in bytes.
    pub memory: Option<u64>,
}

/// One line: events per second, lost, hidden, own CPU, own memory.
pub fn footer(ledger: &Ledger, footing: Footing) -> String {
    let mut parts = vec![units::rate(footing.rate), format!("lost {}", units::count(ledger.lost()))];
    if ledger.ungrouped > 0 {
        parts.push(format!("ungrouped {}", units::count(ledger.ungrouped)));
    }
    if ledger.hidden > 0 {
        parts.push(format!("hidden as noise {}", units::count(ledger.hidden)));
    }
    if let Some(cpu) = footing.cpu {
        parts.push(format!("cpu {:.1}%", cpu * 100.0));
    }
    if let Some(memory) = footing.memory {
        parts.push(format!("memory {}", units::bytes(memory)));
    }
    parts.join(", ")
}

/// The ledger of dropped packets in one sentence.
pub fn sentence(ledger: &Ledger) -> String {
    sentence_about("drop", ledger)
}

/// The ledger in one sentence: `unit` is what was seen, one of them.
pub fn sentence_about(unit: &str, ledger: &Ledger) -> String {
    let whole = |what: &str, count: u64| (count > 0).then(|| format!("{} {what}", units::count(count)));
    let parts = [
        whole("counted in groups", ledger.aggregated),
        whole("of those in the overflow group, because the table was full", ledger.ungrouped),
        whole("of those not in all of their stages, because there were too many", ledger.unstaged),
        whole("written one by one", ledger.emitted),
        whole("hidden as noise", ledger.hidden),
        whole("filtered out", ledger.filtered.saturating_sub(ledger.hidden)),
        whole("passed over by --sample", ledger.sampled_out),
        whole("passed over as no IP", ledger.passed_over),
        whole("lost in the kernel", ledger.lost_kernel),
        whole("lost because a table was full", ledger.lost_table_full),
        whole("lost on the way out", ledger.lost_user),
        whole("still on their way", ledger.under_way),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let lost = if ledger.lost() == 0 { "nothing lost" } else { "the output is incomplete" };
    let seen = match ledger.seen {
        0 => format!("no {unit}s"),
        seen => units::counted(seen, unit),
    };
    let time = units::duration(ledger.duration_ns);
    let fate = if parts.is_empty() { lost.to_owned() } else { format!("{}; {lost}", parts.join(", ")) };
    format!("{seen} in {time}: {fate}{}", cost(ledger))
}

fn cost(ledger: &Ledger) -> String {
    let cpu = ledger.cost_cpu_ns.map(|time| format!("{} of CPU", units::duration(time)));
    let bpf = ledger.cost_bpf_ns.map(|time| format!("{} in the kernel's programs", units::duration(time)));
    let memory = ledger.peak_rss_bytes.map(|bytes| format!("{} of memory at most", units::bytes(bytes)));
    let parts: Vec<String> = [cpu, bpf, memory].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!("; cost {}", parts.join(", ")) }
}

/// Per second, over `time`.
#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
pub fn per_second(count: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::{Footing, footer, sentence};
    use plumb_records::ledger::Ledger;

    #[test]
    fn a_quiet_run() {
        let ledger = Ledger { duration_ns: 2_000_000_000, ..Ledger::default() };
        assert_eq!(sentence(&ledger), "no drops in 2.0 s: nothing lost");
        assert_eq!(footer(&ledger, Footing::default()), "0/s, lost 0");
    }

    #[test]
    fn every_fate_is_named() {
        let ledger = Ledger {
            seen: 1033,
            filtered: 25,
            hidden: 5,
            aggregated: 1000,
            ungrouped: 7,
            unstaged: 8,
            under_way: 3,
            lost_kernel: 5,
            duration_ns: 10_000_000_000,
            cost_cpu_ns: Some(12_000_000),
            peak_rss_bytes: Some(15_000_000),
            ..Ledger::default()
        };
        assert_eq!(
            sentence(&ledger),
            "1,033 drops in 10.0 s: 1,000 counted in groups, 7 of those in the overflow group, because the table was \
             full, 8 of those not in all of their stages, because there were too many, 5 hidden as noise, 20 filtered \
             out, 5 lost in the kernel, 3 still on their way; the output is incomplete; cost 12.0 ms of \
             CPU, 15.0 MB of memory at most"
        );
        let footing = Footing { rate: 103.0, cpu: Some(0.0123), memory: Some(14_000_000) };
        assert_eq!(
            footer(&ledger, footing),
            "103/s, lost 5, ungrouped 7, hidden as noise 5, cpu 1.2%, memory 14.0 MB"
        );
    }
}
