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
    /// Parquet, of one record kind.
    #[cfg(feature = "columnar")]
    Parquet,
    /// An Arrow IPC file, of one record kind.
    #[cfg(feature = "columnar")]
    Arrow,
    /// An Arrow IPC stream, of one record kind.
    #[cfg(feature = "columnar")]
    ArrowStream,
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

/// Why there is no format for an output.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoFormat {
    /// The name of a file does not say its format.
    #[error(
        "{}: the format comes from the extension: .jsonl, .json, .csv, .pcapng, .parquet, .arrow or .arrows",
        .0.display()
    )]
    Unknown(PathBuf),
    /// It is of those that this build leaves out.
    #[error(
        "Parquet and Arrow are not in this build of plumb: it was made without the cargo feature columnar"
    )]
    NotBuilt,
}

impl Format {
    /// The format of a file, by its extension.
    pub fn of(path: &Path) -> Result<Self, NoFormat> {
        match path.extension().and_then(OsStr::to_str) {
            Some("jsonl" | "json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some("pcapng") => Ok(Self::Pcapng),
            Some("parquet") => Self::parquet(),
            Some("arrow" | "feather") => Self::arrow(),
            Some("arrows") => Self::arrow_stream(),
            _ => Err(NoFormat::Unknown(path.to_owned())),
        }
    }

    /// Parquet, where it is built in.
    pub fn parquet() -> Result<Self, NoFormat> {
        #[cfg(feature = "columnar")]
        return Ok(Self::Parquet);
        #[cfg(not(feature = "columnar"))]
        Err(NoFormat::NotBuilt)
    }

    /// An Arrow IPC file, where it is built in.
    pub fn arrow() -> Result<Self, NoFormat> {
        #[cfg(feature = "columnar")]
        return Ok(Self::Arrow);
        #[cfg(not(feature = "columnar"))]
        Err(NoFormat::NotBuilt)
    }

    /// An Arrow IPC stream, where it is built in.
    pub fn arrow_stream() -> Result<Self, NoFormat> {
        #[cfg(feature = "columnar")]
        return Ok(Self::ArrowStream);
        #[cfg(not(feature = "columnar"))]
        Err(NoFormat::NotBuilt)
    }

    /// Whether it holds bytes that are not for a terminal.
    pub fn is_binary(self) -> bool {
        !matches!(self, Self::Json | Self::Csv)
    }

    /// Whether a file gets its name only when it is whole.
    pub fn is_sealed(self) -> bool {
        match self {
            Self::Json | Self::Csv | Self::Pcapng => false,
            #[cfg(feature = "columnar")]
            Self::ArrowStream => false,
            #[cfg(feature = "columnar")]
            Self::Parquet | Self::Arrow => true,
        }
    }

    /// The encoder: `layout` is what a file of one record kind holds, `origin` what a pcapng file says of its making.
    pub fn encoder(self, layout: Layout, origin: &Origin) -> Box<dyn Encode> {
        match self {
            Self::Json => Box::new(Json::default()),
            Self::Csv => Box::new(Csv::new(layout)),
            Self::Pcapng => Box::new(Pcapng::new(origin.clone())),
            #[cfg(feature = "columnar")]
            Self::Parquet => crate::columnar::parquet::encoder(layout, Default::default()),
            #[cfg(feature = "columnar")]
            Self::Arrow => crate::columnar::ipc::file(layout),
            #[cfg(feature = "columnar")]
            Self::ArrowStream => crate::columnar::ipc::stream(layout),
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
                message.starts_with(path) && message.ends_with(".parquet, .arrow or .arrows"),
                "{message}"
            );
        }
    }
}
