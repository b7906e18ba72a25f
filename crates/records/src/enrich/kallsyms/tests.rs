use super::{Kallsyms, Symbol, base_name, function};
use proptest::prelude::*;
use std::io::{self, Read};

const TEXT: &str = "\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000040 t tcp_v4_rcv
ffffffff81000080 t tcp_v4_rcv.isra.0
ffffffff81000090 W abort
ffffffff810000a0 D some_data
ffffffff810000c0 t tcp_v4_rcv.isra.0.cold
ffffffffc0000000 t veth_xmit\t[veth]
ffffffffc0100000 t bpf_prog_6deef7357e7b4530_a\t[bpf]
";

fn read(text: impl AsRef<[u8]>) -> Kallsyms {
    Kallsyms::read(text.as_ref()).unwrap()
}

fn named(text: &str, address: u64) -> Option<String> {
    read(text).lookup(address).map(|symbol| symbol.to_string())
}

#[test]
fn nearest_symbol_not_above_as_the_kernel_prints_it() {
    let named = |address| named(TEXT, address);
    assert_eq!(named(0xffff_ffff_8100_0000).unwrap(), "_stext+0x0", "the first alias");
    assert_eq!(named(0xffff_ffff_8100_003f).unwrap(), "_stext+0x3f");
    assert_eq!(named(0xffff_ffff_8100_0091).unwrap(), "abort+0x1");
    assert_eq!(named(0xffff_ffff_8100_00a1).unwrap(), "abort+0x11", "data is no location");
    assert_eq!(named(0xffff_ffff_c000_0123).unwrap(), "veth_xmit+0x123 [veth]");
    assert_eq!(named(0xffff_ffff_c010_0001).unwrap(), "bpf_prog_6deef7357e7b4530_a+0x1 [bpf]");
    for nowhere in [0, 1, 0xffff_ffff_80ff_ffff, 0xffff_ffff_8200_0000, u64::MAX] {
        assert_eq!(named(nowhere), None, "{nowhere:#x}");
    }
}

#[test]
fn ranges_take_every_clone_up_to_the_next_symbol() {
    let symbols = read(TEXT);
    let expected = [
        (0xffff_ffff_8100_0040, 0xffff_ffff_8100_0080),
        (0xffff_ffff_8100_0080, 0xffff_ffff_8100_0090),
        (0xffff_ffff_8100_00c0, 0xffff_ffff_8100_00c0 + Kallsyms::MAX_OFFSET),
    ];
    assert_eq!(symbols.ranges("tcp_v4_rcv"), expected);
    assert_eq!(symbols.ranges("tcp_v4_rcv.constprop.3"), expected);
    assert_eq!(symbols.ranges("_text"), [(0xffff_ffff_8100_0000, 0xffff_ffff_8100_0040)], "an alias");
    assert!(symbols.ranges("tcp_v4").is_empty());
}

#[test]
fn compiler_suffixes_are_no_part_of_the_name() {
    for (name, base) in [
        ("nft_do_chain", "nft_do_chain"),
        ("f.cold", "f"),
        ("f.cold.12", "f"),
        ("f.constprop.0.isra.1.cold", "f"),
        ("f.part.7.llvm.1234", "f"),
        ("copy.E_copy", "copy.E_copy"),
        ("f.isra", "f.isra"),
        ("f.7", "f.7"),
        (".cold", ".cold"),
        ("", ""),
    ] {
        assert_eq!(base_name(name), base);
    }
    assert_eq!(function("veth_xdp_rcv_skb.isra.0+0x1f [veth]"), "veth_xdp_rcv_skb");
    assert_eq!(function("ip_error"), "ip_error");
}

#[test]
fn hidden_addresses_are_told_from_an_empty_table() {
    let hidden = read("0000000000000000 T _stext\n0000000000000000 t veth_xmit\t[veth]\n");
    assert!(hidden.hidden() && hidden.is_empty());
    assert_eq!(hidden.lookup(0), None);
    assert!(!read("").hidden());
    assert!(!read(TEXT).hidden());
}

