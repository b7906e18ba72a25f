//! Packets apart by --by: the words, the names and the order of groups.

use crate::args::latency::Grouping;
use crate::clock::Moment;
use crate::enrich::netns::{NetnsId, NetnsNames};
use crate::failure::Outcome;
use crate::plan::keys;
use crate::plan::netns::Netns;
use plumb_kernel::probes::latency::{Direction, Group, Hook, Key, Stage};
use plumb_records::column::{Shown, Value};
use plumb_records::latency::{Stage as Record, StageRow};
use plumb_sinks::text::{events, human};
use std::cmp::Reverse;
use std::collections::HashMap;

/// The keys that one word shows where all are asked for.
const FLOW: [&str; 5] = ["protocol", "src_ip", "dst_ip", "src_port", "dst_port"];

/// What packets are told apart by.
pub struct By {
    /// The columns of a stage.
    pub shown: Shown,
    names: Vec<&'static str>,
    top: usize,
}

impl By {
    /// Checks and translates.
    pub fn resolve(grouping: &Grouping) -> Outcome<Self> {
        let askable = |name: &str| Key::NAMES.iter().any(|(key, _)| *key == name);
        let mut names = keys::keys(&grouping.by, Record::COLUMNS, |_, name| askable(name))?;
        // A protocol of IPv4 and of IPv6 are two, which addresses tell apart already.
        let addresses = ["src_ip", "dst_ip", "family"].iter().any(|key| names.contains(key));
        if names.contains(&"protocol") && !addresses {
            names.push("family");
        }
        let top = grouping.top.map_or(usize::MAX, |top| top as usize);
        Ok(Self { shown: Record::shown_for(&names), names, top })
    }

    /// Whether any key was asked for.
    pub fn asked(&self) -> bool {
        !self.names.is_empty()
    }

    /// For the probe.
    pub fn keys(&self) -> Vec<Key> {
        let named = |name| Key::NAMES.iter().find(|(key, _)| *key == name).map(|(_, key)| *key);
        self.names.iter().filter_map(|name| named(*name)).collect()
    }

    /// What names places, where they are asked for. Namespaces are entered for it, which takes privileges.
    pub fn names(&self) -> Names {
        let places = self.names.iter().any(|name| ["interface", "netns"].contains(name));
        Names { netns: places.then(|| NetnsNames::of(&Netns::survey())), known: HashMap::new() }
    }

    /// Stages of a group one after the other: the group with the most packets first, at most --top of them, and last what is
    /// in none.
    pub fn arrange(&self, stages: Vec<Stage>) -> Vec<Stage> {
        if !self.asked() {
            return stages;
        }
        let mut groups: Vec<(u64, Vec<Stage>)> = Vec::new();
        for stage in stages {
            if groups.last().is_none_or(|(_, group)| !same_group(&group[0], &stage)) {
                groups.push((0, Vec::new()));
            }
            if let Some((packets, group)) = groups.last_mut() {
                *packets += super::counting::packets(&stage);
                group.push(stage);
            }
        }
        let (mut grouped, rest): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(_, group)| group[0].group.is_some());
        grouped.sort_by_key(|(packets, _)| Reverse(*packets));
        grouped.truncate(self.top);
        grouped.into_iter().chain(rest).flat_map(|(_, group)| group).collect()
    }

    /// What people read above a group's table.
    pub fn heading(&self, record: Record<'_>) -> String {
        let flow = FLOW.iter().all(|key| self.names.contains(key));
        let mut words = Vec::new();
        for name in self.names.iter().filter(|name| !flow || !FLOW.contains(name)) {
            match cell(&record, name) {
                Some(text) if *name == "interface" => {
                    let netns = netns(&record).unwrap_or_else(|| "?".to_owned());
                    words.push(format!("interface {text} of netns {netns}"));
                }
                _ if *name == "netns" && self.names.contains(&"interface") => {}
                text if *name == "netns" => {
                    words
                        .push(format!("netns {}", netns(&record).or(text).unwrap_or_else(|| "?".to_owned())));
                }
                text if ["protocol", "family"].contains(name) => words.extend(text),
                text => words.push(format!("{name} {}", text.unwrap_or_else(|| "?".to_owned()))),
            }
        }
        if flow {
            words.push(events::flow(&StageRow { stage: record, shown: Shown::ALL }));
        }
        words.join(", ")
    }
}

fn cell(record: &Record<'_>, name: &str) -> Option<String> {
    let (index, column) = Record::COLUMNS.iter().enumerate().find(|(_, column)| column.name == name)?;
    let mut text = String::new();
    record.cells(Shown::only(index), &mut |_, value: Value<'_>| text = human(column, value));
    (!text.is_empty()).then_some(text)
}

fn netns(record: &Record<'_>) -> Option<String> {
    cell(record, "netns_name").or_else(|| cell(record, "netns"))
}

fn words(stage: &Stage) -> Option<[u64; Group::WORDS]> {
    stage.group.as_ref().map(|group| group.words())
}

fn same_group(one: &Stage, other: &Stage) -> bool {
    words(one) == words(other)
}

/// The stages of each group.
pub fn apart(stages: &[Stage]) -> impl Iterator<Item = &[Stage]> {
    stages.chunk_by(same_group)
}

/// What tells a stage from all others.
pub type Identity = (Option<[u64; Group::WORDS]>, Direction, Option<(Hook, Hook)>);

/// What tells this stage from all others.
pub fn identity(stage: &Stage) -> Identity {
    (words(stage), stage.direction, stage.ends)
}

/// Names of namespaces, by their cookies.
pub struct Names {
    netns: Option<NetnsNames>,
    known: HashMap<u64, String>,
}

impl Names {
    /// Looks for the names of new namespaces.
    pub fn learn(&mut self, stages: &[Stage]) {
        let Some(names) = &mut self.netns else { return };
        for group in stages.iter().filter_map(|stage| stage.group.as_deref()) {
            let (Some(inode), cookie) = (group.netns(), group.netns_cookie()) else { continue };
            if self.known.contains_key(&cookie) {
                continue;
            }
            let id = NetnsId { inode, cookie };
            if let Some(name) = names.name(Some(id), Moment(group.first_ns()), Moment::now()) {
                self.known.insert(cookie, name.to_owned());
            }
        }
    }

    /// A record with a group's columns.
    pub fn record<'a>(&'a self, group: Option<&'a Group>) -> Record<'a> {
        let Some(group) = group else { return Record::default() };
        let flow = group.flow();
        Record {
            interface: group.interface(),
            ifindex: Some(group.ifindex()),
            netns: group.netns(),
            netns_cookie: Some(group.netns_cookie()),
            netns_name: self.known.get(&group.netns_cookie()).map(String::as_str),
            cpu: Some(group.cpu()),
            cgroup: group.cgroup(),
            src_ip: flow.src,
            dst_ip: flow.dst,
            src_port: flow.src_port,
            dst_port: flow.dst_port,
            protocol: flow.protocol,
            family: match group.version() {
                4 => Some("ipv4"),
                6 => Some("ipv6"),
                _ => None,
            },
            ..Record::default()
        }
    }
}
