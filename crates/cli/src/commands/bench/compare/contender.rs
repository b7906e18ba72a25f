//! Who takes part.

use super::super::running::Output;
use crate::failure::{Failure, Outcome};
use plumb_lab::readers::Way;

/// Where Plumb is attached.
const XDP: &[&str] = &["--hook", "xdp", "--mode", "native"];
/// Where the bench's packets go, and no others: what is written is not looked at.
const DPORT: &str = "9";

/// One reader.
#[derive(Debug)]
pub struct Contender {
    /// Name in the output.
    pub name: &'static str,
    /// What runs.
    pub how: How,
    /// Takes part without being asked for.
    asked_or_not: bool,
}

/// What runs beside the load.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// Nothing: the bare stack.
    Nothing,
    /// The hidden command that reads packets, with these words more.
    Reader(Way, &'static [&'static str]),
    /// `plumb packets` as people type it, written as JSON lines.
    PacketsJson,
    /// `plumb flows` as people type it.
    Flows,
}

const fn reader(name: &'static str, way: Way) -> Contender {
    Contender { name, how: How::Reader(way, &[]), asked_or_not: true }
}

/// Two readers that are wrong in a known way, so that the bench can be tested: each is asked for by name only.
const fn proof(name: &'static str, words: &'static [&'static str]) -> Contender {
    Contender { name, how: How::Reader(Way::Ring, words), asked_or_not: false }
}

/// All of them; the first is what the others are measured against.
static CONTENDERS: &[Contender] = &[
    Contender { name: super::NONE, how: How::Nothing, asked_or_not: true },
    reader(super::BASELINE, Way::Recv),
    reader("af_packet_ring", Way::Ring),
    reader("libpcap", Way::Libpcap),
    reader("af_xdp", Way::AfXdp),
    reader("packets", Way::Packets),
    Contender { name: "packets_json", how: How::PacketsJson, asked_or_not: true },
    Contender { name: "flows", how: How::Flows, asked_or_not: true },
    proof("proof_burns_100us", &["--burn", "100us"]),
    proof("proof_drops_every_10th", &["--drop-every", "10"]),
];

impl Contender {
    /// Whether this build has it.
    fn built(&self) -> bool {
        !matches!(self.how, How::Reader(way, _) if !way.built())
    }

    /// Whether an XDP program of its own takes the frames, or passes them on.
    pub fn attaches_xdp(&self) -> bool {
        matches!(self.how, How::Flows | How::PacketsJson | How::Reader(Way::AfXdp | Way::Packets, _))
    }

    /// What is kept of what it writes.
    pub fn output(&self) -> Output {
        if matches!(self.how, How::PacketsJson) { Output::End } else { Output::Whole }
    }

    /// What is typed after `plumb`; nothing where nothing runs.
    pub fn words(&self, interface: &str) -> Option<Vec<String>> {
        let words: Vec<&str> = match self.how {
            How::Nothing => return None,
            How::Reader(way, more) => [&[super::super::READ, way.name(), "-i", interface], more].concat(),
            How::PacketsJson => {
                let written = ["--format", "json", "--dport", DPORT];
                [&["packets", "-i", interface], XDP, &written].concat()
            }
            How::Flows => [&["flows", "-i", interface], XDP, &["--format", "json"]].concat(),
        };
        Some(words.into_iter().map(str::to_owned).collect())
    }
}

/// `none` and the readers of these names, or all that this build has.
pub fn chosen(names: &[String]) -> Outcome<Vec<&'static Contender>> {
    for name in names {
        let known = CONTENDERS.iter().find(|contender| contender.name == name);
        if known.is_some_and(|contender| !contender.built()) {
            return Err(Failure::arguments(format!("this plumb was built without {name}"))
                .help(format!("build it with --features {name}")));
        }
        if known.is_none() {
            let all = CONTENDERS.iter().filter(|contender| contender.asked_or_not && contender.built());
            let all: Vec<&str> = all.map(|contender| contender.name).collect();
            return Err(Failure::arguments(format!("no reader is called {name:?}"))
                .help(format!("readers are: {}", all.join(", "))));
        }
    }
    let wanted = |contender: &&Contender| {
        let named = names.iter().any(|name| name == contender.name);
        contender.name == super::NONE
            || named
            || names.is_empty() && contender.asked_or_not && contender.built()
    };
    Ok(CONTENDERS.iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn nothing_always_takes_part() {
        let names = |asked: &[&str]| -> Vec<&str> {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            chosen(&asked).unwrap().iter().map(|contender| contender.name).collect()
        };
        assert_eq!(names(&["flows"]), ["none", "flows"]);
        assert!(names(&[]).contains(&"af_packet_recv"));
        assert!(!names(&[]).iter().any(|name| name.starts_with("proof")));
        assert_eq!(names(&["proof_burns_100us"]).len(), 2);
        assert!(chosen(&["tcpdump".to_owned()]).is_err());
    }
}
