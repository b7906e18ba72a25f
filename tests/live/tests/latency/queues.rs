//! Queueing disciplines that hold packets back.

use crate::delays::{median, near, nowhere_else};
use crate::scene::{MESSAGE, Scene, seen, stage};
use anyhow::ensure;
use plumb_live::TestResult;
use plumb_live::machine::emulated;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const DELAY: Duration = Duration::from_millis(20);
const TIMES: usize = 15;

#[test]
fn netem_is_a_wait_in_the_queue() -> TestResult {
    let scene = Scene::new()?;
    let sender = scene.lab.sender();
    let added = sender.tc(&[&format!("qdisc add dev {} root netem delay 20ms", sender.interface)]);
    if let Err(error) = added {
        // The kernels of the VMs have it.
        ensure!(!emulated() && error.to_string().contains("qdisc kind is unknown"), "{error}");
        println!("not tested here: this kernel has no netem");
        return Ok(());
    }
    for v6 in [false, true] {
        seen(|| delayed(&scene, v6))?;
    }
    Ok(())
}

fn delayed(scene: &Scene, v6: bool) -> TestResult {
    let at = scene.address(v6);
    let from = if v6 { "[::]:0" } else { "0.0.0.0:0" };
    let client = scene.lab.sender().run(|| Ok(UdpSocket::bind(from).expect("a port")))?;
    let server = scene.lab.receiver().run(|| Ok(UdpSocket::bind(at).expect("a port")))?;
    server.set_read_timeout(Some(Duration::from_secs(20)))?;
    let plumb = scene.plumb(&[])?.start()?;
    let mut took = Vec::new();
    for _ in 0..TIMES {
        let sent = Instant::now();
        client.send_to(&[7; MESSAGE], at)?;
        server.recv(&mut [0; MESSAGE])?;
        took.push(sent.elapsed());
    }
    let records = plumb.stop()?.records()?;
    took.sort();
    let real = took[TIMES / 2];
    ensure!(real >= DELAY, "{real:?}");
    let queued = stage(&records, "tx", "enqueue", "dequeue")?;
    ensure!(queued["samples"] == TIMES, "{queued}");
    ensure!(near(median(queued)?, real), "{queued}, not {real:?}");
    nowhere_else(&records, "tx", "enqueue", "dequeue", real)?;
    nowhere_else(&records, "rx", "", "", real)
}
