//! Which XDP programs interfaces have, through a socket that was made in their network namespace: it can be asked from
//! anywhere, and needs no privilege.

use super::netlink::Netlink;
use super::xdp::Mode;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage, LinkXdp};
use std::io;

/// A way to ask about the interfaces of one namespace.
#[derive(Debug)]
pub struct Query(Netlink);

impl Query {
    /// The calling thread's namespace.
    pub fn here() -> io::Result<Self> {
        Netlink::here().map(Self)
    }

    /// The programs on an interface: the mode, `None` on the card itself, and the kernel's id of each. An interface that
    /// does not exist is an error (ENODEV).
    pub fn attached(&self, ifindex: u32) -> io::Result<Vec<(Option<Mode>, u32)>> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        let answer = self.0.ask(RouteNetlinkMessage::GetLink(message))?;
        let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map_err(io::Error::other)?;
        match answer.payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => Ok(programs(&link)),
            NetlinkPayload::Error(error) => Err(error.to_io()),
            _ => Err(io::Error::other("the kernel's answer is about something else")),
        }
    }
}

fn programs(link: &LinkMessage) -> Vec<(Option<Mode>, u32)> {
    let told = link.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::Xdp(told) => Some(told),
        _ => None,
    });
    let one = |told: &LinkXdp| match told {
        LinkXdp::DrvProgId(id) => Some((Some(Mode::Native), *id)),
        LinkXdp::SkbProgId(id) => Some((Some(Mode::Generic), *id)),
        LinkXdp::HwProgId(id) => Some((None, *id)),
        // The one that is attached is told twice: IFLA_XDP_PROG_ID too (rtnl_xdp_fill in net/core/rtnetlink.c).
        _ => None,
    };
    told.flatten().filter_map(one).filter(|(_, id)| *id != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_told_apart() {
        let mut link = LinkMessage::default();
        assert_eq!(programs(&link), []);
        let told = [LinkXdp::ProgId(7), LinkXdp::DrvProgId(7), LinkXdp::HwProgId(9), LinkXdp::SkbProgId(0)];
        link.attributes.push(LinkAttribute::Xdp(told.into()));
        assert_eq!(programs(&link), [(Some(Mode::Native), 7), (None, 9)]);
    }

    #[test]
    fn an_interface_that_is_not_there_is_an_error() {
        let query = Query::here().unwrap();
        assert!(query.attached(1).is_ok());
        let error = query.attached(0x7fff_ffff).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}
