//! `plumb packets` on real packets.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bulk;
mod captures;
mod choices;
mod fields;
mod files;
#[path = "../../../../crates/kernel/tests/parser/frames.rs"]
mod frames;
#[path = "../../../../crates/kernel/tests/parser/headers.rs"]
mod headers;
mod lifecycle;
mod losses;
mod mutated;
mod scene;
