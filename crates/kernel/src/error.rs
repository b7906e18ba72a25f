//! What failed, for which probe, why, and what would help.

use std::fmt;

/// What kind of failure it is: the command line turns it into an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// This kernel cannot do it, or does not allow it to anybody.
    Unsupported,
    /// This process lacks a privilege that would help.
    Privileges,
    /// What was asked for cannot be.
    Arguments,
    /// Something went wrong on the way.
    Failed,
}

/// One sentence for the user, and the details for those who ask.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Error {
    /// What kind of failure it is.
    pub class: Class,
    /// What could not be done.
    pub what: String,
    /// Why.
    pub why: String,
    /// What would help; empty where nothing is known to.
    pub help: String,
    /// The end of the kernel's or libbpf's log; empty where there is none.
    pub detail: String,
}

impl Error {
    /// A failure without advice or details.
    pub fn new(class: Class, what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { class, what: what.into(), why: why.to_string(), help: String::new(), detail: String::new() }
    }

    /// Adds what would help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Adds a log's end.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)?;
        if !self.help.is_empty() {
            write!(f, "; {}", self.help)?;
        }
        Ok(())
    }
}
