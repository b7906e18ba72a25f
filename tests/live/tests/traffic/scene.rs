//! What the tests share: a lab whose receiver takes live frames, and a listener that keeps what arrives.

use anyhow::{Context, Result, bail, ensure};
use plumb_kernel::session::Storage;
use plumb_kernel::traffic::accept;
use plumb_lab::{Host, Lab};
use plumb_live::machine::emulated;
use plumb_live::{Finished, Plumb};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Both ways that frames take.
pub(crate) const WAYS: [&str; 2] = ["live", "packet"];

/// How long frames may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// Does `work` in a lab whose receiver takes live frames.
pub(crate) fn within<T>(work: impl FnOnce(&Lab) -> Result<T>) -> Result<T> {
    let lab = Lab::new()?;
    let mut storage = Storage::new();
    let receiver = lab.receiver();
    let _accepting = receiver.run(|| Ok(accept(&mut storage, receiver.ifindex)?))?;
    work(&lab)
}

/// `plumb traffic` from the sender with JSON on standard output.
pub(crate) fn traffic(lab: &Lab, args: &[&str]) -> Result<Plumb> {
    let sender = lab.sender();
    let common = ["traffic", "-i", sender.interface, "--netns", sender.netns.name(), "--format", "json"];
    Plumb::new(&[&common, args].concat())
}

/// The same, to its end; the record of the whole run.
pub(crate) fn send(lab: &Lab, args: &[&str]) -> Result<Value> {
    sent(&traffic(lab, args)?.finish()?)
}

/// The last `traffic` record of a run that ended well.
pub(crate) fn sent(finished: &Finished) -> Result<Value> {
    let records = finished.records()?;
    let record = records.of("traffic").last().context("a traffic record")?.clone();
    ensure!(records.account("seen")? >= number(&record, "offered")?, "{}", records.ledger()?);
    Ok(record)
}

/// Does `work` until none of its frames met a full queue, which a busy machine brings about: it says so by `None`.
pub(crate) fn undisturbed<T>(mut work: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    for _ in 0..10 {
        if let Some(done) = work()? {
            return Ok(done);
        }
    }
    bail!("each of ten runs met a full queue")
}

/// A number of a record.
pub(crate) fn number(record: &Value, name: &str) -> Result<u64> {
    record[name].as_u64().with_context(|| format!("no number {name} in {record}"))
}

/// A rate at which the listener below keeps up.
pub(crate) fn gentle() -> &'static str {
    if emulated() { "200" } else { "4k" }
}

/// Frames that `host` receives while `work` runs and until there are `count`, of those that `wanted` accepts.
pub(crate) fn hear(
    host: &Host,
    count: usize,
    wanted: impl Fn(&[u8]) -> bool + Send,
    work: impl FnOnce() -> Result<()>,
) -> Result<Vec<Vec<u8>>> {
    let listener = host.packet_listener()?;
    // However late the listener is.
    listener.set_room(64 << 20)?;
    std::thread::scope(|scope| {
        let hearing = scope.spawn(move || -> Result<Vec<Vec<u8>>> {
            let (mut frames, deadline) = (Vec::new(), Instant::now() + PATIENCE);
            while frames.len() < count && Instant::now() < deadline {
                frames.extend(listener.receive(Duration::from_millis(50))?.filter(|frame| wanted(frame)));
            }
            // What comes beyond is heard too.
            while let Some(frame) = listener.receive(Duration::from_millis(100))? {
                frames.extend(Some(frame).filter(|frame| wanted(frame)));
            }
            Ok(frames)
        });
        work()?;
        hearing.join().expect("the listener ends well")
    })
}

/// Packets and bytes that the interface of `host` has received.
pub(crate) fn received(host: &Host) -> Result<(u64, u64)> {
    let interface = host.interface;
    let text = host.run(|| {
        std::fs::read_to_string("/proc/thread-self/net/dev").map_err(plumb_lab::Error::io("/proc/net/dev"))
    })?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'));
    let numbers: Vec<u64> =
        line.context("the interface")?.split_whitespace().map_while(|word| word.parse().ok()).collect();
    Ok((numbers[1], numbers[0]))
}
