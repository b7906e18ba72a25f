//! `--serve`: records to clients of Arrow Flight.

use crate::args::serving::Serving;
use crate::failure::Outcome;
use plumb_sinks::Sink;
use plumb_sinks::format::Layout;

/// An output whose readers come and go, each for one of its feeds.
pub trait Offer: Sink {
    /// Whether somebody reads a feed: rows for one that nobody reads need not be made.
    fn is_read(&self, feed: &str) -> bool;
}

/// Listens where that was asked for. A row goes to the feeds of its columns; nothing is answered before the first flush.
#[cfg(feature = "columnar")]
pub fn open(words: &Serving, feeds: Vec<(String, Layout)>) -> Outcome<Option<Box<dyn Offer>>> {
    use crate::failure::Failure;
    use crate::text::note;
    use plumb_flight::config::{BEHIND, Config, Error, Files};
    use plumb_flight::server::Bound;
    use plumb_flight::sink::Served;
    use plumb_sinks::columnar::batch::Policy;

    let Some(address) = words.serve else { return Ok(None) };
    let tls = words.tls_cert.clone().zip(words.tls_key.clone());
    let files = Files { tls, token: words.token_file.clone() };
    let refused = |error: Error| match error {
        Error::Exposed(_) => Failure::arguments(error.to_string())
            .help("add --token-file, --tls-cert and --tls-key, or --serve-exposed"),
        error => Failure::failed(error.to_string()),
    };
    let config = Config::read(address, &files, words.serve_exposed).map_err(refused)?;
    let config = config.with_behind(words.serve_behind.map_or(BEHIND, |bytes| bytes as usize));
    let bound = Bound::bind(config).map_err(refused)?;
    if address.port() == 0 {
        note(format_args!("serving at {}", bound.address().map_err(refused)?));
    }
    Ok(Some(Box::new(Served::new(bound, feeds, Policy::default()))))
}

/// Refuses what this build lacks.
#[cfg(not(feature = "columnar"))]
pub fn open(words: &Serving, _: Vec<(String, Layout)>) -> Outcome<Option<Box<dyn Offer>>> {
    use crate::failure::Failure;
    match words.serve {
        None => Ok(None),
        Some(_) => Err(Failure::arguments("this build of plumb cannot serve")
            .because("it was made without the feature `columnar`")),
    }
}

#[cfg(feature = "columnar")]
impl Offer for plumb_flight::sink::Served {
    fn is_read(&self, feed: &str) -> bool {
        Self::is_read(self, feed)
    }
}
