//! What names are made of, read from the running kernel. All of it is optional: what cannot be read stays a number.

use crate::enrich::interfaces::Interfaces;
use crate::enrich::netns::NetnsNames;
use crate::enrich::symbols::Source;
use crate::plan::netns::Netns;
use plumb_kernel::support;
use plumb_records::enrich::btf::Btf;
use plumb_records::enrich::{Kallsyms, Reasons};

/// Everything, as far as it could be read.
pub struct Tables {
    /// Functions by address.
    pub symbols: Kallsyms,
    /// What they were read from, for reading again.
    pub symbols_source: Option<Source>,
    /// Drop reasons by number.
    pub reasons: Reasons,
    /// Interfaces of every namespace that has a name, and of ours.
    pub interfaces: Interfaces,
    /// Namespaces by name.
    pub netns: NetnsNames,
    /// What could not be read and what that costs, one line each.
    pub missing: Vec<String>,
}

impl Tables {
    /// Reads everything. Takes some 50 ms, most of them for the symbols.
    pub fn read() -> Self {
        let mut missing = Vec::new();
        // The BTF is the larger text and is let go before the symbols are read.
        let (reasons, skips_init) = types();
        if reasons.is_empty() {
            missing.push("drop reasons are numbers: the kernel's BTF could not be read".to_owned());
        }
        if skips_init {
            missing.push(format!("drops may be missing: {}", support::SKIPS_INIT));
        }
        let read = support::kallsyms().and_then(|file| Source::read(file, "/proc/modules".into()));
        let (symbols, source) =
            read.map(|(symbols, source)| (symbols, Some(source))).unwrap_or_else(|error| {
                missing.push(format!("locations are unknown: /proc/kallsyms: {error}"));
                (Kallsyms::default(), None)
            });
        if symbols.hidden() {
            let why = "kptr_restrict hides the kernel's addresses from this process";
            missing.push(format!(
                "locations are unknown, and noise that goes by location is shown: {why}; at 0 or 1 CAP_SYSLOG helps"
            ));
        }
        let namespaces = Netns::survey();
        let (interfaces, netns) = (Interfaces::of(&namespaces), NetnsNames::of(&namespaces));
        Self { symbols, symbols_source: source, reasons, interfaces, netns, missing }
    }
}

/// The drop reasons of the running kernel and of its modules; empty where its BTF cannot be read.
pub fn reasons() -> Reasons {
    types().0
}

/// The reasons, and whether the kernel hides PID 1.
pub fn types() -> (Reasons, bool) {
    let Ok(bytes) = support::btf() else { return Default::default() };
    let Ok(vmlinux) = Btf::new(&bytes) else { return Default::default() };
    let mut reasons = Reasons::from_btf(&vmlinux).unwrap_or_default();
    for (_, bytes) in support::module_btf(|name| reasons.wants_module(name)) {
        // A damaged module costs its own names only.
        let _ = Btf::split(&bytes, &vmlinux).and_then(|module| reasons.add_module(&module));
    }
    (reasons, support::skips_init(&vmlinux))
}
