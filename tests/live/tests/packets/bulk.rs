//! Super-packets count as the packets that they are on the wire.

use crate::scene::{complete, on};
use anyhow::{Context, Result, ensure};
use plumb_lab::Host;
use plumb_live::machine::emulated;
use plumb_live::silent::Scene;
use plumb_live::{Records, TestResult};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Packets that came to the IPv4 layer of a host: of a super-packet its segments (ip_rcv_core in net/ipv4/ip_input.c).
const COUNTERS: [&str; 4] = ["IpExtInNoECTPkts", "IpExtInECT0Pkts", "IpExtInECT1Pkts", "IpExtInCEPkts"];

fn came(host: &Host) -> Result<u64> {
    let counters = host.counters()?;
    Ok(COUNTERS.iter().map(|name| counters.get(name)).sum::<Result<u64, _>>()?)
}

fn segments(records: &Records, direction: &str) -> u64 {
    let of = records.of("packet").filter(|packet| packet["direction"] == direction);
    of.filter_map(|packet| packet["gso_segments"].as_u64()).sum()
}

fn payload(records: &Records, direction: &str) -> u64 {
    let of = records.of("packet").filter(|packet| packet["direction"] == direction);
    of.filter_map(|packet| packet["payload_len"].as_u64()).sum()
}

#[test]
fn bulk_data_is_as_many_packets_as_both_ends_saw() -> TestResult {
    let bytes = if emulated() { 1 << 20 } else { 32 << 20 };
    let scene = Scene::new()?;
    let (sender, receiver) = (scene.sender(), scene.receiver());
    let listener =
        receiver.run(|| TcpListener::bind((receiver.v4, 7001)).map_err(plumb_lab::Error::io("listen")))?;
    let plumb = on(sender, &["--ring-size", "16M", "--hook", "tc"])?.start()?;
    let before = (came(receiver)?, came(sender)?);
    let reader = std::thread::spawn(move || -> Result<u64> {
        let (mut stream, mut read, mut buffer) = (listener.accept()?.0, 0, vec![0; 1 << 16]);
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(read),
                some => read += some as u64,
            }
        }
    });
    let mut stream =
        sender.run(|| TcpStream::connect((receiver.v4, 7001)).map_err(plumb_lab::Error::io("connect")))?;
    stream.write_all(&vec![7; bytes])?;
    drop(stream);
    let read = reader.join().expect("a reader")?;
    ensure!(read == bytes as u64, "{read} of {bytes} bytes came");
    // The last of the four packets that close the connection.
    plumb_live::wait_for("the connection to close", || {
        let shown = sender.tool(&["ss", "-Htan", "state", "established"])?;
        let closing = sender.tool(&[
            "ss",
            "-Htan",
            "state",
            "fin-wait-1",
            "state",
            "fin-wait-2",
            "state",
            "closing",
        ])?;
        Ok(shown.is_empty() && closing.is_empty())
    })?;
    let after = (came(receiver)?, came(sender)?);
    let records = complete(&plumb.stop()?)?;
    let (out, back) = (segments(&records, "egress"), segments(&records, "ingress"));
    ensure!(out == after.0 - before.0, "{out} of {} packets went out", after.0 - before.0);
    ensure!(back == after.1 - before.1, "{back} of {} packets came back", after.1 - before.1);
    let data = payload(&records, "egress");
    ensure!(data >= bytes as u64, "{data} of {bytes} bytes");
    let largest = records.of("packet").filter_map(|packet| packet["gso_segments"].as_u64()).max();
    ensure!(largest.context("packets")? > 1, "nothing was a super-packet: {}", records.ledger()?);
    Ok(())
}
