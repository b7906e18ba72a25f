//! What keeps frames from going live, or from arriving at all, and what would help.

use crate::failure::{Exit, Failure};
use nix::errno::Errno;
use plumb_lab::Error;
use plumb_lab::traffic::target::Obstacle;
use plumb_lab::traffic::{Order, Prepared, Refusal};

/// Frames cannot go live, though they have to.
pub fn refused(order: &Order, refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::Kernel(error) => Failure::from(error.clone()),
        _ => {
            let mut failure = Failure::failed("cannot send live frames").because(why(order, refusal));
            failure.exit = Exit::Unsupported;
            failure.help(help(order, refusal).unwrap_or("--transport packet works on any interface"))
        }
    }
}

/// What is said where frames go by packet sockets though live ones were tried.
pub fn fell_back(order: &Order, prepared: &Prepared<'_>) -> Option<String> {
    let refusal = prepared.fell_back.as_ref()?;
    let help = help(order, refusal).map(|help| format!("; {help}")).unwrap_or_default();
    Some(format!("packet sockets instead of live frames: {}{help}", why(order, refusal)))
}

/// veth takes redirected frames where the receiving end runs NAPI (veth_xdp_xmit): before 6.3 it says so itself, since
/// then the sending end does not offer it (__xdp_enqueue in kernel/bpf/devmap.c).
fn why(order: &Order, refusal: &Refusal) -> String {
    let name = &order.interface;
    match refusal {
        Refusal::Kernel(error) => format!("{}: {}", error.what, error.why),
        Refusal::TooLong(longest) => format!("frames of {longest} bytes are too long for a page"),
        Refusal::Interface(errno) => match Errno::from_raw(*errno) {
            Errno::EOPNOTSUPP | Errno::ENXIO if order.is_veth => {
                format!(
                    "the other end of {name} takes none, because it has neither a native XDP program nor GRO"
                )
            }
            Errno::EOPNOTSUPP => format!("the driver of {name} takes none"),
            errno => format!("{name} refuses them: {}", errno.desc()),
        },
    }
}

/// What would make the interface take live frames.
fn help(order: &Order, refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::Interface(errno)
            if order.is_veth && matches!(Errno::from_raw(*errno), Errno::EOPNOTSUPP | Errno::ENXIO) =>
        {
            Some("`ethtool -K IFACE gro on` at the other end helps")
        }
        Refusal::Interface(_) | Refusal::TooLong(_) | Refusal::Kernel(_) => None,
    }
}

/// Frames would not arrive.
pub fn obstructed(obstacle: Obstacle) -> Failure {
    let (argument, help) = match &obstacle {
        Obstacle::NoInterface(_) => (true, "`ip link` lists them; --netns looks in another namespace"),
        Obstacle::NotEthernet(_) => (true, "choose an Ethernet interface, a veth for example"),
        Obstacle::TooLong { .. } => (true, "choose smaller frames or raise the MTU"),
        Obstacle::Down(_) => (false, "`ip link set IFACE up` helps"),
        Obstacle::NoCarrier(_) => (false, "set the other end up"),
        Obstacle::NoRoute { .. } | Obstacle::NoSource { .. } => {
            (false, "give the interface an address there, or say --src and --dst-mac")
        }
        Obstacle::NoNeighbour { .. } => {
            (false, "is it up, and its address right? --dst-mac sends without asking")
        }
        Obstacle::Own { .. } => (true, "choose an address of the other end; --dst-mac sends without asking"),
        Obstacle::NoLinkLocal { .. } => {
            (false, "`ip address add fe80::1/64 dev IFACE` gives it one; or ping it first, or say --dst-mac")
        }
        Obstacle::MayNotAsk { .. } => (false, "run as root, ping it first, or say --dst-mac"),
    };
    let what = format!("nothing would arrive: {obstacle}");
    (if argument { Failure::arguments(what) } else { Failure::failed(what) }).help(help)
}

/// What the lab could not do.
pub fn failed(error: Error) -> Failure {
    match error {
        Error::Kernel(error) => Failure::from(error),
        error @ (Error::Capture { .. } | Error::Frame(_)) => Failure::arguments(error.to_string()),
        error => Failure::failed("cannot send").because(error),
    }
}
