//! Arguments of `plumb bench` by itself, and of the processes that it starts.

use super::{Report, values};
use clap::Args;
use plumb_lab::traffic::Rate;
use std::path::PathBuf;
use std::time::Duration;

/// Readers of packets at the same offered load.
#[derive(Debug, Args)]
pub struct Compare {
    /// Packets per second that are offered (comma-separated), or max
    #[arg(long, value_name = "RATE", value_delimiter = ',', default_values = ["1k", "4k", "10k", "100k", "1M", "max"])]
    pub rates: Vec<Rate>,
    /// How long each run is measured
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = values::duration)]
    pub duration: Duration,
    /// Runs of each reader at each rate
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = values::number(1_u32, None))]
    pub repeat: u32,
    /// Only these readers (comma-separated); `none` always runs
    #[arg(long, value_name = "READER", value_delimiter = ',')]
    pub readers: Vec<String>,
    /// Flows that the packets are of
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = values::number(1_u32, Some(45_000)))]
    pub flows: u32,
    /// Length of the frames in bytes, without FCS; a stamp is in each
    #[arg(long, value_name = "BYTES", default_value_t = 66, value_parser = values::number(66_u32, Some(1514)))]
    pub size: u32,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Report::Text)]
    pub format: Report,
    /// Write a report too: one HTML page with charts, which needs no network
    #[arg(short, long, value_name = "FILE.html", value_parser = page)]
    pub output: Option<PathBuf>,
}

fn page(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let html = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"));
    if html { Ok(path) } else { Err("the report is a page: its name ends in .html".to_owned()) }
}

/// Reads the packets of an interface until a signal comes, and tells what they came to: see `plumb_lab::readers`.
#[derive(Debug, Args)]
pub struct Read {
    /// How packets come.
    pub way: String,
    #[arg(short, long)]
    pub interface: String,
    #[arg(long)]
    pub ready_file: Option<PathBuf>,
    /// CPU time to burn for each packet.
    #[arg(long, value_parser = values::duration)]
    pub burn: Option<Duration>,
    /// Throw every so manieth packet away.
    #[arg(long)]
    pub drop_every: Option<u64>,
}
