//! Other kernels under QEMU, sharing this machine's files read-only by virtme-ng.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::kernels::{self, Kernel};
use crate::repo::Repo;
use crate::setup;

/// Under emulation a command of a second can take half a minute; a guest that hangs is stopped all the same.
const COMMAND_LIMIT: Duration = Duration::from_secs(15 * 60);

/// A guest whose script says nothing for this long hangs: the slowest test takes two minutes.
const SILENCE: Duration = Duration::from_secs(5 * 60);

/// How often the guest's output is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Lines of the guest's console shown where the guest died.
const CONSOLE_TAIL: usize = 40;

/// `cargo xtask vm`
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Kernel series to boot
    #[arg(long, value_parser = kernels::SERIES, default_value = kernels::SERIES[0])]
    kernel: String,
    /// Command with its arguments, run as root in the current directory
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs the command and returns its status.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<ExitCode> {
    let ready = setup::ensure(repo, setup::Scope::Everything)?;
    let kernel = ready.kernel(&args.kernel)?;
    let words: Vec<&str> = args.command.iter().map(String::as_str).collect();
    let script = shlex::try_join(words).context("the command")?;
    let guest = Guest { repo, kernel, directory: &env::current_dir()?, limit: COMMAND_LIMIT };
    let status = guest.run(&script, &mut |line| println!("{line}"))?;
    Ok(ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)))
}

/// A kernel to boot for one script.
pub(crate) struct Guest<'a> {
    pub(crate) repo: &'a Repo,
    pub(crate) kernel: &'a Kernel,
    /// Where the script starts.
    pub(crate) directory: &'a Path,
    /// The guest is stopped after this time, boot included.
    pub(crate) limit: Duration,
}

impl Guest<'_> {
    /// Boots, runs `script` with sh as root, hands over each line of its output as it comes, and gives its status.
    ///
    /// The guest writes to files in a shared directory: its serial console mixes output with kernel messages, and
    /// virtme-ng does not pass on a status where its standard input is not a terminal.
    pub(crate) fn run(&self, script: &str, line: &mut dyn FnMut(&str)) -> Result<i32> {
        let shared =
            Shared::make(&self.repo.target.join("vm").join(&self.kernel.version), script, self.directory)?;
        let mut running = Running(self.command(&shared)?.spawn().context("virtme-ng")?);
        let mut output = Tail::new(shared.output());
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
        }
        let deadline = Instant::now() + self.limit;
        let mut heard = (Instant::now(), 0);
        while running.0.try_wait()?.is_none() {
            if interrupted.load(Ordering::Relaxed) {
                bail!("interrupted; the VM is stopped");
            }
            if Instant::now() > deadline {
                bail!(
                    "Linux {} still runs after {} s; the VM is stopped",
                    self.kernel.version,
                    self.limit.as_secs()
                );
            }
            output.lines(line)?;
            if output.read > heard.1 {
                heard = (Instant::now(), output.read);
            } else if heard.0.elapsed() > SILENCE {
                bail!(
                    "Linux {} says nothing for {} s; the VM is stopped. Its console:\n{}",
                    self.kernel.version,
                    SILENCE.as_secs(),
                    shared.console_tail()
                );
            }
            thread::sleep(POLL);
        }
        output.lines(line)?;
        output.rest(line);
        shared.status()?.with_context(|| {
            format!(
                "Linux {} stopped without a verdict. Its console:\n{}",
                self.kernel.version,
                shared.console_tail()
            )
        })
    }

    fn command(&self, shared: &Shared) -> Result<Command> {
        let console = File::create(shared.console())?;
        let mut paths = vec![self.repo.venv().join("bin")];
        paths.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let mut vng = Command::new(setup::tool(self.repo, "vng"));
        // TCG always: it works on every machine, and so the tests see one kind of timing in VMs. 9p always: it is
        // the shared file system that all our kernels have and that needs no daemon.
        vng.args([
            "--verbose",
            "--disable-kvm",
            "--force-9p",
            "--user",
            "root",
            "--cpus",
            "2",
            "--memory",
            "2G",
            // QEMU's emulation of code that is changed while another CPU runs it (text_poke) has a race: where tracepoints are
            // attached by the thousand, such a guest dies by `Oops: int3`, or its CPU takes the same int3 for ever. CPUs that
            // take turns in one thread have none.
            "--qemu-opts=-accel tcg,thread=single",
        ]);
        vng.arg("--run").arg(self.kernel.image()).arg("--rwdir").arg(&shared.directory);
        vng.arg("--").arg("sh").arg(shared.file("start"));
        vng.env("PATH", env::join_paths(paths)?).current_dir(&self.repo.root);
        vng.stdin(Stdio::null()).stdout(console.try_clone()?).stderr(console);
        // A group of its own, so that virtme-ng and QEMU can be ended together.
        vng.process_group(0);
        Ok(vng)
    }
}

