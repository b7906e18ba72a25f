//! An Arrow Flight server: records as they come, to several clients at once.
//!
//! A feed is a stream of record batches with a name, such as `flows` or `flows?profile=nfstream`; the name is the ticket of
//! DoGet, and the path or the command of a descriptor. A client gets what is published after it came, until the run
//! ends. Batches are encoded once for all clients. A client that reads too slowly misses batches, which are counted for
//! it alone; it never holds up the run or another client.
//!
//! [`config`] says where to listen and who may come, [`server`] is what a command talks to, [`feed`] has the clients of a
//! name and what they missed, [`service`] answers Flight's calls, [`sink`] makes records into batches of a feed.
//!
//! A message's `app_metadata` is JSON: `{"missed_records":N}` on the first batch after a loss, with the sum so far, and on a
//! last message without a batch, which has the run's `ledger` too.

pub mod config;
mod feed;
pub mod server;
mod service;
pub mod sink;

pub use config::Config;
pub use server::{Missed, Server};
pub use sink::Served;
