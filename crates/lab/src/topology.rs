//! The lab's only shape: a sender and a receiver, joined by one veth pair.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use crate::{
    Error, Result, Role,
    host::{Host, mac_text},
    netns::{self, Netns},
    tools, wait,
};

/// Name of each host's interface.
const INTERFACE: &str = "lab0";
/// RFC 2544, section C.2.2: addresses for benchmarks, never routed.
const V4: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 18, 0, 1), Ipv4Addr::new(198, 18, 0, 2)];
/// RFC 3849: addresses for documentation.
const V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)];
const MAC: [[u8; 6]; 2] = [[0x02, 0, 0, 0, 0, 0x0a], [0x02, 0, 0, 0, 0, 0x0b]];

/// Counter of the multicast reports that a host sent; the other host drops each (NOT_SPECIFIED in ip6_mc_input).
pub(crate) const MLD_REPORTS: &str = "Icmp6OutMLDv2Reports";

/// Settings of a quiet host: addresses usable at once, no router discovery, no ICMP rate limits that would make
/// counts depend on time, and multicast reports that go out at once instead of within a second.
const SYSCTLS: &[(&str, &str)] = &[
    ("net.ipv4.ip_forward", "0"),
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv4.icmp_ratelimit", "0"),
    // No bit: no type falls under the limit that all hosts of a kernel share.
    ("net.ipv4.icmp_ratemask", "0"),
    ("net.ipv6.conf.all.disable_ipv6", "0"),
    ("net.ipv6.conf.default.disable_ipv6", "0"),
    ("net.ipv6.conf.default.accept_dad", "0"),
    ("net.ipv6.conf.default.dad_transmits", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
    ("net.ipv6.conf.default.autoconf", "0"),
    ("net.ipv6.conf.default.router_solicitations", "0"),
    ("net.ipv6.conf.default.addr_gen_mode", "1"),
    ("net.ipv6.conf.default.mldv2_unsolicited_report_interval", "1"),
    ("net.ipv6.icmp.ratelimit", "0"),
    // A list of types; 0 is none of ICMPv6.
    ("net.ipv6.icmp.ratemask", "0"),
];

static NEXT: AtomicU32 = AtomicU32::new(1);

/// Two hosts and the link between them. Dropping it removes both.
#[derive(Debug)]
pub struct Lab {
    sender: Host,
    receiver: Host,
}

impl Lab {
    /// Builds a lab and returns once both hosts reach each other; removes leftovers of killed runs first.
    pub fn new() -> Result<Self> {
        netns::sweep()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let names = ['a', 'b'].map(|host| netns::name_for(process::id(), number, host));
        for name in &names {
            netns::remove_stale(name)?;
        }
        let [a, b] = &names;
        // Adopted one by one, so that a failure at any later point removes what exists.
        tools::run(&["ip", "netns", "add", a], "")?;
        let near = Netns::adopt(a)?;
        tools::run(&["ip", "netns", "add", b], "")?;
        let far = Netns::adopt(b)?;
        for netns in [&near, &far] {
            set_sysctls(netns)?;
        }
        tools::run(
            &["ip", "-batch", "-"],
            &format!(
                "link add {INTERFACE} netns {a} address {} type veth peer name {INTERFACE} netns {b} address {}",
                mac_text(MAC[0]),
                mac_text(MAC[1])
            ),
        )?;
        let sender = host(Role::Sender, near)?;
        let receiver = host(Role::Receiver, far)?;
        let lab = Self { sender, receiver };
        lab.configure(Role::Sender)?;
        lab.configure(Role::Receiver)?;
        settle(&lab.sender, 2)?;
        settle(&lab.receiver, 2)?;
        Ok(lab)
    }

    /// The host that packets come from.
    pub fn sender(&self) -> &Host {
        &self.sender
    }

    /// The host that packets go to.
    pub fn receiver(&self) -> &Host {
        &self.receiver
    }

    /// The host of this role.
    pub fn host(&self, role: Role) -> &Host {
        match role {
            Role::Sender => &self.sender,
            Role::Receiver => &self.receiver,
        }
    }

    /// Gives a host whose addresses a fault took away its addresses again, and waits until its reports have passed.
    pub fn restore(&self, role: Role) -> Result<()> {
        let reports = self.host(role).nstat(MLD_REPORTS)?;
        self.configure(role)?;
        settle(self.host(role), reports + 1)
    }

    /// Gives the host of `role` its addresses, and the neighbour entries that spare every count the packets of ARP
    /// and of neighbour discovery.
    fn configure(&self, role: Role) -> Result<()> {
        let (host, peer) = match role {
            Role::Sender => (&self.sender, &self.receiver),
            Role::Receiver => (&self.receiver, &self.sender),
        };
        host.ip(&[
            "link set lo up",
            &format!("address replace {}/24 dev {INTERFACE}", host.v4),
            &format!("link set {INTERFACE} up"),
            &format!("address replace {}/64 dev {INTERFACE} nodad", host.v6),
            &format!(
                "neighbour replace {} lladdr {} nud permanent dev {INTERFACE}",
                peer.v4,
                mac_text(peer.mac)
            ),
            &format!(
                "neighbour replace {} lladdr {} nud permanent dev {INTERFACE}",
                peer.v6,
                mac_text(peer.mac)
            ),
        ])
    }
}

/// Waits until `host` has sent `reports` multicast reports and sends no more, so that none disturbs a count.
///
/// Each change of membership is reported twice (RFC 3810, section 9.1), two timer ticks apart or more.
pub(crate) fn settle(host: &Host, reports: u64) -> Result<()> {
    const CALM: Duration = Duration::from_millis(40);
    let (mut last, mut since) = (0, Instant::now());
    wait::until("multicast reports to end", wait::PATIENCE, || {
        let sent = host.nstat(MLD_REPORTS)?;
        if sent != last {
            (last, since) = (sent, Instant::now());
        }
        Ok((sent >= reports && since.elapsed() > CALM).then_some(()))
    })
}

fn set_sysctls(netns: &Netns) -> Result<()> {
    netns.run(|| {
        for (name, value) in SYSCTLS {
            let path = format!("/proc/sys/{}", name.replace('.', "/"));
            std::fs::write(&path, value).map_err(Error::io(format!("{name}={value}")))?;
        }
        Ok(())
    })
}

fn host(role: Role, netns: Netns) -> Result<Host> {
    let side = match role {
        Role::Sender => 0,
        Role::Receiver => 1,
    };
    let ifindex = netns.run(|| {
        nix::net::if_::if_nametoindex(INTERFACE).map_err(Error::io(format!("index of {INTERFACE}")))
    })?;
    Ok(Host { role, netns, interface: INTERFACE, ifindex, mac: MAC[side], v4: V4[side], v6: V6[side] })
}
