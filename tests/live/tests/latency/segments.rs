//! Datagrams that are sent as one packet (UDP_SEGMENT), and split on their way or at their socket.

use crate::journeys::{in_order, stages};
use crate::mechanisms::with_readable;
use crate::scene::{MESSAGE, Scene, seen};
use anyhow::{Context, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
use plumb_live::{Records, TestResult};
use serde_json::Value;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

const TIMES: usize = 20;
/// Datagrams of a packet, of which the last is smaller.
const PARTS: usize = 5;
const PACKET: usize = PARTS * MESSAGE - MESSAGE / 2;
/// From the first datagram to the last, for the reader.
const WAIT: Duration = Duration::from_millis(3);

fn sockets(scene: &Scene, v6: bool) -> Result<(UdpSocket, UdpSocket)> {
    let at = scene.address(v6);
    let client = scene.lab.sender().run(|| {
        let client = UdpSocket::bind(if v6 { "[::]:0" } else { "0.0.0.0:0" }).expect("a port");
        client.connect(at).expect("a route");
        Ok(client)
    })?;
    setsockopt(&client, UdpGsoSegment, &i32::try_from(MESSAGE)?)?;
    let server = scene.lab.receiver().run(|| Ok(UdpSocket::bind(at).expect("a port")))?;
    server.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok((client, server))
}

/// The journeys of a direction, all of which ended so.
fn ended<'a>(records: &'a Records, direction: &str, how: &str) -> Result<Vec<&'a Value>> {
    let ways: Vec<_> = records.of("journey").filter(|way| way["direction"] == direction).collect();
    ensure!(ways.iter().all(|way| way["ended"] == how), "{ways:#?}");
    Ok(ways)
}

fn exchange(scene: &Scene, v6: bool, wait: Duration) -> Result<Records> {
    let (client, server) = sockets(scene, v6)?;
    let plumb = scene.plumb(&with_readable()?)?.start()?;
    for _ in 0..TIMES {
        client.send(&[7; PACKET])?;
        for part in 1..=PARTS {
            if part == PARTS {
                thread::sleep(wait);
            }
            server.recv(&mut [0; PACKET])?;
        }
    }
    let records = plumb.stop()?.records()?;
    in_order(&records)?;
    ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
    Ok(records)
}

#[test]
fn what_a_socket_gets_one_by_one_ends_with_the_last() -> TestResult {
    let scene = Scene::new()?;
    for v6 in [false, true] {
        let checked = seen(|| {
            let records = exchange(&scene, v6, WAIT)?;
            let (sent, received) =
                (ended(&records, "tx", "transmitted")?, ended(&records, "rx", "delivered")?);
            let told = (sent.len(), received.len());
            ensure!(told == (TIMES, TIMES), "{told:?} of {TIMES}: {}", records.ledger()?);
            for way in received {
                let hooks = stages(way)?;
                ensure!(hooks.iter().any(|(hook, _)| *hook == "readable"), "{way}");
                ensure!(way["total_ns"].as_u64() >= Some(WAIT.as_nanos() as u64), "{way}");
            }
            Ok(())
        });
        checked.with_context(|| format!("IPv6: {v6}"))?;
    }
    Ok(())
}

#[test]
fn what_the_stack_splits_for_a_device_is_one_packet_there() -> TestResult {
    let scene = Scene::new()?;
    let sender = scene.lab.sender();
    sender.tool(&["ethtool", "-K", sender.interface, "tx-udp-segmentation", "off"])?;
    for v6 in [false, true] {
        let checked = seen(|| {
            let records = exchange(&scene, v6, Duration::ZERO)?;
            let told =
                (ended(&records, "tx", "transmitted")?.len(), ended(&records, "rx", "delivered")?.len());
            ensure!(told == (TIMES, PARTS * TIMES), "{told:?} of {TIMES}: {}", records.ledger()?);
            Ok(())
        });
        checked.with_context(|| format!("IPv6: {v6}"))?;
    }
    Ok(())
}

/// A socket without room for all of them.
#[test]
fn where_one_is_dropped_the_packet_is() -> TestResult {
    let scene = Scene::new()?;
    seen(|| {
        let (client, server) = sockets(&scene, false)?;
        // The least that there is: a few datagrams.
        setsockopt(&server, nix::sys::socket::sockopt::RcvBuf, &1)?;
        let plumb = scene.plumb(&with_readable()?)?.start()?;
        for _ in 0..TIMES {
            client.send(&[7; PACKET])?;
        }
        let records = plumb.stop()?.records()?;
        let ways = records.of("journey").filter(|way| way["direction"] == "rx");
        let dropped = ways.filter(|way| way["ended"] == "dropped");
        let reasons: Vec<&Value> = dropped.map(|way| &way["reason"]).collect();
        ensure!(reasons.len() + 2 >= TIMES, "{} of {TIMES}: {}", reasons.len(), records.ledger()?);
        ensure!(reasons.iter().all(|reason| **reason == "SOCKET_RCVBUFF"), "{reasons:?}");
        Ok(())
    })
}
