//! `plumb packets` on real packets.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bulk;
mod captures;
mod choices;
mod fields;
mod lifecycle;
mod losses;
mod scene;
