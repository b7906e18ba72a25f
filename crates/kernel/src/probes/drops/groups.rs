//! The per-CPU banks of groups, merged over CPUs.

use super::config::{Config, Key};
use super::event::in_softirq;
use crate::flow::Flow;
use crate::mapped::Mapped;
use crate::probes::name::Name;
use crate::support;
use crate::wire::{drop_details, drop_group, drop_place, drops_const, drops_counters};
use bytemuck::Zeroable;
use std::collections::HashMap;
use std::mem::offset_of;

/// Packets dropped alike since the probe was attached. Keys that were not asked for are `None`.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    place: drop_place,
    details: drop_details,
    netns: u32,
    first_ns: u64,
    interface: Name,
    comm: Name,
    cpu: Option<u32>,
    /// Packets so far.
    pub packets: u64,
    /// Sum of their lengths so far.
    pub bytes: u64,
}

impl Group {
    /// The kernel's number of the reason.
    pub fn reason(&self) -> u32 {
        self.place.reason
    }

    /// Address of the instruction after the free; 0 for all that have no name, see [`Reader::read`].
    pub fn location(&self) -> u64 {
        self.place.location
    }

    /// Index of the device in its namespace.
    pub fn ifindex(&self) -> Option<u32> {
        (self.place.ifindex != 0).then_some(self.place.ifindex)
    }

    /// Name of the device at the group's first packet.
    pub fn interface(&self) -> Option<&str> {
        Some(self.interface.text()).filter(|name| !name.is_empty())
    }

    /// Inode of the network namespace.
    pub fn netns(&self) -> Option<u64> {
        (self.netns != 0).then_some(u64::from(self.netns))
    }

    /// Cookie of the network namespace.
    pub fn netns_cookie(&self) -> Option<u64> {
        (self.place.netns != 0).then_some(self.place.netns)
    }

    /// CLOCK_MONOTONIC in nanoseconds, not after the group's first packet and at most a millisecond before it.
    pub fn first_ns(&self) -> u64 {
        self.first_ns
    }

    /// The parts of the flow: those not asked for hold zeros.
    pub fn flow(&self) -> Flow {
        Flow::of(&self.details.flow)
    }

    /// The running process, where asked for.
    pub fn pid(&self) -> u32 {
        self.details.pid
    }

    /// Its name, where asked for.
    pub fn comm(&self) -> &str {
        self.comm.text()
    }

    /// Whether the running process is a bystander.
    pub fn in_softirq(&self) -> Option<bool> {
        in_softirq(self.details.context)
    }

    /// Owner and cgroup of the packets' sockets, each 0 where not asked for; `None` where there was no socket.
    pub fn socket(&self) -> Option<(u32, u64)> {
        (self.details.has_socket != 0).then_some((self.details.uid, self.details.cgroup))
    }

    /// Ethertype, or 0 where the packets never were frames.
    pub fn ethertype(&self) -> u16 {
        self.details.ethertype
    }

    /// Address family of the packets' sockets, where there is no ethertype.
    pub fn socket_family(&self) -> u8 {
        self.details.socket_family
    }

    /// CPU, with [`Key::Cpu`].
    pub fn cpu(&self) -> Option<u32> {
        self.cpu
    }

    /// Id of the stack; `None` where the kernel could not keep it.
    pub(super) fn stack(&self) -> Option<u32> {
        u32::try_from(self.details.stack).ok()
    }
}

/// What tells groups apart, as words that hash and compare.
type GroupWords = ([u64; 3], [u64; 11], Option<u32>);

/// Merges the banks at each read. Entries never move or go, so what a bank's entry belongs to is looked up once.
#[derive(Debug)]
pub(super) struct Reader {
    banks: Mapped,
    stride: usize,
    details: bool,
    per_cpu: bool,
    stacks: bool,
    known: HashMap<GroupWords, usize>,
    /// For each CPU, the group that each entry of its bank belongs to.
    belongs: Vec<Vec<usize>>,
    groups: Vec<Group>,
}

