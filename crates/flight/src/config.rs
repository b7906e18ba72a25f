//! Where to listen, and who may come.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What a client may be behind, in bytes, where nothing else is said.
pub const BEHIND: usize = 64 << 20;

/// What a server is made with.
#[derive(Clone)]
pub struct Config {
    address: SocketAddr,
    pub(crate) tls: Option<Tls>,
    pub(crate) token: Option<String>,
    pub(crate) behind: usize,
}

/// A certificate, or a chain of them, and its key, as PEM.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

/// Files that say who may come.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// A certificate, or a chain of them, and its key, as PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Holds the bearer token that every call must have.
    pub token: Option<PathBuf>,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Everyone on the network could read.
    #[error(
        "{0} is not a loopback address: serving there needs a token and TLS, or to be allowed without them"
    )]
    Exposed(SocketAddr),
    /// A file of [`Files`].
    #[error("cannot read {}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The token is empty, or is no text for a header.
    #[error("{}: a token is one line of visible ASCII characters", .0.display())]
    Token(PathBuf),
    /// The address.
    #[error("cannot serve at {address}: {cause}")]
    Address {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// Certificate and key.
    #[error("TLS cannot be used: {0}")]
    Tls(String),
    /// No thread or no event loop.
    #[error("cannot start serving: {0}")]
    Start(io::Error),
}

impl Config {
    /// Reads the files. `exposed` allows an address that is not loopback without token and TLS.
    ///
    /// # Errors
    /// Where a file cannot be read or used, and where the address would be open to everyone.
    pub fn read(address: SocketAddr, files: &Files, exposed: bool) -> Result<Self, Error> {
        let closed = files.tls.is_some() && files.token.is_some();
        if !address.ip().is_loopback() && !closed && !exposed {
            return Err(Error::Exposed(address));
        }
        let tls = match &files.tls {
            Some((certificate, key)) => Some(Tls { certificate: read(certificate)?, key: read(key)? }),
            None => None,
        };
        let token = files.token.as_deref().map(token).transpose()?;
        Ok(Self { address, tls, token, behind: BEHIND })
    }

    /// A client may be so many bytes behind; what comes then it misses.
    #[must_use]
    pub fn with_behind(self, behind: usize) -> Self {
        Self { behind, ..self }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn token(path: &Path) -> Result<String, Error> {
    let text = String::from_utf8_lossy(&read(path)?).trim_end().to_owned();
    let usable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if usable { Ok(text) } else { Err(Error::Token(path.to_owned())) }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|cause| Error::File { path: path.to_owned(), cause })
}
