//! Every word of the filter, in the kernel: what is kept equals, record for record, what the reference matcher keeps
//! of the same packets, seen by a run without filter beside it.

use crate::cases::{Case, check};
use crate::scene::{
    Cgroup, GUARDED, LocalSender, complete, guard, reasons, wait_for_drops, watch, watch_host,
};
use anyhow::{Context, Result, ensure};
use plumb_lab::Lab;
use plumb_lab::frames::{self, Family, Path, TRANSPORT_V4};
use plumb_live::{Records, Running, TestResult, wait_for};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

/// Source addresses beside the sender's own.
const OTHERS_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(198, 18, 0, 65), Ipv4Addr::new(198, 18, 0, 66), Ipv4Addr::new(198, 18, 0, 130)];
const OTHER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, 1);
/// Closed ports.
const PORTS: [u16; 4] = [5000, 5001, 5010, 6000];
const USERS: [(&str, u32); 2] = [("plumb-one", 4321), ("plumb-two", 4322)];

#[test]
fn words_about_packets_keep_what_the_reference_keeps() -> TestResult {
    let lab = Lab::new()?;
    // Each costs a start of plumb, which takes seconds on an emulated machine.
    let words = "--proto udp|--proto icmp,icmpv6|--proto 253|--host 198.18.0.1,2001:db8::1|--host 2001:db8::/64\
        |--src 198.18.0.64/26|--src 198.18.0.128/25,2001:db8::1:0/112|--src ::/0|--dst 198.18.0.2|--dst 2001:db8::2/127\
        |--port 5001-5010|--port 0-65535|--sport 40001-40002|--dport 5000,6000|--host 198.18.0.66 --port 5010\
        |--proto udp --src 198.18.0.65 --dport 5000-5001|--reason NUMBER|--reason no_socket,UNHANDLED_PROTO\
        |--not-reason NO_SOCKET,ICMP_CSUM|--reason NO_SOCKET --proto tcp --dport 5000|-i lo|-i lo,lab0 --port 5000";
    let number = reasons()?.into_iter().find(|(_, name)| name == "NO_SOCKET").context("NO_SOCKET")?.0;
    let words = words.replace("NUMBER", &number.to_string());
    let words: Vec<Case> =
        words.split('|').map(|words| Case::new(lab.receiver(), words)).collect::<Result<_>>()?;
    prepare(&lab)?;
    let total = mix(&lab)?.len();
    check(&lab, lab.receiver(), &words, || {
        let socket = lab.sender().packet_sender()?;
        for frame in mix(&lab)? {
            socket.repeat(&frame, 1)?;
        }
        Ok(total)
    })
}

/// Of local datagrams the kernel knows the process, and the owner and cgroup of the socket.
#[test]
fn words_about_processes_and_sockets_keep_what_the_reference_keeps() -> TestResult {
    let lab = Lab::new()?;
    let cgroup = Cgroup::new()?;
    let sender = lab.sender();
    let mut words = vec![
        "--comm plumb-one".to_owned(),
        "--comm plumb-one,plumb-two".to_owned(),
        "--comm plumb".to_owned(),
        "--uid 4321".to_owned(),
        "--uid 4321,4322 --comm plumb-two".to_owned(),
        "--uid root".to_owned(),
        format!("--cgroup {}", cgroup.id()),
        format!("--cgroup {} --uid 4322", cgroup.id()),
        "--uid 4322 --proto udp --host 2001:db8::2".to_owned(),
        "--pid 1".to_owned(),
        format!("--uid 4321 --dport {GUARDED} --reason NETFILTER_DROP"),
    ];
    words.extend(cgroup.word().map(|path| format!("--cgroup {path} --not-reason NO_SOCKET")));
    let cases: Vec<Case> = words.iter().map(|words| Case::new(sender, words)).collect::<Result<_>>()?;
    check(&lab, sender, &cases, || {
        guard(sender, "output", || Ok(send_as_users(&lab, &cgroup)))??;
        Ok(12)
    })
}

