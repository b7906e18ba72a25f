//! `plumb bench` by itself: readers of packets at the same offered load.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod endings;
mod proofs;
mod scene;
