//! Groups: every key of --by against the same packets one by one, namespaces, and the order and spans of the output.

use crate::scene::{Cgroup, LocalSender, complete, guard, wait_for_drops, watch, watch_host};
use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use plumb_lab::Lab;
use plumb_lab::frames::{Family, Path};
use plumb_live::{Records, Running, TestResult, base_symbol, wait_for};
use plumb_records::enrich::kallsyms;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const KEYS: [&str; 14] = [
    "src_ip", "dst_ip", "src_port", "dst_port", "protocol", "pid", "comm", "uid", "cgroup", "cpu", "family",
    "stack", "flow", "process",
];
/// How many kinds of counting watch the same packets at once.
const AT_ONCE: usize = 7;

/// Packets and bytes by the text of their keys.
type Sums = BTreeMap<String, (u64, u64)>;

/// The host's own multicast reports come when they want: before all instances watch, or after some have stopped.
fn ours(record: &&Value) -> bool {
    base_symbol(record) != "ip6_mc_input"
}

#[test]
fn groups_by_every_key_are_the_packets_one_by_one() -> TestResult {
    let lab = Lab::new()?;
    let cgroup = Cgroup::new()?;
    let mut most = BTreeMap::new();
    for keys in KEYS.chunks(AT_ONCE) {
        let events = watch_host(lab.sender(), &["--stack"])?;
        let by = |key: &&str| watch(&["--netns", lab.sender().netns.name(), "--by", key]);
        let groups: Vec<Running> = keys.iter().map(by).collect::<Result<_>>()?;
        let sent = send(&lab, &cgroup)?;
        wait_for_drops(&events, sent, |_| true)?;
        let events = complete(&events.stop()?)?;
        for (key, running) in keys.iter().zip(groups) {
            let groups = complete(&running.stop()?)?;
            let sample = groups.of("drop_group").next().context("groups")?;
            let columns = key_columns(sample);
            let told: Vec<&Value> = groups.of("drop_group").filter(ours).collect();
            let found = sums(told.iter().copied(), &columns);
            let expected = sums(events.of("drop").filter(ours), &columns);
            ensure!(found == expected, "--by {key}: {found:#?}\nand not {expected:#?}");
            ensure!(found.len() == told.len(), "--by {key}: the same group twice");
            most.insert(*key, found.len());
        }
    }
    for (key, least) in
        [("src_port", 4), ("dst_ip", 3), ("uid", 3), ("cgroup", 3), ("comm", 2), ("family", 2), ("flow", 9)]
    {
        ensure!(most[key] >= least, "--by {key} told only {} groups apart", most[key]);
    }
    Ok(())
}

/// Interfaces of the same name and index in two namespaces are two groups.
#[test]
fn interfaces_of_two_namespaces_never_merge() -> TestResult {
    let lab = Lab::new()?;
    let (sender, receiver) = (lab.sender(), lab.receiver());
    ensure!(
        (sender.interface, sender.ifindex) == (receiver.interface, receiver.ifindex),
        "the lab's hosts differ"
    );
    let path = Path::between(sender, receiver);
    let watching = watch(&[])?;
    for (host, path, count) in [(sender, path, 15), (receiver, path.reversed(), 10)] {
        host.packet_sender()?.repeat(&path.udp(Family::V4, (40_000, 5000), b"x")?, count)?;
    }
    for (host, count) in [(receiver, 15), (sender, 10)] {
        wait_for("datagrams to arrive", || Ok(host.nstat("UdpNoPorts")? >= count))?;
    }
    let records = watching.stop()?.records()?;
    for (host, count) in [(receiver, 15), (sender, 10)] {
        let groups: Vec<&Value> = records
            .of("drop_group")
            .filter(|group| group["netns"] == host.netns.inode() && group["reason"] == "NO_SOCKET")
            .collect();
        ensure!(groups.len() == 1 && groups[0]["packets"] == count, "{groups:?}");
        ensure!(groups[0]["netns_name"] == host.netns.name() && groups[0]["interface"] == host.interface);
    }
    Ok(())
}

#[test]
fn a_stack_of_a_group_leads_to_the_location() -> TestResult {
    let lab = Lab::new()?;
    let watching = watch(&["--netns", lab.receiver().netns.name(), "--by", "stack"])?;
    offer(&lab, &[(5000, 5)])?;
    let records = complete(&watching.stop()?)?;
    let group = records.of("drop_group").find(|group| group["reason"] == "NO_SOCKET").context("the group")?;
    let frames: Vec<&str> =
        group["stack"].as_array().context("a stack")?.iter().filter_map(Value::as_str).collect();
    ensure!(frames.first().copied() == group["location"].as_str() && group["packets"] == 5, "{group}");
    ensure!(frames.iter().any(|frame| kallsyms::function(frame) == "net_rx_action"), "{frames:?}");
    Ok(())
}

