//! `--by`: every packet is in the group that it belongs to, and what finds no room is counted beside.

use crate::processes::{Known, client, talk, times};
use crate::scene::{Over, PORT, Scene, seen};
use anyhow::{Context, Result, ensure};
use plumb_live::process::{Cgroup, Shell, own_cgroup};
use plumb_live::{Plumb, Records, TestResult};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const EXCHANGES: usize = 60;

/// Packets of each group, by direction and the group's keys.
fn totals(records: &Records, keys: &[&str]) -> BTreeMap<Vec<String>, u64> {
    let mut totals = BTreeMap::new();
    for stage in whole(records) {
        let group = ["direction"].iter().chain(keys).map(|key| stage[key].to_string()).collect();
        *totals.entry(group).or_default() += stage["samples"].as_u64().unwrap_or(0);
    }
    totals
}

fn whole(records: &Records) -> impl Iterator<Item = &Value> {
    records.of("stage").filter(|stage| stage["from"] == "total")
}

/// The groups that are expected, each with as many packets received as sent.
fn both_ways(groups: &[(&[Value], usize)]) -> BTreeMap<Vec<String>, u64> {
    let way = |direction: &'static str| {
        groups.iter().map(move |(keys, packets)| {
            let words = [Value::from(direction)].into_iter().chain(keys.iter().cloned());
            (words.map(|word| word.to_string()).collect(), *packets as u64)
        })
    };
    way("rx").chain(way("tx")).collect()
}

/// What `plumb latency --by` tells of exchanges, and that it is complete.
fn watched(scene: &Scene, args: &[&str], work: impl FnOnce() -> Result<()>) -> Result<Records> {
    let plumb = scene.plumb(args)?.start()?;
    work()?;
    let records = plumb.stop()?.records()?;
    records.check_balance()?;
    let told: u64 = totals(&records, &[]).values().sum();
    ensure!(told == records.account("aggregated")?, "{told} told: {}", records.ledger()?);
    Ok(records)
}

fn exchange(scene: &Scene, over: Over, v6: bool, times: usize) -> Result<()> {
    scene.exchange(over, v6, times, Duration::ZERO).map(|_| ())
}

fn expect(records: &Records, keys: &[&str], groups: &[(&[Value], usize)]) -> Result<()> {
    let (told, expected) = (totals(records, keys), both_ways(groups));
    ensure!(told == expected, "{told:#?} instead of {expected:#?}");
    ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
    Ok(())
}

#[test]
fn flows_have_totals_of_their_own() -> TestResult {
    let scene = Scene::new()?;
    seen(|| {
        let records = watched(&scene, &["--by", "flow"], || {
            exchange(&scene, Over::Udp, false, EXCHANGES)?;
            exchange(&scene, Over::Tcp, false, 2 * EXCHANGES)?;
            exchange(&scene, Over::Udp, true, 3 * EXCHANGES)
        })?;
        let told = totals(&records, &["protocol", "src_ip", "src_port", "dst_ip", "dst_port"]);
        // Requests and answers of three, received and sent.
        let mut packets: Vec<u64> = told.values().copied().collect();
        packets.sort_unstable();
        let expected = [1, 2, 3].map(|times| [(times * EXCHANGES) as u64; 4]).concat();
        ensure!(packets == expected, "{told:#?}");
        let receiver = scene.lab.receiver();
        let (protocol, address) =
            (Value::from(6).to_string(), Value::from(receiver.v4.to_string()).to_string());
        let tcp = told.iter().filter(|(words, _)| words[1] == protocol && words[4] == address);
        ensure!(tcp.map(|(_, packets)| packets).sum::<u64>() == 4 * EXCHANGES as u64, "{told:#?}");
        ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
        // The largest group is told first.
        let first = whole(&records).next().context("no stage")?;
        ensure!(first["samples"] == 3 * EXCHANGES as u64, "{first}");
        Ok(())
    })
}

