//! Filters as words of the command line beside what the reference matcher makes of them.

use crate::scene::{complete, reasons, wait_for_drops, watch_host};
use anyhow::{Context, Result, ensure};
use plumb_lab::{Host, Lab};
use plumb_live::{Running, TestResult, wait_for};
use plumb_records::filter::{Comm, Filter, PortRange, Prefix, Protocol, Subject};
use serde_json::Value;
use std::net::IpAddr;

/// Filters that watch the same packets at once.
const AT_ONCE: usize = 8;

/// One filter: its words, and what it should keep.
pub(crate) struct Case {
    words: Vec<String>,
    filter: Filter,
    reasons: Vec<String>,
    not_reasons: Vec<String>,
}

impl Case {
    /// Parses the words as the command line does; `host` is the namespace that the words are about.
    pub(crate) fn new(host: &Host, words: &str) -> Result<Self> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let mut case = Self {
            words: words.clone(),
            filter: Filter { netns: Some(host.netns.inode()), ..Filter::default() },
            reasons: Vec::new(),
            not_reasons: Vec::new(),
        };
        for word in words.chunks(2) {
            let [name, values] = word else { anyhow::bail!("a word and its values: {word:?}") };
            case.add(host, name, values)?;
        }
        Ok(case)
    }

    fn add(&mut self, host: &Host, name: &str, values: &str) -> Result<()> {
        let filter = &mut self.filter;
        let reasons = |values: &str| -> Result<Vec<String>> {
            let known = reasons()?;
            // Names in any case, and numbers.
            let name = |word: &str| match word.parse() {
                Ok(number) => known.get(&number).cloned().context("a reason's number"),
                Err(_) => Ok(word.to_uppercase()),
            };
            values.split(',').map(name).collect()
        };
        match name {
            "--proto" => filter.protocols = list::<Protocol>(values)?,
            "--host" => filter.hosts = list::<Prefix>(values)?,
            "--src" => filter.sources = list(values)?,
            "--dst" => filter.destinations = list(values)?,
            "--port" => filter.ports = list::<PortRange>(values)?,
            "--sport" => filter.source_ports = list(values)?,
            "--dport" => filter.destination_ports = list(values)?,
            "--pid" => filter.pids = list(values)?,
            "--comm" => filter.comms = list::<Comm>(values)?,
            "--uid" => filter.uids = list(&values.replace("root", "0"))?,
            "--cgroup" => filter.cgroups = vec![cgroup(values)?],
            "-i" => {
                let index = |name| if name == "lo" { 1 } else { host.ifindex };
                filter.interfaces = values.split(',').map(|name| (host.netns.inode(), index(name))).collect();
            }
            "--reason" => self.reasons = reasons(values)?,
            "--not-reason" => self.not_reasons = reasons(values)?,
            other => anyhow::bail!("no word {other}"),
        }
        Ok(())
    }

    fn keeps(&self, drop: &Value) -> bool {
        let address = |name: &str| drop[name].as_str().and_then(|text| text.parse::<IpAddr>().ok());
        let number = |name: &str| drop[name].as_u64();
        let port = |name: &str| number(name).and_then(|port| u16::try_from(port).ok());
        let word = |name: &str| number(name).and_then(|value| u32::try_from(value).ok());
        let subject = Subject {
            protocol: number("protocol").and_then(|protocol| u8::try_from(protocol).ok()),
            source: address("src_ip"),
            destination: address("dst_ip"),
            source_port: port("src_port"),
            destination_port: port("dst_port"),
            pid: word("pid"),
            comm: drop["comm"].as_str().map(str::as_bytes),
            cgroup: number("cgroup"),
            uid: word("uid"),
            ifindex: word("ifindex"),
            netns: number("netns"),
            // No inode is used again while these tests run, so it stands for the cookie, which a file does not tell.
            netns_cookie: number("netns"),
        };
        let reason = drop["reason"].as_str().unwrap_or_default();
        let is = |wanted: &String| wanted == reason;
        self.filter.matches(&subject)
            && (self.reasons.is_empty() || self.reasons.iter().any(is))
            && !self.not_reasons.iter().any(is)
    }

    fn watch(&self, host: &Host) -> Result<Running> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        watch_host(host, &words)
    }
}

fn list<T: std::str::FromStr>(values: &str) -> Result<Vec<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    Ok(values.split(',').map(str::parse).collect::<Result<_, _>>()?)
}

fn cgroup(word: &str) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    match word.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(std::fs::metadata(std::path::Path::new("/sys/fs/cgroup").join(word))?.ino()),
    }
}

/// Watches with all of `cases` and without filter while `send` makes as many drops at `host` as it says, or more.
pub(crate) fn check(
    lab: &Lab,
    host: &Host,
    cases: &[Case],
    mut send: impl FnMut() -> Result<usize>,
) -> TestResult {
    let mut failures = Vec::new();
    let mut telling = 0;
    for some in cases.chunks(AT_ONCE) {
        let whole = watch_host(host, &[])?;
        let watching: Vec<Running> = some.iter().map(|case| case.watch(host)).collect::<Result<_>>()?;
        let sent = send()?;
        wait_for_drops(&whole, sent, |_| true)?;
        quiet(lab)?;
        let whole = complete(&whole.stop()?)?;
        for (case, running) in some.iter().zip(watching) {
            let kept = complete(&running.stop()?).with_context(|| case.words.join(" "))?;
            let expected = texts(whole.of("drop").filter(|drop| case.keeps(drop)));
            let found = texts(kept.of("drop"));
            let total = whole.of("drop").count();
            telling += usize::from(!expected.is_empty() && expected.len() < total);
            let turned_away = kept.account("filtered")?;
            if found != expected || turned_away < (total - expected.len()) as u64 {
                let (words, ledger) = (case.words.join(" "), kept.ledger()?);
                let (found, expected) = (found.len(), expected.len());
                failures.push(format!("{words}: {found} kept and not {expected} of {total}; {ledger}"));
            }
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    ensure!(telling * 2 >= cases.len(), "most filters keep all or nothing: only {telling} do not");
    Ok(())
}

/// Records in an order of their own, without what depends on the moment at which each run looked.
fn texts<'a>(drops: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let text = |drop: &Value| {
        let mut drop = drop.clone();
        drop["time"] = Value::Null;
        // A run does not know it before the CPU's first softirq since it attached.
        drop["in_softirq"] = Value::Null;
        drop.to_string()
    };
    let mut texts: Vec<String> = drops.map(text).collect();
    texts.sort_unstable();
    texts
}

/// Waits until the answers to what was sent, such as ICMP errors, have been received too.
fn quiet(lab: &Lab) -> Result<()> {
    let mut last = None;
    wait_for("the lab to be quiet", || {
        let count =
            |host: &Host| -> Result<u64> { Ok(host.nstat("IpInReceives")? + host.nstat("Ip6InReceives")?) };
        let now = Some((count(lab.sender())?, count(lab.receiver())?));
        let same = now == last;
        last = now;
        Ok(same)
    })
}
