//! What is sent arrives: as many, of every protocol, with checksums that the receiver's stack accepts.

use crate::scene::{WAYS, gentle, hear, number, received, send, undisturbed, within};
use anyhow::{Context, Result, ensure};
use etherparse::{SlicedPacket, TransportSlice};
use plumb_kernel::support;
use plumb_lab::traffic::Stamp;
use plumb_lab::wait;
use plumb_live::TestResult;
use plumb_live::machine::emulated;
use std::collections::HashMap;

/// Frames of a protocol test.
const FRAMES: u64 = 240;

/// A protocol, its destination's family, and what its receiver counts for each packet and for each wrong checksum.
struct Case {
    args: &'static [&'static str],
    v6: bool,
    counts: &'static str,
    wrong: &'static str,
}

const CASES: &[Case] = &[
    Case { args: &["--proto", "udp"], v6: false, counts: "UdpNoPorts", wrong: "UdpInCsumErrors" },
    Case { args: &["--proto", "udp"], v6: true, counts: "Udp6NoPorts", wrong: "Udp6InCsumErrors" },
    Case { args: &["--proto", "tcp"], v6: false, counts: "TcpOutRsts", wrong: "TcpInCsumErrors" },
    Case { args: &["--proto", "tcp"], v6: true, counts: "TcpOutRsts", wrong: "TcpInCsumErrors" },
    Case {
        args: &["--proto", "tcp", "--tcp-flags", "psh,ack"],
        v6: false,
        counts: "TcpOutRsts",
        wrong: "TcpInCsumErrors",
    },
    Case { args: &["--proto", "icmp"], v6: false, counts: "IcmpInEchos", wrong: "IcmpInCsumErrors" },
    Case { args: &["--proto", "icmp"], v6: true, counts: "Icmp6InEchos", wrong: "Icmp6InCsumErrors" },
];

#[test]
fn count_sends_exactly_so_many() -> TestResult {
    let count: u64 = if emulated() { 2000 } else { 20_000 };
    within(|lab| {
        for (way, threads) in [("live", "1"), ("live", "2"), ("packet", "1"), ("packet", "2")] {
            let receiver = lab.receiver();
            let before = receiver.nstat("UdpNoPorts")?;
            let target = receiver.v4.to_string();
            let record = send(
                lab,
                &[
                    "--dst",
                    &target,
                    "--count",
                    &count.to_string(),
                    "--rate",
                    "50k",
                    "--transport",
                    way,
                    "--threads",
                    threads,
                ],
            )?;
            ensure!(number(&record, "sent")? == count, "{record}");
            ensure!(record["transport"] == way, "{record}");
            let offered = number(&record, "offered")? - number(&record, "errors")?;
            ensure!(offered == count, "{record}");
            wait::for_count("datagrams", before + count, || receiver.nstat("UdpNoPorts"))?;
            ensure!(receiver.nstat("UdpNoPorts")? == before + count, "more than {count} arrived");
        }
        Ok(())
    })
}

#[test]
fn the_receivers_stack_accepts_every_protocol() -> TestResult {
    within(|lab| {
        for case in CASES {
            for way in WAYS {
                for more in
                    [&["--size", "IMIX"][..], &["--vlan", "0", "--random", "--size", "120-700", "--stamp"]]
                {
                    accepted(lab, case, way, more).with_context(|| {
                        format!("{:?} to IPv{} {way} {more:?}", case.args, if case.v6 { 6 } else { 4 })
                    })?;
                }
            }
        }
        Ok(())
    })
}

fn accepted(lab: &plumb_lab::Lab, case: &Case, way: &str, more: &[&str]) -> Result<()> {
    let receiver = lab.receiver();
    let target = if case.v6 { receiver.v6.to_string() } else { receiver.v4.to_string() };
    let (before, wrong) = (receiver.nstat(case.counts)?, receiver.nstat(case.wrong)?);
    let count = FRAMES.to_string();
    // The shortest of the mix does not hold every header.
    let more = if case.v6 && more[1] == "IMIX" { &["--size", "90-600"][..] } else { more };
    let common = ["--dst", &target, "--count", &count, "--rate", "20k", "--transport", way, "--flows", "50"];
    send(lab, &[case.args, &common, more].concat())?;
    wait::for_count(case.counts, before + FRAMES, || receiver.nstat(case.counts))?;
    let counted = receiver.nstat(case.counts)? - before;
    ensure!(counted == FRAMES, "{} says {counted}", case.counts);
    ensure!(receiver.nstat(case.wrong)? == wrong, "{} rose", case.wrong);
    Ok(())
}

