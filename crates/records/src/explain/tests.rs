use super::{Entry, SECTIONS, entries, find, is_marker, nearest};
use std::collections::HashSet;

/// Enumerators of the kernels that Plumb is tested on, as their BTF names them.
const KERNELS: [&str; 3] = [
    include_str!("../../testdata/reasons-6.1.txt"),
    include_str!("../../testdata/reasons-6.12.txt"),
    include_str!("../../testdata/reasons-6.18.txt"),
];

/// Programs that an engineer's host has, or can install, and that show something.
const PROGRAMS: &[&str] = &[
    "arping",
    "bpftool",
    "bridge",
    "candump",
    "cat",
    "conntrack",
    "dmesg",
    "ethtool",
    "ip",
    "iptables-save",
    "iw",
    "journalctl",
    "lsmod",
    "nft",
    "nstat",
    "ovs-appctl",
    "ovs-ofctl",
    "perf",
    "plumb",
    "ps",
    "rdisc6",
    "ss",
    "sysctl",
    "tc",
    "tcpdump",
    "tracepath",
    "vmstat",
];

fn members(kernel: &str) -> impl Iterator<Item = &str> {
    kernel.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

#[test]
fn every_reason_of_every_kernel_has_an_entry() {
    for kernel in KERNELS {
        assert!(members(kernel).count() > 60);
        let missing: Vec<_> =
            members(kernel).filter(|name| !is_marker(name) && find(name).is_none()).collect();
        assert_eq!(missing, [""; 0]);
    }
}

#[test]
fn every_entry_occurs_in_a_kernel() {
    let known: HashSet<_> =
        KERNELS.into_iter().flat_map(members).filter_map(|name| find(name).map(|entry| entry.name)).collect();
    let unknown: Vec<_> = entries().map(|entry| entry.name).filter(|name| !known.contains(name)).collect();
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn markers_are_no_reasons() {
    for kernel in KERNELS {
        assert!(members(kernel).any(is_marker));
    }
    for name in ["MAX", "SUBSYS_MASK", "SKB_DROP_REASON_SUBSYS_NUM"] {
        assert!(is_marker(name) && find(name).is_none(), "{name}");
    }
    assert!(!is_marker("NO_SOCKET"));
}

#[test]
fn names_are_unique_and_links_lead_somewhere() {
    let mut names = HashSet::new();
    for entry in entries() {
        assert!(names.insert(entry.name), "{} twice", entry.name);
    }
    for entry in entries() {
        for related in entry.related {
            assert!(names.contains(related) && *related != entry.name, "{}: {related}", entry.name);
        }
    }
}

#[test]
fn entries_are_complete_and_short() {
    for (title, entries) in SECTIONS {
        assert!(!title.is_empty() && !entries.is_empty());
        for entry in *entries {
            check(entry);
        }
    }
}

fn check(entry: &Entry) {
    let name = entry.name;
    assert!(entry.what.len() <= 400 && entry.what.ends_with('.'), "{name}: {}", entry.what);
    assert!(entry.summary().len() <= 130 && !entry.summary().is_empty(), "{name}: {}", entry.summary());
    assert!((1..=4).contains(&entry.causes.len()), "{name}");
    assert!((1..=5).contains(&entry.next.len()), "{name}");
    assert!(!entry.related.is_empty() || name == "CORE", "{name}");
    for text in entry.causes.iter().chain(entry.next).chain(&entry.kernels).chain([&entry.what]) {
        assert!(
            !text.is_empty() && text.trim() == *text && !text.contains("  ") && text.is_ascii(),
            "{name}: {text}"
        );
    }
    for command in entry.next {
        let program = command.split(' ').next().unwrap_or_default();
        assert!(PROGRAMS.contains(&program), "{name}: {command}");
    }
}

#[test]
fn commands_of_plumb_ask_for_their_own_reason() {
    for entry in entries() {
        for command in entry.next.iter().filter(|command| command.starts_with("plumb drops")) {
            if let Some((_, rest)) = command.split_once("--reason ") {
                assert_eq!(rest.split(' ').next(), Some(entry.name), "{command}");
            }
        }
    }
}

#[test]
fn names_are_found_as_people_and_kernels_write_them() {
    for name in ["NO_SOCKET", "no_socket", " SKB_DROP_REASON_NO_SOCKET\n", "skb_drop_reason_no_socket"] {
        assert_eq!(find(name).map(|entry| entry.name), Some("NO_SOCKET"), "{name}");
    }
    for (name, expected) in [
        ("SKB_CONSUMED", "CONSUMED"),
        ("SKB_CSUM", "SKB_CSUM"),
        ("SKB_DROP_REASON_SUBSYS_OPENVSWITCH", "OPENVSWITCH"),
        ("openvswitch", "OPENVSWITCH"),
        ("OVS_DROP_METER", "OPENVSWITCH"),
        ("RX_DROP_U_REPLAY", "MAC80211_UNUSABLE"),
        ("RX_DROP_M_BAD_BCN_KEYIDX", "MAC80211_MONITOR"),
    ] {
        assert_eq!(find(name).map(|entry| entry.name), Some(expected), "{name}");
    }
    for name in ["", "SKB_", "NO_SUCH_REASON", "Ω", "SKB_DROP_REASON_Ω"] {
        assert!(find(name).is_none(), "{name}");
    }
}

#[test]
fn typos_find_their_neighbours() {
    assert_eq!(nearest("NO_SOCKT").first(), Some(&"NO_SOCKET"));
    assert_eq!(nearest("skb_drop_reason_tpc_csum").first(), Some(&"TCP_CSUM"));
    assert_eq!(nearest("NO_SOCKET").first(), Some(&"NO_SOCKET"));
    assert!(nearest("rcvbuf").contains(&"SOCKET_RCVBUFF"));
    assert!(nearest("NEIGH").len() == 5);
    assert!(nearest("COMPLETELY_DIFFERENT_THING").is_empty());
    assert!(nearest("").is_empty() && nearest("Ω").is_empty());
}

#[test]
fn text_fits_the_width_but_commands_stay_whole() {
    for entry in entries() {
        for width in [0, 40, 80, 1000] {
            let text = entry.render(width);
            assert!(text.starts_with(entry.name) && text.ends_with('\n'));
            for line in text.lines().filter(|line| !entry.next.contains(&line.trim_start())) {
                assert!(line.len() <= width.max(40) && line.trim_end() == line, "{width}: {line:?}");
            }
            for command in entry.next {
                assert!(text.lines().any(|line| line == format!("  {command}")), "{command}");
            }
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(squeezed(&text).contains(&squeezed(entry.what)), "{}", entry.name);
        }
    }
}

#[test]
fn rendered_entry_looks_as_meant() {
    let text = find("SKB_GSO_SEG").map(|entry| entry.render(60)).unwrap_or_default();
    assert_eq!(
        text,
        "\
SKB_GSO_SEG

Cutting a large offloaded packet into wire-sized ones
failed. tap_handle_frame raises it when __skb_gso_segment
returns an error for a packet that a macvtap reader cannot
take whole.

Usual causes
  - inconsistent offload metadata from a guest or a tunnel
    (header lengths, protocol)
  - memory pressure during segmentation

Look at next
  ethtool -k IFACE
  plumb drops --reason SKB_GSO_SEG --by flow
  dmesg

Related: SKB_BAD_GSO, SKB_CSUM, FULL_RING
"
    );
}
