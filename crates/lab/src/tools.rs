//! Driving `ip`, `tc` and `nft`.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
};

use crate::{Error, Result};

/// Runs `argv` with `input` on its standard input and returns its standard output.
///
/// The program runs in the network namespace of the calling thread.
pub fn run(argv: &[&str], input: &str) -> Result<String> {
    let command = argv.join(" ");
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Error::Parse { what: "an empty command".to_owned() });
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| missing_or(program, error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that stops at the first bad line closes its end; its own message says more than our EPIPE.
        match stdin.write_all(input.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(Error::io(command)(error));
            }
            _ => {}
        }
    }
    let output = child.wait_with_output().map_err(Error::io(command.clone()))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        let command = if input.is_empty() { command } else { format!("{command} <<< {}", input.trim()) };
        return Err(Error::Tool { command, stderr });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn missing_or(program: &str, error: io::Error) -> Error {
    if error.kind() != io::ErrorKind::NotFound {
        return Error::io(program)(error);
    }
    let package = match program {
        "ip" | "tc" | "nstat" => "iproute2",
        "nft" => "nftables",
        _ => "of the same name",
    };
    Error::Missing { tool: program.to_owned(), package }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_and_reads_a_program() {
        assert_eq!(run(&["cat"], "one\n").unwrap(), "one\n");
    }

    #[test]
    fn names_what_is_missing_and_what_failed() {
        assert!(matches!(run(&["plumb-no-such-tool"], ""), Err(Error::Missing { .. })));
        let error = run(&["ls", "/plumb-no-such-file"], "").unwrap_err();
        assert!(error.to_string().contains("plumb-no-such-file"), "{error}");
    }
}