#[test]
fn lengths_and_tags_are_on_the_wire() -> TestResult {
    within(|lab| {
        let rule = "counter tagged {}; chain in { type filter hook ingress device";
        let device = lab.receiver().interface;
        lab.receiver().nft(&format!(
            "table netdev tags {{ {rule} {device} priority 0; vlan id 42 counter name tagged\n}}\n}}"
        ))?;
        for way in WAYS {
            let (before, tagged) = (received(lab.receiver())?, lab.receiver().nft_counter()?);
            // Nobody has this VLAN: the frames end at the interface, whose counts are the oracle.
            let target = lab.receiver().v4.to_string();
            let args =
                ["--dst", &target, "--vlan", "42", "--size", "IMIX", "--count", "120", "--rate", "10k"];
            send(lab, &[&args[..], &["--transport", way]].concat())?;
            let bytes = 70 * 60 + 40 * 590 + 10 * 1514;
            wait::for_count(
                "frames",
                before.0 + 120,
                || Ok(received(lab.receiver()).map_or(0, |now| now.0)),
            )?;
            let after = received(lab.receiver())?;
            // Nothing else speaks in a quiet lab. veth counts live frames whole, others without their Ethernet header.
            let bytes = if way == "live" { bytes } else { bytes - 120 * 14 };
            wait::for_count("tagged frames", tagged + 120, || lab.receiver().nft_counter())?;
            ensure!(lab.receiver().nft_counter()? == tagged + 120, "{way}: other tags too");
            ensure!((after.0 - before.0, after.1 - before.1) == (120, bytes), "{way}: {before:?} {after:?}");
        }
        Ok(())
    })
}

/// Datagrams of ours, by their payload.
fn datagram(frame: &[u8]) -> Option<(u16, Vec<u8>)> {
    match SlicedPacket::from_ethernet(frame).ok()?.transport? {
        TransportSlice::Udp(udp) if udp.destination_port() == 9 => {
            Some((udp.source_port(), udp.payload().to_vec()))
        }
        _ => None,
    }
}

#[test]
fn sizes_flows_and_stamps_are_those_that_were_asked_for() -> TestResult {
    within(|lab| {
        let target = lab.receiver().v4.to_string();
        for way in WAYS {
            let args = [
                "--dst",
                &target,
                "--count",
                "1200",
                "--rate",
                gentle(),
                "--flows",
                "50",
                "--stamp",
                "--size",
                "100-149",
                "--transport",
                way,
            ];
            let offset = support::clock_offset_ns();
            let start = support::monotonic_ns().saturating_add_signed(offset);
            let frames = undisturbed(|| {
                let mut refused = 0;
                let sent = || {
                    refused = number(&send(lab, &args)?, "errors")?;
                    Ok(())
                };
                let heard = hear(lab.receiver(), 1200, |frame| datagram(frame).is_some(), sent)?;
                Ok((refused == 0).then_some(heard))
            })?;
            let end = support::monotonic_ns().saturating_add_signed(offset);
            ensure!(frames.len() == 1200, "{way}: {} of 1200 frames", frames.len());
            let (mut flows, mut sizes) = (HashMap::new(), HashMap::new());
            for (number, frame) in (0_u64..).zip(&frames) {
                let (port, payload) = datagram(frame).context("a datagram")?;
                *flows.entry(port).or_insert(0) += 1;
                *sizes.entry(frame.len()).or_insert(0) += 1;
                let stamp = Stamp::read(&payload).context("a stamp")?;
                ensure!((stamp.stream, stamp.sequence) == (0, number), "{way}: {stamp:?} as frame {number}");
                // Both ends read the offset of the clocks for themselves.
                let slack = 10_000_000;
                ensure!(
                    (start - slack..end + slack).contains(&stamp.time_ns),
                    "{way}: {stamp:?} not in {start}..{end}"
                );
            }
            ensure!(flows.len() == 50 && flows.values().all(|count| *count == 24), "{way}: {flows:?}");
            ensure!(sizes.len() == 50 && sizes.values().all(|count| *count == 24), "{way}: {sizes:?}");
        }
        Ok(())
    })
}
