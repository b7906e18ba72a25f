//! What each drop reason means, in words: what failed where, the usual causes, what to look at next.
//!
//! Names are keys of these texts and nothing else: numbers always come from the running kernel.

mod can;
mod general;
mod ip;
mod ipv6;
mod link;
mod neighbour;
mod offload;
mod overlay;
mod qdisc;
mod render;
mod route;
mod socket;
mod subsystem;
mod tc;
mod tcp_auth;
mod tcp_data;
mod tcp_state;
#[cfg(test)]
mod tests;

/// What is known about one drop reason, or about a subsystem that defines its own.
#[derive(Debug)]
pub struct Entry {
    /// The reason without its prefix, such as `NO_SOCKET`.
    pub name: &'static str,
    /// Which check failed where in the stack. The first sentence stands on its own.
    pub what: &'static str,
    /// Usual causes, the most likely first.
    pub causes: &'static [&'static str],
    /// Commands that show more. Words in capitals are to be replaced: IFACE, ADDR, SRC, BRIDGE and so on.
    pub next: &'static [&'static str],
    /// Where kernels differ.
    pub kernels: Option<&'static str>,
    /// Names of reasons that are easily confused with this one or come with it.
    pub related: &'static [&'static str],
}

impl Entry {
    /// The first sentence of [`Entry::what`], without its full stop.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.what.split_once(". ").map_or(self.what, |(first, _)| first).trim_end_matches('.')
    }
}

/// Entries by area, with the area's title.
pub const SECTIONS: &[(&str, &[Entry])] = &[
    ("General", general::ENTRIES),
    ("Interface, tun and tap", link::ENTRIES),
    ("TC filters and XDP", tc::ENTRIES),
    ("Bridges and tunnels", overlay::ENTRIES),
    ("IP input and netfilter", ip::ENTRIES),
    ("Routing and reassembly", route::ENTRIES),
    ("IPv6", ipv6::ENTRIES),
    ("Sockets", socket::ENTRIES),
    ("TCP state", tcp_state::ENTRIES),
    ("TCP data", tcp_data::ENTRIES),
    ("TCP authentication and PSP", tcp_auth::ENTRIES),
    ("Neighbours", neighbour::ENTRIES),
    ("Queueing disciplines", qdisc::ENTRIES),
    ("Offloads", offload::ENTRIES),
    ("CAN", can::ENTRIES),
    ("Subsystems", subsystem::ENTRIES),
];

/// What enumerators may begin with, longest first.
const PREFIXES: [&str; 4] = ["SKB_DROP_REASON_SUBSYS_", "SKB_DROP_REASON_", "SUBSYS_", "SKB_"];

/// What the reasons of modules begin with, and the entry of their subsystem.
const MODULE_REASONS: [(&str, &str); 3] =
    [("OVS_DROP_", "OPENVSWITCH"), ("RX_DROP_U_", "MAC80211_UNUSABLE"), ("RX_DROP_M_", "MAC80211_MONITOR")];

/// Every entry, area by area.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    SECTIONS.iter().flat_map(|(_, entries)| *entries)
}

/// The entry of a reason or subsystem: in any case, with or without the kernel's prefix. A reason that a module
/// defines, such as `OVS_DROP_METER`, finds the entry of its subsystem.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    let name = name.trim();
    exact(name)
        .or_else(|| PREFIXES.iter().filter_map(|prefix| strip(name, prefix)).find_map(exact))
        .or_else(|| of_module(name))
}

/// True for enumerators that count or mask and never are the reason of a drop.
#[must_use]
pub fn is_marker(name: &str) -> bool {
    let bare = strip(name, "SKB_DROP_REASON_").unwrap_or(name);
    ["MAX", "SUBSYS_MASK", "SUBSYS_NUM"].iter().any(|marker| marker.eq_ignore_ascii_case(bare))
}

/// Up to five names like this one, the nearest first: few edits away, or with this text inside.
#[must_use]
pub fn nearest(name: &str) -> Vec<&'static str> {
    let name = name.trim().to_ascii_uppercase();
    let bare = PREFIXES.iter().find_map(|prefix| strip(&name, prefix)).unwrap_or(&name);
    let limit = (bare.len() / 4).clamp(1, 4);
    let rank = |candidate: &str| {
        let distance = strsim::osa_distance(&name, candidate).min(strsim::osa_distance(bare, candidate));
        let inside = bare.len() >= 3 && candidate.contains(bare);
        if distance <= limit { Some(distance) } else { inside.then_some(limit + 1) }
    };
    let mut near: Vec<_> = entries().filter_map(|entry| Some((rank(entry.name)?, entry.name))).collect();
    near.sort_unstable();
    near.into_iter().take(5).map(|(_, name)| name).collect()
}

fn exact(name: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.name.eq_ignore_ascii_case(name))
}

fn of_module(name: &str) -> Option<&'static Entry> {
    let (_, subsystem) = MODULE_REASONS.iter().find(|(prefix, _)| strip(name, prefix).is_some())?;
    exact(subsystem)
}

fn strip<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = name.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}
