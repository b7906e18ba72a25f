//! From the filter's words to the filter: names of interfaces, namespaces and cgroups become the kernel's numbers.

use super::netns::Netns;
use crate::args::observing::{FilterWords, HeaderWords};
use crate::failure::{Failure, Outcome};
use plumb_records::filter::Filter;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The filter, with every name resolved.
pub fn filter(words: &FilterWords) -> Outcome<Filter> {
    let netns = words.netns.as_deref().map(Netns::find).transpose()?;
    let filter = Filter {
        pids: words.pid.clone(),
        comms: words.comm.clone(),
        cgroups: cgroups(&words.cgroup)?,
        uids: words.uid.clone(),
        interfaces: interfaces(&words.interface, netns.as_ref())?,
        netns_cookie: netns.as_ref().and_then(Netns::cookie),
        netns: netns.map(|netns| netns.inode),
        ..of_headers(&words.headers)
    };
    checked(filter)
}

/// The filter of headers alone.
pub fn headers(words: &HeaderWords) -> Outcome<Filter> {
    checked(of_headers(words))
}

fn of_headers(words: &HeaderWords) -> Filter {
    Filter {
        protocols: words.proto.clone(),
        hosts: words.host.clone(),
        sources: words.src.clone(),
        destinations: words.dst.clone(),
        ports: words.port.clone(),
        source_ports: words.sport.clone(),
        destination_ports: words.dport.clone(),
        ..Filter::default()
    }
}

fn checked(filter: Filter) -> Outcome<Filter> {
    filter.check().map_err(|error| Failure::arguments(error.to_string()))?;
    Ok(filter)
}

/// The filter in force as text, with interfaces and the namespace as they were typed.
pub fn describe(words: &FilterWords, filter: &Filter) -> Vec<String> {
    let rest = Filter { interfaces: Vec::new(), netns: None, netns_cookie: None, ..filter.clone() };
    let mut texts = rest.describe();
    if !words.interface.is_empty() {
        texts.push(format!("interface {}", words.interface.join(" or ")));
    }
    if let Some((word, inode)) = words.netns.as_ref().zip(filter.netns) {
        let number = if *word == inode.to_string() { String::new() } else { format!(" ({inode})") };
        texts.push(format!("netns {word}{number}"));
    }
    texts
}

/// Separates at commas what is no name as a whole: names of interfaces and of cgroups may have commas themselves.
pub fn words(given: &[String], is_name: impl Fn(&str) -> bool) -> Vec<&str> {
    let apart = |word: &String| word.contains(',') && !is_name(word);
    given
        .iter()
        .flat_map(|word| if apart(word) { word.split(',').collect() } else { vec![word.as_str()] })
        .collect()
}

fn interfaces(names: &[String], netns: Option<&Netns>) -> Outcome<Vec<(u64, u32)>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let netns = netns.cloned().map_or_else(Netns::own, Ok)?;
    let indexes = netns.indexes(names)?;
    let cookie = netns
        .cookie()
        .ok_or_else(|| Failure::failed("the network namespace of the interfaces went away at this moment"))?;
    Ok(indexes.into_iter().map(|index| (cookie, index)).collect())
}

fn cgroups(given: &[String]) -> Outcome<Vec<u64>> {
    words(given, |word| directory(word).is_dir()).into_iter().map(cgroup).collect()
}

fn directory(word: &str) -> PathBuf {
    Path::new("/sys/fs/cgroup").join(word)
}

/// The id of a cgroup is the inode of its directory (kernfs on 64-bit systems).
fn cgroup(word: &str) -> Outcome<u64> {
    if let Ok(id) = word.parse() {
        return Ok(id);
    }
    let path = directory(word);
    let directory = std::fs::metadata(&path).map_err(|error| {
        Failure::arguments(format!("there is no cgroup {}", path.display()))
            .because(error)
            .help("give a path below /sys/fs/cgroup, or an id")
    })?;
    Ok(directory.ino())
}

#[cfg(test)]
mod tests {
    use super::{cgroup, describe, filter, words};
    use crate::args::observing::FilterWords;
    use crate::args::{Cli, Command};
    use crate::failure::Exit;
    use crate::plan::netns::Netns;
    use clap::Parser;
    use plumb_records::filter::Filter;

    fn typed(arguments: &str) -> FilterWords {
        let words = ["plumb", "drops"].into_iter().chain(arguments.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Command::Drops(drops) => drops.observing.filter,
            other => panic!("parsed as {other:?}"),
        }
    }

    fn resolve(arguments: &str) -> crate::failure::Outcome<Filter> {
        filter(&typed(arguments))
    }

    #[test]
    fn no_words_keep_everything() {
        assert!(resolve("").unwrap().is_empty());
    }

    #[test]
    fn an_interface_is_one_of_a_namespace() {
        let own = Netns::own().unwrap();
        let filter = resolve("-i lo --proto udp").unwrap();
        assert_eq!(filter.interfaces, [(own.cookie().unwrap(), 1)]);
        assert_eq!(filter.netns, None, "the interface's own namespace suffices");
        let filter = resolve(&format!("--netns {}", own.inode)).unwrap();
        assert_eq!((filter.netns, filter.netns_cookie), (Some(own.inode), own.cookie()));
    }

    #[test]
    fn what_cannot_be_is_a_bad_argument() {
        let many = (0..=Filter::MAX).map(|port| port.to_string()).collect::<Vec<_>>().join(",");
        for arguments in ["-i none0", "--netns none", "--cgroup none.slice", &format!("--port {many}")] {
            assert_eq!(resolve(arguments).unwrap_err().exit, Exit::Arguments, "{arguments}");
        }
    }

    #[test]
    fn names_are_told_as_they_were_typed() {
        let own = Netns::own().unwrap().inode;
        let told = |arguments: &str| {
            let words = typed(arguments);
            describe(&words, &filter(&words).unwrap())
        };
        assert_eq!(told("-i lo --port 53"), ["port 53", "interface lo"]);
        assert_eq!(told(&format!("--netns {own}")), [format!("netns {own}")]);
        let pid = std::process::id();
        assert_eq!(
            told(&format!("--netns {pid} -i lo")),
            ["interface lo".into(), format!("netns {pid} ({own})")]
        );
    }

    #[test]
    fn a_name_with_a_comma_is_one_name() {
        let given = ["a,b".to_owned(), "c,d".to_owned(), "e".to_owned()];
        assert_eq!(words(&given, |name| name == "a,b"), ["a,b", "c", "d", "e"]);
    }

    #[test]
    fn a_cgroup_is_an_id_or_a_directory() {
        assert_eq!(cgroup("42").unwrap(), 42);
    }
}
