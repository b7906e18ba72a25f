//! Whose packets are: two processes talk to the same server, and words about one choose its packets alone.

use crate::scene::{Over, Scene, samples, seen};
use anyhow::{Context, Result, ensure};
use plumb_live::machine::emulated;
use plumb_live::process::{Cgroup, Ready, Shell};
use plumb_live::{Records, Running, TestResult};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Exchanges of each.
const ONE: usize = 30;
const TWO: usize = 20;
/// How long the server waits before it looks whether it is over.
const LOOK: Duration = Duration::from_millis(20);

/// A shell that sends a byte and reads one, so many times, in this way.
pub(crate) fn client(
    scene: &Scene,
    (over, v6): (Over, bool),
    shell: &Shell<'_>,
    exchange: &str,
) -> Result<Ready> {
    let at = scene.address(v6);
    let protocol = if over == Over::Tcp { "tcp" } else { "udp" };
    let open = format!("exec 3<>/dev/{protocol}/{}/{}", at.ip(), at.port());
    let functions = "say() { echo -n x >&3; }; hear() { read -r -N1 -t20 -u3 || exit 1; }";
    shell.ready(scene.lab.sender(), &format!("{functions}; {open}; {exchange}"))
}

pub(crate) fn times(count: usize) -> String {
    format!("for ((i = 0; i < {count}; i++)); do say; hear; done")
}

/// Lets clients talk to a server that sends back what it reads.
pub(crate) fn talk(scene: &Scene, (over, v6): (Over, bool), clients: &mut [Ready]) -> Result<()> {
    let at = scene.address(v6);
    let (over_now, server) = (AtomicBool::new(false), scene.lab.receiver());
    std::thread::scope(|scope| {
        let (over_now, count) = (&over_now, clients.len());
        let echo = match over {
            Over::Udp => {
                let socket = server.run(|| Ok(UdpSocket::bind(at).expect("a port")))?;
                scope.spawn(move || echo_datagrams(&socket, over_now))
            }
            Over::Tcp => {
                let listener = server.run(|| Ok(TcpListener::bind(at).expect("a port")))?;
                scope.spawn(move || echo_streams(&listener, count))
            }
        };
        let going: Vec<_> = clients.iter_mut().map(|client| scope.spawn(|| client.go())).collect();
        let ended: Result<Vec<_>> = going.into_iter().map(|going| going.join().expect("no panic")).collect();
        over_now.store(true, Ordering::Relaxed);
        ensure!(ended?.iter().all(|status| status.success()), "a client got no answer");
        echo.join().expect("no panic")
    })
}