/// virtme-ng with the QEMU that it starts; both are ended where this is dropped early.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            if let Ok(id) = i32::try_from(self.0.id()) {
                // The group may be gone by now, and then there is nothing to end.
                let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
            }
            let _ = self.0.wait();
        }
    }
}

/// The directory that guest and host write to.
struct Shared {
    directory: PathBuf,
}

impl Shared {
    fn make(directory: &Path, script: &str, start: &Path) -> Result<Self> {
        if directory.exists() {
            fs::remove_dir_all(directory).with_context(|| directory.display().to_string())?;
        }
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        let shared = Self { directory: directory.to_path_buf() };
        fs::write(shared.file("script"), script)?;
        let quoted = |path: &Path| -> Result<String> {
            let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
            Ok(shlex::try_quote(text)?.into_owned())
        };
        let (script, output, status) =
            (quoted(&shared.file("script"))?, quoted(&shared.output())?, quoted(&shared.file("status"))?);
        let start = quoted(start)?;
        fs::write(
            shared.file("start"),
            format!("exec >{output} 2>&1 </dev/null\ncd {start} && sh {script}\necho $? >{status}\n"),
        )?;
        Ok(shared)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn output(&self) -> PathBuf {
        self.file("output")
    }

    fn console(&self) -> PathBuf {
        self.file("console")
    }

    /// What the script exited with; none where the guest did not get that far.
    fn status(&self) -> Result<Option<i32>> {
        let text = fs::read_to_string(self.file("status")).unwrap_or_default();
        let text = text.trim();
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).context("the guest's verdict") }
    }

    fn console_tail(&self) -> String {
        let console = fs::read(self.console()).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().collect();
        lines[lines.len().saturating_sub(CONSOLE_TAIL)..].join("\n")
    }
}

/// A growing file, line by line.
struct Tail {
    path: PathBuf,
    read: u64,
    partial: Vec<u8>,
}

impl Tail {
    fn new(path: PathBuf) -> Self {
        Self { path, read: 0, partial: Vec::new() }
    }

    /// Hands over the lines that were completed since the last call.
    fn lines(&mut self, line: &mut dyn FnMut(&str)) -> Result<()> {
        // The guest makes the file once it has booted.
        let Ok(mut file) = File::open(&self.path) else { return Ok(()) };
        file.seek(SeekFrom::Start(self.read))?;
        self.read += u64::try_from(file.read_to_end(&mut self.partial)?)?;
        while let Some(end) = self.partial.iter().position(|&byte| byte == b'\n') {
            let whole: Vec<u8> = self.partial.drain(..=end).collect();
            line(&String::from_utf8_lossy(&whole[..end]));
        }
        Ok(())
    }

    /// Hands over what the file ends with, where that is not a whole line.
    fn rest(&mut self, line: &mut dyn FnMut(&str)) {
        if !self.partial.is_empty() {
            line(&String::from_utf8_lossy(&self.partial));
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn tail_waits_for_whole_lines() {
        let path = env::temp_dir().join(format!("xtask-tail-{}", std::process::id()));
        let mut seen = Vec::new();
        let mut tail = Tail::new(path.clone());
        tail.lines(&mut |_| panic!("no file yet")).unwrap();
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntw").unwrap();
        tail.lines(&mut |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one"]);
        file.write_all(b"o\nthree").unwrap();
        tail.lines(&mut |line| seen.push(line.to_owned())).unwrap();
        tail.rest(&mut |line| seen.push(line.to_owned()));
        fs::remove_file(&path).unwrap();
        assert_eq!(seen, ["one", "two", "three"]);
    }
}
