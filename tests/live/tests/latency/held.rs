//! Packets that are still on their way when a run ends: counted in the kernel's tables, not from what is missing.

use crate::scene::{MESSAGE, Scene, samples, seen};
use anyhow::{Context, Result, ensure};
use plumb_lab::KernelVersion;
use plumb_live::{Plumb, TestResult};
use std::any::Any;
use std::io::Write;
use std::net::UdpSocket;

const HELD: u64 = 37;
const READ: u64 = 5;
/// Fewer than TCP's first window has (RFC 6928): each message is a packet.
const SEGMENTS: u64 = 8;

/// What was sent: the sockets, which are open still, how many packets they hold unread, and how many were read.
type Sent = (Box<dyn Any>, u64, u64);

fn datagrams(scene: &Scene, v6: bool) -> Result<Sent> {
    let at = scene.address(v6);
    let from = if v6 { "[::]:0" } else { "0.0.0.0:0" };
    let server = scene.lab.receiver().run(|| Ok(UdpSocket::bind(at).expect("a port")))?;
    let client = scene.lab.sender().run(|| Ok(UdpSocket::bind(from).expect("a port")))?;
    for _ in 0..READ + HELD {
        client.send_to(&[7; MESSAGE], at)?;
    }
    for _ in 0..READ {
        server.recv(&mut [0; MESSAGE])?;
    }
    Ok((Box::new((server, client)), HELD, READ))
}

/// Of a connection that was there before, because what is in its handshake is another matter.
fn stream((mut client, server): (std::net::TcpStream, std::net::TcpStream)) -> Result<Sent> {
    for _ in 0..SEGMENTS {
        client.write_all(&[7; MESSAGE])?;
    }
    Ok((Box::new((server, client)), SEGMENTS, 0))
}

/// A run that ends while a socket holds its packets.
fn told(plumb: Plumb, send: impl FnOnce() -> Result<Sent>) -> TestResult {
    let plumb = plumb.start()?;
    let (_sockets, held, read) = send()?;
    let finished = plumb.stop()?;
    let records = finished.records()?;
    let ledger = records.ledger()?;
    ensure!(records.account("under_way")? == held, "{ledger}");
    let told = records.account("aggregated")? + records.account("emitted")?;
    ensure!(told == held + 2 * read && ledger["complete"] == true, "{ledger}");
    let sent = samples(&records, "tx", "total", "total");
    ensure!(records.account("emitted")? > 0 || sent == held + read, "{sent} sent: {ledger}");
    ensure!(finished.stderr.contains(&format!("{held} still on their way")), "{}", finished.stderr);
    records.check_balance()
}

#[test]
fn what_a_socket_holds_is_on_its_way() -> TestResult {
    let scene = Scene::new()?;
    for args in [&["-v"][..], &["-v", "--events"]] {
        for v6 in [false, true] {
            seen(|| told(scene.plumb(args)?, || datagrams(&scene, v6)))
                .with_context(|| format!("{args:?}, UDP, IPv6: {v6}"))?;
            seen(|| {
                let connection = scene.connect(v6)?;
                told(scene.plumb(args)?, || stream(connection))
            })
            .with_context(|| format!("{args:?}, TCP, IPv6: {v6}"))?;
        }
    }
    Ok(())
}

/// Sockets with a datagram each: more than a small table remembers, and few for the one that is the default.
const SOCKETS: usize = 400;
const SMALL: (&str, u64) = ("4096", 4096 / 32);

#[test]
fn a_larger_table_remembers_more_sockets() -> TestResult {
    if KernelVersion::running()? < KernelVersion(6, 3) {
        println!("not tested here: this kernel's datagrams need no memory of their sockets");
        return Ok(());
    }
    let scene = Scene::new()?;
    seen(|| {
        let held = |args: &[&str]| -> Result<(u64, u64)> {
            // Packets between the lab's hosts, to any port.
            let sender = scene.lab.sender().v4.to_string();
            let mut words = vec!["latency", "--proto", "udp", "--src", &sender, "--format", "json"];
            words.extend(args);
            let plumb = Plumb::new(&words)?.start()?;
            let sockets = one_each(&scene)?;
            let records = plumb.stop()?.records()?;
            drop(sockets);
            records.check_balance()?;
            Ok((records.account("under_way")?, records.account("lost_table_full")?))
        };
        let all = SOCKETS as u64;
        let (small, large) = (held(&["--table-size", SMALL.0])?, held(&[])?);
        ensure!(small.0 <= SMALL.1 && small.0 + small.1 == all, "{small:?}");
        // A socket has four places.
        ensure!(large.0 >= all - all / 20 && large.0 + large.1 == all, "{large:?}");
        Ok(())
    })
}

fn one_each(scene: &Scene) -> Result<Vec<UdpSocket>> {
    let mut at = scene.address(false);
    at.set_port(0);
    let bind = || Ok(UdpSocket::bind(at).expect("a port"));
    let sockets: Vec<_> = (0..SOCKETS).map(|_| scene.lab.receiver().run(bind)).collect::<Result<_, _>>()?;
    let client = scene.lab.sender().run(|| Ok(UdpSocket::bind("0.0.0.0:0").expect("a port")))?;
    for socket in &sockets {
        client.send_to(&[7; MESSAGE], socket.local_addr()?)?;
    }
    Ok(sockets)
}
