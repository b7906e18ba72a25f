//! Records into the batches of a server's feeds.

use crate::config::Error;
use crate::server::{Bound, Missed, Server};
use arrow_schema::ArrowError;
use plumb_records::column::{Column, Row};
use plumb_sinks::Sink;
use plumb_sinks::columnar::About;
use plumb_sinks::columnar::batch::{Policy, Rows};
use plumb_sinks::format::Layout;
use plumb_sinks::output::{Failure, Weight};
use std::io;

/// A server as an output of a run. Clients that come before the first flush wait for it.
pub struct Served {
    server: Running,
    /// Its feeds.
    feeds: Vec<Fed>,
    about: About,
    taken: u64,
    failure: Option<Failure>,
    missed: Vec<Missed>,
}

enum Running {
    Not(Bound),
    Yes(Server),
    Ended,
}

struct Fed {
    name: String,
    layout: Layout,
    rows: Rows,
}

impl Served {
    /// A feed for each name and layout. A row goes to the feeds of its own columns; one of another kind than all of them, such
    /// as a session, is in the metadata of every schema if it comes before the first flush, and of the last message if it
    /// is the `ledger`.
    pub fn new(bound: Bound, feeds: Vec<(String, Layout)>, policy: Policy) -> Self {
        let fed = |(name, layout)| Fed { name, layout, rows: Rows::new(layout, policy) };
        Self {
            server: Running::Not(bound),
            feeds: feeds.into_iter().map(fed).collect(),
            about: About::default(),
            taken: 0,
            failure: None,
            missed: Vec::new(),
        }
    }

    /// Whether somebody reads a feed: rows for one that nobody reads need not be made.
    pub fn is_read(&self, feed: &str) -> bool {
        matches!(&self.server, Running::Yes(server) if server.is_read(feed))
    }

    fn start(&mut self) -> Result<(), Error> {
        if let Running::Not(bound) = std::mem::replace(&mut self.server, Running::Ended) {
            let schema = |fed: &Fed| (fed.name.clone(), self.about.in_schema(fed.rows.schema()));
            self.server = Running::Yes(bound.start(self.feeds.iter().map(schema).collect())?);
        }
        Ok(())
    }

    fn publish(&mut self, which: impl Fn(&Rows) -> bool) -> io::Result<()> {
        if matches!(self.server, Running::Not(_)) {
            self.start().map_err(io::Error::other)?;
        }
        let Running::Yes(server) = &self.server else { return Ok(()) };
        let mut due = self.feeds.iter_mut().filter(|fed| !fed.rows.is_empty() && which(&fed.rows));
        let published: Result<(), ArrowError> = due.try_for_each(|fed| {
            let batch = fed.rows.take()?;
            server.publish(&fed.name, &batch)
        });
        published.map_err(io::Error::other)
    }

    fn checked(&mut self, result: io::Result<()>) -> io::Result<()> {
        result.inspect_err(|error| {
            self.failure.get_or_insert_with(|| Failure {
                name: "the clients of --serve".to_owned(),
                cause: error.to_string(),
                kind: error.kind(),
                written: 0,
                lost: 0,
            });
        })
    }

    fn failed(&self) -> io::Result<()> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(failure.kind.into()))
    }
}

/// Whether these are one record's columns. A constant may have several addresses, so that names decide where those differ.
fn same(a: &[Column], b: &[Column]) -> bool {
    std::ptr::eq(a, b) || a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name == b.name)
}

impl Sink for Served {
    fn write(&mut self, row: &dyn Row, weight: Weight) -> io::Result<()> {
        let of =
            |fed: &&mut Fed| fed.layout.record == row.record() && same(fed.layout.columns, row.columns());
        let (mut fed, mut full) = (false, false);
        for feed in self.feeds.iter_mut().filter(of) {
            fed |= feed.rows.push(row);
            full |= feed.rows.is_full();
        }
        if fed {
            self.taken += weight.records;
        } else {
            self.about.keep(row);
        }
        self.failed()?;
        let published = if full { self.publish(Rows::is_full) } else { Ok(()) };
        self.checked(published)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.failed()?;
        let published = self.publish(Rows::is_due);
        self.checked(published)
    }

    fn settle(&mut self) -> io::Result<()> {
        self.failed()?;
        let published = self.publish(|_| true);
        self.checked(published)
    }

    fn close(&mut self) -> io::Result<()> {
        let settled = self.settle();
        if let Running::Yes(server) = std::mem::replace(&mut self.server, Running::Ended) {
            let ledger = self.about.pairs().iter().find(|(key, _)| key == "plumb.ledger");
            self.missed = server.stop(ledger.map(|(_, text)| text.as_str()));
        }
        settled
    }

    /// Nothing: what a client misses is its own loss, see [`Sink::notes`].
    fn lost(&self) -> Weight {
        Weight::default()
    }

    fn failure(&self) -> Option<Failure> {
        self.failure.clone().map(|failure| Failure { written: self.taken, ..failure })
    }

    fn notes(&self) -> Vec<String> {
        let told = |Missed { feed, peer, records }: &Missed| {
            format!("{peer}, a client of {feed}, missed {records} records: it read too slowly")
        };
        self.missed.iter().map(told).collect()
    }
}
