//! Drop reasons by number and by name, from the enums of the running kernel.
//!
//! The high bits of a reason say which subsystem defines it (`enum skb_drop_reason_subsys`; kernels before 6.4 have
//! only the core). Each subsystem has an enum of its own, in the kernel's BTF or in its module's.

use super::btf::{Btf, BtfError, Enum};
use std::collections::BTreeMap;

const CORE_ENUM: &str = "skb_drop_reason";
const SUBSYSTEM_ENUM: &str = "skb_drop_reason_subsys";
const CORE_PREFIX: &str = "SKB_DROP_REASON_";
const SUBSYSTEM_PREFIX: &str = "SKB_DROP_REASON_SUBSYS_";
/// The member of the core enum that is no reason but the bits that number the subsystem.
const SUBSYSTEM_MASK: &str = "SKB_DROP_REASON_SUBSYS_MASK";
/// Subsystem 0 in this program's words, also where the kernel has no subsystems.
const CORE: &str = "core";

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason<'a> {
    /// The name, as [`Reasons::iter`] describes it; `None` where the kernel's BTF has none for the number.
    pub name: Option<&'a str>,
    /// Who defines it, in lower case: `core`, `mac80211_unusable`, `openvswitch`; `None` where it is not known.
    pub subsystem: Option<&'a str>,
}

/// Every reason that the running kernel names. The default knows none, so that every number stays a number.
#[derive(Clone, Debug)]
pub struct Reasons {
    names: BTreeMap<u32, String>,
    subsystems: BTreeMap<u32, String>,
    /// The bits of a reason that number its subsystem.
    mask: u32,
}

impl Default for Reasons {
    fn default() -> Self {
        let subsystems = BTreeMap::from([(0, CORE.to_owned())]);
        // SKB_DROP_REASON_SUBSYS_MASK of every kernel that has one, for kernels that do not.
        Self { names: BTreeMap::new(), subsystems, mask: 0xffff_0000 }
    }
}

impl Reasons {
    /// The core's reasons, the subsystems, and the reasons of those that are built in.
    ///
    /// # Errors
    /// Where the BTF is damaged. BTF without the enums gives a table without names.
    pub fn from_btf(vmlinux: &Btf<'_>) -> Result<Self, BtfError> {
        let mut reasons = Self::default();
        let enums = vmlinux.enums(is_reasons)?;
        let named = |name| enums.iter().filter(move |item| item.name == name);
        reasons.take_core(named(CORE_ENUM));
        reasons.take_subsystems(named(SUBSYSTEM_ENUM));
        reasons.take_others(&enums);
        Ok(reasons)
    }

    /// Adds the reasons that a module defines, from its BTF (see [`Btf::split`]).
    ///
    /// # Errors
    /// Where the BTF is damaged; nothing is added then.
    pub fn add_module(&mut self, module: &Btf<'_>) -> Result<(), BtfError> {
        self.take_others(&module.enums(is_reasons)?);
        Ok(())
    }

    /// Whether BTF of a module of this name is worth reading: it defines a subsystem whose reasons have no names yet.
    /// Subsystems are named after their module (`MAC80211_UNUSABLE`, `OPENVSWITCH`).
    pub fn wants_module(&self, module: &str) -> bool {
        self.subsystems.iter().any(|(number, name)| {
            let named_after =
                name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
            *number != 0 && named_after && !self.names.keys().any(|id| self.subsystem_number(*id) == *number)
        })
    }

