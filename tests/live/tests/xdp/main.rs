//! `plumb xdp run` on real packets.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod actions;
mod events;
mod frames;
mod lifecycle;
mod refusals;
mod replacing;
mod scene;
mod telling;
mod terminal;
mod theirs;
