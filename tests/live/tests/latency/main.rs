//! `plumb latency` on real packets.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod bulk;
mod counts;
mod datagrams;
mod delays;
mod forwarded;
mod fragments;
mod groups;
mod held;
mod holes;
mod interrupts;
mod joined;
mod journeys;
mod mechanisms;
mod off_cpu;
mod processes;
mod queues;
mod scene;
mod segments;
mod states;
