//! The kernel's own packet counters, under the names that `nstat` prints.

use std::{collections::HashMap, fs};

use crate::{Error, Result};

/// A reading of every SNMP counter of one namespace.
#[derive(Debug, Clone, Default)]
pub struct Counters(HashMap<String, u64>);

impl Counters {
    /// Reads the counters of the calling thread's namespace.
    ///
    /// `/proc/net` is a link to `/proc/self/net` and shows the namespace of the process's first thread instead.
    pub fn read() -> Result<Self> {
        let mut counters = Self::default();
        for file in ["snmp", "netstat"] {
            counters
                .add_paired(&text(file)?)
                .ok_or_else(|| Error::Parse { what: format!("/proc/net/{file}") })?;
        }
        // Absent without IPv6 and without IPsec.
        for file in ["snmp6", "xfrm_stat"] {
            if let Ok(text) = text(file) {
                counters.add_single(&text);
            }
        }
        Ok(counters)
    }

    /// Value of a counter such as `UdpNoPorts`; one that this kernel lacks is an error, not zero.
    pub fn get(&self, name: &str) -> Result<u64> {
        self.0
            .get(name)
            .copied()
            .ok_or_else(|| Error::Parse { what: format!("counter {name}: not on this kernel") })
    }

    /// `snmp` and `netstat`: a line of names, then a line of values, both led by the group's name.
    fn add_paired(&mut self, text: &str) -> Option<()> {
        let mut lines = text.lines();
        while let Some(header) = lines.next() {
            let (group, names) = header.split_once(':')?;
            let (again, values) = lines.next()?.split_once(':')?;
            if group != again {
                return None;
            }
            for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
                // TcpMaxConn is -1 where there is no limit: not a count of anything.
                if let Ok(value) = value.parse() {
                    self.0.insert(format!("{group}{name}"), value);
                }
            }
        }
        Some(())
    }

    /// `snmp6` and `xfrm_stat`: a name and a value on each line.
    fn add_single(&mut self, text: &str) {
        for line in text.lines() {
            if let Some((name, value)) = line.split_once(char::is_whitespace)
                && let Ok(value) = value.trim().parse()
            {
                self.0.insert(name.to_owned(), value);
            }
        }
    }
}

fn text(file: &str) -> Result<String> {
    let path = format!("/proc/thread-self/net/{file}");
    fs::read_to_string(&path).map_err(Error::io(path))
}

/// Packets that the qdiscs of `kind` dropped, from the output of `tc -s -j qdisc show`.
pub fn qdisc_dropped(json: &str, kind: &str) -> Option<u64> {
    let qdiscs: serde_json::Value = serde_json::from_str(json).ok()?;
    let mut found = qdiscs.as_array()?.iter().filter(|qdisc| qdisc["kind"] == kind).peekable();
    found.peek()?;
    found.map(|qdisc| qdisc["drops"].as_u64()).sum()
}

/// Packets of the only counter in the output of `nft -j list counters`.
pub fn nft_packets(json: &str) -> Option<u64> {
    let listing: serde_json::Value = serde_json::from_str(json).ok()?;
    listing
        .get("nftables")?
        .as_array()?
        .iter()
        .find_map(|entry| entry.get("counter")?.get("packets")?.as_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_layouts() {
        let mut counters = Counters::default();
        let snmp = "Tcp: MaxConn InSegs\nTcp: -1 7\nUdp: NoPorts\nUdp: 3\n";
        counters.add_paired(snmp).unwrap();
        counters.add_single("Udp6NoPorts                     \t5\n");
        assert_eq!(counters.get("TcpInSegs").unwrap(), 7);
        assert_eq!(counters.get("UdpNoPorts").unwrap(), 3);
        assert_eq!(counters.get("Udp6NoPorts").unwrap(), 5);
        assert!(counters.get("TcpMaxConn").is_err());
        assert!(counters.add_paired("Tcp: A\nUdp: 1\n").is_none());
    }

    #[test]
    fn reads_qdisc_statistics() {
        let json =
            r#"[{"kind":"noqueue","drops":1},{"kind":"tbf","handle":"8001:","drops":12,"overlimits":9}]"#;
        assert_eq!(qdisc_dropped(json, "tbf"), Some(12));
        assert_eq!(qdisc_dropped(json, "pfifo"), None);
        assert_eq!(qdisc_dropped("[", "tbf"), None);
    }

    #[test]
    fn reads_nftables_counters() {
        let json = r#"{"nftables":[{"metainfo":{}},{"counter":{"name":"hit","packets":7,"bytes":1}}]}"#;
        assert_eq!(nft_packets(json), Some(7));
        assert_eq!(nft_packets(r#"{"nftables":[]}"#), None);
    }
}
