//! What a reader says that it read, held against what was sent.

use super::super::running::Ended;
use super::contender::How;
use super::load::Sent;
use crate::args::compare::Compare;
use crate::failure::{Failure, Outcome};
use plumb_lab::readers::{PORT, Told, Totals};
use serde_json::Value;

/// Ethernet's header, and those of IPv4 and UDP.
const ETHERNET: u64 = 14;
const HEADERS: u64 = ETHERNET + 20 + 8;

/// What a reader tells of a run.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Packets in its totals.
    pub received: u64,
    /// Why it cannot be right; `None` where it can.
    pub wrong: Option<String>,
    /// Where delays begin.
    pub delay_from: Option<String>,
    /// Their median, 99th and 99.9th percentile.
    pub delay_ns: [Option<u64>; 3],
    /// The same of the time inside the reader.
    pub inside_ns: [Option<u64>; 3],
    /// The largest memory that it knows of.
    pub peak: Option<u64>,
}

/// Totals, as far as they are known.
#[derive(Clone, Copy, Debug)]
struct Read {
    totals: Totals,
    known: Known,
    flows: Option<u64>,
}

/// What a reader tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Packets,
    Volumes,
    Squares,
}

/// Reads and judges a reader's account.
pub fn account(how: How, ended: &Ended, sent: Sent, asked: &Compare) -> Outcome<Account> {
    let records = ended.records()?;
    let (read, mut account) = match how {
        How::Flows => flows(records)?,
        How::PacketsJson => written(records)?,
        How::Nothing | How::Reader(..) => told(records)?,
    };
    account.received = read.totals.packets;
    let wrong = wrong(&read, sent.packets, u64::from(asked.size), u64::from(asked.flows));
    account.wrong = account.wrong.or(wrong);
    Ok(account)
}

fn unreadable() -> Failure {
    Failure::failed("a reader of the bench did not say what it read")
}

fn told(mut records: impl Iterator<Item = Value>) -> Outcome<(Read, Account)> {
    let line = records.next().ok_or_else(unreadable)?;
    let totals = Told::totals_in(&line).ok_or_else(unreadable)?;
    let three = |name: &str| [0, 1, 2].map(|at| line[name][at].as_u64());
    let account = Account {
        delay_from: line["delay_from"].as_str().map(str::to_owned),
        delay_ns: three("delay_ns"),
        inside_ns: three("inside_ns"),
        ..Account::default()
    };
    Ok((Read { totals, known: Known::Squares, flows: line["flows"].as_u64() }, account))
}

fn flows(records: impl Iterator<Item = Value>) -> Outcome<(Read, Account)> {
    let (mut totals, mut flows, mut ledger) = (Totals::default(), 0, Value::Null);
    for record in records {
        let number = |name: &str| record[name].as_u64().unwrap_or_default();
        if record["record"] == "flow" && number("dst_port") == u64::from(PORT) {
            flows += 1;
            totals.packets += number("packets");
            totals.frame_bytes += number("frame_bytes");
            totals.ip_bytes += number("ip_bytes");
            totals.payload_bytes += number("payload_bytes");
        } else if record["record"] == "ledger" {
            ledger = record;
        }
    }
    let peak = ledger["peak_rss_bytes"].as_u64();
    let wrong = ledger.is_null().then(|| "it ended without a ledger".to_owned());
    let account = Account { peak, wrong, ..Account::default() };
    Ok((Read { totals, known: Known::Volumes, flows: Some(flows) }, account))
}

/// The end of what `plumb packets` wrote: its ledger.
fn written(records: impl Iterator<Item = Value>) -> Outcome<(Read, Account)> {
    let ledger = records.last().filter(|record| record["record"] == "ledger").ok_or_else(unreadable)?;
    let packets = ledger["emitted"].as_u64().ok_or_else(unreadable)?;
    let account = Account { peak: ledger["peak_rss_bytes"].as_u64(), ..Account::default() };
    let totals = Totals { packets, ..Totals::default() };
    Ok((Read { totals, known: Known::Packets, flows: None }, account))
}

/// Why totals cannot be those of packets of `size` bytes, `sent` of which came.
fn wrong(read: &Read, sent: u64, size: u64, flows: u64) -> Option<String> {
    let Totals { packets, frame_bytes, ip_bytes, payload_bytes, ip_squares } = read.totals;
    let ip = size - ETHERNET;
    if packets > sent {
        return Some(format!("{packets} packets of {sent}"));
    }
    let sums = [
        ("bytes of frames", Known::Volumes, frame_bytes, size),
        ("bytes from IP on", Known::Volumes, ip_bytes, ip),
        ("bytes of payload", Known::Volumes, payload_bytes, size - HEADERS),
        ("squares of lengths", Known::Squares, ip_squares, ip * ip),
    ];
    let known = |known: Known| read.known >= known;
    if let Some((what, _, sum, each)) =
        sums.iter().find(|(_, at, sum, each)| known(*at) && *sum != packets * each)
    {
        return Some(format!("{sum} {what} instead of {}", packets * each));
    }
    let most = flows.min(sent);
    let odd = |found: &u64| *found > most || packets == sent && *found != most;
    read.flows.filter(odd).map(|found| format!("{found} flows instead of {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(packets: u64) -> Read {
        let totals = Totals {
            packets,
            frame_bytes: packets * 66,
            ip_bytes: packets * 52,
            payload_bytes: packets * 24,
            ip_squares: packets * 52 * 52,
        };
        Read { totals, known: Known::Squares, flows: Some(packets.min(10)) }
    }

    #[test]
    fn totals_are_those_of_what_was_sent() {
        assert_eq!(wrong(&read(100), 100, 66, 10), None);
        assert_eq!(wrong(&read(5), 5, 66, 10), None);
        // What is lost is no mistake.
        assert_eq!(wrong(&read(90), 100, 66, 10), None);
        assert_eq!(wrong(&read(101), 100, 66, 10).unwrap(), "101 packets of 100");
        let mut odd = read(100);
        odd.totals.payload_bytes += 1;
        assert_eq!(wrong(&odd, 100, 66, 10).unwrap(), "2401 bytes of payload instead of 2400");
        let few = Read { flows: Some(9), ..read(100) };
        assert_eq!(wrong(&few, 100, 66, 10).unwrap(), "9 flows instead of 10");
    }

    #[test]
    fn what_flows_wrote_is_added_up() {
        let lines = [
            r#"{"record":"session"}"#,
            r#"{"record":"flow","dst_port":9,"packets":3,"frame_bytes":198,"ip_bytes":156,"payload_bytes":72}"#,
            r#"{"record":"flow","dst_port":80,"packets":7,"frame_bytes":1,"ip_bytes":1,"payload_bytes":1}"#,
            r#"{"record":"ledger","peak_rss_bytes":5}"#,
        ];
        let records = lines.map(|line| serde_json::from_str(line).unwrap());
        let (read, account) = flows(records.into_iter()).unwrap();
        assert_eq!((read.totals.packets, read.flows, account.peak), (3, Some(1), Some(5)));
        assert_eq!(wrong(&read, 3, 66, 1), None);
        assert!(told([].into_iter()).is_err());
        let ledger = serde_json::json!({"record": "ledger", "emitted": 7});
        let (read, _) = written([ledger].into_iter()).unwrap();
        assert_eq!((wrong(&read, 7, 66, 3), wrong(&read, 6, 66, 3).is_some()), (None, true));
        assert!(written([serde_json::json!({"record": "packet"})].into_iter()).is_err());
    }
}
