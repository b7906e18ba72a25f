//! Both directions are one flow, and flows end for the reasons that they give.

use crate::scene::{complete, on, wait_for_flows};
use anyhow::{Context, Result, ensure};
use plumb_lab::Error;
use plumb_live::TestResult;
use plumb_live::silent::Scene;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

/// The flow of a protocol to a port.
fn flow(flows: &[Value], protocol: u8, port: u16) -> Result<&Value> {
    let found = flows.iter().find(|flow| flow["protocol"] == protocol && flow["dst_port"] == port);
    found.with_context(|| format!("no flow to port {port} in {flows:#?}"))
}

#[test]
fn both_directions_are_one_flow_that_ends_by_time() -> TestResult {
    const EXCHANGES: u64 = 20;
    let scene = Scene::new()?;
    let (sender, receiver) = (scene.sender(), scene.receiver());
    let bind = |host: &plumb_lab::Host, port| {
        let address = (host.v4, port);
        host.run(move || UdpSocket::bind(address).map_err(Error::io("bind")))
    };
    let (client, server) = (bind(sender, 0)?, bind(receiver, 7002)?);
    let plumb = on(receiver, &["--hook", "tc", "--idle", "500ms"])?.start()?;
    client.connect((receiver.v4, 7002))?;
    let mut buffer = [0; 200];
    for _ in 0..EXCHANGES {
        client.send(&[1; 30])?;
        let (length, from) = server.recv_from(&mut buffer)?;
        server.send_to(&[2; 100], from)?;
        ensure!(length == 30 && client.recv(&mut buffer)? == 100);
    }
    let flows = wait_for_flows(&plumb, 1)?;
    let flow = flow(&flows, 17, 7002)?;
    let want = [
        ("fwd_packets", EXCHANGES),
        ("bwd_packets", EXCHANGES),
        ("fwd_payload_bytes", 30 * EXCHANGES),
        ("bwd_payload_bytes", 100 * EXCHANGES),
        ("fwd_ip_bytes", 58 * EXCHANGES),
        ("bwd_frame_bytes", 142 * EXCHANGES),
        ("end_reason", 1),
        ("hooks", 6),
    ];
    for (name, value) in want {
        ensure!(flow[name] == value, "{name} is {} and not {value}", flow[name]);
    }
    ensure!(flow["src_ip"] == sender.v4.to_string() && flow["initiator_known"] == false, "{flow}");
    complete(&plumb.stop()?)?;
    Ok(())
}

#[test]
fn a_connection_ends_its_flow() -> TestResult {
    let scene = Scene::new()?;
    let (sender, receiver) = (scene.sender(), scene.receiver());
    let listener = receiver.run(|| TcpListener::bind((receiver.v4, 7003)).map_err(Error::io("listen")))?;
    // On the other end, where super-packets come in as what was sent.
    let plumb = on(sender, &["--hook", "tc", "--linger", "300ms", "--level", "full"])?.start()?;
    let mut client = sender.run(|| TcpStream::connect((receiver.v4, 7003)).map_err(Error::io("connect")))?;
    let mut server = listener.accept()?.0;
    client.write_all(&[3; 100_000])?;
    drop(client);
    let mut read = Vec::new();
    server.read_to_end(&mut read)?;
    drop(server);
    let flows = wait_for_flows(&plumb, 1)?;
    let flow = flow(&flows, 6, 7003)?;
    let want = [("end_reason", 3), ("bwd_payload_bytes", 0), ("fwd_syn_count", 1)];
    for (name, value) in want {
        ensure!(flow[name] == value, "{name} is {} and not {value}", flow[name]);
    }
    // On a busy machine the end is sent twice now and then (a tail loss probe).
    let again = flow["fwd_retrans_bytes"].as_u64();
    let once = flow["fwd_payload_bytes"].as_u64().zip(again).map(|(all, again)| all - again);
    ensure!(once == Some(100_000), "{flow}");
    ensure!(flow["conn_state"] == "SF" && flow["initiator_known"] == true, "{flow}");
    // A super-packet counts as its segments: no packet has more than the MTU of 1500.
    ensure!(flow["ip_len_max"].as_u64() <= Some(1500), "{}", flow["ip_len_max"]);
    ensure!(flow["fwd_data_packets"].as_u64() >= Some(100_000 / 1460), "{}", flow["fwd_data_packets"]);
    ensure!(flow["fwd_syn_mss"] == 1460 && flow["hs_syn_synack_us"].is_u64(), "{flow}");
    complete(&plumb.stop()?)?;
    Ok(())
}

#[test]
fn profiles_rename_and_never_have_numbers_that_are_none() -> TestResult {
    let scene = Scene::new()?;
    for (arguments, record, column, count) in [
        (&["--profile", "cicflowmeter"][..], "flow_cicflowmeter", "Total Fwd Packet", 84),
        (&["--profile", "nfstream"][..], "flow_nfstream", "src2dst_packets", 0),
        (&["--profile", "cicflowmeter", "--names", "2017"][..], "flow_cicflowmeter", "Total Fwd Packets", 85),
    ] {
        let plumb = on(scene.receiver(), &[arguments, &["--direction", "ingress"]].concat())?.start()?;
        scene.send(100, 3)?;
        let finished = plumb.stop()?;
        let records = complete(&finished)?;
        let written: Vec<&Value> = records.of(record).collect();
        let [row] = written.as_slice() else { anyhow::bail!("{arguments:?}: {}", finished.stdout) };
        ensure!(row[column] == 3, "{arguments:?}: {row}");
        let held = row.as_object().map_or(0, serde_json::Map::len);
        // And the kind of record.
        ensure!(count == 0 || held == count + 1, "{arguments:?}: {held} columns");
        ensure!(!finished.stdout.contains("NaN") && !finished.stdout.contains("Infinity"));
    }
    Ok(())
}
