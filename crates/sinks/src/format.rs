//! Which formats there are, and how each is made.

use crate::Encode;
use crate::csv::Csv;
use crate::json::Json;
use crate::pcapng::{Origin, Pcapng};
use plumb_records::column::{Column, Shown};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A format for programs. Text for people is composed by the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line, of every record kind.
    Json,
    /// RFC 4180 with a header line, of one record kind.
    Csv,
    /// Captured packets with their records as comments.
    Pcapng,
}

/// The records that a format with one record kind holds.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The kind.
    pub record: &'static str,
    /// All of its columns.
    pub columns: &'static [Column],
    /// Which of them there are.
    pub shown: Shown,
}

/// The name of a file does not say its format.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: the format comes from the extension: .jsonl, .json, .csv or .pcapng", path.display())]
pub struct UnknownExtension {
    path: PathBuf,
}

impl Format {
    /// The format of a file, by its extension.
    pub fn of(path: &Path) -> Result<Self, UnknownExtension> {
        match path.extension().and_then(OsStr::to_str) {
            Some("jsonl" | "json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some("pcapng") => Ok(Self::Pcapng),
            _ => Err(UnknownExtension { path: path.to_owned() }),
        }
    }

    /// The encoder: `layout` is what a CSV file holds, `origin` what a pcapng file says of its making.
    pub fn encoder(self, layout: Layout, origin: &Origin) -> Box<dyn Encode> {
        match self {
            Self::Json => Box::new(Json::default()),
            Self::Csv => Box::new(Csv::new(layout)),
            Self::Pcapng => Box::new(Pcapng::new(origin.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_extension() {
        let of = |path: &str| Format::of(Path::new(path));
        assert_eq!(of("a.b/out.jsonl").unwrap(), Format::Json);
        assert_eq!(of("out.json").unwrap(), Format::Json);
        assert_eq!(of("out.csv").unwrap(), Format::Csv);
        assert_eq!(of("out.pcapng").unwrap(), Format::Pcapng);
        for path in ["out.pcap", "out", ".csv", "out.csv.gz"] {
            let message = of(path).unwrap_err().to_string();
            assert!(
                message.starts_with(path) && message.ends_with(".jsonl, .json, .csv or .pcapng"),
                "{message}"
            );
        }
    }
}
