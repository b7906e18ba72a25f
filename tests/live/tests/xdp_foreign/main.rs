//! `plumb xdp list`, `stats` and `time` on programs that others have loaded.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod changes;
mod counts;
mod faults;
mod foreign;
mod lifecycle;
mod list;
mod refusals;
#[path = "../xdp/scene.rs"]
mod scene;
mod tools;
