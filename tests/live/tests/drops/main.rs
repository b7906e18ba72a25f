//! `plumb drops` on real packets.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;
mod enrich;
mod faults;
mod fields;
mod filters;
mod keys;
mod samples;
mod scene;