impl Reader {
    pub(super) fn new(banks: Mapped, config: &Config) -> Self {
        let belongs = vec![Vec::new(); banks.banks()];
        Self {
            banks,
            stride: config.stride(),
            details: config.has_details(),
            per_cpu: config.keys.contains(&Key::Cpu),
            stacks: config.keys.contains(&Key::Stack),
            known: HashMap::new(),
            belongs,
            groups: Vec::new(),
        }
    }

    /// The totals at the last read.
    pub(super) fn seen(&self) -> &[Group] {
        &self.groups
    }

    /// Reads every entry of every bank. Locations of which `named` says no are one: rows that look the same would be
    /// told apart by nothing that anyone sees.
    pub(super) fn read(&mut self, counters: &Mapped, mut named: impl FnMut(u64) -> bool) {
        for group in &mut self.groups {
            (group.packets, group.bytes) = (0, 0);
        }
        for cpu in 0..self.banks.banks() {
            let used = counters.read::<drops_counters>(cpu, 0).map_or(0, |bank| bank.used as usize);
            for entry in 0..used {
                self.add(cpu, entry, &mut named);
            }
        }
    }

    fn add(&mut self, cpu: usize, entry: usize, named: &mut impl FnMut(u64) -> bool) {
        let start = entry * self.stride;
        let number = |offset| self.banks.read::<u64>(cpu, start + offset).unwrap_or_default();
        let (packets, bytes) =
            (number(offset_of!(drop_group, packets)), number(offset_of!(drop_group, bytes)));
        let group = match self.belongs[cpu].get(entry) {
            Some(group) => *group,
            None => {
                let group = self.place(cpu, start, named);
                self.belongs[cpu].push(group);
                group
            }
        };
        self.groups[group].packets += packets;
        self.groups[group].bytes += bytes;
    }

    /// The number of the group that a new entry belongs to.
    fn place(&mut self, cpu: usize, start: usize, named: &mut impl FnMut(u64) -> bool) -> usize {
        let mut place: drop_place = self.banks.read(cpu, start).unwrap_or_else(Zeroable::zeroed);
        // A stack shows the address.
        if !self.stacks && !named(place.location) {
            place.location = 0;
        }
        let interface = self.banks.read(cpu, start + offset_of!(drop_group, interface)).unwrap_or_default();
        // A bank is read in whole words, and these two are one.
        let [netns, first]: [u32; 2] =
            self.banks.read(cpu, start + offset_of!(drop_group, netns)).unwrap_or_default();
        let details: drop_details = if self.details {
            self.banks.read(cpu, start + offset_of!(drop_group, details)).unwrap_or_else(Zeroable::zeroed)
        } else {
            Zeroable::zeroed()
        };
        let cpu = self.per_cpu.then_some(cpu as u32);
        let groups = &mut self.groups;
        *self.known.entry((bytemuck::cast(place), bytemuck::cast(details), cpu)).or_insert_with(|| {
            let (interface, comm) = (Name::of(&interface), Name::of(&details.comm));
            let first_ns = first_ns(first, support::monotonic_ns());
            groups.push(Group {
                place,
                details,
                netns,
                first_ns,
                interface,
                comm,
                cpu,
                packets: 0,
                bytes: 0,
            });
            groups.len() - 1
        })
    }
}

/// The latest moment not after `now` of which `first` has the lower bits.
fn first_ns(first: u32, now: u64) -> u64 {
    let shift = drops_const::DROPS_FIRST_SHIFT.0;
    let ago = ((now >> shift) as u32).wrapping_sub(first);
    (now >> shift).saturating_sub(u64::from(ago)) << shift
}

#[cfg(test)]
mod tests {
    use super::first_ns;

    #[test]
    fn the_first_packet_is_dated_beyond_32_bits() {
        for (then, now) in
            [(5_u64, 5_u64), (5, 9), (0xffff_fff0, 0x1_0000_0010), (0x7_ffff_ffff, 0x8_0000_0000)]
        {
            assert_eq!(first_ns(then as u32, (now << 20) + 12_345), then << 20);
        }
    }
}
