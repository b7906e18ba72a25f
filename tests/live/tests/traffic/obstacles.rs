//! Nothing is sent into the void: what keeps frames from arriving is said before the first one.

use crate::scene::{number, received, sent, traffic, within};
use anyhow::{Result, ensure};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use plumb_lab::{Host, Lab};
use plumb_live::{Plumb, TestResult, binary};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Runs with `args` and asserts code and words.
fn refused(lab: &Lab, args: &[&str], code: i32, words: &[&str]) -> TestResult {
    let finished = traffic(lab, &[&["--count", "5"], args].concat())?.finish()?;
    finished.failed_with(code, words)?;
    ensure!(finished.stdout.is_empty(), "{}", finished.stdout);
    Ok(())
}

#[test]
fn without_napi_at_the_other_end_packet_sockets_step_in() -> TestResult {
    let lab = Lab::new()?;
    let target = lab.receiver().v4.to_string();
    let words =
        ["veth", "native XDP program nor GRO"].map(|word| word.replace("veth", lab.sender().interface));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    refused(&lab, &["--dst", &target, "--transport", "live"], 3, &words)?;
    let finished = traffic(&lab, &["--dst", &target, "--count", "100"])?.finish()?;
    let record = sent(&finished)?;
    ensure!(record["transport"] == "packet" && number(&record, "sent")? == 100, "{record}");
    ensure!(finished.stderr.contains("packet sockets instead of live frames"), "{}", finished.stderr);
    ensure!(words.iter().all(|word| finished.stderr.contains(word)), "{}", finished.stderr);
    Ok(())
}

#[test]
fn frames_longer_than_a_page_step_down_too() -> TestResult {
    within(|lab| {
        for host in [lab.sender(), lab.receiver()] {
            host.ip(&[&format!("link set {} mtu 3200", host.interface)])?;
        }
        let target = lab.receiver().v4.to_string();
        let finished = traffic(lab, &["--dst", &target, "--count", "20", "--size", "3200"])?.finish()?;
        let record = sent(&finished)?;
        ensure!(record["transport"] == "packet" && number(&record, "sent")? == 20, "{record}");
        ensure!(finished.stderr.contains("too long for a page"), "{}", finished.stderr);
        refused(lab, &["--dst", &target, "--size", "3215"], 2, &["3215 bytes do not fit", "MTU of 3200"])
    })
}

#[test]
fn links_that_are_down_are_told() -> TestResult {
    let lab = Lab::new()?;
    let target = lab.receiver().v4.to_string();
    let down = |host: &Host, state: &str| host.ip(&[&format!("link set {} {state}", host.interface)]);
    down(lab.receiver(), "down")?;
    refused(&lab, &["--dst", &target], 1, &["nothing would arrive", "no carrier"])?;
    down(lab.sender(), "down")?;
    refused(&lab, &["--dst", &target], 1, &["nothing would arrive", "is down", "ip link set"])?;
    let sender = lab.sender().netns.name();
    let finished =
        Plumb::new(&["traffic", "-i", "nosuch0", "--netns", sender, "--dst", &target])?.finish()?;
    finished.failed_with(2, &["there is no interface nosuch0"])
}

