//! XDP programs of this machine, whoever loaded them: what is attached, and what the kernel knows of each program.

use crate::support;
use libbpf_rs::ProgramType;
use libbpf_rs::query::{
    LinkInfoIter, LinkTypeInfo, MapInfoIter, ProgInfoIter, ProgInfoQueryOptions, ProgramInfo,
};
use std::collections::{BTreeMap, BTreeSet};

/// A loaded program that may run on XDP's packets: an XDP program, or one that replaces a function of another program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The kernel's id of it.
    pub id: u32,
    /// Its name, cut at 15 bytes.
    pub name: String,
    /// The kernel's digest of its instructions, in hexadecimal digits.
    pub tag: String,
    /// When it was loaded, in nanoseconds since the Unix epoch.
    pub loaded_ns: u64,
    /// The user who loaded it.
    pub uid: u32,
    /// It replaces a function of another program (BPF_PROG_TYPE_EXT).
    pub extension: bool,
    /// It can enter other programs by a tail call.
    pub tail_calls: bool,
    /// Number of its main function's type in its BTF; `None` without BTF.
    pub(super) function: Option<u32>,
}

/// Every such program, and which of them hang together.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    programs: BTreeMap<u32, Loaded>,
    /// By the program whose function they replace: in the order of the functions.
    extensions: BTreeMap<u32, Vec<(u32, u32)>>,
    /// Programs that a link attaches to an interface.
    linked: BTreeSet<u32>,
}

impl Inventory {
    /// Asks the kernel. Needs CAP_SYS_ADMIN; without it the inventory is empty.
    pub fn read() -> Self {
        let wanted = ProgInfoQueryOptions::default().include_map_ids(true).include_func_info(true);
        let found: Vec<ProgramInfo> = ProgInfoIter::with_query_opts(wanted)
            .filter(|info| matches!(info.ty, ProgramType::Xdp | ProgramType::Ext))
            .collect();
        let jumps: BTreeSet<u32> = MapInfoIter::default()
            .filter(|map| map.ty == libbpf_rs::MapType::ProgArray)
            .map(|map| map.id)
            .collect();
        let boot = support::boot_offset_ns();
        let programs: BTreeMap<u32, Loaded> =
            found.iter().map(|info| (info.id, loaded(info, &jumps, boot))).collect();
        let (mut extensions, mut linked) = (BTreeMap::<u32, Vec<(u32, u32)>>::new(), BTreeSet::new());
        for link in LinkInfoIter::default() {
            match link.info {
                LinkTypeInfo::Xdp(xdp) if xdp.ifindex != 0 => {
                    linked.insert(link.prog_id);
                }
                // Programs that trace another one hang on it by the same kind of link.
                LinkTypeInfo::Tracing(on) if programs.get(&link.prog_id).is_some_and(|it| it.extension) => {
                    extensions.entry(on.target_obj_id).or_default().push((on.target_btf_id, link.prog_id));
                }
                _ => {}
            }
        }
        extensions.values_mut().for_each(|found| found.sort_unstable());
        Self { programs, extensions, linked }
    }

    /// A program by its id.
    pub fn program(&self, id: u32) -> Option<&Loaded> {
        self.programs.get(&id)
    }

    /// Programs by name: the kernel keeps the first 15 bytes of one, and so longer names match by those.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Loaded> {
        /// BPF_OBJ_NAME_LEN of include/uapi/linux/bpf.h, less the final zero.
        const KEPT: usize = 15;
        let kept = name.as_bytes().get(..KEPT).unwrap_or(name.as_bytes());
        self.programs.values().filter(move |program| program.name.as_bytes() == kept)
    }

    /// Programs that run as parts of this one, by replacing functions of it, in the order of those functions: with
    /// libxdp's dispatcher that is the order in which they run.
    pub fn components(&self, id: u32) -> impl Iterator<Item = &Loaded> {
        let found = self.extensions.get(&id).into_iter().flatten();
        found.filter_map(|(_, program)| self.programs.get(program))
    }

    /// The component that has taken the place of this program's main function, so that it runs instead of all of it: where
    /// libxdp's dispatcher has one component only. The kernel then lets nobody trace the program that it replaces
    /// (EBUSY, __bpf_trampoline_link_prog in kernel/bpf/trampoline.c).
    pub fn stand_in(&self, id: u32) -> Option<&Loaded> {
        let main = self.programs.get(&id)?.function?;
        let (_, program) = self.extensions.get(&id)?.iter().find(|(function, _)| *function == main)?;
        self.programs.get(program)
    }

    /// The program of which this one is a part.
    pub fn host_of(&self, id: u32) -> Option<u32> {
        let mut hosts = self.extensions.iter();
        hosts.find(|(_, parts)| parts.iter().any(|(_, part)| *part == id)).map(|(host, _)| *host)
    }

    /// Programs that a link attaches to some interface.
    pub fn linked(&self) -> impl Iterator<Item = u32> {
        self.linked.iter().copied()
    }
}

fn loaded(info: &ProgramInfo, jumps: &BTreeSet<u32>, boot: i64) -> Loaded {
    let since_boot = u64::try_from(info.load_time.as_nanos()).unwrap_or(u64::MAX);
    let main = info.func_info.iter().find(|function| function.insn_off == 0);
    Loaded {
        id: info.id,
        name: info.name.to_string_lossy().into_owned(),
        tag: info.tag.0.iter().map(|byte| format!("{byte:02x}")).collect(),
        loaded_ns: since_boot.saturating_add_signed(boot),
        uid: info.created_by_uid,
        extension: info.ty == ProgramType::Ext,
        tail_calls: info.map_ids.iter().any(|map| jumps.contains(map)),
        function: main.filter(|_| info.btf_id != 0).map(|function| function.type_id),
    }
}
