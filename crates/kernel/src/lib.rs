//! The only crate with BPF, libbpf-rs and `unsafe`: it asks the kernel what it can do, loads and attaches probes,
//! and hands out what they saw as plain numbers, addresses and bytes.
//!
//! A probe is used in this order: `load` (nothing is attached), settings that need symbols, `attach` (from here on
//! every packet is accounted for), reads, `detach` (returns when no program runs any more), last reads.

pub mod error;
mod filter;
pub mod inject;
mod mapped;
pub mod probes;
pub mod ring;
pub mod session;
pub mod support;
mod sys;
pub mod wire;

pub use error::{Class, Error};