#[test]
fn interfaces_are_those_of_both_hosts() -> TestResult {
    let scene = Scene::new()?;
    seen(|| {
        let records =
            watched(&scene, &["--by", "interface"], || exchange(&scene, Over::Tcp, true, EXCHANGES))?;
        let keys = ["interface", "ifindex", "netns", "netns_name"];
        let hosts = [scene.lab.sender(), scene.lab.receiver()].map(|host| {
            let netns = &host.netns;
            [host.interface.into(), host.ifindex.into(), netns.inode().into(), netns.name().into()]
        });
        expect(&records, &keys, &[(&hosts[0], EXCHANGES), (&hosts[1], EXCHANGES)])
    })
}

#[test]
fn namespaces_that_come_later_are_named() -> TestResult {
    // Plumb is told of no namespace at its start.
    let scene = Scene::new()?;
    let plumb = scene.plumb(&["--by", "netns", "--interval", "200ms"])?.start()?;
    let later = Scene::new()?;
    exchange(&later, Over::Udp, false, EXCHANGES)?;
    let records = plumb.stop()?.records()?;
    let cookies: std::collections::BTreeSet<String> =
        whole(&records).map(|stage| stage["netns_cookie"].to_string()).collect();
    let told = totals(&records, &["netns"]);
    let inodes = [later.lab.sender(), later.lab.receiver()].map(|host| host.netns.inode().to_string());
    let known = told.keys().all(|words| inodes.contains(&words[1]));
    ensure!(cookies.len() == 2 && known, "{told:#?} {inodes:?}");
    Ok(())
}

#[test]
fn cpus_add_up() -> TestResult {
    let scene = Scene::new()?;
    seen(|| {
        let records = watched(&scene, &["--by", "cpu"], || exchange(&scene, Over::Udp, false, EXCHANGES))?;
        ensure!(whole(&records).all(|stage| stage["cpu"].is_u64()), "{records:#?}");
        let told = totals(&records, &[]);
        ensure!(told == both_ways(&[(&[], 2 * EXCHANGES)]), "{told:#?}");
        Ok(())
    })
}

#[test]
fn protocols_and_versions_are_apart() -> TestResult {
    let scene = Scene::new()?;
    seen(|| {
        let records = watched(&scene, &["--by", "protocol"], || {
            exchange(&scene, Over::Udp, false, EXCHANGES)?;
            exchange(&scene, Over::Udp, true, 2 * EXCHANGES)?;
            exchange(&scene, Over::Tcp, false, 3 * EXCHANGES)?;
            exchange(&scene, Over::Tcp, true, 4 * EXCHANGES)
        })?;
        let group = |protocol: u8, family: &str| [Value::from(protocol), Value::from(family)];
        let groups = [(17, "ipv4"), (17, "ipv6"), (6, "ipv4"), (6, "ipv6")];
        let groups = groups.map(|(protocol, family)| group(protocol, family));
        let expected: Vec<(&[Value], usize)> =
            groups.iter().zip(1..).map(|(keys, times)| (keys.as_slice(), 2 * times * EXCHANGES)).collect();
        expect(&records, &["protocol", "family"], &expected)
    })
}