/// The process has to be there before its number can be a word.
#[test]
fn a_process_id_keeps_what_that_process_sent() -> TestResult {
    let lab = Lab::new()?;
    let (one, two) = (LocalSender::new("plumb-one", 4321, None), LocalSender::new("plumb-two", 4322, None));
    let address = lab.receiver().v4.to_string();
    let (mut one, mut two) = (one.ready(lab.sender(), &address, 3)?, two.ready(lab.sender(), &address, 4)?);
    let pids = [format!("--pid {}", one.pid()), format!("--pid {},{}", two.pid(), one.pid())];
    let cases: Vec<Case> = pids.iter().map(|words| Case::new(lab.sender(), words)).collect::<Result<_>>()?;
    check(&lab, lab.sender(), &cases, || {
        guard(lab.sender(), "output", || Ok(one.go().and_then(|_| two.go())))??;
        Ok(7)
    })
}

/// A namespace by name, by a process in it, and by inode: all keep the same, of all kinds of packets.
#[test]
fn a_namespace_goes_by_name_process_and_inode() -> TestResult {
    let lab = Lab::new()?;
    let receiver = lab.receiver();
    let mut inside = receiver.spawn(Command::new("sleep").arg("1000"))?;
    let names =
        [receiver.netns.name().to_owned(), inside.id().to_string(), receiver.netns.inode().to_string()];
    let watching: Result<Vec<Running>> =
        names.iter().map(|name| watch(&["--events", "--netns", name])).collect();
    let sender = watch_host(lab.sender(), &[])?;
    let result = watching.and_then(|watching| {
        let frame = Path::between(lab.sender(), receiver).udp(Family::V4, (40_000, 5000), b"x")?;
        lab.sender().packet_sender()?.repeat(&frame, 10)?;
        for running in &watching {
            wait_for_drops(running, 10, |_| true)?;
        }
        watching.into_iter().map(|running| complete(&running.stop()?)).collect::<Result<Vec<Records>>>()
    });
    inside.kill()?;
    inside.wait()?;
    for records in result? {
        ensure!(records.of("drop").count() == 10, "{:?}", records.ledger());
        ensure!(records.of("drop").all(|drop| drop["netns"] == receiver.netns.inode()));
    }
    let elsewhere = complete(&sender.stop()?)?;
    ensure!(elsewhere.packets(|drop| drop["dst_port"] == 5000) == 0 && elsewhere.account("filtered")? >= 10);
    Ok(())
}

/// What the noise list hides is in the account; nothing is in neither.
#[test]
fn noise_is_hidden_and_accounted_for() -> TestResult {
    let lab = Lab::new()?;
    let shown = watch_host(lab.receiver(), &[])?;
    let netns = lab.receiver().netns.name();
    let args = ["drops", "--format", "json", "--events", "--noise", "hide", "--netns", netns];
    let hiding = plumb_live::Plumb::new(&args)?.start()?;
    let path = Path::between(lab.sender(), lab.receiver());
    let socket = lab.sender().packet_sender()?;
    socket.repeat(&path.udp(Family::V4, (40_000, 5000), b"lost")?, 12)?;
    socket.repeat(&multicast(&path)?, 7)?;
    wait_for_drops(&shown, 19, |_| true)?;
    let (shown, hiding) = (complete(&shown.stop()?)?, complete(&hiding.stop()?)?);
    let is_noise = |drop: &Value| plumb_live::base_symbol(drop) == "ip6_mc_input";
    ensure!(shown.packets(is_noise) >= 7 && shown.account("hidden")? == 0, "{:?}", shown.ledger());
    ensure!(
        hiding.packets(is_noise) == 0 && hiding.packets(|_| true) == shown.packets(|drop| !is_noise(drop))
    );
    let hidden = hiding.account("hidden")?;
    ensure!(hidden == shown.packets(is_noise), "{hidden} hidden of {:?}", shown.ledger());
    ensure!(hiding.account("filtered")? >= hidden, "hidden is part of filtered");
    Ok(())
}

