//! Event mode: every column of a record is what was sent, and what the kernel says of the place.

use crate::samples::{Sample, local, samples, tagged};
use crate::scene::{Cgroup, GUARDED, LocalSender, complete, guard, pin, reasons, wait_for_drops, watch_host};
use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use plumb_lab::Lab;
use plumb_live::{TestResult, base_symbol};
use plumb_records::drop::Drop;
use plumb_records::enrich::kallsyms;
use serde_json::Value;

/// Ours and the records' clock are one, read at different moments; the offset between the kernel's two is kept to this.
const CLOCK: SignedDuration = SignedDuration::from_millis(20);

#[test]
fn every_column_is_what_was_sent() -> TestResult {
    let lab = Lab::new()?;
    let cpu = pin()?;
    let samples = samples(&lab)?;
    let receiver = watch_host(lab.receiver(), &[])?;
    let sender = watch_host(lab.sender(), &[])?;
    let before = Timestamp::now();
    let socket = lab.sender().packet_sender()?;
    for frame in samples.iter().filter_map(|sample| sample.frame.as_ref()) {
        socket.repeat(frame, 1)?;
    }
    let at = |host: &str| samples.iter().filter(|sample| sample.expect["netns_name"] == host).count();
    let (far, near) = (at(lab.receiver().netns.name()), at(lab.sender().netns.name()));
    wait_for_drops(&receiver, far, |_| true)?;
    wait_for_drops(&sender, near, |drop| drop["protocol"] == 6)?;
    let after = Timestamp::now();
    let records = [complete(&receiver.stop()?)?, complete(&sender.stop()?)?];
    let drops: Vec<&Value> = records.iter().flat_map(|records| records.of("drop")).collect();
    for sample in &samples {
        let drop = only(sample, &drops)?;
        ensure!(drop["cpu"] == cpu, "{}: not on CPU {cpu}: {drop}", sample.name);
        ensure!(drop["in_softirq"] == true, "{}: received in softirq: {drop}", sample.name);
        ensure!(drop["pid"].is_u64() && drop["comm"].is_string(), "{}: {drop}", sample.name);
        check_names(drop)?;
        check_time(drop, before, after)?;
    }
    Ok(())
}

/// Packets of local processes: their own process, not a bystander, and the owner and cgroup of their socket.
#[test]
fn a_local_packet_names_its_process_and_socket() -> TestResult {
    let lab = Lab::new()?;
    let cpu = pin()?;
    let cgroup = Cgroup::new()?;
    let local_sender = LocalSender::new("plumb-one", 4321, Some(&cgroup));
    for hook in ["output", "postrouting"] {
        for address in [lab.receiver().v4.to_string(), lab.receiver().v6.to_string()] {
            // The rule first: symbols of a module that is loaded later are not known.
            let observe = || {
                let watching = watch_host(lab.sender(), &[])?;
                let pid = local_sender.send(lab.sender(), &address, 1)?;
                wait_for_drops(&watching, 1, |drop| drop["dst_port"] == GUARDED)?;
                anyhow::Ok((pid, complete(&watching.stop()?)?))
            };
            let (pid, records) = guard(lab.sender(), hook, || Ok(observe()))??;
            let mut sample = local(&lab, &address, hook == "postrouting")?;
            sample.expect["uid"] = 4321.into();
            sample.expect["cgroup"] = cgroup.id().into();
            sample.expect["pid"] = pid.into();
            sample.expect["comm"] = "plumb-one".into();
            sample.expect["in_softirq"] = false.into();
            sample.expect["cpu"] = cpu.into();
            check_names(only(&sample, &records.of("drop").collect::<Vec<_>>())?)?;
        }
    }
    Ok(())
}

#[test]
fn a_tag_is_found_in_metadata_and_in_bytes() -> TestResult {
    let lab = Lab::new()?;
    let [incoming, outgoing, untaken] = tagged(&lab, false)?;
    dropped_by_filter(&lab, &incoming, &outgoing)?;
    let watching = watch_host(lab.receiver(), &[])?;
    lab.sender().packet_sender()?.send(untaken.frame.as_ref().context("a frame")?)?;
    wait_for_drops(&watching, 1, |_| true)?;
    let records = complete(&watching.stop()?)?;
    only(&untaken, &records.of("drop").collect::<Vec<_>>()).map(drop)
}

