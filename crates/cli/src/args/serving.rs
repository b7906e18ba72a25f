//! Arguments of commands that serve their records.

use super::values;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Who may read what is observed, over Arrow Flight.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to serve")]
pub struct Serving {
    /// Serve records over Arrow Flight at this address, such as 127.0.0.1:8815: DoGet with the record's plural as the ticket, such
    /// as `flows`, or `flows?profile=nfstream`
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub serve: Option<SocketAddr>,
    /// With TLS: the certificate, or a chain of them, as PEM
    #[arg(long, value_name = "FILE", requires = "serve", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key, as PEM
    #[arg(long, value_name = "FILE", requires = "serve", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Only to clients with the bearer token in this file
    #[arg(long, value_name = "FILE", requires = "serve")]
    pub token_file: Option<PathBuf>,
    /// A client may be so many bytes behind, which we keep in memory; what comes then it misses [default: 64M]
    #[arg(long, value_name = "BYTES", requires = "serve", value_parser = values::size_32)]
    pub serve_behind: Option<u32>,
    /// Allow an address that is not loopback without TLS and token: everybody who reaches it can read
    #[arg(long, requires = "serve")]
    pub serve_exposed: bool,
}