#[test]
fn groups_come_in_the_order_asked_for() -> TestResult {
    let lab = Lab::new()?;
    let netns = lab.receiver().netns.name();
    let by = |more: &[&str]| watch(&[&["--netns", netns, "--by", "dst_port"], more].concat());
    let runs = [by(&[])?, by(&["--sort", "dst_port"])?, by(&["--top", "2"])?];
    offer(&lab, &[(5002, 5), (5001, 9), (5003, 7)])?;
    let [plain, sorted, top] = runs.map(|running| -> Result<(Vec<u64>, Records)> {
        let finished = running.stop()?;
        ensure!(finished.status.success(), "{}", finished.stderr);
        let records = Records::parse(&finished.stdout)?;
        let ports = records.of("drop_group").filter_map(|group| group["dst_port"].as_u64()).collect();
        Ok((ports, records))
    });
    ensure!(plain?.0 == [5001, 5003, 5002], "packets descend");
    ensure!(sorted?.0 == [5001, 5002, 5003], "ports ascend");
    let (ports, records) = top?;
    ensure!(ports == [5001, 5003], "the two largest: {ports:?}");
    ensure!(records.account("aggregated")? == 21, "what is not shown is counted: {:?}", records.ledger());
    Ok(())
}

/// Each record covers its interval alone, so that the sum over records is the total.
#[test]
fn intervals_add_up_to_the_total() -> TestResult {
    const ROUNDS: [u64; 3] = [5, 7, 11];
    let lab = Lab::new()?;
    let watching = watch(&["--netns", lab.receiver().netns.name(), "--interval", "150ms", "--ledger"])?;
    let mut sum = 0;
    for round in ROUNDS {
        offer(&lab, &[(5000, round)])?;
        sum += round;
        wait_for("an interval's record", || {
            let text = watching.read("stdout");
            let lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
            let written = Records::parse(lines)?.packets(|group| group["reason"] == "NO_SOCKET");
            ensure!(written <= sum, "{written} written of {sum}");
            Ok(written == sum)
        })?;
    }
    let finished = watching.stop()?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    let records = Records::parse(&finished.stdout)?;
    let groups: Vec<&Value> =
        records.of("drop_group").filter(|group| group["reason"] == "NO_SOCKET").collect();
    ensure!(groups.len() >= ROUNDS.len(), "an interval for each round at least: {groups:?}");
    let spans: Vec<(Timestamp, Timestamp)> = groups.iter().map(|group| span(group)).collect::<Result<_>>()?;
    ensure!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "intervals overlap: {spans:?}");
    ensure!(groups.iter().filter_map(|group| group["packets"].as_u64()).sum::<u64>() == sum);
    ensure!(records.of("ledger").count() > ROUNDS.len(), "a ledger each interval");
    ensure!(records.account("aggregated")? >= sum, "the last ledger is the run's: {:?}", records.ledger());
    Ok(())
}

/// When a group's interval began and ended.
fn span(group: &Value) -> Result<(Timestamp, Timestamp)> {
    let time: Timestamp = group["time"].as_str().context("the interval's start")?.parse()?;
    let length = group["duration_ns"].as_i64().context("the interval's length")?;
    Ok((time, time + SignedDuration::from_nanos(length)))
}

/// Sends datagrams to closed ports of the receiver, and waits until they were refused.
fn offer(lab: &Lab, ports: &[(u16, u64)]) -> Result<()> {
    let path = Path::between(lab.sender(), lab.receiver());
    let socket = lab.sender().packet_sender()?;
    let before = lab.receiver().nstat("UdpNoPorts")?;
    for (port, count) in ports {
        socket.repeat(&path.udp(Family::V4, (40_000, *port), b"x")?, *count)?;
    }
    let sent: u64 = ports.iter().map(|(_, count)| count).sum();
    wait_for("datagrams to be refused", || Ok(lab.receiver().nstat("UdpNoPorts")? - before >= sent))
}

/// Drops at the sender: what local processes send, and resets of what the receiver refuses.
fn send(lab: &Lab, cgroup: &Cgroup) -> Result<usize> {
    let (sender, receiver) = (lab.sender(), lab.receiver());
    let users = [("plumb-one", 4321, Some(cgroup)), ("plumb-two", 4322, None)];
    let addresses = [receiver.v4.to_string(), receiver.v6.to_string()];
    guard(sender, "postrouting", || {
        let local = |(comm, uid, cgroup)| {
            let process = LocalSender::new(comm, uid, cgroup);
            addresses.iter().try_for_each(|address| process.send(sender, address, 2).map(drop))
        };
        Ok(users.into_iter().try_for_each(local))
    })??;
    let path = Path::between(sender, receiver);
    let socket = sender.packet_sender()?;
    for (port, family) in [(5000, Family::V4), (5001, Family::V6), (5002, Family::V4)] {
        let header = etherparse::TcpHeader { syn: true, ..etherparse::TcpHeader::new(40_000, port, 1, 1024) };
        socket.repeat(&path.tcp(family, header, b"")?, 3)?;
    }
    Ok(2 * 2 * 2 + 3 * 3)
}

/// What a group is told apart by: every column but its sums and its span.
fn key_columns(group: &Value) -> Vec<String> {
    const REST: [&str; 5] = ["record", "time", "duration_ns", "packets", "bytes"];
    let columns = group.as_object().into_iter().flat_map(Map::keys);
    columns.filter(|name| !REST.contains(&name.as_str())).cloned().collect()
}

/// Groups as they are, or packets put into groups.
fn sums<'a>(records: impl Iterator<Item = &'a Value>, columns: &[String]) -> Sums {
    let mut sums = Sums::new();
    for record in records {
        let key: Map<String, Value> =
            columns.iter().map(|name| (name.clone(), record[name].clone())).collect();
        let sum = sums.entry(Value::Object(key).to_string()).or_default();
        sum.0 += record["packets"].as_u64().unwrap_or(1);
        sum.1 += record["bytes"].as_u64().or(record["length_bytes"].as_u64()).unwrap_or(0);
    }
    sums
}
