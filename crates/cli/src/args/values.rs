//! Values of arguments: text in, checked value out. The filter's words have theirs in `plumb_records::filter`.

use plumb_sinks::format::{Format, NoFormat};
use plumb_sinks::rotate::Rotate;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A positive time such as `10s`, `500ms`, `1m30s`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let parsed = if bare {
        text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    } else {
        text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok())
    };
    parsed
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "not a positive time such as 10s, 500ms or 2m".to_owned())
}

/// The shortest interval: below it there is time for nothing but writing.
const SHORTEST: Duration = Duration::from_millis(1);

/// A time between writings.
pub fn interval(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time >= SHORTEST { Ok(time) } else { Err("shorter than 1ms".to_owned()) }
}

/// A positive size such as `4096`, `256K`, `10M`, `1GiB`: powers of 1024.
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "K" | "KB" | "KiB" | "k" => 10,
        "M" | "MB" | "MiB" => 20,
        "G" | "GB" | "GiB" => 30,
        _ => return Err("not a size such as 4096, 256K, 10M or 1G".to_owned()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "not a positive size such as 4096, 256K, 10M or 1G".to_owned())
}

/// As [`size`], for what the kernel counts in 32 bits.
pub fn size_32(text: &str) -> Result<u32, String> {
    u32::try_from(size(text)?).map_err(|_| "not less than 4G".to_owned())
}

/// The smallest file that is rotated: below it each record would have one of its own.
const SMALLEST: u64 = 4096;

/// When a file is closed and the next one begun. Units tell: `10M` is a size, `10m` a time; a bare number is bytes.
pub fn rotate(text: &str) -> Result<Rotate, String> {
    let size = size(text);
    if size.as_ref().is_ok_and(|bytes| *bytes < SMALLEST) {
        return Err("a file of less than 4K; a time has its unit, such as 1s".to_owned());
    }
    size.map(Rotate::Size)
        .or_else(|_| duration(text).map(Rotate::Every))
        .map_err(|_| "neither a size such as 100M nor a time such as 1h".to_owned())
}

/// A whole number from `least` to `most`, or without end.
pub fn number<T>(
    least: T,
    most: Option<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + fmt::Display + Copy + Send + Sync + 'static,
{
    move |text| {
        let number: Option<T> = text.parse().ok();
        number.filter(|number| *number >= least && most.is_none_or(|most| *number <= most)).ok_or_else(|| {
            match most {
                Some(most) => format!("not a whole number from {least} to {most}"),
                None if number.is_none() && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                    "too large a number".to_owned()
                }
                None => format!("not a whole number from {least} on"),
            }
        })
    }
}

/// A percentage from 0 to 100, such as `50`, `12.5` or `0.1%`.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok();
    number
        .filter(|number| (0.0..=100.0).contains(number))
        .ok_or_else(|| "not a percentage from 0 to 100".to_owned())
}

/// How many dropped packets are too many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FailOver {
    /// More than so many packets in the whole run.
    Packets(u64),
    /// More than so many packets per second, over the whole run.
    Rate(f64),
}

impl FailOver {
    /// Whether `packets` in `time` are too many.
    pub fn exceeded(self, packets: u64, time: Duration) -> bool {
        match self {
            Self::Packets(most) => packets > most,
            #[allow(clippy::cast_precision_loss, reason = "a rate; 2^53 packets are not reached")]
            Self::Rate(most) => packets as f64 > most * time.as_secs_f64(),
        }
    }
}

impl fmt::Display for FailOver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packets(most) => write!(out, "{most}"),
            Self::Rate(most) => write!(out, "{most}/s"),
        }
    }
}

impl FromStr for FailOver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "not a number of packets such as 100, or a rate such as 50/s".to_owned();
        match text.strip_suffix("/s") {
            Some(rate) => {
                let rate: f64 = rate.parse().map_err(|_| wrong())?;
                if rate.is_finite() && rate >= 0.0 { Ok(Self::Rate(rate)) } else { Err(wrong()) }
            }
            None => text.parse().map(Self::Packets).map_err(|_| wrong()),
        }
    }
}

/// Where to write records, and the format, told by the extension of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Of what.
    pub place: Place,
    /// As given, without what tells the place.
    pub path: PathBuf,
    /// From the extension, or the only one that the place has.
    pub format: Format,
}

/// What --output names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file.
    File,
    /// A directory of Parquet files by date, hour and node: one that exists, or a name that ends in a slash.
    Dataset,
    /// A Unix socket that gives an Arrow stream to each client: `unix:PATH`.
    Socket,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::named(text).map_err(|error| error.to_string()).and_then(|output| {
            // The kernel would choose a name that nobody learns (unix(7), autobind).
            let nameless = output.place == Place::Socket && output.path.as_os_str().is_empty();
            if nameless { Err("unix: needs the path of a socket".to_owned()) } else { Ok(output) }
        })
    }
}

impl Output {
    fn named(text: &str) -> Result<Self, NoFormat> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self { place: Place::Socket, path: path.into(), format: Format::arrow_stream()? });
        }
        let path = PathBuf::from(text);
        if text.ends_with('/') || path.is_dir() {
            return Ok(Self { place: Place::Dataset, path, format: Format::parquet()? });
        }
        Ok(Self { place: Place::File, format: Format::of(&path)?, path })
    }
}

/// A user by name or number.
pub fn user(text: &str) -> Result<u32, String> {
    if let Ok(uid) = text.parse() {
        return Ok(uid);
    }
    match nix::unistd::User::from_name(text) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        _ => Err("no user has this name; a number works too".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_and_their_bounds() {
        let tag = number(0_u16, Some(4094));
        assert_eq!((tag("0"), tag("4094")), (Ok(0), Ok(4094)));
        for text in ["4095", "-1", "", "1.5", "x"] {
            assert_eq!(tag(text), Err("not a whole number from 0 to 4094".to_owned()), "{text}");
        }
        assert_eq!(number(1_u64, None)("0"), Err("not a whole number from 1 on".to_owned()));
        assert_eq!(number(1_u32, None)("4294967296"), Err("too large a number".to_owned()));
        assert_eq!(number(1_u64, None)("18446744073709551615"), Ok(u64::MAX));
    }
}