/// Two clients in cgroups of their own, and a server in ours.
#[test]
fn cgroups_are_those_of_sockets() -> TestResult {
    let scene = Scene::new()?;
    for way in [(Over::Tcp, false), (Over::Udp, true)] {
        let by_cgroup = || {
            let (one, two) = (Cgroup::new()?, Cgroup::new()?);
            let shell = |comm, cgroup| Shell { comm, uid: 4321, cgroup: Some(cgroup) };
            let mut clients = [
                client(&scene, way, &shell("plumb-one", &one), &times(EXCHANGES))?,
                client(&scene, way, &shell("plumb-two", &two), &times(2 * EXCHANGES))?,
            ];
            let records = watched(&scene, &["--by", "cgroup"], || talk(&scene, way, &mut clients))?;
            let ids = [one.id(), two.id(), own_cgroup()?].map(|id| [Value::from(id)]);
            if Known::of(&records, way.0)?.sockets {
                let groups = ids.iter().zip(1..).map(|(id, times)| (&id[..], times * EXCHANGES));
                return expect(&records, &["cgroup"], &groups.collect::<Vec<_>>());
            }
            // Of sent packets the socket is known, of received datagrams not everywhere.
            let told = totals(&records, &["cgroup"]);
            let mut expected = both_ways(&[(&[Value::Null], 6 * EXCHANGES)]);
            expected.retain(|words, _| words[0] == "\"rx\"");
            expected.extend(ids.iter().zip(1..).map(|(id, times)| {
                (vec!["\"tx\"".to_owned(), id[0].to_string()], (times * EXCHANGES) as u64)
            }));
            ensure!(told == expected, "{told:#?} instead of {expected:#?}");
            Ok(())
        };
        seen(by_cgroup).with_context(|| format!("{way:?}"))?;
    }
    Ok(())
}

#[test]
fn what_finds_no_room_is_counted_beside() -> TestResult {
    let scene = Scene::new()?;
    seen(|| {
        let records = watched(&scene, &["--by", "src_port", "--groups", "2"], || {
            // The first one's ports, those of requests and of answers, take all the room.
            exchange(&scene, Over::Udp, false, EXCHANGES)?;
            exchange(&scene, Over::Udp, false, 2 * EXCHANGES)?;
            exchange(&scene, Over::Tcp, true, 3 * EXCHANGES)
        })?;
        let told = totals(&records, &["src_port"]);
        let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<u64> {
            told.iter().filter(|(words, _)| wanted(&words[1])).map(|(_, packets)| *packets).collect()
        };
        // Answers are all from the same port.
        ensure!(of(&|port| port == "7007") == [6 * EXCHANGES as u64; 2], "{told:#?}");
        ensure!(of(&|port| port != "7007" && port != "null") == [EXCHANGES as u64; 2], "{told:#?}");
        ensure!(of(&|port| port == "null") == [5 * EXCHANGES as u64; 2], "{told:#?}");
        let ledger = records.ledger()?;
        ensure!(ledger["ungrouped"] == 10 * EXCHANGES as u64 && ledger["complete"] == false, "{ledger}");
        Ok(())
    })
}

#[test]
fn room_that_is_missing_is_told() -> TestResult {
    let scene = Scene::new()?;
    seen(|| {
        let port = PORT.to_string();
        let args = [
            "latency",
            "--port",
            &port,
            "--mechanism",
            "tp_btf",
            "--by",
            "src_port",
            "--groups",
            "1",
            "--histogram",
        ];
        let plumb = Plumb::new(&args)?.start()?;
        exchange(&scene, Over::Udp, false, EXCHANGES)?;
        let finished = plumb.stop()?;
        let (text, why) = (&finished.stdout, &finished.stderr);
        ensure!(text.contains("\n(no room among the groups)\n"), "{text}");
        // Both groups have their distributions.
        ensure!(text.matches("\nreceived, total\n").count() == 2, "{text}");
        ensure!(why.contains(&format!("{} packets found no room", 2 * EXCHANGES)), "{why}");
        Ok(())
    })
}

#[test]
fn what_would_have_no_effect_is_refused() -> TestResult {
    let scene = Scene::new()?;
    for (args, words) in [
        (&["--by", "flags"] as &[&str], ["no key \"flags\"", "keys are: flow, interface"]),
        (&["--groups", "3"], ["--by", "required"]),
        (&["--histogram"], ["--histogram", "records"]),
        (&["--by", "cpu", "--groups", "2000"], ["--groups", "1024"]),
        (&["--by", "cpu", "--events"], ["--by", "--events"]),
    ] {
        scene.plumb(args)?.finish()?.failed_with(2, &words)?;
    }
    Ok(())
}
