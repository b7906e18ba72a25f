//! `plumb bench traffic`: how fast generators are, and how well Plumb keeps a rate.

mod table;

use super::rows::{Middle, median};
use crate::args::bench::Traffic as Asked;
use crate::failure::{Exit, Failure, Outcome};
use crate::signals::Signals;
use crate::text::note;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plumb_kernel::session::Storage;
use plumb_kernel::support;
use plumb_kernel::traffic::discard;
use plumb_lab::traffic::Rate;
use plumb_lab::{Lab, process, wait};
use plumb_records::traffic::TrafficBench;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Frames of both generators.
const SIZE: &str = "64";
/// A generator's first moments are not measured.
const WARM: Duration = Duration::from_millis(200);

/// One generator at one rate.
struct Contender {
    name: &'static str,
    threads: u32,
    rate: Rate,
}

/// What one run showed.
#[derive(Clone, Copy, Default)]
struct Run {
    per_second: f64,
    cpu_ns: f64,
    gap_max: Option<u64>,
    late_p99: Option<u64>,
}

/// Runs the bench and writes its rows.
pub fn run(asked: &Asked) -> Outcome<Exit> {
    support::require("lab")?;
    support::require("traffic --transport live")?;
    let signals = Signals::install()?;
    let lab = Lab::new().map_err(super::failed)?;
    let receiver = lab.receiver();
    let mut storage = Storage::new();
    let _discarding = receiver.run(|| Ok(discard(&mut storage, receiver.ifindex)?)).map_err(super::failed)?;
    let contenders = contenders(&lab, asked);
    let mut runs = vec![Vec::new(); contenders.len()];
    for repeat in 0..asked.repeat as usize {
        for turn in 0..contenders.len() {
            // The order moves by one with each repeat, so that drift hits all alike.
            let number = (turn + repeat) % contenders.len();
            if signals.stopped() {
                return Ok(Exit::Done);
            }
            let contender = &contenders[number];
            super::progress(&format!("repeat {}/{}: {}", repeat + 1, asked.repeat, contender.name));
            runs[number].push(once(&lab, asked, contender)?);
        }
    }
    super::progress("");
    let rows: Vec<TrafficBench> =
        contenders.iter().zip(&runs).map(|(contender, runs)| row(contender, runs)).collect();
    super::rows::write(asked.format, &rows, table::text)
}

/// Both at their highest rate with one thread and with as many as there are CPUs, then the rates that were asked for.
fn contenders(lab: &Lab, asked: &Asked) -> Vec<Contender> {
    let rival = starts(lab, &asked.trafficgen);
    let cpus = thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(1));
    let mut contenders = Vec::new();
    for threads in [1, cpus.clamp(1, 32)] {
        if contenders.iter().any(|other: &Contender| other.threads == threads) {
            continue;
        }
        let names = ["plumb", "xdp-trafficgen", "plumb-packet"];
        let there = names.into_iter().filter(|name| rival || *name != "xdp-trafficgen");
        contenders.extend(there.map(|name| Contender { name, threads, rate: Rate::Max }));
    }
    contenders.extend(asked.rate.iter().map(|rate| Contender { name: "plumb", threads: 1, rate: *rate }));
    contenders
}

/// Whether xdp-trafficgen works on this kernel: older ones look for a tracepoint that newer kernels do not have.
fn starts(lab: &Lab, program: &Path) -> bool {
    match lab.sender().output(Command::new(program).arg("probe")) {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let last = text.lines().last().unwrap_or("it does not say why").trim().to_owned();
            note(format_args!("{} does not start, and is left out: {last}", program.display()));
            false
        }
        Err(_) => {
            note(format_args!("{} is not installed, and is left out", program.display()));
            false
        }
    }
}

