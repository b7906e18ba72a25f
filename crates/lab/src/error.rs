//! What can go wrong while a lab is built, used or torn down.

use std::io;
use std::path::PathBuf;

/// A result with the lab's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why the lab could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that the lab drives is not installed.
    #[error("{tool} is not installed; it comes with the package {package}")]
    Missing {
        /// Program name.
        tool: String,
        /// Distribution package that usually holds it.
        package: &'static str,
    },
    /// A program that the lab drives reported a failure.
    #[error("`{command}` failed: {stderr}")]
    Tool {
        /// The command with its arguments.
        command: String,
        /// What it wrote to standard error, trimmed.
        stderr: String,
    },
    /// A system call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A condition did not come true in time.
    #[error("waited {seconds:.1} s in vain for {what}")]
    Timeout {
        /// The condition.
        what: String,
        /// How long it was waited for.
        seconds: f32,
    },
    /// Text from the kernel or a tool was not in the expected form.
    #[error("cannot read {what}")]
    Parse {
        /// The text's origin.
        what: String,
    },
    /// An interface takes no frames any more.
    #[error("{0}")]
    Interface(String),
    /// A packet could not be built.
    #[error("cannot build the packet: {0}")]
    Frame(String),
    /// A capture file cannot be replayed.
    #[error("cannot read the capture {path}: {what}")]
    Capture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// BPF could not do what was asked.
    #[error(transparent)]
    Kernel(#[from] plumb_kernel::Error),
    /// No fault has this name.
    #[error("no fault is called {0:?}")]
    UnknownFault(String),
}

impl Error {
    /// Makes a mapper from a system error to [`Error::Io`].
    pub fn io<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { what: what.into(), source: source.into() }
    }
}
