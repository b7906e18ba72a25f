//! Names that the kernel cuts to 15 characters must still differ.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{House, Offence};

/// BPF_OBJ_NAME_LEN is 16 with the closing zero (include/uapi/linux/bpf.h).
const KERNEL_NAME: usize = 15;

/// Macros whose first argument is the program's name (libbpf's bpf_tracing.h).
const PROGRAM_MACROS: &[&str] =
    &["BPF_PROG", "BPF_PROG2", "BPF_KPROBE", "BPF_KRETPROBE", "BPF_UPROBE", "BPF_URETPROBE"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Program,
    Map,
}

/// Looks at every program and map of every object: people see them side by side in a list.
pub(super) fn names(house: &House) -> Result<Vec<Offence>> {
    let mut seen: BTreeMap<(Kind, String), String> = BTreeMap::new();
    let mut offences = Vec::new();
    let is_bpf = |name: &str| name.ends_with(".bpf.c") || name.ends_with(".bpf.h");
    for file in house.files.iter().filter(|file| file.to_str().is_some_and(is_bpf)) {
        for (kind, name) in declared(&house.read(file)?) {
            let cut: String = name.chars().take(KERNEL_NAME).collect();
            let here = format!("{name} in {}", file.display());
            if let Some(other) = seen.insert((kind, cut.clone()), here) {
                offences
                    .push(Offence::new(file, format!("{name} is {cut} to the kernel, and so is {other}")));
            }
        }
    }
    Ok(offences)
}

/// The programs and maps that a source file declares, found by their SEC().
fn declared(text: &str) -> Vec<(Kind, String)> {
    let text = without_comments(text);
    let mut found = Vec::new();
    for (at, _) in text.match_indices("SEC(\"") {
        let Some((section, after)) = text[at + "SEC(\"".len()..].split_once("\")") else { continue };
        // A macro puts it together, the program's name too.
        if section.contains('"') {
            continue;
        }
        match section {
            ".maps" => {
                let name = last_word(&text[..at]);
                found.extend(name.map(|name| (Kind::Map, name)));
            }
            // A section of data. Programs' sections do not start with a full stop, apart from these.
            "license" | "version" => {}
            data if data.starts_with('.') => {}
            _ => found.extend(program(after).map(|name| (Kind::Program, name))),
        }
    }
    found
}

/// `int BPF_PROG(name, ...)` or `int name(...)`.
fn program(after: &str) -> Option<String> {
    let (head, arguments) = after.split_once('(')?;
    let name = last_word(head)?;
    if !PROGRAM_MACROS.contains(&name.as_str()) {
        return Some(name);
    }
    let first = arguments.split([',', ')']).next()?.trim();
    (!first.is_empty()).then(|| first.to_owned())
}

fn last_word(text: &str) -> Option<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let word = text.trim_end().rsplit(|c| !is_name(c)).next()?;
    (!word.is_empty()).then(|| word.to_owned())
}

fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        code.push_str(&rest[..at]);
        rest = rest[at..].split_once("*/").map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_and_maps() {
        let text = r#"
            char LICENSE[] SEC("license") = "GPL";
            struct { __uint(type, BPF_MAP_TYPE_RINGBUF); } drops_ring SEC(".maps");
            const volatile struct config config SEC(".rodata.config");
            /* SEC("tp_btf/old") int gone(void *ctx) */
            // SEC("tp_btf/older") int gone_too(void *ctx)
            SEC("tp_btf/kfree_skb")
            int BPF_PROG(drops_freed, struct sk_buff *skb, void *location)
            {
            }
            SEC("?xdp") int drops_xdp(struct xdp_md *ctx) { return 2; }
        "#;
        let expected = [
            (Kind::Map, "drops_ring".to_owned()),
            (Kind::Program, "drops_freed".to_owned()),
            (Kind::Program, "drops_xdp".to_owned()),
        ];
        assert_eq!(declared(text), expected);
    }

    #[test]
    fn survives_damage() {
        for text in ["SEC(\"", "SEC(\"tp\")", "SEC(\".maps\")", "/* SEC(", "SEC(\"xdp\") int BPF_PROG("] {
            assert_eq!(declared(text), []);
        }
    }
}
