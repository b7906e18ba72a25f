//! `plumb traffic` on real interfaces: what it says it sent is what arrives.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod arrival;
mod endings;
mod frames;
mod losses;
mod obstacles;
mod pace;
mod replay;
mod scene;
