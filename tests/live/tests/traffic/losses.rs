//! Interfaces that go away, and drivers that drop: what did not go out was not sent.

use crate::scene::{WAYS, number, send, traffic, within};
use anyhow::{Context, Result, ensure};
use plumb_lab::{Lab, Role, wait};
use plumb_live::machine::emulated;
use plumb_live::{Finished, Records, TestResult};

/// Frames that may be under way when an interface goes: what a veth's ring holds, and what is left in a backlog.
const UNDER_WAY: u64 = 320;

/// What can become of the sender's interface.
struct Loss {
    what: &'static str,
    happens: fn(&Lab) -> String,
    says: &'static str,
}

const LOSSES: &[Loss] = &[
    Loss {
        what: "set down",
        happens: |lab| format!("link set {} down", lab.sender().interface),
        says: "is down",
    },
    Loss {
        what: "moved",
        happens: |lab| {
            format!("link set {} netns {} name away0", lab.sender().interface, lab.receiver().netns.name())
        },
        says: "deleted or moved to another network namespace",
    },
    Loss {
        what: "deleted",
        happens: |lab| format!("link del {}", lab.sender().interface),
        says: "deleted or moved to another network namespace",
    },
];

#[test]
fn an_interface_that_goes_away_ends_it_and_takes_nothing_after() -> TestResult {
    for loss in LOSSES {
        for way in WAYS {
            within(|lab| lose(lab, loss, way).with_context(|| format!("{} {way}", loss.what)))?;
        }
    }
    Ok(())
}

/// Frames sent and not taken in a run that failed.
fn account(finished: &Finished) -> Result<(u64, u64)> {
    let records = Records::parse(&finished.stdout)?;
    records.check_balance()?;
    let record = records.of("traffic").last().context("a traffic record")?;
    let (sent, errors) = (number(record, "sent")?, number(record, "errors")?);
    ensure!(number(record, "offered")? == sent + errors, "{record}");
    Ok((sent, errors))
}

fn lose(lab: &Lab, loss: &Loss, way: &str) -> TestResult {
    let (sender, receiver) = (lab.sender(), lab.receiver());
    let target = receiver.v4.to_string();
    let before = receiver.nstat("UdpNoPorts")?;
    let args = ["--dst", &target, "--rate", "1k", "--for", "60s", "--transport", way, "--threads", "2"];
    let running = traffic(lab, &args)?.start()?;
    wait::for_count("datagrams", before + 100, || receiver.nstat("UdpNoPorts"))?;
    sender.ip(&[&(loss.happens)(lab)])?;
    let finished = running.wait()?;
    finished.failed_with(1, &["ended early", sender.interface, loss.says])?;
    let (sent, _) = account(&finished)?;
    let arrived = receiver.nstat("UdpNoPorts")? - before;
    ensure!((arrived..=arrived + UNDER_WAY).contains(&sent), "{arrived} of {sent} arrived");
    Ok(())
}

#[test]
fn frames_that_the_driver_drops_were_not_sent() -> TestResult {
    within(|lab| {
        let (sender, receiver) = (lab.sender(), lab.receiver());
        let target = receiver.v4.to_string();
        for (way, threads) in [("live", "1"), ("packet", "1"), ("packet", "2")] {
            let before = receiver.nstat("UdpNoPorts")?;
            let args =
                ["--dst", &target, "--rate", "1k", "--for", "60s", "--transport", way, "--threads", threads];
            let running = traffic(lab, &args)?.start()?;
            wait::for_count("datagrams", before + 100, || receiver.nstat("UdpNoPorts"))?;
            receiver.ip(&[&format!("link set {} down", receiver.interface)])?;
            let finished = running.wait()?;
            // Only then: what is still in the receiver's queue goes with its interface.
            lab.restore(Role::Receiver)?;
            finished.failed_with(1, &["ended early", sender.interface, "no carrier"])?;
            let (sent, errors) = account(&finished)?;
            let arrived = receiver.nstat("UdpNoPorts")? - before;
            ensure!(
                (arrived..=arrived + UNDER_WAY).contains(&sent) && (errors > 100 || way == "packet"),
                "{way}: {arrived} of {sent} arrived, {errors} errors"
            );
        }
        Ok(())
    })
}

#[test]
fn count_is_exact_where_the_driver_drops_some() -> TestResult {
    let count = if emulated() { 240 } else { 2400 };
    within(|lab| {
        let (sender, receiver) = (lab.sender(), lab.receiver());
        let target = receiver.v4.to_string();
        // The receiving end drops the long ones of the mix, a twelfth of all: of a veth without a queue the sender is told,
        // behind a queue it is not.
        receiver.ip(&[&format!("link set {} mtu 1000", receiver.interface)])?;
        for queue in [None, Some("pfifo limit 1000")] {
            if let Some(queue) = queue {
                sender.tc(&[&format!("qdisc add dev {} root {queue}", sender.interface)])?;
            }
            for (way, threads) in [("live", "1"), ("live", "2"), ("packet", "1"), ("packet", "2")] {
                let before = receiver.nstat("UdpNoPorts")?;
                let frames = count.to_string();
                let args = ["--dst", &target, "--size", "IMIX", "--count", &frames, "--rate", "5k"];
                let record = send(lab, &[&args[..], &["--transport", way, "--threads", threads]].concat())?;
                let (offered, errors) = (number(&record, "offered")?, number(&record, "errors")?);
                let told = format!("{way} {threads} {queue:?}: {record}");
                ensure!(offered - errors == count && number(&record, "sent")? == count, "{told}");
                ensure!(errors >= count / 12, "{told}");
                wait::for_count("datagrams", before + count, || receiver.nstat("UdpNoPorts"))?;
                let arrived = receiver.nstat("UdpNoPorts")? - before;
                ensure!(arrived == count, "{arrived} arrived: {told}");
            }
        }
        Ok(())
    })
}
