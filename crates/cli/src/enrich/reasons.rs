//! Names of drop reasons; a number without a name is its own name.

use plumb_records::enrich::Reasons;
use std::collections::HashMap;

/// Numbers without a name that are kept as text.
const MOST: usize = 1024;

/// What a reason is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// Its name, or its number.
    pub name: &'a str,
    /// Who defines it, where known.
    pub subsystem: Option<&'a str>,
}

/// The running kernel's reasons.
#[derive(Default)]
pub struct ReasonNames {
    table: Reasons,
    numbers: HashMap<u32, Box<str>>,
}

impl ReasonNames {
    /// Over the running kernel's table.
    pub fn new(table: Reasons) -> Self {
        Self { table, numbers: HashMap::new() }
    }

    /// What `id` is called.
    pub fn name(&mut self, id: u32) -> Named<'_> {
        let Self { table, numbers } = self;
        let reason = table.lookup(id);
        let name = reason.name.unwrap_or_else(|| {
            if numbers.len() >= MOST && !numbers.contains_key(&id) {
                numbers.clear();
            }
            numbers.entry(id).or_insert_with(|| id.to_string().into())
        });
        Named { name, subsystem: reason.subsystem }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, ReasonNames};

    #[test]
    fn a_number_without_a_name_is_shown() {
        let mut names = ReasonNames::default();
        for id in 0..2 * MOST as u32 {
            assert_eq!(names.name(id).name, id.to_string());
            assert!(names.numbers.len() <= MOST);
        }
        assert_eq!(names.name(3).subsystem, Some("core"));
        assert_eq!(names.name(0x00ff_0001).subsystem, None);
    }
}
