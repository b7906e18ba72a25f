//! Documents that are printed by plumb itself.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{House, Offence};
use crate::run;

/// Each generated document with the arguments that print it.
const GENERATED: &[(&str, &[&str])] = &[("docs/records.md", &["schema", "--markdown"])];

/// The documents in the tree are what plumb prints today.
pub(super) fn current(house: &House) -> Result<Vec<Offence>> {
    let mut offences = Vec::new();
    for (file, arguments) in GENERATED {
        let printed = run::capture(house.plumb().args(*arguments))?;
        let kept = fs::read_to_string(house.repo.root.join(file)).unwrap_or_default();
        if kept != printed {
            offences.push(Offence::new(*file, "is not what plumb prints: cargo xtask tidy --write"));
        }
    }
    Ok(offences)
}

/// Writes the documents.
pub(super) fn write(house: &House) -> Result<()> {
    for (file, arguments) in GENERATED {
        let printed = run::capture(house.plumb().args(*arguments))?;
        let path = house.repo.root.join(file);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        fs::write(&path, printed).with_context(|| (*file).to_owned())?;
    }
    Ok(())
}