    fn take_core<'a>(&mut self, enums: impl Iterator<Item = &'a Enum<'a>>) {
        for (value, name) in enums.flat_map(|item| &item.members) {
            let Ok(id) = u32::try_from(*value) else { continue };
            if *name == SUBSYSTEM_MASK && id != 0 {
                self.mask = id;
            } else if *name != "SKB_DROP_REASON_MAX" {
                let short = name.strip_prefix(CORE_PREFIX).or_else(|| name.strip_prefix("SKB_"));
                self.names.insert(id, short.unwrap_or(name).to_owned());
            }
        }
    }

    fn take_subsystems<'a>(&mut self, enums: impl Iterator<Item = &'a Enum<'a>>) {
        for (value, name) in enums.flat_map(|item| &item.members) {
            let (Ok(number), Some(short)) = (u32::try_from(*value), name.strip_prefix(SUBSYSTEM_PREFIX))
            else {
                continue;
            };
            if short != "NUM" {
                self.subsystems.insert(number, short.to_ascii_lowercase());
            }
        }
    }

    /// Takes what an enum `*_drop_reason` says of a known subsystem. mac80211 has two: `___mac80211_drop_reason` with
    /// every member, and `mac80211_drop_reason` with the names that the kernel registers, but fewer of them: a name
    /// without leading underscores wins.
    fn take_others(&mut self, enums: &[Enum<'_>]) {
        let members = enums.iter().filter(|item| item.name != CORE_ENUM && item.name != SUBSYSTEM_ENUM);
        for (value, name) in members.flat_map(|item| &item.members) {
            let Ok(id) = u32::try_from(*value) else { continue };
            let subsystem = self.subsystem_number(id);
            if subsystem == 0 || !self.subsystems.contains_key(&subsystem) {
                continue;
            }
            let short = name.trim_start_matches('_');
            // Openvswitch's markers for the start and the end of its numbers.
            let marker = short.ends_with("_DROP_REASON") || short.ends_with("_MAX");
            if !marker && (short == *name || !self.names.contains_key(&id)) {
                self.names.insert(id, short.to_owned());
            }
        }
    }

    const fn subsystem_number(&self, id: u32) -> u32 {
        match self.mask.trailing_zeros() {
            shift @ 0..32 => (id & self.mask) >> shift,
            _ => 0,
        }
    }

    /// What `id` means.
    pub fn lookup(&self, id: u32) -> Reason<'_> {
        let name = self.names.get(&id).map(String::as_str);
        let subsystem = self.subsystems.get(&self.subsystem_number(id)).map(String::as_str);
        Reason { name, subsystem }
    }

    /// The number of a reason as a user writes it: `NO_SOCKET`, `SKB_DROP_REASON_NO_SOCKET`, either in lower case, or
    /// any number, in decimal or with `0x`.
    pub fn number(&self, text: &str) -> Option<u32> {
        let wanted = match text.get(..CORE_PREFIX.len()) {
            Some(prefix) if prefix.eq_ignore_ascii_case(CORE_PREFIX) => text.get(CORE_PREFIX.len()..)?,
            _ => text,
        };
        let named = self.iter().find(|(_, name)| name.eq_ignore_ascii_case(wanted)).map(|(id, _)| id);
        named.or_else(|| match text.strip_prefix("0x") {
            Some(digits) if digits.starts_with(|c: char| c.is_ascii_hexdigit()) => {
                u32::from_str_radix(digits, 16).ok()
            }
            _ if text.starts_with(|c: char| c.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        })
    }

    /// Every named reason, by ascending number.
    ///
    /// Core names go without `SKB_DROP_REASON_`, and the first members of the enum without `SKB_`: `NOT_DROPPED_YET`
    /// (0) and `CONSUMED`, which no dropped packet has. Subsystems' names stay as the kernel registers them:
    /// `RX_DROP_U_MIC_FAIL`, `OVS_DROP_EXPLICIT`. `MAX` and `SUBSYS_MASK` are no reasons and left out.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        self.names.iter().map(|(id, name)| (*id, name.as_str()))
    }

    /// Whether no reason has a name: the kernel has no BTF, or BTF without the enum.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

fn is_reasons(name: &str) -> bool {
    name.ends_with("drop_reason") || name == SUBSYSTEM_ENUM
}

#[cfg(test)]
mod tests;
