use super::{AF_UNIX, Kernels, RULES, Rule, resolve};
use crate::enrich::btf::Btf;
use crate::enrich::btf::build::Build;
use crate::enrich::kallsyms::base_name;
use crate::enrich::{Kallsyms, Reasons};

/// Every function that a rule names, and one besides.
const SYMBOLS: &str = "\
ffffffff81000000 T ip6_mc_input
ffffffff81000100 T sk_stream_kill_queues
ffffffff81000200 T skb_queue_purge_reason
ffffffff81000300 t tcp_rcv_state_process.part.0
ffffffff81000400 T tcp_rcv_state_process
ffffffff81000500 T tcp_v4_rcv
ffffffff81000600 T tcp_v6_rcv
ffffffff81000700 T icmpv6_rcv
ffffffff81000800 T udp_rcv
";

fn reasons(names: &[&str]) -> Reasons {
    let names: Vec<String> = names.iter().map(|name| format!("SKB_DROP_REASON_{name}")).collect();
    let members: Vec<(u32, &str)> = (2..).zip(names.iter().map(String::as_str)).collect();
    let bytes = Build::new().enumeration("skb_drop_reason", &members).bytes();
    Reasons::from_btf(&Btf::new(&bytes).unwrap()).unwrap()
}

fn symbols() -> Kallsyms {
    Kallsyms::read(SYMBOLS.as_bytes()).unwrap()
}

/// As 6.18 names them, and 6.1.
const NEW: &[&str] =
    &["NOT_SPECIFIED", "QUEUE_PURGE", "TCP_FLAGS", "TCP_LISTEN_OVERFLOW", "IPV6_NDISC_FRAG", "NO_SOCKET"];
const OLD: &[&str] = &["NOT_SPECIFIED", "NO_SOCKET", "TCP_FLAGS"];

/// Whether a packet of `reason` without socket, freed in the middle of the function at `start`, is hidden.
fn hidden(names: &[&str], reason: &str, start: u64) -> bool {
    let reasons = reasons(names);
    let number = reasons.number(reason).unwrap();
    resolve(&reasons, &symbols())
        .iter()
        .any(|rule| rule.hides(None, 0xffff_ffff_8100_0000 + start + 0x80, number))
}

#[test]
fn every_rule_is_narrow_and_says_why() {
    for rule in RULES {
        let Rule { family, symbol, reason, why, .. } = rule;
        assert!(family.is_some() || symbol.is_some(), "{rule:?} would hide a reason everywhere");
        assert!(why.len() > 20 && !why.ends_with('.'), "{rule:?}");
        assert!(symbol.is_none_or(|symbol| base_name(symbol) == symbol), "{rule:?}");
        assert!(
            reason.is_none_or(|reason| reason == "NOT_SPECIFIED"),
            "{rule:?} hides a reason that says what happened"
        );
        assert_eq!(RULES.iter().filter(|other| *other == rule).count(), 1, "{rule:?} twice");
    }
}

#[test]
fn normal_life_is_hidden_and_faults_are_not() {
    assert!(hidden(NEW, "NOT_SPECIFIED", 0));
    assert!(hidden(NEW, "QUEUE_PURGE", 0x100));
    assert!(
        hidden(NEW, "NOT_SPECIFIED", 0x300) && hidden(NEW, "NOT_SPECIFIED", 0x400),
        "each part of a function"
    );
    assert!(hidden(NEW, "NOT_SPECIFIED", 0x500) && hidden(NEW, "NOT_SPECIFIED", 0x600));
    assert!(!hidden(NEW, "NO_SOCKET", 0x500));
    assert!(!hidden(NEW, "TCP_LISTEN_OVERFLOW", 0x500));
    assert!(!hidden(NEW, "QUEUE_PURGE", 0x200), "a queue that is no sniffer's");
    assert!(!hidden(NEW, "NOT_SPECIFIED", 0x800));
}

#[test]
fn kernels_differ_by_the_reasons_they_have() {
    assert!(!hidden(OLD, "NOT_SPECIFIED", 0x500), "it may be a full listener");
    assert!(!hidden(OLD, "NOT_SPECIFIED", 0x600), "it may be a full listener");
    assert!(hidden(OLD, "NOT_SPECIFIED", 0x700) && !hidden(NEW, "NOT_SPECIFIED", 0x700));
    assert!(hidden(OLD, "NOT_SPECIFIED", 0x100), "QUEUE_PURGE came later");
}

#[test]
fn without_names_only_families_are_told_apart() {
    let families = RULES.iter().filter(|rule| rule.symbol.is_none() && rule.reason.is_none()).count();
    for (reasons, symbols) in [(reasons(NEW), Kallsyms::default()), (Reasons::default(), Kallsyms::default())]
    {
        let matches = resolve(&reasons, &symbols);
        assert_eq!(matches.len(), families);
        assert!(matches.iter().any(|rule| rule.hides(Some(AF_UNIX), 0, 4)));
        assert!(!matches.iter().any(|rule| rule.hides(None, 0, 2) || rule.hides(Some(2), 0, 2)));
    }
    let by_reason = resolve(&Reasons::default(), &symbols()).into_iter();
    assert!(by_reason.clone().all(|rule| rule.rule.reason.is_none() && rule.rule.kernels == Kernels::All));
}
