//! Rules about source files, whatever is in them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use proc_macro2::{TokenStream, TokenTree};

use super::{House, Offence};
use crate::repo::has_extension;

/// The rooms of `unsafe`; the reasons why each is sound are written there.
const UNSAFE_ROOMS: &[&str] = &[
    "crates/kernel/src/wire.rs",
    "crates/kernel/src/mapped.rs",
    "crates/kernel/src/sys.rs",
    "crates/kernel/src/links.rs",
    "crates/kernel/src/netdev.rs",
    "crates/kernel/src/ring/perf.rs",
];

/// A file longer than this holds more than one thing.
const LONGEST: usize = 500;

/// Directories of somebody's machine, which mean nothing on another. Put together here so as not to find itself.
const MACHINE_PATHS: &[&str] = &[concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/")];

/// The only crate that may depend on libbpf; the workspace manifest names the versions.
const LIBBPF_ROOMS: &[&str] = &["Cargo.toml", "crates/kernel/Cargo.toml"];

pub(super) fn unsafe_rooms(house: &House) -> Result<Vec<Offence>> {
    let outside = |file: &&PathBuf| {
        has_extension(file, &["rs"]) && !UNSAFE_ROOMS.iter().any(|room| file == &Path::new(room))
    };
    let mut offences = Vec::new();
    for file in house.files.iter().filter(outside) {
        let lines = unsafe_lines(&house.read(file)?).with_context(|| file.display().to_string())?;
        offences.extend(
            lines
                .into_iter()
                .map(|line| Offence::new(file, format!("unsafe on line {line}, outside its rooms"))),
        );
    }
    Ok(offences)
}

/// Lines with the keyword `unsafe`; comments and strings do not count, macros do.
fn unsafe_lines(text: &str) -> Result<Vec<usize>> {
    let tokens: TokenStream = text.parse().map_err(|error| anyhow!("not Rust: {error}"))?;
    let mut lines = Vec::new();
    let mut streams = vec![tokens];
    while let Some(stream) = streams.pop() {
        for token in stream {
            match token {
                TokenTree::Group(group) => streams.push(group.stream()),
                TokenTree::Ident(word) if word == "unsafe" => lines.push(word.span().start().line),
                _ => {}
            }
        }
    }
    lines.sort_unstable();
    Ok(lines)
}

pub(super) fn file_length(house: &House) -> Result<Vec<Offence>> {
    let mut offences = Vec::new();
    for file in house.files.iter().filter(|file| has_extension(file, &["rs", "c", "h"])) {
        let lines = house.read(file)?.lines().count();
        if lines > LONGEST {
            offences.push(Offence::new(file, format!("{lines} lines; {LONGEST} are the most")));
        }
    }
    Ok(offences)
}

pub(super) fn machine_paths(house: &House) -> Result<Vec<Offence>> {
    let mut offences = Vec::new();
    for file in &house.files {
        // What is not text names no path for people.
        let Ok(text) = house.read(file) else { continue };
        for (index, line) in text.lines().enumerate() {
            offences.extend(
                machine_path(line).map(|path| Offence::new(file, format!("{path} on line {}", index + 1))),
            );
        }
    }
    Ok(offences)
}

/// The machine path that starts somewhere in `line`; one in the middle of a longer path or address does not count.
fn machine_path(line: &str) -> Option<&'static str> {
    let starts = |at: usize| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || "/._-~}".contains(c)))
    };
    MACHINE_PATHS.iter().copied().find(|path| line.match_indices(path).any(|(at, _)| starts(at)))
}

pub(super) fn libbpf_room(house: &House) -> Result<Vec<Offence>> {
    let manifests = house.files.iter().filter(|file| file.ends_with("Cargo.toml"));
    let mut offences = Vec::new();
    for file in manifests.filter(|file| !LIBBPF_ROOMS.iter().any(|room| file == &Path::new(room))) {
        if house.read(file)?.lines().any(|line| line.trim_start().starts_with("libbpf")) {
            offences.push(Offence::new(file, "depends on libbpf, which only crates/kernel may"));
        }
    }
    Ok(offences)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_keyword_alone() {
        let text = concat!(
            "#![deny(unsafe_code)]\n// unsafe\n/* unsafe */ /// unsafe\nfn safe() { let s = \"unsafe\"; }\n",
            "fn one() { un",
            "safe { two() } }\nmacro_rules! m { () => { un",
            "safe {} } }\n",
        );
        assert_eq!(unsafe_lines(text).unwrap(), [5, 6]);
        assert!(unsafe_lines("fn broken( {").is_err());
    }

    #[test]
    fn finds_machine_paths() {
        let (work, home) = (concat!("/", "work/main"), concat!("/", "home/me"));
        assert!(machine_path(&format!("cd {work}")).is_some());
        assert!(machine_path(&format!("\"{home}\"")).is_some());
        assert!(machine_path(&format!("https://example.com{home}")).is_none());
        assert!(machine_path(&format!("crates{work}")).is_none());
        assert!(machine_path(&format!("${{HOME}}{work}")).is_none());
        assert!(machine_path("/root, /homeland/ and /workers").is_none());
    }
}
