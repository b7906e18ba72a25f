//! `cargo xtask tidy`: the house rules that neither compiler nor clippy hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::plumb::{self, Profile};
use crate::repo::Repo;
use crate::setup;

mod bpf;
mod docs;
mod probes;
mod readme;
mod source;

/// A rule: its name, and what finds the offences against it.
type Check = (&'static str, fn(&House) -> Result<Vec<Offence>>);

const CHECKS: &[Check] = &[
    ("unsafe-rooms", source::unsafe_rooms),
    ("file-length", source::file_length),
    ("machine-paths", source::machine_paths),
    ("libbpf-room", source::libbpf_room),
    ("bpf-names", bpf::names),
    ("probe-parts", probes::parts),
    ("typed-commands", readme::commands),
    ("generated-docs", docs::current),
];

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Offence {
    path: PathBuf,
    what: String,
}

impl Offence {
    fn new(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self { path: path.into(), what: what.into() }
    }
}

/// What the checks look at.
struct House<'a> {
    repo: &'a Repo,
    /// The project's files, relative to the root.
    files: Vec<PathBuf>,
    /// A built plumb, to ask it about itself.
    plumb: PathBuf,
}

impl House<'_> {
    fn read(&self, file: &Path) -> Result<String> {
        fs::read_to_string(self.repo.root.join(file)).with_context(|| file.display().to_string())
    }

    fn exists(&self, file: impl AsRef<Path>) -> bool {
        self.repo.root.join(file).exists()
    }

    fn plumb(&self) -> Command {
        Command::new(&self.plumb)
    }
}

/// Runs every check and prints a line for each offence; with `write`, generated documents are written first.
pub(crate) fn run(repo: &Repo, write: bool) -> Result<()> {
    setup::ensure(repo, setup::Scope::Build)?;
    let plumb = plumb::build(repo, Profile::Dev)?;
    let mut house = House { repo, files: repo.files()?, plumb };
    if write {
        docs::write(&house)?;
        house.files = repo.files()?;
    }
    let mut count = 0_usize;
    for (name, check) in CHECKS {
        match check(&house) {
            Ok(offences) => {
                count += offences.len();
                offences
                    .iter()
                    .for_each(|offence| println!("{name}: {}: {}", offence.path.display(), offence.what));
            }
            // A check that cannot look does not stop the others.
            Err(error) => {
                count += 1;
                println!("{name}: {error:#}");
            }
        }
    }
    if count > 0 { bail!("tidy: {count} offences") } else { Ok(()) }
}