#[test]
fn a_neighbour_that_is_not_there_is_told_and_one_that_is_gets_found() -> TestResult {
    let lab = Lab::new()?;
    let (sender, receiver) = (lab.sender(), lab.receiver());
    for family in ["ipv4", "ipv6"] {
        sender.sysctl(&format!("net.{family}.neigh.{}.retrans_time_ms", sender.interface), "100")?;
    }
    refused(&lab, &["--dst", "198.18.0.77"], 1, &["no neighbour", "198.18.0.77", "--dst-mac"])?;
    refused(&lab, &["--dst", "203.0.113.9"], 1, &["no route leads to 203.0.113.9"])?;
    // The kernel asks from a link-local address, which a lab's hosts do without.
    refused(
        &lab,
        &["--dst", "2001:db8::77"],
        1,
        &["2001:db8::77", "no link-local address", "ip address add"],
    )?;
    sender.ip(&[&format!("address add fe80::a/64 dev {} nodad", sender.interface)])?;
    refused(&lab, &["--dst", "2001:db8::77"], 1, &["no neighbour", "2001:db8::77", "--dst-mac"])?;
    for target in [receiver.v4.to_string(), receiver.v6.to_string()] {
        sender.ip(&[&format!("neighbour del {target} dev {}", sender.interface)])?;
        let counter = if target.contains(':') { "Udp6NoPorts" } else { "UdpNoPorts" };
        let before = receiver.nstat(counter)?;
        sent(&traffic(&lab, &["--dst", &target, "--count", "30"])?.finish()?)?;
        plumb_lab::wait::for_count(counter, before + 30, || receiver.nstat(counter))?;
        ensure!(receiver.nstat(counter)? == before + 30, "finding the neighbour sent packets of its own");
    }
    // Who says the address needs nobody to answer.
    let args = ["--dst", "198.18.0.77", "--dst-mac", "02:00:00:00:00:0b", "--count", "10"];
    let record = sent(&traffic(&lab, &args)?.finish()?)?;
    ensure!(number(&record, "sent")? == 10, "{record}");
    Ok(())
}

#[test]
fn ones_own_address_is_no_destination_and_a_prefix_begins_at_a_neighbours() -> TestResult {
    let lab = Lab::new()?;
    let (sender, receiver) = (lab.sender(), lab.receiver());
    // A prefix whose first address is the sender's, and whose second the receiver's.
    sender.ip(&[&format!("address add 192.0.2.1/24 dev {}", sender.interface)])?;
    receiver.ip(&[&format!("address add 192.0.2.2/24 dev {}", receiver.interface)])?;
    refused(&lab, &["--dst", "192.0.2.1"], 2, &["192.0.2.1 is this host's own address", sender.interface])?;
    sent(
        &traffic(&lab, &["--dst", "192.0.2.1", "--dst-mac", "02:00:00:00:00:0b", "--count", "3"])?
            .finish()?,
    )?;
    let before = receiver.nstat("UdpNoPorts")?;
    sent(
        &traffic(&lab, &["--dst", "192.0.2.0/24", "--flows", "508", "--sport", "7-8", "--count", "508"])?
            .finish()?,
    )?;
    // Two flows to each of 254 addresses, of which the receiver has one.
    plumb_lab::wait::for_count("datagrams", before + 2, || receiver.nstat("UdpNoPorts"))?;
    ensure!(receiver.nstat("UdpNoPorts")? == before + 2, "others arrived as well");
    Ok(())
}

#[test]
fn help_fits_what_is_in_the_way() -> TestResult {
    within(|lab| {
        let name = lab.sender().netns.name();
        lab.sender().ip(&["link set lo up"])?;
        let args = ["traffic", "-i", "lo", "--netns", name, "--dst", "127.0.0.1", "--count", "3"];
        let finished = Plumb::new(&args)?.finish()?;
        ensure!(finished.status.success(), "{}", finished.stderr);
        ensure!(
            finished.stderr.contains("packet sockets instead of live frames: the driver of lo"),
            "{}",
            finished.stderr
        );
        for word in ["ethtool", "--transport"] {
            ensure!(!finished.stderr.contains(word), "{word} is no help: {}", finished.stderr);
        }
        let finished = Plumb::new(&[&args[..], &["--transport", "live"]].concat())?.finish()?;
        finished.failed_with(3, &["driver of lo", "--transport packet"])
    })
}

#[test]
fn outputs_are_opened_before_anything_is_sent() -> TestResult {
    within(|lab| {
        let target = lab.receiver().v4.to_string();
        let before = received(lab.receiver())?;
        for (flag, path) in [("-o", "/plumb-none/x.csv"), ("--ready-file", "/plumb-none/ready")] {
            refused(lab, &["--dst", &target, flag, path], 1, &["cannot create", path])?;
        }
        ensure!(received(lab.receiver())? == before, "a frame was sent");
        // Whether somebody reads a pipe is found when the run is ready; it is not waited for.
        let folder = tempfile::tempdir()?;
        let pipe = folder.path().join("ready");
        mkfifo(&pipe, Mode::S_IRWXU)?;
        let pipe = pipe.display().to_string();
        refused(lab, &["--dst", &target, "--ready-file", &pipe], 1, &["cannot create", "reader first"])
    })
}

