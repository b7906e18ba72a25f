//! Tables that turn the kernel's numbers into names, built from text and bytes that the caller read.

pub mod btf;
pub mod kallsyms;
pub mod locations;
pub mod reasons;
pub mod softirqs;

pub use kallsyms::{Kallsyms, Symbol};
pub use locations::Locations;
pub use reasons::{Reason, Reasons};
