//! `plumb latency` on real packets.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod counts;
mod delays;
mod interrupts;
mod joined;
mod journeys;
mod scene;
