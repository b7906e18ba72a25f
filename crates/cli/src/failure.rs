//! How a run ends: exit codes, and errors as one line that says what failed, why, and what would help.

use plumb_kernel::Class;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// The exit codes of the contract, and that of a command that was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, also on Ctrl-C and on a closed pipe.
    Done,
    /// Failed while running.
    Failed,
    /// Bad arguments.
    Arguments,
    /// This kernel cannot do it.
    Unsupported,
    /// Privileges are missing.
    Privileges,
    /// Done, but the output is incomplete and --strict was given.
    Incomplete,
    /// The status of the command that ran beside us; 128 plus the signal's number where one ended it.
    Command(u8),
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Arguments => 2,
            Self::Unsupported => 3,
            Self::Privileges => 4,
            Self::Incomplete => 5,
            Self::Command(status) => status,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

type Cause = Box<dyn Error + Send + Sync>;

/// Why a run could not be done. Displays as one line; [`Failure::chain`] has the rest.
#[derive(Debug)]
pub struct Failure {
    /// How the process exits.
    pub exit: Exit,
    what: String,
    cause: Option<Cause>,
    help: Option<String>,
    /// What only -v shows, such as the end of the verifier's log.
    detail: Option<String>,
}

/// The result of everything that can end a run.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), cause: None, help: None, detail: None }
    }

    /// Something went wrong while running.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what)
    }

    /// The command line asks for something that cannot be.
    pub fn arguments(what: impl Into<String>) -> Self {
        Self::new(Exit::Arguments, what)
    }

    /// A capability or a permission is missing.
    pub fn privileges(what: impl Into<String>) -> Self {
        Self::new(Exit::Privileges, what)
    }

    /// Why: the error underneath.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What the user can do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What it is about, before what failed.
    #[must_use]
    pub fn about(mut self, what: &str) -> Self {
        self.what = format!("{what}: {}", self.what);
        self
    }

    /// The causes below the first, and the detail: one line each.
    pub fn chain(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut below = self.cause.as_deref().and_then(Error::source);
        while let Some(error) = below {
            lines.push(format!("caused by: {error}"));
            below = error.source();
        }
        lines.extend(self.detail.iter().flat_map(|text| text.lines()).map(str::to_owned));
        lines
    }
}

impl From<plumb_kernel::Error> for Failure {
    fn from(error: plumb_kernel::Error) -> Self {
        let exit = match error.class {
            Class::Unsupported => Exit::Unsupported,
            Class::Privileges => Exit::Privileges,
            Class::Arguments => Exit::Arguments,
            Class::Failed => Exit::Failed,
        };
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let cause = some(error.why).map(Cause::from);
        Self { exit, what: error.what, cause, help: some(error.help), detail: some(error.detail) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.what)?;
        if let Some(cause) = &self.cause {
            write!(out, ": {cause}")?;
        }
        if let Some(help) = &self.help {
            write!(out, "; {help}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure};
    use plumb_kernel::{Class, Error};
    use std::io;

    #[test]
    fn one_line_says_what_why_and_what_helps() {
        let failure = Failure::failed("cannot write out.jsonl")
            .because(io::Error::from(io::ErrorKind::StorageFull))
            .help("free some space");
        assert_eq!(failure.to_string(), "cannot write out.jsonl: no storage space; free some space");
        assert_eq!(failure.exit.code(), 1);
        assert_eq!(Exit::Command(143).code(), 143);
    }

    #[test]
    fn the_kernels_class_is_the_exit_code() {
        let error = Error::new(Class::Unsupported, "cannot load", "refused")
            .help("run doctor")
            .detail("log 1\nlog 2");
        let failure = Failure::from(error);
        assert_eq!(failure.exit.code(), 3);
        assert_eq!(failure.to_string(), "cannot load: refused; run doctor");
        assert_eq!(failure.chain(), ["log 1", "log 2"]);
    }
}
