//! Records in files: whole whatever ends the run, and readable by the tools that know the formats.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use plumb_lab::frames::{Family, Path as Frames};
use plumb_lab::{Lab, faults};
use plumb_live::disk::Small;
use plumb_live::{PACKETS, Plumb, Records, Running, TestResult, wait_for};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const FAULT: &str = "udp-closed-port";
const REASON: &str = "NO_SOCKET";

/// A lab and a folder of files.
struct Bench {
    lab: Lab,
    folder: TempDir,
}

impl Bench {
    fn new() -> Result<Self> {
        Ok(Self { lab: Lab::new()?, folder: tempfile::tempdir()? })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts `plumb drops -o FILE` on the receiver's namespace.
    fn start(&self, file: &Path, arguments: &[&str]) -> Result<Running> {
        let netns = self.lab.receiver().netns.name();
        let mut all = vec!["drops", "--netns", netns, "-o", file.to_str().context("a temporary path")?];
        all.extend(arguments);
        Plumb::new(&all)?.start()
    }

    /// Provokes about `n` drops; returns how many.
    fn drop(&self, n: u64) -> Result<u64> {
        Ok(faults::run_fault(&self.lab, FAULT, n)?[0].count)
    }
}

fn mode(file: &Path) -> Result<u32> {
    Ok(fs::metadata(file)?.permissions().mode() & 0o777)
}

fn is_ours(record: &Value) -> bool {
    record["reason"] == REASON
}

fn read(file: &Path) -> Result<Records> {
    Records::parse(&fs::read_to_string(file)?)
}

#[test]
fn a_file_is_private_and_whole_however_the_run_ends() -> TestResult {
    let bench = Bench::new()?;
    let file = bench.file("events.jsonl");
    for (arguments, signal) in [
        (&["--events"][..], Some(Signal::SIGINT)),
        (&["--events"], Some(Signal::SIGTERM)),
        (&["--events", "--for", "2s"], None),
        (&[], Some(Signal::SIGTERM)),
    ] {
        let plumb = bench.start(&file, arguments)?;
        let dropped = bench.drop(PACKETS)?;
        if let Some(signal) = signal {
            plumb.signal(signal)?;
        }
        let finished = plumb.wait()?;
        ensure!(finished.status.success(), "{arguments:?}: {}: {}", finished.status, finished.stderr);
        let records = read(&file)?;
        records.check_balance()?;
        ensure!(records.packets(is_ours) == dropped, "{arguments:?} {signal:?}: {dropped}: {records:#?}");
        ensure!(records.0.first().is_some_and(|record| record["record"] == "session"), "{records:#?}");
        ensure!(records.0.last().is_some_and(|record| record["record"] == "ledger"), "{records:#?}");
        ensure!(mode(&file)? == 0o600, "mode {:o}", mode(&file)?);
        fs::remove_file(&file)?;
    }
    Ok(())
}

#[test]
fn rotated_files_hold_every_record_once() -> TestResult {
    const LIMIT: u64 = 8192;
    let bench = Bench::new()?;
    let file = bench.file("events.jsonl");
    let plumb = bench.start(&file, &["--events", "--rotate", &LIMIT.to_string()])?;
    let dropped = bench.drop(100)?;
    let finished = plumb.stop()?;
    ensure!(finished.status.success(), "{}: {}", finished.status, finished.stderr);
    let (mut files, mut events, mut ledgers) = (0, 0, 0);
    for entry in fs::read_dir(bench.folder.path())? {
        let path = entry?.path();
        let records = read(&path)?;
        let length = fs::metadata(&path)?.len();
        ensure!(length <= LIMIT, "{} has {length} bytes", path.display());
        ensure!(mode(&path)? == 0o600, "{}", path.display());
        files += 1;
        events += records.packets(is_ours);
        ledgers += records.of("ledger").count();
    }
    ensure!(files > 2, "{files} files");
    ensure!((events, ledgers) == (dropped, 1), "{events} events of {dropped}, {ledgers} ledgers");
    Ok(())
}

#[test]
fn a_full_disk_is_an_error_with_counts() -> TestResult {
    const ROOM: u64 = 32 << 10;
    let bench = Bench::new()?;
    let disk = Small::new(ROOM)?;
    let file = disk.path().join("events.jsonl");
    let plumb = bench.start(&file, &["--events"])?;
    let dropped = bench.drop(300)?;
    // It ends by itself: nothing more can be written.
    let finished = plumb.wait()?;
    finished.failed_with(1, &["plumb: cannot write to ", "No space left", " were lost", "--rotate"])?;
    let text = fs::read_to_string(&file)?;
    ensure!(text.ends_with('\n'), "the last record is cut");
    let records = Records::parse(&text)?;
    let events = records.of("drop").count();
    ensure!(events > 10 && (events as u64) < dropped, "{events} events of {dropped}");
    let whole = format!("{events} records are whole");
    ensure!(finished.stderr.contains(&whole), "{whole}: {}", finished.stderr);
    let same = format!(" {events} written one by one");
    ensure!(finished.stdout.contains(&same), "{same}: {}", finished.stdout);
    Ok(())
}

#[test]
fn groups_that_found_no_room_are_lost_packets() -> TestResult {
    let bench = Bench::new()?;
    let disk = Small::new(4096)?;
    let file = disk.path().join("groups.jsonl");
    let mut plumb = bench.start(&file, &["--interval", "5ms"])?;
    let mut dropped = 0;
    wait_for("the disk to be full", || {
        dropped += bench.drop(PACKETS)?;
        plumb.ended()
    })?;
    let finished = plumb.wait()?;
    finished.failed_with(1, &["No space left", " records are whole", " were lost"])?;
    let groups = read(&file)?.packets(|_| true);
    ensure!(groups > 0 && groups < dropped, "{groups} of {dropped}");
    ensure!(finished.stdout.contains(" lost on the way out"), "{}", finished.stdout);
    let counted = format!(" {groups} counted in groups");
    ensure!(finished.stdout.contains(&counted), "{counted}: {}", finished.stdout);
    Ok(())
}

#[test]
fn after_kill_all_but_the_last_line_are_whole() -> TestResult {
    let bench = Bench::new()?;
    let file = bench.file("events.jsonl");
    let plumb = bench.start(&file, &["--events"])?;
    bench.drop(PACKETS)?;
    wait_for("events in the file", || {
        let text = fs::read_to_string(&file)?;
        Ok(text.lines().filter(|line| line.contains(REASON)).count() as u64 >= PACKETS)
    })?;
    // Killed while more are on their way.
    bench.drop(PACKETS)?;
    plumb.signal(Signal::SIGKILL)?;
    plumb.wait()?;
    let text = fs::read_to_string(&file)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let events = Records::parse(whole)?.packets(is_ours);
    ensure!((PACKETS..=2 * PACKETS).contains(&events), "{events} events: {text}");
    Ok(())
}

#[test]
fn csv_has_a_row_per_record() -> TestResult {
    let bench = Bench::new()?;
    let file = bench.file("events.csv");
    let plumb = bench.start(&file, &["--events", "--noise", "show", "--reason", REASON])?;
    let dropped = bench.drop(PACKETS)?;
    let finished = plumb.stop()?;
    ensure!(finished.status.success(), "{}: {}", finished.status, finished.stderr);
    let text = fs::read_to_string(&file)?;
    let mut rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = rows.next().context("a header")?;
    let column = |name: &str| head.iter().position(|cell| *cell == name).context(name.to_owned());
    let (reason, address, port) = (column("reason")?, column("src_ip")?, column("protocol")?);
    let sender = lab_address(&bench.lab);
    let rows: Vec<_> = rows.collect();
    ensure!(rows.len() as u64 == dropped, "{} rows of {dropped}: {text}", rows.len());
    for row in rows {
        ensure!(row.len() == head.len(), "{row:?}");
        ensure!((row[reason], row[address], row[port]) == (REASON, sender.as_str(), "17"), "{row:?}");
    }
    Ok(())
}

fn lab_address(lab: &Lab) -> String {
    lab.sender().v4.to_string()
}

/// The frames of a capture as tshark reads them: bytes and comment.
fn tshark(file: &Path) -> Result<Vec<(String, String)>> {
    let output =
        Command::new("tshark").arg("-r").arg(file).args(["-T", "jsonraw", "--no-duplicate-keys"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let frames: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let comments =
        Command::new("tshark").arg("-r").arg(file).args(["-T", "fields", "-e", "frame.comment"]).output()?;
    let comments = String::from_utf8(comments.stdout)?;
    let bytes = |frame: &Value| {
        let hex = frame["_source"]["layers"]["frame_raw"][0].as_str();
        hex.map(str::to_owned).with_context(|| format!("no bytes: {frame}"))
    };
    frames
        .iter()
        .zip(comments.lines())
        .map(|(frame, comment)| Ok((bytes(frame)?, comment.to_owned())))
        .collect()
}

#[test]
fn a_packet_without_bytes_is_in_the_capture_by_its_comment() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("drops.pcapng");
    let path = file.to_str().context("a temporary path")?;
    let plumb = Plumb::new(&["drops", "--noise", "show", "-o", path])?.start()?;
    // A Unix socket that closes with a datagram in it.
    let (near, far) = UnixDatagram::pair()?;
    near.send(b"never read")?;
    drop((near, far));
    let finished = plumb.stop()?;
    ensure!(finished.status.success(), "{}: {}", finished.status, finished.stderr);
    let output = Command::new("tshark")
        .arg("-r")
        .arg(&file)
        .args(["-T", "fields", "-e", "frame.cap_len", "-e", "frame.len", "-e", "frame.comment"])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let unix = text.lines().filter(|line| line.starts_with("0\t10\t") && line.contains("unix")).count();
    ensure!(output.status.success() && unix > 0, "{text}{}", String::from_utf8_lossy(&output.stderr));
    let written =
        finished.stdout.split(" written one by one").next().and_then(|text| text.rsplit(' ').next());
    let written = written.map(|digits| digits.replace(',', ""));
    ensure!(written == Some(text.lines().count().to_string()), "{}{text}", finished.stdout);
    Ok(())
}

#[test]
fn tshark_reads_what_was_sent_and_why_it_dropped() -> TestResult {
    let bench = Bench::new()?;
    let lab = &bench.lab;
    let file = bench.file("drops.pcapng");
    let plumb = bench.start(&file, &["--snaplen", "256"])?;
    let frames = Frames::between(lab.sender(), lab.receiver());
    let payload: Vec<u8> = (0..=99).collect();
    let sent =
        [frames.udp(Family::V4, (40_000, 9), &payload)?, frames.udp(Family::V6, (40_000, 9), &payload)?];
    let sender = lab.sender().packet_sender()?;
    for frame in &sent {
        sender.repeat(frame, PACKETS)?;
    }
    wait_for("the datagrams to be dropped", || {
        let counters = lab.receiver().counters()?;
        Ok(counters.get("UdpNoPorts")? == PACKETS && counters.get("Udp6NoPorts")? == PACKETS)
    })?;
    let finished = plumb.stop()?;
    ensure!(finished.status.success(), "{}: {}", finished.status, finished.stderr);
    let read = tshark(&file)?;
    for (frame, symbol) in sent.iter().zip(["__udp4_lib_rcv", "__udp6_lib_rcv"]) {
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        let same: Vec<_> = read.iter().filter(|(bytes, _)| *bytes == hex).collect();
        ensure!(same.len() as u64 == PACKETS, "{} of {PACKETS} as sent: {read:#?}", same.len());
        for (_, comment) in same {
            ensure!(comment.contains(REASON) && comment.contains(symbol), "comment {comment:?}");
        }
    }
    Ok(())
}
