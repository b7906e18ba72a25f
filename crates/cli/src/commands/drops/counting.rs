//! Groups, counted by the kernel and read each interval or once, at the end.

use super::Outside;
use super::config::Asked;
use super::groups::{Part, Past, arrange, totals};
use super::table::{self, Heading, Line, Rows};
use super::view::View;
use crate::clock::{Moment, Span};
use crate::enrich::Names;
use crate::failure::{Failure, Outcome};
use crate::meter::{self, Meter};
use crate::pipeline::{End, Observed, Seen, Stop, observe as run_loop};
use crate::plan::Stdout;
use crate::screen::{Screen, fit};
use crate::text::{self, Footing};
use plumb_kernel::probes::drops::{Drops, Group};
use plumb_records::drop::{DropGroup, DropGroupRow};
use std::time::Duration;

/// Groups of a final table on a terminal.
const SHOWN: usize = 50;

struct Counting<'a, 'obj, 'view> {
    drops: &'a mut Drops<'obj>,
    view: &'a mut View<'view>,
    past: Past,
    meter: Meter,
    screen: Option<Screen>,
    /// Groups written or shown, for --count.
    rows: u64,
    /// Groups are of more than one namespace, so that tables tell it.
    several_namespaces: bool,
}

/// Reads groups until the run ends.
pub fn observe(drops: &mut Drops<'_>, view: &mut View<'_>, outside: Outside<'_>) -> Outcome<Seen> {
    let (run, ready) = (view.run, view.ready);
    let screen = match run.stdout {
        Stdout::Live => Some(
            Screen::take(outside.signals)
                .map_err(|error| Failure::failed("cannot use the terminal").because(error))?,
        ),
        _ => None,
    };
    let mut counting = Counting {
        drops,
        view,
        past: Past::default(),
        meter: Meter::start(),
        screen,
        rows: 0,
        several_namespaces: false,
    };
    counting.redraw(Span { start: ready, end: ready });
    let (end, begun) = run_loop(run, ready, outside.signals, outside.command, &mut counting)?;
    counting.drops.detach();
    let detached = Moment::now();
    // What the screen showed before comes back, and the last table goes below it.
    counting.screen = None;
    counting.finish(Span { start: begun, end: detached });
    let Counting { drops, view, .. } = counting;
    view.tell_unknown(drops.groups());
    // What is not in every output by now is lost.
    view.outputs.settle();
    let mut ledger = view.ledger(drops, detached, true);
    let lost = view.outputs.lost().min(ledger.aggregated);
    ledger.aggregated -= lost;
    ledger.ungrouped = ledger.ungrouped.min(ledger.aggregated);
    ledger.lost_user += lost;
    Ok(Seen { end, ledger: ledger.closed() })
}

impl Observed for Counting<'_, '_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        stop.sleep(until, self.screen.as_ref());
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        self.read();
        let (mut parts, ungrouped) = self.since();
        if !self.view.outputs.takes_records() {
            self.rows += parts.len() as u64;
        } else if self.view.run.periodic {
            self.write(&mut parts, ungrouped, span, true);
        }
        self.remember();
        if self.view.run.stdout == Stdout::Plain {
            self.print(parts, ungrouped, span, true);
        }
        self.redraw(span);
        if self.view.run.ledger {
            let ledger = self.view.ledger(self.drops, span.end, false).closed();
            self.view.outputs.write_about(&ledger);
        }
        self.view.outputs.flush();
        Ok(())
    }

    fn over(&self) -> Option<End> {
        if !self.view.outputs.usable() {
            return Some(End::Output);
        }
        self.view.run.count.is_some_and(|most| self.rows >= most).then_some(End::Count)
    }
}