fn echo_datagrams(socket: &UdpSocket, over: &AtomicBool) -> Result<()> {
    socket.set_read_timeout(Some(LOOK))?;
    while !over.load(Ordering::Relaxed) {
        match socket.recv_from(&mut [0; 8]) {
            Ok((length, from)) => drop(socket.send_to(&[7; 8][..length], from)?),
            Err(error) if error.kind() == ErrorKind::WouldBlock => (),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn echo_streams(listener: &TcpListener, count: usize) -> Result<()> {
    let echo = |mut stream: TcpStream| -> Result<()> {
        let mut bytes = [0; 8];
        loop {
            match stream.read(&mut bytes)? {
                0 => return Ok(()),
                length => stream.write_all(&bytes[..length])?,
            }
        }
    };
    std::thread::scope(|scope| {
        let accepted: Result<Vec<_>> = (0..count).map(|_| Ok(listener.accept()?.0)).collect();
        let echoing: Vec<_> = accepted?.into_iter().map(|stream| scope.spawn(move || echo(stream))).collect();
        echoing.into_iter().try_for_each(|echo| echo.join().expect("no panic"))
    })
}

/// Its records: nothing lost, nothing in doubt.
fn records(plumb: Running) -> Result<Records> {
    let records = plumb.stop()?.records()?;
    records.check_balance()?;
    ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
    Ok(records)
}

/// What this kernel tells of packets over UDP or TCP: whose sockets they came to, and who sent them.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    pub(crate) sockets: bool,
    senders: bool,
}

impl Known {
    pub(crate) fn of(records: &Records, over: Over) -> Result<Self> {
        let session = records.of("session").next().context("a session")?;
        let hook = |hook: &str| session["mechanisms"][hook].is_string();
        let readable = hook("sk_data_ready") || hook("sock_def_readable");
        Ok(Self {
            sockets: over == Over::Tcp || readable,
            senders: over == Over::Udp || hook("tcp_sendmsg_locked"),
        })
    }
}

/// Each answer is a packet received, each request one sent.
fn both_ways(records: &Records, count: usize, [received, sent]: [bool; 2]) -> TestResult {
    let expected = [("rx", count * usize::from(received)), ("tx", count * usize::from(sent))];
    for (direction, expected) in expected {
        let came = samples(records, direction, "total", "total");
        ensure!(came == expected as u64, "{came} of {expected} {direction}: {records:#?}");
    }
    let counted: u64 = expected.iter().map(|(_, count)| *count as u64).sum();
    ensure!(records.account("aggregated")? == counted, "{}", records.ledger()?);
    ensure!(records.account("filtered")? > 0, "{}", records.ledger()?);
    Ok(())
}

#[test]
fn words_about_a_process_choose_its_packets() -> TestResult {
    let scene = Scene::new()?;
    // Each costs an emulated machine seconds.
    let ways: &[(Over, bool)] = match emulated() {
        true => &[(Over::Tcp, true), (Over::Udp, false)],
        false => &[(Over::Tcp, false), (Over::Tcp, true), (Over::Udp, false), (Over::Udp, true)],
    };
    for way in ways {
        seen(|| choose(&scene, *way)).with_context(|| format!("{way:?}"))?;
    }
    Ok(())
}

fn choose(scene: &Scene, way: (Over, bool)) -> TestResult {
    let cgroup = Cgroup::new()?;
    let mut clients = [
        client(scene, way, &Shell { comm: "plumb-one", uid: 4321, cgroup: Some(&cgroup) }, &times(ONE))?,
        client(scene, way, &Shell { comm: "plumb-two", uid: 4322, cgroup: None }, &times(TWO))?,
    ];
    let (pid, group) = (clients[0].pid().to_string(), cgroup.id().to_string());
    let words: [&[&str]; 5] = [
        &["--pid", &pid],
        &["--comm", "plumb-one"],
        &["--uid", "4321"],
        &["--cgroup", &group],
        &["--comm", "plumb-one,plumb-two", "--uid", "4321"],
    ];
    let start = |words: &&[&str]| scene.plumb(words)?.start();
    let counting: Vec<Running> = words.iter().map(start).collect::<Result<_>>()?;
    let events = start(&&["--events", "--comm", "plumb-one,plumb-two"][..])?;
    talk(scene, way, &mut clients)?;
    for (words, plumb) in words.iter().zip(counting) {
        let records = records(plumb)?;
        let known = Known::of(&records, way.0)?;
        let received = known.sockets || !words.iter().any(|word| ["--uid", "--cgroup"].contains(word));
        let sent = known.senders || !words.iter().any(|word| ["--pid", "--comm"].contains(word));
        both_ways(&records, ONE, [received, sent]).with_context(|| format!("{words:?}"))?;
    }
    told(&records(events)?, way.0, &clients, cgroup.id())
}

/// Each record names its process, and the owner of its socket.
fn told(records: &Records, over: Over, clients: &[Ready; 2], cgroup: u64) -> TestResult {
    let Known { sockets, senders } = Known::of(records, over)?;
    for (client, comm, uid, count) in
        [(&clients[0], "plumb-one", 4321, ONE), (&clients[1], "plumb-two", 4322, TWO)]
    {
        for direction in ["rx", "tx"] {
            let its = |way: &&Value| way["pid"] == client.pid() && way["direction"] == direction;
            let ways: Vec<&Value> = records.of("journey").filter(its).collect();
            let expected = if direction == "rx" || senders { count } else { 0 };
            ensure!(ways.len() == expected, "{} of {expected} {direction}: {records:#?}", ways.len());
            for way in ways {
                ensure!(way["comm"] == comm, "{way}");
                let known = sockets || direction == "tx";
                let owner = if known { way["uid"] == uid } else { way["uid"].is_null() };
                let group = if known { way["cgroup"].is_u64() } else { way["cgroup"].is_null() };
                let own = (way["cgroup"] == cgroup) == (known && comm == "plumb-one");
                ensure!(owner && group && own, "{way}");
            }
        }
    }
    let all = (ONE + TWO) * if senders { 2 } else { 1 };
    ensure!(records.of("journey").count() == all, "{records:#?}");
    Ok(())
}

/// Its subshells have a process id of their own, and the name and the socket of their parent.
#[test]
fn who_shares_a_socket_sends_what_is_his() -> TestResult {
    let scene = Scene::new()?;
    let way = (Over::Tcp, false);
    seen(|| {
        let turns = format!("for ((i = 0; i < {TWO}; i++)); do say; hear; (say); hear; done");
        let shell = Shell { comm: "plumb-one", uid: 4321, cgroup: None };
        let mut clients = [client(&scene, way, &shell, &turns)?];
        let parent = clients[0].pid();
        // An older kernel tells of send calls by a function's entry only.
        let more: &[&str] = if emulated() { &["--mechanism", "fentry"] } else { &[] };
        let start =
            |word: &str, value: &str| scene.plumb(&[&["--events", word, value], more].concat())?.start();
        let (own, all) = (start("--pid", &parent.to_string())?, start("--comm", "plumb-one")?);
        talk(&scene, way, &mut clients)?;
        let (own, all) = (records(own)?, records(all)?);
        let sent = |records: &Records, own: bool| {
            let its = |way: &&Value| way["direction"] == "tx" && (way["pid"] == parent) == own;
            records.of("journey").filter(its).count()
        };
        ensure!((sent(&own, true), sent(&own, false)) == (TWO, 0), "{own:#?}");
        ensure!((sent(&all, true), sent(&all, false)) == (TWO, TWO), "{all:#?}");
        ensure!(own.of("journey").count() == 3 * TWO, "{own:#?}");
        Ok(())
    })
}
