//! `--anonymize`: addresses become others before anything is written, served or shown.
//!
//! Two addresses that share their first n bits share as many afterwards, and the same key makes the same addresses of them:
//! ipcrypt-pfx of draft-denis-ipcrypt. The family stays. Names of flows are made of the new addresses.

use crate::failure::{Failure, Outcome};
use ipcrypt_rs::IpcryptPfx;
use plumb_records::filter::{Filter, Prefix};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Addresses whose counterparts are kept: making one takes a microsecond.
const KEPT: usize = 1 << 16;

/// Where the key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Made for this run, and kept nowhere.
    Random,
    /// 64 hexadecimal digits in a file.
    File(PathBuf),
}

impl FromStr for Key {
    type Err = std::convert::Infallible;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(if word == "random" { Self::Random } else { Self::File(word.into()) })
    }
}

/// Makes other addresses of addresses; the default leaves them as they are.
#[derive(Default)]
pub struct Anonymizer(Option<Keyed>);

struct Keyed {
    cipher: IpcryptPfx,
    known: RefCell<FxHashMap<IpAddr, IpAddr>>,
}

impl Anonymizer {
    /// Reads the key where one is asked for.
    pub fn open(key: Option<&Key>) -> Outcome<Self> {
        let cipher = match key {
            None => return Ok(Self::default()),
            Some(Key::Random) => IpcryptPfx::new_random(),
            Some(Key::File(path)) => IpcryptPfx::new(read(path)?),
        };
        Ok(Self(Some(Keyed { cipher, known: RefCell::default() })))
    }

    /// What is written instead of an address.
    pub fn address(&self, address: IpAddr) -> IpAddr {
        let Some(Keyed { cipher, known }) = &self.0 else { return address };
        let mut known = known.borrow_mut();
        if let Some(other) = known.get(&address) {
            return *other;
        }
        if known.len() >= KEPT {
            known.clear();
        }
        let other = match (address, cipher.encrypt_ipaddr(address)) {
            // An IPv4-mapped address of an IPv6 packet is taken for IPv4.
            (IpAddr::V6(_), IpAddr::V4(inner)) => IpAddr::V6(inner.to_ipv6_mapped()),
            (_, other) => other,
        };
        known.insert(address, other);
        other
    }

    /// The filters in force, as text.
    pub fn filters(&self, filter: &Filter) -> Vec<String> {
        let mut shown = filter.clone();
        for prefix in [&mut shown.hosts, &mut shown.sources, &mut shown.destinations].into_iter().flatten() {
            *prefix = self.prefix(*prefix);
        }
        shown.describe()
    }

    /// A command line: its addresses are replaced, and a command to run is left out.
    pub fn command(&self, words: Vec<String>) -> Vec<String> {
        if self.0.is_none() {
            return words;
        }
        let ours = words.split(|word| word == "--").next().unwrap_or_default();
        let word = |word: &String| {
            let pieces = word.split_inclusive([',', '=']).map(|piece| {
                let text = piece.trim_end_matches([',', '=']);
                let rest = &piece[text.len()..];
                self.word(text).map_or_else(|| piece.to_owned(), |other| format!("{other}{rest}"))
            });
            pieces.collect()
        };
        ours.iter().map(word).collect()
    }

    /// What is told instead of an address, a prefix, or an address with a port.
    fn word(&self, text: &str) -> Option<String> {
        let socket = |place: SocketAddr| SocketAddr::new(self.address(place.ip()), place.port()).to_string();
        let prefix = text.parse().map(|prefix| self.prefix(prefix).to_string());
        prefix.ok().or_else(|| text.parse().map(socket).ok())
    }

    fn prefix(&self, prefix: Prefix) -> Prefix {
        Prefix::containing(self.address(prefix.network()), prefix.length()).unwrap_or(prefix)
    }
}

fn read(path: &Path) -> Outcome<[u8; IpcryptPfx::KEY_BYTES]> {
    let help = "`openssl rand -hex 32` makes such a key; `--anonymize random` uses one of this run alone";
    let refused = |why: &str| Failure::arguments(format!("{}: {why}", path.display())).help(help);
    let text = std::fs::read_to_string(path).map_err(|error| refused("no key can be read").because(error))?;
    let digits: Option<Vec<u8>> = text
        .trim()
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let mut key = [0; IpcryptPfx::KEY_BYTES];
    match digits {
        Some(digits) if digits.len() == 2 * key.len() => {
            for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
                *byte = pair[0] << 4 | pair[1];
            }
        }
        _ => return Err(refused("a key is 64 hexadecimal digits")),
    }
    let (first, second) = key.split_at(key.len() / 2);
    if first == second {
        return Err(refused("a key whose halves are the same hides nothing"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests;
