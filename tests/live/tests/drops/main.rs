//! `plumb drops` on real packets.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;
mod endings;
mod enrich;
mod faults;
mod fields;
mod files;
mod filters;
mod flood;
mod keys;
mod lifecycle;
mod netns;
mod outputs;
mod privileges;
mod queues;
mod samples;
mod scene;
