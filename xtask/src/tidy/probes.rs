//! A probe is a room with all its parts.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{House, Offence};

const PROBES: &str = "crates/kernel/src/probes";

/// Every part of every probe, each named after the probe's folder.
pub(super) fn parts(house: &House) -> Result<Vec<Offence>> {
    let mut offences = Vec::new();
    let table = house.read(Path::new(&format!("{PROBES}/mod.rs")))?;
    let readme = house.read(Path::new("README.md"))?;
    for probe in probes(house)? {
        let mut lacks =
            |what: String| offences.push(Offence::new(format!("{PROBES}/{probe}"), format!("lacks {what}")));
        for alternatives in files(&probe) {
            if !alternatives.iter().any(|file| house.exists(file)) {
                lacks(alternatives.join(" or "));
            }
        }
        if !table.lines().any(|line| {
            line.trim_start_matches("pub ").trim_start_matches("pub(crate) ") == format!("mod {probe};")
        }) || !table.contains(&format!("\"{probe}\""))
        {
            lacks(format!("its row in {PROBES}/mod.rs"));
        }
        if !has_section(&readme, &probe) {
            lacks(format!("a section `plumb {probe}` in README.md"));
        }
    }
    Ok(offences)
}

/// The folders below `probes/`.
fn probes(house: &House) -> Result<Vec<String>> {
    let directory = house.repo.root.join(PROBES);
    let entries = fs::read_dir(&directory).with_context(|| PROBES.to_owned())?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok())
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// The files that a probe consists of; of each group one must exist.
fn files(probe: &str) -> Vec<Vec<String>> {
    let room = format!("{PROBES}/{probe}");
    // A record is one thing of what its probe shows many of.
    let record = probe.strip_suffix('s').unwrap_or(probe);
    vec![
        vec![format!("{room}/{probe}.h")],
        vec![format!("{room}/{probe}.bpf.c")],
        vec![format!("{room}/mod.rs")],
        vec![format!("crates/records/src/{record}.rs"), format!("crates/records/src/{record}/mod.rs")],
        vec![
            format!("crates/cli/src/commands/{probe}.rs"),
            format!("crates/cli/src/commands/{probe}/mod.rs"),
        ],
        vec![format!("tests/live/tests/{probe}.rs"), format!("tests/live/tests/{probe}/main.rs")],
    ]
}

/// Whether a heading of the README is about the probe's command.
fn has_section(readme: &str, probe: &str) -> bool {
    let command = format!("plumb {probe}");
    readme.lines().any(|line| {
        line.starts_with('#') && line.trim_start_matches(['#', ' ']).trim_matches('`').starts_with(&command)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_parts() {
        let files: Vec<String> = files("drops").into_iter().flatten().collect();
        assert!(files.contains(&"crates/kernel/src/probes/drops/drops.bpf.c".to_owned()));
        assert!(files.contains(&"crates/records/src/drop.rs".to_owned()));
        assert!(files.contains(&"tests/live/tests/drops.rs".to_owned()));
    }

    #[test]
    fn finds_sections() {
        assert!(has_section("# Plumb\n\n## `plumb drops`: where packets end\n", "drops"));
        assert!(has_section("### plumb drops\n", "drops"));
        assert!(!has_section("plumb drops\n## Drops\n", "drops"));
    }
}
