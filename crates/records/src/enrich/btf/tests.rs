use super::build::Build;
use super::{Btf, BtfError};
use proptest::prelude::*;

/// Every kind that clang 14 writes: see types.c beside it. Little-endian, so that a big-endian host tests the swap.
const TYPES: &[u8] = include_bytes!("../../../testdata/types.btf");

#[test]
fn a_compilers_enums() {
    let btf = Btf::new(TYPES).unwrap();
    let enums = btf.enums(|name| name.ends_with("drop_reason")).unwrap();
    assert_eq!(enums.len(), 1);
    assert_eq!(enums[0].name, "plain_drop_reason");
    assert_eq!(enums[0].members, [(0, "FIRST"), (7, "SECOND"), (0xffff_0000, "LAST")]);
    assert_eq!(btf.enums(|_| true).unwrap().len(), 2);
}

#[test]
fn members_of_structs() {
    let mut build = Build::new();
    let (name, first, second) = (build.name("task"), build.name("pid"), build.name("tgid"));
    build.words(&[name, 4 << 24 | 2, 8, first, 0, 0, second, 0, 32]);
    let bytes = build.bytes();
    let btf = Btf::new(&bytes).unwrap();
    assert_eq!(btf.has_member("task", "tgid"), Ok(true));
    assert_eq!(btf.has_member("task", "comm"), Ok(false));
    assert_eq!(btf.has_member("other", "tgid"), Ok(false));
}

#[test]
fn the_other_byte_order() {
    let mut swapped = Build::new().enumeration("e", &[(258, "A")]).bytes();
    let (header, body) = swapped.split_at_mut(4);
    header[..2].reverse();
    // Header, one type of three words and one member of two; then strings, which have no order.
    body[..20 + 20].chunks_exact_mut(4).for_each(<[u8]>::reverse);
    assert_eq!(Btf::new(&swapped).unwrap().enums(|_| true).unwrap()[0].members, [(258, "A")]);
}

#[test]
fn signs_and_widths() {
    let mut build = Build::new();
    let (name, low, high) = (build.name("e"), build.name("LOW"), build.name("HIGH"));
    const SIGNED: u32 = 1 << 31;
    build.words(&[name, 6 << 24 | SIGNED | 1, 4, low, u32::MAX]);
    build.words(&[name, 19 << 24 | 1, 8, low, u32::MAX, u32::MAX]);
    build.words(&[name, 19 << 24 | SIGNED | 2, 8, low, u32::MAX, u32::MAX, high, 1, 1]);
    // Every kind without members, with its trailing bytes, before the last enum: INT, PTR, ARRAY, FWD, TYPEDEF,
    // VOLATILE, CONST, RESTRICT, FUNC, VAR, FLOAT, DECL_TAG, TYPE_TAG.
    for (kind, tail) in [(1, 1), (2, 0), (3, 3), (7, 0), (8, 0), (9, 0), (10, 0)] {
        build.words(&vec![kind << 24; 3 + tail]);
    }
    for (kind, tail) in [(11, 0), (12, 0), (14, 1), (16, 0), (17, 1), (18, 0)] {
        build.words(&vec![kind << 24; 3 + tail]);
    }
    build.words(&[name, 6 << 24 | 1, 4, high, 3]);
    let bytes = build.bytes();
    let enums = Btf::new(&bytes).unwrap().enums(|name| name == "e").unwrap();
    let members: Vec<_> = enums.into_iter().map(|item| item.members).collect();
    let expected = [
        vec![(-1, "LOW")],
        vec![(u64::MAX.into(), "LOW")],
        vec![(-1, "LOW"), (0x1_0000_0001, "HIGH")],
        vec![(3, "HIGH")],
    ];
    assert_eq!(members, expected);
}

#[test]
fn a_module_goes_on_from_its_base() {
    let base = Build::new().enumeration("base", &[(1, "ONE")]).bytes();
    let mut module = Build::split(&base);
    // A name of the base's: "ONE" stands behind the empty string and "base".
    module.words(&[6, 6 << 24, 4]);
    let module = module.enumeration("own", &[(2, "TWO")]).bytes();
    let base = Btf::new(&base).unwrap();
    let split = Btf::split(&module, &base).unwrap();
    let enums = split.enums(|_| true).unwrap();
    assert_eq!((enums[0].name, enums[1].name), ("ONE", "own"));
    assert_eq!(enums[1].members, [(2, "TWO")]);
}

#[test]
fn what_cannot_be_read_is_said() {
    assert_eq!(Btf::new(b"").unwrap_err(), BtfError::Header);
    assert_eq!(Btf::new(b"\x7fELF").unwrap_err(), BtfError::Header);
    assert_eq!(Btf::new(&TYPES[..30]).unwrap_err(), BtfError::Section("type"));
    assert_eq!(Btf::new(&TYPES[..TYPES.len() - 1]).unwrap_err(), BtfError::Section("string"));

    let enums = |build: &Build| Btf::new(&build.bytes()).unwrap().enums(|_| true).unwrap_err();
    let mut build = Build::new();
    build.words(&[0, 20 << 24, 0]);
    assert_eq!(enums(&build), BtfError::Kind(20));
    let mut build = Build::new();
    build.words(&[0, 6 << 24 | 2, 4, 0, 0]);
    assert_eq!(enums(&build), BtfError::Truncated(0));
    let mut build = Build::new();
    build.words(&[9, 6 << 24, 4]);
    assert_eq!(enums(&build), BtfError::Name(9));
}

/// A host without this file has a kernel without BTF, and then there is nothing that the reader could be wrong about.
#[test]
fn the_running_kernel() {
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else { return };
    let btf = Btf::new(&bytes).unwrap();
    let enums = btf.enums(|name| name == "skb_drop_reason").unwrap();
    assert!(enums[0].members.iter().any(|(_, name)| *name == "SKB_DROP_REASON_NO_SOCKET"));
}

fn read_everything(bytes: &[u8]) {
    let Ok(btf) = Btf::new(bytes) else { return };
    let _ = btf.enums(|_| true);
    let _ = btf.has_member("s", "m");
    let _ = Btf::split(bytes, &btf).and_then(|split| split.enums(|_| true));
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes: Vec<u8>) {
        read_everything(&bytes);
    }

    #[test]
    fn damaged_bytes_are_read(
        damage in prop::collection::vec((0..TYPES.len(), any::<u8>()), 1..12),
        length in 0..=TYPES.len(),
        cut: bool,
    ) {
        let mut bytes = TYPES.to_vec();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length);
        }
        read_everything(&bytes);
    }
}
