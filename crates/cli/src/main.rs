//! `plumb`: parse, plan, run, exit.
#![allow(unreachable_pub, reason = "a binary has no outside: `pub` says that other files use it")]

mod account;
mod anonymizing;
mod args;
mod batch;
mod capture;
mod child;
mod clock;
mod commands;
mod counted;
mod enrich;
mod failure;
mod guardian;
mod hooks;
mod meter;
mod outputs;
mod pipeline;
mod plan;
mod privileges;
mod screen;
mod serving;
mod signals;
mod tables;
mod text;

#[cfg(test)]
#[global_allocator]
/// Counts, for the tests that hold what must not allocate.
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

use args::Cli;
use clap::Parser;
use clap::error::ErrorKind;
use failure::{Exit, Failure};
use std::io::ErrorKind::BrokenPipe;
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    let verbose = cli.verbose;
    commands::run(cli).unwrap_or_else(|failure| report(&failure, verbose)).into()
}

/// Help and version go to standard output; what is wrong with the arguments is one line on standard error, and help
/// where there were none.
fn usage(error: &clap::Error) -> Exit {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let code = if error.use_stderr() { Exit::Arguments } else { Exit::Done };
        return match error.print().and_then(|()| std::io::stdout().flush()) {
            // A closed pipe is the reader's choice.
            Err(error) if error.kind() != BrokenPipe => {
                report(&Failure::failed("cannot write the help").because(error), false)
            }
            _ => code,
        };
    }
    let failure = if error.kind() == ErrorKind::MissingSubcommand {
        Failure::arguments("no command was given").help("`plumb --help` lists them")
    } else {
        Failure::arguments(one_line(&error.render().to_string())).help("--help tells more")
    };
    report(&failure, false)
}

/// What clap says before it repeats the usage, in one line.
fn one_line(text: &str) -> String {
    let said = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let said = said.filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    let message = said.collect::<Vec<_>>().join("; ").replace(":; ", ": ");
    message.strip_prefix("error: ").unwrap_or(&message).to_owned()
}

fn report(failure: &Failure, verbose: bool) -> Exit {
    text::note(format_args!("{failure}"));
    if verbose {
        for line in failure.chain() {
            text::note(format_args!("  {line}"));
        }
    }
    failure.exit
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn what_is_wrong_with_the_arguments_is_one_line() {
        let text = "error: unexpected argument '--evens' found\n\n  tip: a similar argument exists: '--events'\n\nUsage: plumb drops\n";
        assert_eq!(
            one_line(text),
            "unexpected argument '--evens' found; tip: a similar argument exists: '--events'"
        );
        let text =
            "error: these are missing:\n  <REASON>\n\nUsage: plumb\n\nFor more information, try '--help'.\n";
        assert_eq!(one_line(text), "these are missing: <REASON>");
    }
}