#[test]
fn of_two_tags_the_outer_one_is_told() -> TestResult {
    let lab = Lab::new()?;
    let [incoming, outgoing, _] = tagged(&lab, true)?;
    dropped_by_filter(&lab, &incoming, &outgoing)
}

/// Lets a filter of the traffic control drop the one as it comes in, the other as it goes out.
fn dropped_by_filter(lab: &Lab, incoming: &Sample, outgoing: &Sample) -> TestResult {
    for (sample, host, side) in [(incoming, lab.receiver(), "ingress"), (outgoing, lab.sender(), "egress")] {
        let watching = watch_host(host, &[])?;
        let device = host.interface;
        let qdisc = format!("qdisc add dev {device} clsact");
        // Classic BPF: return TC_ACT_SHOT.
        let shot = format!("filter add dev {device} {side} bpf da bytecode '1,6 0 0 2'");
        let frame = sample.frame.as_ref().context("a frame")?;
        host.with_tc(&[&qdisc, &shot], &[&format!("qdisc del dev {device} clsact")], || {
            let socket = lab.sender().packet_sender()?;
            // The sender's own drop is told by ENOBUFS.
            let _ = socket.send(frame);
            Ok(())
        })?;
        wait_for_drops(&watching, 1, |_| true)?;
        let records = complete(&watching.stop()?)?;
        let drops: Vec<&Value> = records.of("drop").collect();
        let drop = only(sample, &drops)?;
        let own = side == "ingress" || drop["pid"] == std::process::id();
        ensure!(own, "{}: not by this process: {drop}", sample.name);
    }
    Ok(())
}

#[test]
fn a_stack_begins_where_the_packet_was_freed() -> TestResult {
    let lab = Lab::new()?;
    let samples = samples(&lab)?;
    let sample = samples.iter().find(|sample| sample.name == "UDP").context("a sample")?;
    let watching = watch_host(lab.receiver(), &["--stack"])?;
    lab.sender().packet_sender()?.repeat(sample.frame.as_ref().context("a frame")?, 1)?;
    wait_for_drops(&watching, 1, |_| true)?;
    let records = complete(&watching.stop()?)?;
    let drop = records.of("drop").find(|drop| drop["dst_port"] == sample.expect["dst_port"]);
    let drop = drop.context("the drop")?;
    let stack: Vec<&str> =
        drop["stack"].as_array().context("a stack")?.iter().filter_map(Value::as_str).collect();
    ensure!(stack.first() == drop["location"].as_str().as_ref(), "{drop}");
    for caller in ["ip_local_deliver_finish", "__netif_receive_skb_one_core", "net_rx_action"] {
        ensure!(stack.iter().any(|frame| kallsyms::function(frame) == caller), "no {caller}: {stack:?}");
    }
    Ok(())
}

/// The only drop that has all the columns of the sample.
fn only<'a>(sample: &Sample, drops: &[&'a Value]) -> Result<&'a Value> {
    let misfits = |drop: &Value| -> Vec<String> {
        let differs = |(name, value): (&String, &Value)| {
            let found = if name == "location" { Value::from(base_symbol(drop)) } else { drop[name].clone() };
            (found != *value).then(|| format!("{name} is {found}, not {value}"))
        };
        sample.expect.as_object().into_iter().flatten().filter_map(differs).collect()
    };
    let found: Vec<&Value> = drops.iter().copied().filter(|drop| misfits(drop).is_empty()).collect();
    let nearest = || drops.iter().map(|drop| misfits(drop)).min_by_key(Vec::len);
    ensure!(found.len() == 1, "{}: {} records; nearest: {:?}", sample.name, found.len(), nearest());
    let columns = found[0].as_object().context("an object")?;
    ensure!(columns.len() == Drop::COLUMNS.len() + 1, "columns are missing: {}", found[0]);
    Ok(found[0])
}

/// The reason's number and name belong together.
fn check_names(drop: &Value) -> Result<()> {
    let reasons = reasons()?;
    let number = u32::try_from(drop["reason_id"].as_u64().context("reason_id")?)?;
    ensure!(reasons.get(&number).map(String::as_str) == drop["reason"].as_str(), "{drop}");
    Ok(())
}

fn check_time(drop: &Value, before: Timestamp, after: Timestamp) -> Result<()> {
    let time: Timestamp = drop["time"].as_str().context("time")?.parse()?;
    ensure!(time + CLOCK >= before && time <= after + CLOCK, "{time} is not from {before} to {after}");
    Ok(())
}