/// Which packets a sample keeps is chance; that none is forgotten is not.
#[test]
fn a_sample_and_the_rest_are_the_whole() -> TestResult {
    const SENT: u64 = 1000;
    let lab = Lab::new()?;
    let netns = lab.receiver().netns.name();
    let watching = [
        watch(&["--netns", netns, "--events", "--sample", "4"])?,
        watch(&["--netns", netns, "--sample", "4"])?,
        watch(&["--netns", netns])?,
    ];
    let frame = Path::between(lab.sender(), lab.receiver()).udp(Family::V4, (40_000, 5000), b"x")?;
    let before = lab.receiver().nstat("UdpNoPorts")?;
    lab.sender().packet_sender()?.repeat(&frame, SENT)?;
    wait_for("datagrams to arrive", || Ok(lab.receiver().nstat("UdpNoPorts")? - before >= SENT))?;
    let [events, groups, whole] =
        watching.map(|running| running.stop().and_then(|finished| finished.records()));
    let whole = whole?.packets(|_| true);
    ensure!(whole == SENT, "{whole} of {SENT}");
    for records in [events?, groups?] {
        let kept = records.packets(|_| true);
        ensure!(kept + records.account("sampled_out")? == SENT, "{kept} kept: {:?}", records.ledger());
        // A quarter, give or take seven times the deviation of the binomial distribution.
        ensure!((154..=346).contains(&kept), "{kept} kept of {SENT}");
        ensure!(records.ledger()?["complete"] == false, "{:?}", records.ledger());
    }
    Ok(())
}

/// Gives the sender more addresses, and the receiver a way to answer them at once.
fn prepare(lab: &Lab) -> Result<()> {
    let (sender, receiver) = (lab.sender(), lab.receiver());
    let mac = sender.mac.map(|byte| format!("{byte:02x}")).join(":");
    let others = OTHERS_V4.map(IpAddr::from).into_iter().chain([IpAddr::from(OTHER_V6)]);
    for address in others {
        let flags = if address.is_ipv6() { "/64 dev lab0 nodad" } else { "/24 dev lab0" };
        sender.ip(&[&format!("address add {address}{flags}")])?;
        receiver.ip(&[&format!("neighbour replace {address} lladdr {mac} nud permanent dev lab0")])?;
    }
    Ok(())
}

/// Frames of many flows, each dropped by the receiver.
fn mix(lab: &Lab) -> Result<Vec<Vec<u8>>> {
    let path = Path::between(lab.sender(), lab.receiver());
    let mut frames = Vec::new();
    let fours = OTHERS_V4.into_iter().chain([lab.sender().v4]).map(|source| (Family::V4, path.from(source)));
    let sixes = [OTHER_V6, lab.sender().v6].map(|source| (Family::V6, path.from(source)));
    for (number, (family, path)) in fours.chain(sixes).enumerate() {
        for port in PORTS {
            let source = 40_000 + (number % 3) as u16;
            frames.push(path.udp(family, (source, port), &vec![0; 10 + number])?);
            let header = etherparse::TcpHeader::new(source, port, 1, 1024);
            frames.push(path.tcp(
                family,
                etherparse::TcpHeader { rst: number == 0, syn: number > 0, ..header },
                b"",
            )?);
        }
    }
    let mut ping = path.echo(Family::V4, 1, b"a bad checksum")?;
    frames::corrupt(&mut ping, TRANSPORT_V4 + 2)?;
    frames.push(ping);
    frames.push(path.raw(Family::V4, 253, b"a protocol that nobody speaks")?);
    frames.push(path.raw(Family::V6, 253, b"a protocol that nobody speaks")?);
    frames.push(path.ethernet(0x88b5, &[0; 46]));
    frames.push(multicast(&path)?);
    let mut elsewhere = path;
    elsewhere.mac.1 = [0x02, 0, 0, 0, 0, 0x0c];
    frames.push(elsewhere.udp(Family::V4, (40_000, 5000), b"for another host")?);
    Ok(frames)
}

/// A datagram to a group that the receiver has not joined: what the noise list is about.
fn multicast(path: &Path) -> Result<Vec<u8>> {
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x1234);
    let mut path = path.to(group);
    path.mac.1 = [0x33, 0x33, 0, 0, 0x12, 0x34];
    Ok(path.udp(Family::V6, (40_000, 5353), b"to a group")?)
}

/// Three datagrams of each user to each of the receiver's addresses; those of the first from the cgroup.
fn send_as_users(lab: &Lab, cgroup: &Cgroup) -> Result<()> {
    for ((comm, uid), cgroup) in USERS.into_iter().zip([Some(cgroup), None]) {
        for address in [lab.receiver().v4.to_string(), lab.receiver().v6.to_string()] {
            LocalSender::new(comm, uid, cgroup).send(lab.sender(), &address, 3)?;
        }
    }
    Ok(())
}
