//! `plumb xdp list`: which programs are attached to which interfaces, in every network namespace.

use crate::args::observing::{Ends, Outputs as OutputWords};
use crate::args::xdp::List as Arguments;
use crate::failure::{Exit, Failure, Outcome};
use crate::hooks::target::cannot_enter;
use crate::outputs::Outputs;
use crate::plan::netns::{Interface, Netns};
use crate::plan::{Run, Stdout};
use crate::text::{self, note};
use plumb_kernel::probes::xdp::{Inventory, Mode, Query};
use plumb_records::column::{Shown, Time};
use plumb_records::xdp::XdpProgram;
use plumb_sinks::format::{Format, Layout};
use plumb_sinks::text::Ink;
use plumb_sinks::text::table::{Cell, Head, Table};
use std::collections::BTreeSet;
use std::io;

/// A program on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where the interface is.
    pub netns: Netns,
    /// The name of that namespace, where it has one.
    pub netns_name: Option<String>,
    /// The interface.
    pub interface: Interface,
    /// `None`: on the card itself.
    pub mode: Option<Mode>,
    /// The kernel's id of the program.
    pub program: u32,
}

impl Place {
    /// The word for its mode.
    pub fn mode_name(&self) -> &'static str {
        self.mode.map_or("offloaded", Mode::name)
    }

    /// The name of the namespace, else its inode.
    pub fn namespace(&self) -> String {
        self.netns_name.clone().unwrap_or_else(|| self.netns.inode.to_string())
    }
}

/// What was looked at, and what was found there.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of namespaces and interfaces.
    pub places: Vec<Place>,
    /// Namespaces that could be looked into.
    pub namespaces: usize,
    /// Those that could not.
    closed: usize,
}

/// Looks into these namespaces; one that cannot be entered is counted.
pub fn look(namespaces: &[Netns]) -> Outcome<Found> {
    let mut found = Found::default();
    for netns in namespaces {
        let Ok(interfaces) = netns.interfaces() else {
            found.closed += 1;
            continue;
        };
        found.namespaces += 1;
        let attached =
            netns.within(|| attached(&interfaces))?.and_then(|attached| attached).map_err(cannot_enter)?;
        let netns_name = if attached.is_empty() { None } else { netns.name() };
        found.places.extend(attached.into_iter().map(|(interface, mode, program)| Place {
            netns: netns.clone(),
            netns_name: netns_name.clone(),
            interface,
            mode,
            program,
        }));
    }
    Ok(found)
}

/// The programs on interfaces of the calling thread's namespace. An interface that is gone meanwhile has none.
fn attached(interfaces: &[Interface]) -> io::Result<Vec<(Interface, Option<Mode>, u32)>> {
    let query = Query::here()?;
    let each = |interface: &Interface| {
        let programs = query.attached(interface.index).unwrap_or_default();
        programs.into_iter().map(|(mode, id)| (interface.clone(), mode, id)).collect::<Vec<_>>()
    };
    Ok(interfaces.iter().flat_map(each).collect())
}

/// Lists them.
pub fn run(arguments: &Arguments, verbose: bool) -> Outcome<Exit> {
    let run = resolve(arguments, verbose)?;
    let namespaces = match &arguments.netns {
        Some(word) => vec![Netns::find(word)?],
        None if arguments.interface.is_empty() => Netns::all(),
        None => vec![Netns::own()?],
    };
    let mut found = look(&namespaces)?;
    if found.closed > 0 && namespaces.len() == 1 {
        return namespaces[0].interfaces().map(|_| Exit::Done);
    }
    if let [netns] = namespaces.as_slice() {
        let wanted = netns.indexes(&arguments.interface)?;
        found.places.retain(|place| wanted.is_empty() || wanted.contains(&place.interface.index));
    }
    let inventory = Inventory::read();
    let layout = Layout { record: XdpProgram::RECORD, columns: XdpProgram::COLUMNS, shown: Shown::ALL };
    let mut outputs = Outputs::open(&run, layout)?;
    for place in &found.places {
        outputs.write_group(&record(place, &inventory), 0);
    }
    outputs.flush();
    if !matches!(run.stdout, Stdout::Records(_)) {
        let told = match found.places.as_slice() {
            [] => nothing(&found, &arguments.interface),
            places => table(places, &inventory).render(text::width(), text::style(run.terminal)),
        };
        text::say(&told)?;
    }
    for remark in remarks(&found, &inventory, namespaces.len() > 1) {
        note(remark);
    }
    outputs.result()?;
    Ok(Exit::Done)
}

/// The common flags that a list has.
fn resolve(arguments: &Arguments, verbose: bool) -> Outcome<Run> {
    let words = OutputWords {
        format: arguments.format,
        output: arguments.output.clone(),
        rotate: None,
        interval: None,
        ledger: false,
        strict: false,
        ready_file: None,
    };
    let run = Run::of(&Ends { duration: None, count: None }, &words, &[], true, verbose)?;
    let to_file = run.output.as_ref().map(|(output, _)| output.format);
    if to_file == Some(Format::Pcapng) || run.stdout == Stdout::Records(Format::Pcapng) {
        return Err(Failure::arguments("a list has no packets for pcapng").help("use json or csv"));
    }
    Ok(run)
}

