//! `plumb flows` on real packets, and on a capture against a reference that shares nothing with it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod anonymous;
mod captures;
mod dataset;
mod endings;
mod lifecycle;
mod live;
mod order;
mod scene;
mod serving;
