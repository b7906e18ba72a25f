//! BPF programs of this machine, ours and others', as the kernel lists them.

use libbpf_rs::query::{LinkInfoIter, ProgInfoIter};

/// A loaded program.
#[derive(Clone, Debug)]
pub struct Program {
    /// The kernel's id of it.
    pub id: u32,
    /// Its name, cut at 15 bytes (BPF_OBJ_NAME_LEN in include/uapi/linux/bpf.h).
    pub name: String,
    /// Links that attach it.
    pub links: usize,
    /// Runs that the kernel skipped because the program was running on that CPU already.
    pub recursion_misses: u64,
}

/// Every loaded program. Needs CAP_SYS_ADMIN; without it the list is empty.
pub fn programs() -> Vec<Program> {
    let linked: Vec<u32> = LinkInfoIter::default().map(|link| link.prog_id).collect();
    let program = |info: libbpf_rs::query::ProgramInfo| Program {
        id: info.id,
        name: info.name.to_string_lossy().into_owned(),
        links: linked.iter().filter(|id| **id == info.id).count(),
        recursion_misses: info.recursion_misses,
    };
    ProgInfoIter::default().map(program).collect()
}
