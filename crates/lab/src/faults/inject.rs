//! What the injections share: oracles and the sending of frames.

use std::{
    net::{IpAddr, UdpSocket},
    time::Duration,
};

use super::Count;
use crate::{
    Error, Host, Lab, Result,
    frames::{ETHERNET, Family, Path},
    wait,
};

/// Source port of the lab's datagrams.
pub(super) const SOURCE_PORT: u16 = 40_000;
/// Destination port that faults open or guard.
pub(super) const PORT: u16 = 40_001;

/// A number that counts the packets a fault hit, without the fault's help.
#[derive(Debug, Clone, Copy)]
pub(super) enum Oracle {
    /// An SNMP counter of the receiver.
    Receiver(&'static str),
    /// An SNMP counter of the sender.
    Sender(&'static str),
    /// Packets that the only named counter of the receiver's nftables matched.
    Nftables,
    /// Packets that a qdisc of the sender dropped.
    SenderQdisc(&'static str),
    /// Packets that a qdisc of the receiver dropped.
    ReceiverQdisc(&'static str),
}

impl Oracle {
    /// What it says now.
    pub(super) fn read(self, lab: &Lab) -> Result<u64> {
        let receiver = lab.receiver();
        match self {
            Self::Receiver(counter) => receiver.nstat(counter),
            Self::Sender(counter) => lab.sender().nstat(counter),
            Self::Nftables => receiver.nft_counter(),
            Self::SenderQdisc(kind) => lab.sender().qdisc_dropped(kind),
            Self::ReceiverQdisc(kind) => receiver.qdisc_dropped(kind),
        }
    }

    /// Does `work`, then waits until the oracle has counted `n` more; returns how many it counted.
    pub(super) fn watch(self, lab: &Lab, n: u64, work: impl FnOnce() -> Result<()>) -> Result<u64> {
        let before = self.read(lab)?;
        work()?;
        wait::for_count(&format!("{self:?}"), n, || Ok(self.read(lab)?.saturating_sub(before)))
    }
}

/// Sends `frame` `n` times to the receiver and returns what `oracle` counted.
pub(super) fn offer(lab: &Lab, frame: &[u8], n: u64, oracle: Oracle) -> Result<Count> {
    let socket = lab.sender().packet_sender()?;
    oracle.watch(lab, n, || socket.repeat(frame, n)).map(Count::main)
}

/// Sends `frame` `n` times to the receiver, where no counter tells of its drop: a packet socket there counts the copies
/// that come in, before any protocol sees them.
pub(super) fn offer_heard(lab: &Lab, frame: &[u8], n: u64) -> Result<Count> {
    offer_tagged(lab, frame, frame.len(), n)
}

/// The same where the receiver's kernel takes a VLAN tag out of `frame` and hears `length` bytes.
pub(super) fn offer_tagged(lab: &Lab, frame: &[u8], length: usize, n: u64) -> Result<Count> {
    // Fits into a receive buffer of default size.
    const ROUND: u64 = 64;
    let listener = lab.receiver().packet_listener()?;
    listener.hear_only(length)?;
    let sender = lab.sender().packet_sender()?;
    let mut heard = 0;
    while heard < n {
        let goal = n.min(heard + ROUND);
        sender.repeat(frame, goal - heard)?;
        heard = wait::for_count("frames heard by the receiver", goal, || {
            while let Some(other) = listener.receive(Duration::ZERO)? {
                heard += u64::from(same(frame, &other));
            }
            Ok(heard)
        })?;
    }
    Ok(Count::main(heard))
}

/// Whether a frame was heard as it was sent; the kernel takes a VLAN tag out of it.
fn same(sent: &[u8], heard: &[u8]) -> bool {
    const ADDRESSES: usize = 12;
    const BEHIND_TAG: usize = ETHERNET + 4;
    sent.get(..ADDRESSES) == heard.get(..ADDRESSES)
        && sent.get(BEHIND_TAG..).is_some_and(|rest| heard.ends_with(rest))
}

/// Does `work` while an nftables `rule`, which counts in `hit`, stands at `hook` of `host`.
pub(super) fn counted<T>(
    host: &Host,
    family: &str,
    hook: &str,
    rule: &str,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let on = format!(
        "table {family} plumb {{\n\
           counter hit {{ }}\n\
           chain watch {{\n\
             type filter hook {hook} priority 0;\n\
             {rule}\n\
           }}\n\
         }}\n"
    );
    host.with_nft(&on, &format!("delete table {family} plumb\n"), work)
}

/// From the sender to the receiver.
pub(super) fn path(lab: &Lab) -> Path {
    Path::between(lab.sender(), lab.receiver())
}

/// A UDP socket on the host's own address.
pub(super) fn udp_socket(host: &Host, family: Family, port: u16) -> Result<UdpSocket> {
    let address = match family {
        Family::V4 => IpAddr::V4(host.v4),
        Family::V6 => IpAddr::V6(host.v6),
    };
    host.run(|| UdpSocket::bind((address, port)).map_err(Error::io(format!("bind {address} port {port}"))))
}
