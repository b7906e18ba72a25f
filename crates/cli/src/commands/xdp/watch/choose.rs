//! Which programs are looked at: by interface, by id, by name, and the components of each.

use crate::args::xdp::Watch as Arguments;
use crate::commands::xdp::list::{self, Place};
use crate::failure::{Failure, Outcome};
use crate::plan::netns::Netns;
use plumb_kernel::probes::xdp::{Inventory, Loaded, PLACES};
use std::collections::BTreeMap;

/// A program to look at.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// What the kernel told of it.
    pub program: Loaded,
    /// The program that it is a component of, and not in place of.
    pub part_of: Option<u32>,
    /// The program that was chosen, where this one runs in place of it.
    pub in_place_of: Option<Loaded>,
    /// The interfaces that it is counted on by name.
    pub places: Vec<Place>,
    /// It was chosen by interface, and runs on others too.
    pub elsewhere: bool,
    /// Packets of other interfaces are not asked for.
    pub only: bool,
}

/// What was asked for, as words.
struct Words {
    interfaces: Vec<String>,
    netns: Option<String>,
}

/// Finds what was asked for; what names nothing is an error that says what there is.
pub fn choose(arguments: &Arguments, inventory: &Inventory) -> Outcome<Vec<Chosen>> {
    let named = !arguments.prog_id.is_empty() || !arguments.prog_name.is_empty();
    let mut words = Words { interfaces: arguments.interface.clone(), netns: arguments.netns.clone() };
    if words.interfaces.is_empty() && !named {
        words.interfaces.extend(std::env::var("INTERFACE").ok().filter(|name| !name.is_empty()));
    }
    let netns = words.netns.as_deref().map_or_else(Netns::own, Netns::find)?;
    let mut namespaces = Netns::all();
    if namespaces.iter().all(|known| known.inode != netns.inode) {
        namespaces.push(netns.clone());
    }
    let everywhere = list::look(&namespaces)?.places;
    if words.interfaces.is_empty() && !named {
        return Err(Failure::arguments("no program was named")
            .help(format!("-i, --prog-id or --prog-name names one; {}", there_are(&everywhere, inventory))));
    }
    let mut chosen = BTreeMap::new();
    by_interface(&words, &netns, &everywhere, inventory, &mut chosen)?;
    for id in &arguments.prog_id {
        let program = inventory.program(*id).ok_or_else(|| {
            Failure::arguments(format!("no XDP program has the id {id}"))
                .help(there_are(&everywhere, inventory))
        })?;
        chosen.insert(*id, whole(program, &everywhere, inventory));
    }
    for name in &arguments.prog_name {
        let mut any = false;
        for program in inventory.named(name) {
            chosen.insert(program.id, whole(program, &everywhere, inventory));
            any = true;
        }
        if !any {
            return Err(Failure::arguments(format!("no XDP program is called {name}"))
                .help(there_are(&everywhere, inventory)));
        }
    }
    Ok(with_components(chosen, inventory))
}

/// The programs on interfaces, and packets of those alone.
fn by_interface(
    words: &Words,
    netns: &Netns,
    everywhere: &[Place],
    inventory: &Inventory,
    chosen: &mut BTreeMap<u32, Chosen>,
) -> Outcome<()> {
    for index in netns.indexes(&words.interfaces)? {
        let here = |place: &&Place| place.netns.inode == netns.inode && place.interface.index == index;
        let found: Vec<&Place> = everywhere.iter().filter(here).collect();
        if found.is_empty() {
            let name = netns.interfaces()?.into_iter().find(|found| found.index == index);
            let name = name.map_or_else(|| index.to_string(), |found| found.name);
            return Err(Failure::arguments(format!("{name} has no XDP program"))
                .help(there_are(everywhere, inventory)));
        }
        for place in found {
            let program = inventory.program(place.program).ok_or_else(|| {
                Failure::failed(format!("program {} of {} went away", place.program, place.interface.name))
            })?;
            let same = |other: &&Place| other.program == place.program;
            let one = chosen.entry(program.id).or_insert_with(|| Chosen {
                program: program.clone(),
                part_of: None,
                in_place_of: None,
                places: Vec::new(),
                elsewhere: false,
                only: true,
            });
            one.places.push(place.clone());
            one.elsewhere = everywhere.iter().filter(same).count() > one.places.len();
        }
    }
    Ok(())
}

/// A program on whatever interface it is.
fn whole(program: &Loaded, everywhere: &[Place], inventory: &Inventory) -> Chosen {
    let host = inventory.host_of(program.id);
    let on = host.unwrap_or(program.id);
    let part_of = host.filter(|host| inventory.stand_in(*host).is_none());
    let places = everywhere.iter().filter(|place| place.program == on).take(PLACES).cloned().collect();
    Chosen { program: program.clone(), part_of, in_place_of: None, places, elsewhere: false, only: false }
}

/// Each program, and after it its components, unless they were chosen by themselves; or the one that runs in its place.
fn with_components(chosen: BTreeMap<u32, Chosen>, inventory: &Inventory) -> Vec<Chosen> {
    let mut all: Vec<Chosen> = Vec::new();
    for one in chosen.values() {
        if all.iter().any(|known| known.program.id == one.program.id) {
            continue;
        }
        if let Some(part) = inventory.stand_in(one.program.id) {
            let in_place_of = Some(one.program.clone());
            all.push(Chosen { program: part.clone(), in_place_of, ..one.clone() });
            continue;
        }
        let parts = inventory.components(one.program.id).map(|part| Chosen {
            program: part.clone(),
            part_of: Some(one.program.id),
            ..one.clone()
        });
        all.push(one.clone());
        all.extend(parts);
    }
    all
}

/// The programs that could be named.
fn there_are(everywhere: &[Place], inventory: &Inventory) -> String {
    /// More would not be read.
    const MOST: usize = 8;
    let one = |place: &Place| {
        let name = inventory.program(place.program).map_or("-", |program| program.name.as_str());
        format!("{name} {} on {} in {}", place.program, place.interface.name, place.namespace())
    };
    let mut told: Vec<String> = everywhere.iter().take(MOST).map(one).collect();
    match everywhere.len() {
        0 => return "no XDP program is attached anywhere; `plumb xdp run` attaches one".to_owned(),
        all if all > MOST => told.push(format!("{} more, see `plumb xdp list`", all - MOST)),
        _ => {}
    }
    format!("there are: {}", told.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::netns::Interface;

    fn place(name: &str, program: u32) -> Place {
        Place {
            netns: Netns::own().unwrap(),
            netns_name: Some("blue".to_owned()),
            interface: Interface { index: 3, name: name.to_owned() },
            mode: None,
            program,
        }
    }

    #[test]
    fn what_there_is_is_named_within_bounds() {
        let inventory = Inventory::default();
        assert!(there_are(&[], &inventory).contains("no XDP program is attached anywhere"));
        let places: Vec<Place> = (0..10).map(|id| place("eth0", id)).collect();
        let told = there_are(&places, &inventory);
        assert!(told.starts_with("there are: - 0 on eth0 in blue, ") && told.contains("2 more"), "{told}");
    }
}
