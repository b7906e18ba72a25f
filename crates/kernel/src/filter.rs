//! The common filter, put into the words that the kernel side compares.

use crate::wire::{filter_config, filter_interface, filter_ports, filter_prefix};
use plumb_records::filter::{Filter, PortRange, Prefix};
use std::net::IpAddr;

/// Translates a filter whose words were checked to have at most [`Filter::MAX`] alternatives; more are left out by
/// `zip`, which [`Filter::check`] has refused before.
pub(crate) fn config_of(filter: &Filter) -> filter_config {
    let mut config = filter_config {
        netns: filter.netns.map_or(0, |inode| u32::try_from(inode).unwrap_or(u32::MAX)),
        netns_cookie: filter.netns_cookie.unwrap_or(0),
        n_cgroups: count(&filter.cgroups),
        n_hosts: count(&filter.hosts),
        n_sources: count(&filter.sources),
        n_destinations: count(&filter.destinations),
        n_interfaces: count(&filter.interfaces),
        n_pids: count(&filter.pids),
        n_uids: count(&filter.uids),
        n_comms: count(&filter.comms),
        n_ports: count(&filter.ports),
        n_source_ports: count(&filter.source_ports),
        n_destination_ports: count(&filter.destination_ports),
        n_protocols: count(&filter.protocols),
        ..filter_config::default()
    };
    fill(&mut config.cgroups, &filter.cgroups, |cgroup| *cgroup);
    fill(&mut config.hosts, &filter.hosts, prefix);
    fill(&mut config.sources, &filter.sources, prefix);
    fill(&mut config.destinations, &filter.destinations, prefix);
    fill(&mut config.interfaces, &filter.interfaces, |(netns, ifindex)| filter_interface {
        netns: *netns,
        ifindex: *ifindex,
        ..filter_interface::default()
    });
    fill(&mut config.pids, &filter.pids, |pid| *pid);
    fill(&mut config.uids, &filter.uids, |uid| *uid);
    fill(&mut config.comms, &filter.comms, |comm| comm.padded());
    fill(&mut config.ports, &filter.ports, ports);
    fill(&mut config.source_ports, &filter.source_ports, ports);
    fill(&mut config.destination_ports, &filter.destination_ports, ports);
    fill(&mut config.protocols, &filter.protocols, |protocol| protocol.0);
    config
}

fn count<T>(alternatives: &[T]) -> u8 {
    u8::try_from(alternatives.len().min(Filter::MAX)).unwrap_or(u8::MAX)
}

fn fill<T, W>(to: &mut [W], from: &[T], translate: impl Fn(&T) -> W) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = translate(from);
    }
}

fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    for (to, from) in padded.iter_mut().zip(bytes) {
        *to = *from;
    }
    padded
}

fn ports(range: &PortRange) -> filter_ports {
    filter_ports { first: range.first(), last: range.last() }
}

/// Addresses lie in the packet's byte order; an IPv4 address fills the first four bytes, as in `struct flow_key`.
fn prefix(prefix: &Prefix) -> filter_prefix {
    let (bytes, version): ([u8; 16], u32) = match prefix.network() {
        IpAddr::V4(address) => (padded(&address.octets()), 4),
        IpAddr::V6(address) => (address.octets(), 6),
    };
    let mask = (u128::MAX.checked_shl(128 - u32::from(prefix.length())).unwrap_or(0)).to_be_bytes();
    let words = |bytes: [u8; 16]| -> [u64; 2] { bytemuck::cast(bytes) };
    let mask = words(mask);
    let address = words(bytes);
    filter_prefix {
        address: [address[0] & mask[0], address[1] & mask[1]],
        mask,
        version,
        ..filter_prefix::default()
    }
}
