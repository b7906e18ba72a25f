//! Every kind of packet has the right fields, at every hook.

use crate::scene::{complete, hooks, on, wait_for_records};
use anyhow::{Context, Result, ensure};
use etherparse::TcpHeader;
use plumb_lab::frames::{ETHERNET, Family, Path, patch, tag};
use plumb_live::silent::Scene;
use plumb_live::{Records, TestResult};
use serde_json::{Value, json};

/// A frame and fields of its record; of `null` there is none.
type Case = (Vec<u8>, Value);

/// Frames of every kind, with what their records say beside their length.
fn cases(path: &Path) -> Result<Vec<Case>> {
    let mut cases = transport(path)?;
    cases.extend(fragments(path)?);
    let mut tagged = path.udp(Family::V4, (10, 20), b"tagged")?;
    tag(&mut tagged, 77);
    cases.push((tagged, json!({"vlan": 77, "src_port": 10, "payload_len": 6, "ip_len": 34})));
    let mut twice = path.udp(Family::V6, (11, 21), b"twice")?;
    tag(&mut twice, 5);
    tag(&mut twice, 6);
    cases.push((twice, json!({"vlan": 6, "src_port": 11, "ip_version": 6, "payload_len": 5})));
    let mut padded = path.udp(Family::V4, (12, 22), b"x")?;
    padded.resize(60, 0);
    cases.push((padded, json!({"payload_len": 1, "ip_len": 29, "vlan": null})));
    let raw = path.raw(Family::V4, 200, b"no protocol")?;
    cases.push((raw, json!({"protocol": 200, "src_port": null, "l4_header_len": null, "payload_len": 11})));
    let mut cut = path.tcp(Family::V4, TcpHeader::new(1, 2, 3, 4), b"")?;
    cut.truncate(ETHERNET + 20 + 10);
    cases.push((cut, json!({"protocol": 6, "truncated": true, "tcp_flags": null, "l4_header_len": null})));
    cases.push((path.ethernet(0x88b5, &[0; 46]), Value::Null));
    cases.push((path.ethernet(0x0800, &[0; 46]), Value::Null));
    Ok(cases)
}

fn transport(path: &Path) -> Result<Vec<Case>> {
    let mut segment = TcpHeader::new(443, 50_000, 0x1234_5678, 4321);
    (segment.syn, segment.ack, segment.ece, segment.ns) = (true, true, true, true);
    segment.acknowledgment_number = 0x9abc_def0;
    segment.set_options_raw(&[2, 4, 5, 0xb4])?;
    let tcp = json!({
        "protocol": 6, "src_port": 443, "dst_port": 50_000, "tcp_seq": 0x1234_5678_u32, "tcp_ack": 0x9abc_def0_u32,
        "tcp_flags": 0x152, "tcp_window": 4321, "l4_header_len": 24, "payload_len": 3, "icmp_type": null,
    });
    let mut marked = path.udp(Family::V4, (1000, 2000), b"hello")?;
    // DSCP 46, ECN 1; an identification; TTL 7.
    patch(&mut marked, ETHERNET + 1, &[46 << 2 | 1])?;
    patch(&mut marked, ETHERNET + 4, &[0xbe, 0xef])?;
    patch(&mut marked, ETHERNET + 8, &[7])?;
    plumb_lab::frames::fix_ipv4_checksum(&mut marked)?;
    let udp = json!({
        "protocol": 17, "ip_version": 4, "src_port": 1000, "dst_port": 2000, "payload_len": 5, "ip_len": 33,
        "l3_header_len": 20, "l4_header_len": 8, "dscp": 46, "ecn": 1, "ip_id": 0xbeef, "ttl": 7,
        "src_ip": path.v4.0.to_string(), "dst_ip": path.v4.1.to_string(), "tcp_flags": null, "fragment": null,
    });
    let udp6 = json!({
        "protocol": 17, "ip_version": 6, "payload_len": 4, "ip_len": 52, "l3_header_len": 40, "ip_id": null, "ttl": 64,
        "src_ip": path.v6.0.to_string(), "dst_ip": path.v6.1.to_string(),
    });
    let echo = |protocol, kind| {
        json!({
            "protocol": protocol, "icmp_type": kind, "icmp_code": 0, "icmp_id": 0x706c, "payload_len": 9,
            "src_port": null, "l4_header_len": 8,
        })
    };
    Ok(vec![
        (marked, udp),
        (path.udp(Family::V6, (3000, 4000), b"data")?, udp6),
        (path.tcp(Family::V4, segment.clone(), b"abc")?, tcp.clone()),
        (path.tcp(Family::V6, segment, b"abc")?, tcp),
        (path.echo(Family::V4, 1, b"some echo")?, echo(1, 8)),
        (path.echo(Family::V6, 1, b"some echo")?, echo(58, 128)),
    ])
}

