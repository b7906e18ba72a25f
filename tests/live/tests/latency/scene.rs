//! Two hosts that talk: exchanges whose number and delays are known.

use anyhow::{Context, Result, ensure};
use plumb_lab::Lab;
use plumb_live::machine::{emulated, hides_pid_1};
use plumb_live::{Plumb, Records};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// Bytes of a message.
pub(crate) const MESSAGE: usize = 100;
pub(crate) const PORT: u16 = 7007;
const PATIENCE: Duration = Duration::from_secs(20);

/// How two hosts talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Tcp,
    Udp,
}

/// Two hosts.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
}

impl Scene {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { lab: Lab::new()? })
    }

    /// `plumb latency` of the packets from and to the port that the hosts use.
    pub(crate) fn plumb(&self, args: &[&str]) -> Result<Plumb> {
        let port = PORT.to_string();
        // Each function that is hooked costs an emulated machine seconds: the kernel waits for all tasks (synchronize_rcu_tasks).
        let quick = emulated() && !args.contains(&"--mechanism");
        let mechanism: &[&str] = if quick { &["--mechanism", "tp_btf"] } else { &[] };
        Plumb::new(&[&["latency", "--port", &port, "--format", "json"], mechanism, args].concat())
    }

    /// The receiver's address, of either version.
    pub(crate) fn address(&self, v6: bool) -> SocketAddr {
        let host = self.lab.receiver();
        let address = if v6 { IpAddr::V6(host.v6) } else { IpAddr::V4(host.v4) };
        SocketAddr::new(address, PORT)
    }

    /// A connection: the sender's end and the receiver's.
    pub(crate) fn connect(&self, v6: bool) -> Result<(TcpStream, TcpStream)> {
        let at = self.address(v6);
        let listener = self.lab.receiver().run(|| Ok(TcpListener::bind(at).expect("a port")))?;
        let client = self.lab.sender().run(|| Ok(TcpStream::connect(at).expect("a connection")))?;
        let (server, _) = listener.accept()?;
        for socket in [&server, &client] {
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(PATIENCE))?;
        }
        Ok((client, server))
    }

    /// So many requests and as many answers, one after the other; the answering side waits before it reads. Returns how
    /// long requests were there before they were read.
    pub(crate) fn exchange(
        &self,
        over: Over,
        v6: bool,
        times: usize,
        wait: Duration,
    ) -> Result<Vec<Duration>> {
        let at = self.address(v6);
        match over {
            Over::Udp => {
                let server = self.lab.receiver().run(|| Ok(UdpSocket::bind(at).expect("a port")))?;
                let client = self.lab.sender().run(|| {
                    let client = UdpSocket::bind(if v6 { "[::]:0" } else { "0.0.0.0:0" }).expect("a port");
                    client.connect(at).expect("a route");
                    Ok(client)
                })?;
                for socket in [&server, &client] {
                    socket.set_read_timeout(Some(PATIENCE))?;
                }
                talk(times, wait, &mut Datagrams(client, None), &mut Datagrams(server, None))
            }
            Over::Tcp => {
                let (client, server) = self.connect(v6)?;
                talk(times, wait, &mut Stream(client), &mut Stream(server))
            }
        }
    }
}

trait Talks {
    fn say(&mut self) -> Result<()>;
    fn hear(&mut self) -> Result<()>;
}

struct Stream(TcpStream);

impl Talks for Stream {
    fn say(&mut self) -> Result<()> {
        Ok(self.0.write_all(&[7; MESSAGE])?)
    }

    fn hear(&mut self) -> Result<()> {
        Ok(self.0.read_exact(&mut [0; MESSAGE])?)
    }
}

/// A socket, and who talked to it last.
struct Datagrams(UdpSocket, Option<SocketAddr>);

impl Talks for Datagrams {
    fn say(&mut self) -> Result<()> {
        match self.1 {
            Some(to) => self.0.send_to(&[7; MESSAGE], to)?,
            None => self.0.send(&[7; MESSAGE])?,
        };
        Ok(())
    }

    fn hear(&mut self) -> Result<()> {
        let (length, from) = self.0.recv_from(&mut [0; 2 * MESSAGE])?;
        ensure!(length == MESSAGE, "{length} bytes");
        self.1 = Some(from);
        Ok(())
    }
}

/// One thread does both sides, so that nobody waits in a socket: what is sent is there at once.
fn talk(
    times: usize,
    wait: Duration,
    client: &mut dyn Talks,
    server: &mut dyn Talks,
) -> Result<Vec<Duration>> {
    let mut waited = Vec::new();
    for _ in 0..times {
        client.say()?;
        let there = Instant::now();
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        server.hear()?;
        waited.push(there.elapsed());
        server.say()?;
        client.hear()?;
    }
    Ok(waited)
}

/// Where the kernel hides packets on top of PID 1 from tracing programs, what fails is tried again; and once more where
/// emulation is so slow that TCP sends a segment twice.
const TRIES: usize = 5;
const TRIES_EMULATED: usize = 2;

/// Runs a test, where the kernel makes that necessary more than once.
pub(crate) fn seen(test: impl Fn() -> Result<()>) -> Result<()> {
    let tries = match (hides_pid_1()?, emulated()) {
        (true, _) => TRIES,
        (false, true) => TRIES_EMULATED,
        (false, false) => 1,
    };
    (1..tries).find_map(|_| test().ok()).map_or_else(&test, Ok)
}

/// The record of a stage in a run's total.
pub(crate) fn stage<'a>(records: &'a Records, direction: &str, from: &str, to: &str) -> Result<&'a Value> {
    records
        .of("stage")
        .find(|stage| stage["direction"] == direction && stage["from"] == from && stage["to"] == to)
        .with_context(|| format!("no stage {direction} {from} {to}: {records:#?}"))
}

/// Its number of packets; 0 where there is none.
pub(crate) fn samples(records: &Records, direction: &str, from: &str, to: &str) -> u64 {
    stage(records, direction, from, to).ok().and_then(|stage| stage["samples"].as_u64()).unwrap_or(0)
}