fn command(lab: &Lab, asked: &Asked, contender: &Contender) -> Command {
    let (sender, receiver) = (lab.sender(), lab.receiver());
    let mac = receiver.mac.map(|byte| format!("{byte:02x}")).join(":");
    let threads = contender.threads.to_string();
    let mut command = if contender.name == "xdp-trafficgen" {
        let mut command = Command::new(&asked.trafficgen);
        command.args(["udp", "--dst-mac", &mac, "--pkt-size", SIZE, "--threads", &threads, sender.interface]);
        command
    } else {
        let mut command = Command::new("/proc/self/exe");
        let way = if contender.name == "plumb" { "live" } else { "packet" };
        let rate = match contender.rate {
            Rate::Max => "max".to_owned(),
            Rate::PerSecond(rate) => rate.to_string(),
        };
        command.args(["traffic", "-i", sender.interface, "--dst", &receiver.v4.to_string(), "--size", SIZE]);
        command.args(["--transport", way, "--rate", &rate, "--threads", &threads, "--format", "json"]);
        command
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Starts a generator, waits until frames come, and counts for the time that was asked for.
fn once(lab: &Lab, asked: &Asked, contender: &Contender) -> Outcome<Run> {
    let child = lab.sender().spawn(&mut command(lab, asked, contender)).map_err(super::failed)?;
    let mut running = Generator(child);
    let before = received(lab)?;
    let come = wait::until("the generator to send", wait::PATIENCE, || {
        Ok((lab.receiver().received()? > before).then_some(()))
    });
    come.map_err(super::failed)?;
    thread::sleep(WARM);
    let pid = running.0.id();
    let cpu = process::cpu_time(pid).map_err(super::failed)?;
    let (start, first) = (Instant::now(), received(lab)?);
    thread::sleep(asked.duration);
    let (took, frames) = (start.elapsed(), received(lab)? - first);
    let cpu = process::cpu_time(pid).map_err(super::failed)?.saturating_sub(cpu);
    let said = running.end()?;
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    let frames = frames as f64;
    let number = |name: &str| said.as_ref().and_then(|record| record[name].as_u64());
    Ok(Run {
        per_second: frames / took.as_secs_f64(),
        cpu_ns: cpu.as_secs_f64() * 1e9 / frames.max(1.0),
        gap_max: number("gap_max_ns"),
        late_p99: number("late_p99_ns"),
    })
}

fn received(lab: &Lab) -> Outcome<u64> {
    lab.receiver().received().map_err(super::failed)
}

/// A generator that is ended whatever happens.
struct Generator(Child);

impl Generator {
    /// Ends it; its `traffic` record, where it writes one.
    fn end(&mut self) -> Outcome<Option<serde_json::Value>> {
        use std::io::Read;
        self.interrupt();
        let mut text = String::new();
        if let Some(mut stdout) = self.0.stdout.take() {
            // What another tool says may be no text.
            let _ = stdout.read_to_string(&mut text);
        }
        self.0.wait().map_err(|error| Failure::failed("the bench lost its generator").because(error))?;
        let mut records = text.lines().rev().filter_map(|line| serde_json::from_str(line).ok());
        Ok(records.find(|record: &serde_json::Value| record["record"] == "traffic"))
    }

    fn interrupt(&self) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn row(contender: &Contender, runs: &[Run]) -> TrafficBench {
    let rates = || runs.iter().map(|run| run.per_second);
    let (received_per_s, received_per_s_min, received_per_s_max) =
        Middle::of(rates()).unwrap_or_default().three();
    let asked = match contender.rate {
        Rate::PerSecond(rate) => Some(rate),
        Rate::Max => None,
    };
    TrafficBench {
        generator: contender.name.to_owned(),
        threads: contender.threads,
        asked_per_s: asked,
        repeats: runs.len() as u64,
        received_per_s,
        received_per_s_min,
        received_per_s_max,
        deviation: asked.map(|asked| rates().map(|rate| (rate / asked - 1.0).abs()).fold(0.0, f64::max)),
        gap_max_ns: runs.iter().filter_map(|run| run.gap_max).min(),
        late_p99_ns: runs.iter().filter_map(|run| run.late_p99).min(),
        cpu_ns_per_packet: median(runs.iter().map(|run| run.cpu_ns)).unwrap_or_default(),
    }
}