fn fragments(path: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for family in [Family::V4, Family::V6] {
        let header = if family == Family::V4 { 20 } else { 48 };
        let [first, later] = path.fragments(family, (5000, 6000), 0x4321, 64)?;
        let begin = json!({
            "fragment": "first", "src_port": 5000, "ip_id": 0x4321, "l3_header_len": header, "payload_len": 56,
            "protocol": 17,
        });
        cases.push((first, begin));
        let rest = json!({
            "fragment": "later", "src_port": null, "ip_id": 0x4321, "l4_header_len": null, "protocol": 17,
        });
        cases.push((later, rest));
    }
    Ok(cases)
}

fn check(records: &Records, cases: &[Case], direction: &str, queue: bool) -> TestResult {
    let packets: Vec<&Value> = records.of("packet").collect();
    let expected: Vec<&Case> = cases.iter().filter(|(_, fields)| !fields.is_null()).collect();
    ensure!(packets.len() == expected.len(), "{} of {}: {packets:#?}", packets.len(), expected.len());
    for (packet, (frame, fields)) in packets.iter().zip(expected) {
        for (name, value) in fields.as_object().context("fields")? {
            ensure!(packet[name] == *value, "{name} is not {value}: {packet:#}");
        }
        ensure!(packet["frame_len"] == frame.len(), "not {} bytes: {packet:#}", frame.len());
        let place = packet["direction"] == direction && packet["interface"] == "lab0";
        ensure!(place && packet["gso_segments"] == 1, "{packet:#}");
        ensure!(packet["rx_queue"].is_u64() == queue && packet["cpu"].is_u64(), "{packet:#}");
    }
    let other = |ethertype: &str, malformed: bool| {
        records.of("packet_other").any(|other| {
            other["ethertype"] == ethertype
                && other["malformed"] == malformed
                && other["packets"] == 1
                && other["bytes"] == 60
        })
    };
    ensure!(other("0x88b5", false) && other("ipv4", true), "{records:#?}");
    Ok(())
}

#[test]
fn every_kind_of_packet_at_every_hook() -> TestResult {
    let scene = Scene::new()?;
    let cases = cases(&Path::between(scene.sender(), scene.receiver()))?;
    let expected = cases.iter().filter(|(_, fields)| !fields.is_null()).count();
    let outgoing = (&["--hook", "tc", "--direction", "egress"][..], crate::scene::tc()?);
    for (args, mechanism) in hooks()?.into_iter().chain([outgoing]) {
        let (host, direction) = match args.contains(&"egress") {
            true => (scene.sender(), "egress"),
            false => (scene.receiver(), "ingress"),
        };
        // Answers to the echos are not looked at.
        let more =
            if direction == "ingress" { ["--direction", "ingress"] } else { ["--direction", "egress"] };
        let plumb =
            on(host, &[args, &more[..if args.contains(&"egress") { 0 } else { 2 }]].concat())?.start()?;
        for (frame, _) in &cases {
            scene.send_frame(frame, 1)?;
        }
        wait_for_records(&plumb, expected)?;
        let records = complete(&plumb.stop()?)?;
        let session = records.of("session").next().context("a session")?;
        let hook = format!("{direction}/lab0");
        ensure!(session["mechanisms"][&hook] == mechanism, "{session}");
        check(&records, &cases, direction, args.contains(&"xdp")).with_context(|| format!("{args:?}"))?;
    }
    Ok(())
}

/// Both ways at once: an echo and its answer.
#[test]
fn both_directions_at_tc() -> TestResult {
    let scene = Scene::new()?;
    let plumb = on(scene.receiver(), &["--proto", "icmp"])?.start()?;
    let path = Path::between(scene.sender(), scene.receiver());
    scene.send_frame(&path.echo(Family::V4, 1, b"echo")?, 20)?;
    scene.send(60, 5)?;
    wait_for_records(&plumb, 40)?;
    let records = complete(&plumb.stop()?)?;
    for (direction, kind) in [("ingress", 8), ("egress", 0)] {
        let of = |packet: &&Value| packet["direction"] == direction && packet["icmp_type"] == kind;
        let count = records.of("packet").filter(of).count();
        ensure!(count == 20, "{count} {direction}: {records:#?}");
    }
    ensure!(records.account("filtered")? >= 5, "{}", records.ledger()?);
    Ok(())
}
