//! Names of XDP programs, for when privileges are given up: the kernel tells names only to who may open programs, but lets
//! anybody who holds it start a walk of ours over them.

use crate::error::Error;
use crate::session::{self, Storage};
use crate::wire::{self, xdp_name};
use libbpf_rs::{Iter, Link};
use skeleton::NamesSkelBuilder;
use std::io::Read;

skeleton!("names");

/// The walk, which names no more than ids and names of XDP programs.
pub struct Names {
    link: Link,
}

impl Names {
    /// Loads and attaches it.
    pub fn attach() -> Result<Self, Error> {
        let mut storage = Storage::new();
        let open = session::open("xdp names", NamesSkelBuilder::default(), &mut storage)?;
        let skel = session::load("xdp names", open)?;
        Ok(Self { link: session::attach("iter/bpf_prog", &skel.progs.xdp_name)? })
    }

    /// The name of a loaded XDP program; `None` where it is gone.
    pub fn of(&self, id: u32) -> Option<String> {
        let mut told = Vec::new();
        Iter::new(&self.link).ok()?.read_to_end(&mut told).ok()?;
        let mut each = told.chunks_exact(size_of::<xdp_name>()).filter_map(|one| wire::read(one).ok());
        each.find(|one: &xdp_name| one.id == id).map(|one| {
            let bytes = one.name.iter().copied().take_while(|byte| *byte != 0);
            String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
        })
    }
}