#[test]
fn bad_arguments_are_refused() -> TestResult {
    let lab = Lab::new()?;
    for (args, words) in [
        (&["--size", "64"][..], "--dst"),
        (&["--dst", "198.18.0.2", "--rate", "0"], "not a rate"),
        (&["--dst", "198.18.0.2", "--rate", "10", "--bandwidth", "1M"], "cannot be used with"),
        (&["--dst", "198.18.0.2", "--size", "20"], "too few for a frame"),
        (&["--dst", "198.18.0.2", "--size", "60", "--stamp"], "headers and stamp take 66"),
        (&["--dst", "198.18.0.2", "--flows", "9", "--sport", "1-8"], "give 8"),
        (&["--dst", "198.18.0.2", "--src", "2001:db8::1"], "one IP version"),
        (&["--dst", "198.18.0.2", "--proto", "icmp", "--dport", "7"], "no ports"),
        (&["--dst", "198.18.0.2", "--tcp-flags", "syn"], "--proto tcp"),
        (&["--dst", "198.18.0.2", "--seed", "7"], "--random"),
        (&["--dst", "198.18.0.2", "--vlan", "4095"], "not a whole number from 0 to 4094"),
        (&["--dst", "198.18.0.2", "--flows", "0"], "not a whole number from 1 on"),
        (&["--dst", "198.18.0.2", "--dst-mac", "02:00"], "hardware address"),
        (&["--dst", "198.18.0.2", "--threads", "0"], "threads"),
        (&["--pcap", "x.pcap", "--dst", "198.18.0.2"], "cannot be used with"),
    ] {
        refused(&lab, args, 2, &[words])?;
    }
    Ok(())
}

/// `plumb traffic` as nobody with these capabilities, inside the sender's namespace.
fn as_nobody(lab: &Lab, capabilities: &[&str], args: &[&str]) -> Result<plumb_live::Finished> {
    let folder = tempfile::tempdir()?;
    let plumb = folder.path().join("plumb");
    fs::copy(binary()?, &plumb)?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    let set = capabilities.iter().fold("-all".to_owned(), |set, name| format!("{set},+{name}"));
    let mut command = Command::new("ip");
    command.args(["netns", "exec", lab.sender().netns.name(), "setpriv"]);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.args([format!("--inh-caps={set}"), format!("--ambient-caps={set}")]).arg(plumb);
    let common = ["traffic", "-i", lab.sender().interface, "--format", "json", "--count", "10"];
    Plumb::through(command, &[&common, args].concat())?.finish()
}

#[test]
fn privileges_decide_on_the_way() -> TestResult {
    within(|lab| {
        let target = lab.receiver().v4.to_string();
        // Packet sockets would do, so what they need is what is said.
        as_nobody(lab, &[], &["--dst", &target])?
            .failed_with(4, &["cannot run traffic: ", "lacks CAP_NET_RAW", "setcap cap_net_raw+ep"])?;
        as_nobody(lab, &["net_raw"], &["--dst", &target, "--transport", "live"])?
            .failed_with(4, &["lacks", "CAP_NET_ADMIN"])?;
        as_nobody(lab, &["net_admin", "sys_admin"], &["--dst", &target, "--transport", "packet"])?
            .failed_with(4, &["lacks", "CAP_NET_RAW"])?;
        let finished = as_nobody(lab, &["net_raw"], &["--dst", &target])?;
        let record = sent(&finished)?;
        ensure!(record["transport"] == "packet" && number(&record, "sent")? == 10, "{record}");
        ensure!(finished.stderr.contains("CAP_NET_ADMIN"), "{}", finished.stderr);
        let record = sent(&as_nobody(lab, &["net_admin", "sys_admin"], &["--dst", &target])?)?;
        ensure!(record["transport"] == "live" && number(&record, "sent")? == 10, "{record}");
        Ok(())
    })
}