#[test]
fn a_whole_kernel_fits_in_little_memory() {
    let mut text = String::new();
    for index in 0..120_000_u64 {
        let address = 0xffff_ffff_8100_0000 + index * 64;
        text += &format!("{address:016x} t some_function_of_the_{index:05}");
        text += if index < 100_000 { "\n" } else { "\t[module_name]\n" };
    }
    let symbols = read(&text);
    assert_eq!(symbols.len(), 120_000);
    assert!(symbols.heap_bytes() < 6 << 20, "{} bytes", symbols.heap_bytes());
    let last = symbols.lookup(0xffff_ffff_8100_0000 + 119_999 * 64 + 5).unwrap();
    assert_eq!(last.to_string(), "some_function_of_the_119999+0x5 [module_name]");
}

#[test]
fn a_line_without_end_is_an_error_and_no_growth() {
    let error = Kallsyms::read(io::repeat(b'f')).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

/// Hands out at most `step` bytes a call, as /proc does.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(buffer.len());
        self.0.read(&mut buffer[..count])
    }
}

/// A line's parts: few addresses, so that aliases and neighbours are frequent.
fn line() -> impl Strategy<Value = (u64, char, String, Option<String>)> {
    (
        0..400_000_u64,
        prop::sample::select(vec!['t', 'T', 'w', 'W', 'd', 'A', 'i']),
        "[a-z_.0-9]{1,12}",
        prop::option::of("[a-z]{1,3}"),
    )
}

/// The rule in its plainest form: the highest address not above, of those the first line.
fn naive<'a>(lines: &'a [(u64, char, String, Option<String>)], address: u64) -> Option<Symbol<'a>> {
    let code = lines.iter().filter(|line| line.0 != 0 && "tTwW".contains(line.1) && line.0 <= address);
    let best = code.rev().max_by(|a, b| a.0.cmp(&b.0))?;
    let offset = address - best.0;
    let symbol = Symbol { name: &best.2, module: best.3.as_deref(), offset };
    (offset <= Kallsyms::MAX_OFFSET).then_some(symbol)
}

proptest! {
    #[test]
    fn agrees_with_a_linear_search(
        lines in prop::collection::vec(line(), 0..60),
        addresses in prop::collection::vec(0..600_000_u64, 20),
        step in 1..200_usize,
    ) {
        let mut text = String::new();
        for (address, kind, name, module) in &lines {
            text += &format!("{address:016x} {kind} {name}");
            text += &module.as_ref().map_or("\n".to_owned(), |module| format!("\t[{module}]\n"));
        }
        let symbols = Kallsyms::read(Trickle(text.as_bytes(), step)).unwrap();
        for address in addresses.into_iter().chain(lines.iter().map(|line| line.0)) {
            prop_assert_eq!(symbols.lookup(address), naive(&lines, address));
        }
        for (address, kind, name, _) in &lines {
            let kept = *address != 0 && "tTwW".contains(*kind);
            prop_assert!(!kept || symbols.ranges(name).iter().any(|range| range.0 == *address));
        }
    }

    #[test]
    fn any_bytes_are_read(bytes: Vec<u8>, address: u64) {
        let _ = read(bytes).lookup(address);
    }

    #[test]
    fn any_near_miss_is_read(text in "([0-9a-f]{0,17} ?[tTDw]? ?[a-z.]{0,3}\t?\\[?[a-z]?\\]?\n?){0,20}", address: u64) {
        let symbols = read(text);
        let _ = (symbols.lookup(address), symbols.ranges("a"), symbols.hidden());
    }
}

#[test]
fn variables_that_lead_to_the_preempt_counter_are_kept() {
    let text = "0000000000034780 A pcpu_hot\nffffffff82345678 D __per_cpu_offset\n0000000000000000 A __preempt_count\n\
                ffffffff82345688 D jiffies\nffffffff81000000 T pcpu_hot\n";
    let symbols = Kallsyms::read(text.as_bytes()).unwrap();
    assert_eq!(symbols.variable("pcpu_hot"), Some(0x34780));
    assert_eq!(symbols.variable("__per_cpu_offset"), Some(0xffff_ffff_8234_5678));
    assert_eq!(symbols.variable("__preempt_count"), None, "hidden");
    assert_eq!(symbols.variable("jiffies"), None, "not one of them");
    assert_eq!(symbols.len(), 1);
}
