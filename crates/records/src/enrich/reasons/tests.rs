use super::{Reason, Reasons};
use crate::enrich::btf::Btf;
use crate::enrich::btf::build::Build;
use proptest::prelude::*;

/// The shape of 6.12's enums: subsystems 1 to 3, of which mac80211 and openvswitch are modules.
fn vmlinux() -> Vec<u8> {
    Build::new()
        .enumeration(
            "skb_drop_reason",
            &[
                (0, "SKB_NOT_DROPPED_YET"),
                (1, "SKB_CONSUMED"),
                (2, "SKB_DROP_REASON_NOT_SPECIFIED"),
                (3, "SKB_DROP_REASON_NO_SOCKET"),
                (4, "SKB_DROP_REASON_MAX"),
                (0xffff_0000, "SKB_DROP_REASON_SUBSYS_MASK"),
            ],
        )
        .enumeration(
            "skb_drop_reason_subsys",
            &[
                (0, "SKB_DROP_REASON_SUBSYS_CORE"),
                (1, "SKB_DROP_REASON_SUBSYS_MAC80211_UNUSABLE"),
                (2, "SKB_DROP_REASON_SUBSYS_MAC80211_MONITOR"),
                (3, "SKB_DROP_REASON_SUBSYS_OPENVSWITCH"),
                (4, "SKB_DROP_REASON_SUBSYS_NUM"),
            ],
        )
        .bytes()
}

fn reasons() -> Reasons {
    Reasons::from_btf(&Btf::new(&vmlinux()).unwrap()).unwrap()
}

/// As both modules' enums are in 6.12.
fn with_modules() -> Reasons {
    let base = vmlinux();
    let mac80211 = Build::split(&base)
        .enumeration(
            "___mac80211_drop_reason",
            &[
                (1, "___RX_CONTINUE"),
                (0, "___RX_QUEUED"),
                (0x10000, "___RX_DROP_UNUSABLE"),
                (0x20000, "___RX_DROP_MONITOR"),
                (0x10001, "___RX_DROP_U_X"),
            ],
        )
        .enumeration(
            "mac80211_drop_reason",
            &[(1, "RX_CONTINUE"), (0, "RX_QUEUED"), (0x10001, "RX_DROP_U_X")],
        )
        .bytes();
    let openvswitch = Build::split(&base)
        .enumeration(
            "ovs_drop_reason",
            &[(0x30000, "__OVS_DROP_REASON"), (0x30001, "OVS_DROP_LAST_ACTION"), (0x30002, "OVS_DROP_MAX")],
        )
        .bytes();
    let (base, mut reasons) = (Btf::new(&base).unwrap(), reasons());
    for module in [mac80211, openvswitch] {
        reasons.add_module(&Btf::split(&module, &base).unwrap()).unwrap();
    }
    reasons
}

#[test]
fn core_names_and_unknown_numbers() {
    let reasons = reasons();
    assert_eq!(reasons.lookup(3), Reason { name: Some("NO_SOCKET"), subsystem: Some("core") });
    assert_eq!(reasons.lookup(1).name, Some("CONSUMED"));
    assert_eq!(reasons.lookup(4), Reason { name: None, subsystem: Some("core") }, "MAX is no reason");
    assert_eq!(reasons.lookup(0x30001), Reason { name: None, subsystem: Some("openvswitch") });
    assert_eq!(reasons.lookup(0x40001), Reason { name: None, subsystem: None });
    let names: Vec<&str> = reasons.iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["NOT_DROPPED_YET", "CONSUMED", "NOT_SPECIFIED", "NO_SOCKET"]);
}

#[test]
fn modules_name_their_own_reasons_and_no_others() {
    let before = reasons();
    assert!(before.wants_module("mac80211") && before.wants_module("openvswitch"));
    assert!(!before.wants_module("core") && !before.wants_module("mac") && !before.wants_module("veth"));
    let reasons = with_modules();
    assert!(!reasons.wants_module("mac80211") && !reasons.wants_module("openvswitch"));
    assert_eq!(reasons.lookup(0x20000).subsystem, Some("mac80211_monitor"));
    assert_eq!(reasons.lookup(0x10000).name, Some("RX_DROP_UNUSABLE"));
    assert_eq!(
        reasons.lookup(0x10001),
        Reason { name: Some("RX_DROP_U_X"), subsystem: Some("mac80211_unusable") }
    );
    assert_eq!(reasons.lookup(0x30001).name, Some("OVS_DROP_LAST_ACTION"));
    assert_eq!(reasons.lookup(0x30000).name, None, "a marker");
    assert_eq!(reasons.lookup(0x30002).name, None, "a marker");
    assert_eq!(reasons.lookup(1).name, Some("CONSUMED"), "RX_CONTINUE is mac80211's own word for it");
}

#[test]
fn numbers_as_users_write_them() {
    let reasons = with_modules();
    for text in
        ["NO_SOCKET", "no_socket", "SKB_DROP_REASON_NO_SOCKET", "skb_drop_reason_no_socket", "3", "0x3"]
    {
        assert_eq!(reasons.number(text), Some(3), "{text}");
    }
    assert_eq!(reasons.number("ovs_drop_last_action"), Some(0x30001));
    assert_eq!(reasons.number("4711"), Some(4711), "a number needs no name");
    for text in ["", "NO_SUCH", "-3", "+3", "0x", "0x+3", "3x", "SKB_DROP_REASON_", "4294967296"] {
        assert_eq!(reasons.number(text), None, "{text}");
    }
}

#[test]
fn without_btf_numbers_stay_numbers() {
    let none = Reasons::default();
    assert!(none.is_empty());
    assert_eq!(none.lookup(3), Reason { name: None, subsystem: Some("core") });
    assert_eq!((none.number("3"), none.number("NO_SOCKET")), (Some(3), None));
}

/// A host without this file has a kernel without BTF: then no reason has a name there.
#[test]
fn the_running_kernel() {
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else { return };
    let reasons = Reasons::from_btf(&Btf::new(&bytes).unwrap()).unwrap();
    let number = reasons.number("NO_SOCKET").expect("reasons are kept since 5.17");
    assert_eq!(reasons.lookup(number), Reason { name: Some("NO_SOCKET"), subsystem: Some("core") });
    assert!(reasons.number("MAX").is_none() && reasons.number("SUBSYS_MASK").is_none());
}

proptest! {
    #[test]
    fn any_number_and_text_has_an_answer(id: u32, text in "\\PC{0,24}") {
        let reasons = with_modules();
        let _ = (reasons.lookup(id), reasons.number(&text));
    }

    #[test]
    fn names_lead_back_to_their_numbers(lower: bool) {
        let reasons = with_modules();
        for (id, name) in reasons.iter() {
            let name = if lower { name.to_ascii_lowercase() } else { name.to_owned() };
            prop_assert_eq!(reasons.number(&name), Some(id));
        }
    }
}