fn record<'a>(place: &'a Place, inventory: &'a Inventory) -> XdpProgram<'a> {
    let known = inventory.program(place.program);
    let components = || {
        let parts = inventory.components(place.program);
        parts.map(|part| (part.id.to_string(), part.name.clone())).collect::<Vec<_>>()
    };
    XdpProgram {
        interface: &place.interface.name,
        ifindex: place.interface.index,
        netns: place.netns.inode,
        netns_name: place.netns_name.as_deref(),
        mode: place.mode_name(),
        program: known.map(|program| program.name.as_str()),
        program_id: place.program,
        tag: known.map(|program| program.tag.as_str()),
        loaded_at: known.map(|program| Time(program.loaded_ns)),
        uid: known.map(|program| program.uid),
        components: known.map(|_| components()),
    }
}

fn table(places: &[Place], inventory: &Inventory) -> Table {
    let named = places.iter().any(|place| inventory.components(place.program).next().is_some());
    let mut heads = vec![Head::flexible("interface"), Head::flexible("netns"), Head::text("mode")];
    heads.extend([Head::text("program"), Head::number("id"), Head::text("tag").worth(1)]);
    heads.extend([Head::text("loaded").worth(2), Head::text("by").worth(3)]);
    heads.extend(named.then(|| Head::flexible("components")));
    let mut table = Table::new(heads);
    for place in places {
        let known = inventory.program(place.program);
        let told = |text: Option<String>| Cell::from(text.unwrap_or_else(|| "-".to_owned()));
        let mut cells = vec![
            Cell::from(place.interface.name.as_str()),
            Cell::from(place.namespace()),
            Cell::from(place.mode_name()),
            Cell::new(known.map_or("-", |program| program.name.as_str()), Ink::Strong),
            Cell::from(place.program.to_string()),
            told(known.map(|program| program.tag.clone())),
            told(known.map(|program| moment(program.loaded_ns))),
            told(known.map(|program| user(program.uid))),
        ];
        cells.extend(named.then(|| {
            let parts = inventory.components(place.program);
            let parts: Vec<String> = parts.map(|part| format!("{} ({})", part.name, part.id)).collect();
            Cell::from(parts.join(", "))
        }));
        table.row(cells);
    }
    table
}

/// Day and time of day in UTC.
fn moment(nanoseconds: u64) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn user(uid: u32) -> String {
    let found = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten();
    found.map_or_else(|| uid.to_string(), |user| user.name)
}

/// An empty list says what would make it non-empty.
fn nothing(found: &Found, interfaces: &[String]) -> String {
    let place = match (interfaces, found.namespaces) {
        ([], 1) => "any interface of the network namespace".to_owned(),
        ([], namespaces) => format!("any interface of the {namespaces} network namespaces"),
        (names, _) => names.join(", "),
    };
    format!(
        "No XDP program is attached to {place}. One that another tool attaches is listed here; `plumb xdp run` attaches \
         one of ours.\n"
    )
}

/// What may be missing from the list, and what would help.
fn remarks(found: &Found, inventory: &Inventory, everywhere: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    if found.closed > 0 {
        remarks.push(format!(
            "{} network namespaces could not be looked into: that needs CAP_SYS_ADMIN, run as root",
            found.closed
        ));
    }
    let unknown = found.places.iter().any(|place| inventory.program(place.program).is_none());
    if unknown {
        remarks
            .push("names and owners of programs are not told without CAP_SYS_ADMIN: run as root".to_owned());
    }
    let seen: BTreeSet<u32> = found.places.iter().map(|place| place.program).collect();
    let elsewhere: Vec<String> =
        inventory.linked().filter(|id| !seen.contains(id)).map(|id| id.to_string()).collect();
    if everywhere && !elsewhere.is_empty() {
        remarks.push(format!(
            "attached by a link in a namespace that has neither a name in /run/netns nor a process: program {}",
            elsewhere.join(", ")
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_sinks::text::Style;

    #[test]
    fn an_empty_list_says_what_would_fill_it() {
        let found = Found { namespaces: 3, ..Found::default() };
        let text = nothing(&found, &[]);
        assert!(
            text.starts_with("No XDP program is attached to any interface of the 3 network namespaces. ")
        );
        assert!(nothing(&found, &["eth0".to_owned()]).starts_with("No XDP program is attached to eth0. "));
    }

    #[test]
    fn times_are_days_and_times() {
        assert_eq!(moment(1_763_734_173_000_000_000), "2025-11-21 14:09:33");
    }

    #[test]
    fn what_we_may_not_know_is_null() {
        let place = Place {
            netns: Netns::own().unwrap(),
            netns_name: None,
            interface: Interface { index: 3, name: "eth0".to_owned() },
            mode: Some(Mode::Generic),
            program: 17,
        };
        let inventory = Inventory::default();
        let record = record(&place, &inventory);
        assert_eq!((record.mode, record.program_id, record.ifindex), ("generic", 17, 3));
        assert_eq!((record.program, record.uid, record.components), (None, None, None));
        let text = table(std::slice::from_ref(&place), &inventory).render(None, Style::default());
        assert!(text.lines().nth(1).is_some_and(|line| line.contains("generic  -        17")), "{text}");
        let found = Found { places: vec![place], namespaces: 1, closed: 0 };
        assert_eq!(remarks(&found, &inventory, true).len(), 1);
    }
}
