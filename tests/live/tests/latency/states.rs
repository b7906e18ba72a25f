//! TCP connections that are not, or not yet, or no longer established.

use crate::journeys::{in_order, stages};
use crate::mechanisms::with_readable;
use crate::scene::{MESSAGE, Scene, seen};
use anyhow::{Context, Result, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use plumb_live::{Records, TestResult, wait_for};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;

const TIMES: usize = 10;

/// So many packets were received, of which so many were not read, and nothing was lost.
fn received(records: &Records, packets: usize, unread: usize) -> TestResult {
    in_order(records)?;
    let ways: Vec<_> = records.of("journey").filter(|way| way["direction"] == "rx").collect();
    let ended = |how: &str| ways.iter().filter(|way| way["ended"] == how).count();
    let told = (ended("delivered"), ended("unread"));
    ensure!(told == (packets - unread, unread), "{told:?} of {packets}: {}", records.ledger()?);
    for way in ways {
        let hooks = stages(way)?;
        ensure!(hooks.iter().any(|(hook, _)| *hook == "readable"), "{way}");
    }
    ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
    Ok(())
}

/// Reads what is there of so many messages.
fn hear(stream: &mut TcpStream, messages: usize) -> Result<()> {
    Ok(stream.read_exact(&mut vec![0; messages * MESSAGE])?)
}

/// Whether both ends have said their last: the socket is closed, though what it has can still be read.
fn over(stream: &TcpStream) -> Result<bool> {
    let mut asked = [PollFd::new(stream.as_fd(), PollFlags::empty())];
    poll(&mut asked, PollTimeout::ZERO)?;
    Ok(asked[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)))
}

#[test]
fn who_has_nothing_more_to_send_still_receives() -> TestResult {
    let scene = Scene::new()?;
    for v6 in [false, true] {
        seen(|| {
            let (mut client, mut server) = scene.connect(v6)?;
            let plumb = scene.plumb(&with_readable()?)?.start()?;
            client.shutdown(Shutdown::Write)?;
            for _ in 0..TIMES {
                server.write_all(&[7; MESSAGE])?;
                hear(&mut client, 1)?;
            }
            // Several that wait, read at once.
            for _ in 0..TIMES {
                server.write_all(&[7; MESSAGE])?;
            }
            hear(&mut client, TIMES)?;
            // The connection is over before its last data is read.
            server.write_all(&[7; MESSAGE])?;
            drop(server);
            wait_for("the end of the connection", || over(&client))?;
            hear(&mut client, 1)?;
            received(&plumb.stop()?.records()?, 2 * TIMES + 1, 0)
        })
        .with_context(|| format!("IPv6: {v6}"))?;
    }
    Ok(())
}

/// As with TCP_DEFER_ACCEPT: the acknowledgement alone, which would end the handshake, is not taken.
#[test]
fn what_ends_the_handshake_is_received() -> TestResult {
    let scene = Scene::new()?;
    let receiver = scene.lab.receiver();
    receiver.nft(
        "table inet defer { chain in { type filter hook prerouting priority 0; \
            tcp dport 7007 tcp flags == ack meta length < 100 drop; }; }",
    )?;
    for v6 in [false, true] {
        let at = scene.address(v6);
        let listener = receiver.run(|| Ok(TcpListener::bind(at).expect("a port")))?;
        seen(|| {
            let plumb = scene.plumb(&with_readable()?)?.start()?;
            for _ in 0..TIMES {
                let mut client = scene.lab.sender().run(|| Ok(TcpStream::connect(at).expect("a route")))?;
                client.write_all(&[7; MESSAGE])?;
                let (mut server, _) = listener.accept()?;
                hear(&mut server, 1)?;
            }
            received(&plumb.stop()?.records()?, TIMES, 0)
        })
        .with_context(|| format!("IPv6: {v6}"))?;
    }
    Ok(())
}

#[test]
fn what_a_connection_leaves_unread_is_counted() -> TestResult {
    let scene = Scene::new()?;
    seen(|| {
        let plumb = scene.plumb(&with_readable()?)?.start()?;
        for _ in 0..TIMES {
            let (mut client, mut server) = scene.connect(false)?;
            client.write_all(&[7; MESSAGE])?;
            hear(&mut server, 1)?;
            client.write_all(&[7; MESSAGE])?;
            drop(server);
        }
        received(&plumb.stop()?.records()?, 2 * TIMES, TIMES)
    })
}
