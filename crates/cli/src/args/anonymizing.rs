//! Arguments of commands that can hide addresses.

use crate::anonymizing::Key;
use clap::Args;

/// What is hidden before anything is written.
#[derive(Debug, Args)]
pub struct Anonymizing {
    /// Write other addresses than those seen, with their prefixes kept: by the key in this file (64 hexadecimal digits), or by one
    /// of this run alone (`random`)
    #[arg(long, value_name = "KEY-FILE|random", help_heading = "Output")]
    pub anonymize: Option<Key>,
}