impl Counting<'_, '_, '_> {
    fn read(&mut self) {
        let locations = &mut self.view.names.locations;
        self.drops.read(|address| locations.text(address).is_some());
        let mut namespaces = self.drops.groups().iter().map(Group::netns_cookie);
        let first = namespaces.next();
        self.several_namespaces = namespaces.any(|netns| Some(netns) != first);
    }

    fn since(&self) -> (Vec<Part>, (u64, u64)) {
        (self.past.since(self.drops.groups()), self.past.ungrouped_since(self.drops.ungrouped()))
    }

    fn remember(&mut self) {
        let history = matches!(self.view.run.stdout, Stdout::Live | Stdout::Plain);
        self.past.remember(self.drops.groups(), self.drops.ungrouped(), history);
    }

    /// Detached: what is left of the last interval, or the whole run.
    fn finish(&mut self, rest: Span) {
        self.read();
        // What is said last is what is there now.
        self.view.names.netns.refresh(rest.end);
        let whole = Span { start: self.view.ready, end: rest.end };
        let (mut all, all_ungrouped) = (totals(self.drops.groups()), self.drops.ungrouped());
        if self.view.run.periodic {
            let (mut parts, ungrouped) = self.since();
            self.write(&mut parts, ungrouped, rest, true);
            self.remember();
            if self.view.run.stdout == Stdout::Plain {
                self.print(parts, ungrouped, rest, true);
            }
        } else {
            self.write(&mut all, all_ungrouped, whole, false);
        }
        match self.view.run.stdout {
            Stdout::Plain if self.view.run.periodic => {}
            Stdout::Live | Stdout::Plain | Stdout::Summary => self.print(all, all_ungrouped, whole, false),
            Stdout::Records(_) => {}
        }
    }

    /// Writes the records of an interval, or of the whole run.
    fn write(&mut self, parts: &mut Vec<Part>, ungrouped: (u64, u64), span: Span, interval: bool) {
        let View { asked, names, outputs, .. } = &mut *self.view;
        if !outputs.takes_records() {
            return;
        }
        let time = interval.then(|| names.time(span.start));
        let duration_ns = span.nanoseconds();
        let groups = self.drops.groups();
        arrange(parts, groups, asked, names, None);
        for part in &*parts {
            let Some(group) = groups.get(part.index) else { continue };
            let stack = stack(self.drops, group, asked, names);
            let Part { packets, bytes, .. } = *part;
            let group =
                DropGroup { time, duration_ns, packets, bytes, stack, ..names.group(group, span.end) };
            outputs.write_group(&DropGroupRow { group, shown: asked.shown }, packets);
            self.rows += 1;
        }
        if ungrouped.0 > 0 {
            let (packets, bytes) = ungrouped;
            let group = DropGroup { time, duration_ns, packets, bytes, ..DropGroup::default() };
            outputs.write_group(&DropGroupRow { group, shown: asked.shown }, packets);
            self.rows += 1;
        }
    }

    /// A plain table, and below that of an interval the footer.
    fn print(&mut self, parts: Vec<Part>, ungrouped: (u64, u64), span: Span, interval: bool) {
        let heading = if interval { Heading::Interval } else { Heading::Total };
        let packets = parts.iter().map(|part| part.packets).sum::<u64>() + ungrouped.0;
        // On a terminal who wants more asks for it by --top.
        let most = if self.view.run.terminal && self.view.asked.top.is_none() { SHOWN } else { usize::MAX };
        let size = (text::width(), most);
        let mut out = format!("\n{}", self.table(parts, ungrouped.0, span.duration(), heading, size));
        if interval {
            out.push_str(&self.footer(packets, span));
        }
        self.view.outputs.say(&out);
    }

    /// The live table: totals, with the rate of the last interval.
    fn redraw(&mut self, span: Span) {
        let Some(screen) = &self.screen else { return };
        let (columns, rows) = screen.size();
        let (parts, ungrouped) = (totals(self.drops.groups()), self.drops.ungrouped().0);
        let mut out = format!("{}\n\n", self.view.title(self.drops));
        // The title, two blank lines, the heads, what is left out and the footer take six.
        let most = rows.saturating_sub(6);
        out.push_str(&self.table(parts, ungrouped, span.duration(), Heading::Live, (Some(columns), most)));
        out.push('\n');
        out.push_str(&self.footer(self.past.last_interval(), span));
        let Some(screen) = &self.screen else { return };
        let drawn = screen.draw(&fit(&out, columns));
        self.view.outputs.said("cannot draw on the terminal", drawn);
    }

    /// At most `most` rows of a table.
    fn table(
        &mut self,
        mut parts: Vec<Part>,
        ungrouped: u64,
        time: Duration,
        heading: Heading,
        (width, most): (Option<usize>, usize),
    ) -> String {
        let View { run, asked, names, .. } = &mut *self.view;
        let (drops, past) = (&*self.drops, &self.past);
        let all = parts.iter().map(|part| part.packets).sum::<u64>() + ungrouped;
        if all == 0 {
            return table::empty(&drops.ledger(), asked);
        }
        let live = (heading == Heading::Live).then_some(past);
        arrange(&mut parts, drops.groups(), asked, names, live);
        let more = parts.len().saturating_sub(most);
        parts.truncate(most);
        let columns = table::columns(&asked.keys, self.several_namespaces);
        let now = Moment::now();
        let lines: Vec<Line> = parts
            .iter()
            .filter_map(|part| drops.groups().get(part.index).map(|group| (part, group)))
            .map(|(part, group)| {
                let history = past.history(part.index);
                let recent = match heading {
                    Heading::Live => past.recent(part.index),
                    Heading::Interval | Heading::Total => part.packets,
                };
                let stack = stack(drops, group, asked, names);
                let record = DropGroup { packets: part.packets, stack, ..names.group(group, now) };
                Line::new(&record, &columns, recent, history)
            })
            .collect();
        let rows = Rows { columns: &columns, lines: &lines, ungrouped, all, time, heading };
        let mut out = table::render(&rows, text::style(run.terminal), width);
        if more > 0 && heading != Heading::Live {
            out.push_str(&format!("... and {more} more groups: --top shows as many as it says\n"));
        }
        out
    }

    fn footer(&mut self, packets: u64, span: Span) -> String {
        let footing = Footing {
            rate: text::per_second(packets, span.duration()),
            cpu: self.meter.cpu_share(),
            memory: meter::memory(),
        };
        format!("{}\n", text::footer(&self.drops.ledger(), footing))
    }
}

/// A group's stack as text, where --by asks for it.
fn stack(drops: &Drops<'_>, group: &Group, asked: &Asked, names: &mut Names) -> Option<Vec<String>> {
    let wanted = asked.keys.contains(&"stack");
    let addresses = if wanted { drops.stack(group) } else { None };
    addresses.map(|addresses| names.stack(group.location(), &addresses))
}
