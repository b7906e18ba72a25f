//! The report: one page of HTML with charts and every row, which loads nothing.

use super::about::About;
use super::chart::{COLOURS, Chart, Point, Scale, Series, chart};
use super::{NONE, Result, text};
use crate::failure::{Failure, Outcome};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use plumb_records::bench::{ReaderBench, ReaderFit};
use plumb_records::column::{Row, Value};
use plumb_sinks::text::units;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

const STYLE: &str = include_str!("page.css");

/// A page that will be written: beside its name first, so that one that was there stays until this one is whole.
pub struct Page {
    path: PathBuf,
    unfinished: PathBuf,
    file: File,
}

impl Page {
    /// Before anything is measured, so that a name that cannot be written is told at once.
    pub fn create(path: &Path) -> Outcome<Self> {
        let mut unfinished = path.to_owned().into_os_string();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let file = File::create(&unfinished).map_err(|error| cannot(path, error))?;
        Ok(Self { path: path.to_owned(), unfinished, file })
    }

    /// Writes it.
    pub fn write(mut self, result: &Result, about: &About) -> Outcome<()> {
        let page = page(result, about).into_string();
        let written = self.file.write_all(page.as_bytes()).and_then(|()| self.file.sync_all());
        written
            .and_then(|()| fs::rename(&self.unfinished, &self.path))
            .map_err(|error| cannot(&self.path, error))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Gone where it was written.
        let _ = fs::remove_file(&self.unfinished);
    }
}

fn cannot(path: &Path, error: std::io::Error) -> Failure {
    Failure::failed(format!("cannot write {}", path.display())).because(error)
}

fn page(result: &Result, about: &About) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "plumb bench: readers of packets on " (about.host) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Readers of packets at the same offered load" }
                p { "plumb " (about.version) " on " (about.host) ", Linux " (about.kernel) ", " (about.time) }
                @for warning in &result.warnings { p.warning { strong { "Doubtful: " } (warning) "." } }
                (legend(result))
                div.charts { @for one in charts(result) { (chart(&one)) } }
                @for rows in result.rows.chunk_by(|one, other| one.asked_per_s == other.asked_per_s) { (rate(rows)) }
                (lines(&result.fits))
                h2 { "How it was measured" }
                ul { @for sentence in about.method() { li { (sentence) } } }
                h2 { "Machine and settings" }
                dl { @for (name, value) in about.facts() { dt { (name) } dd { (value) } } }
                details { summary { "Every column of every row" } (whole(&result.rows)) (whole(&result.fits)) }
            }
        }
    }
}

/// Readers in the order of their rows.
fn readers(rows: &[ReaderBench]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| row.reader != NONE) {
        if !names.contains(&row.reader.as_str()) {
            names.push(&row.reader);
        }
    }
    names
}

fn legend(result: &Result) -> Markup {
    html! {
        ul.legend {
            @for (number, name) in readers(&result.rows).into_iter().enumerate() {
                li { span style={ "background:" (COLOURS[number % COLOURS.len()]) } {} (name) }
            }
        }
    }
}

type Three = (Option<f64>, Option<f64>, Option<f64>);

/// Each reader's figures over the rate.
fn series(rows: &[ReaderBench], of: impl Fn(&ReaderBench) -> Three) -> Vec<Series> {
    let one = |(colour, name): (usize, &str)| {
        let points = rows.iter().filter(|row| row.reader == name).filter_map(|row| {
            let (y, min, max) = of(row);
            Some(Point { x: row.offered_per_s, y: y?, min: min?, max: max? })
        });
        let mut points: Vec<Point> = points.collect();
        points.sort_by(|one, other| one.x.total_cmp(&other.x));
        Series { name: name.to_owned(), colour, points, fitted: false }
    };
    readers(rows).into_iter().enumerate().map(one).collect()
}

/// The lines of the fit, from the lowest rate to the highest.
fn fitted(result: &Result, of: &str) -> Vec<Series> {
    let rates = || result.rows.iter().map(|row| row.offered_per_s);
    let (least, most) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
    let names = readers(&result.rows);
    let line = |fit: &ReaderFit| {
        let point = |step: u32| {
            let x = least * (most / least).powf(f64::from(step) / 40.0);
            let y = fit.fixed_share + fit.ns_per_packet * 1e-9 * x;
            Point { x, y, min: y, max: y }
        };
        let colour = names.iter().position(|name| *name == fit.reader)?;
        Some(Series { name: fit.reader.clone(), colour, points: (0..=40).map(point).collect(), fitted: true })
    };
    result.fits.iter().filter(|fit| fit.of == of).filter_map(line).collect()
}

#[allow(clippy::cast_precision_loss, reason = "places on a chart")]
fn charts(result: &Result) -> Vec<Chart> {
    let rows = &result.rows;
    let chart = |title, scale, show, series| Chart { title, scale, show, series };
    let time = |ns: f64| units::duration(ns as u64);
    let real = |values: [Option<u64>; 3]| {
        let [middle, min, max] = values.map(|value| value.map(|value| value as f64));
        (middle, min, max)
    };
    let mut process =
        series(rows, |row| (row.process_cpu_share, row.process_cpu_share_min, row.process_cpu_share_max));
    process.extend(fitted(result, "process"));
    let machine = |row: &ReaderBench| {
        let share = |each: Option<f64>| each.map(|each| each * 1e-9 * row.offered_per_s);
        (
            share(row.machine_cpu_ns_per_packet),
            share(row.machine_cpu_ns_per_packet_min),
            share(row.machine_cpu_ns_per_packet_max),
        )
    };
    let lost = |row: &ReaderBench| (row.lost_share, row.lost_share, row.lost_share_max);
    let ratio = |row: &ReaderBench| {
        (row.process_cpu_of_baseline, row.process_cpu_of_baseline_min, row.process_cpu_of_baseline_max)
    };
    vec![
        chart("CPU of the reader's process (thin: the fitted line)", Scale::Log, text::share, process),
        chart("CPU of the whole machine over no reader", Scale::Linear, text::share, series(rows, machine)),
        chart("Packets lost", Scale::Linear, text::share, series(rows, lost)),
        chart("Process CPU as a share of recv()'s", Scale::Log, text::ratio, series(rows, ratio)),
        chart(
            "Delay, median",
            Scale::Log,
            time,
            series(rows, |row| real([row.delay_p50_ns, row.delay_p50_ns_min, row.delay_p50_ns_max])),
        ),
        chart(
            "Delay, 99th percentile",
            Scale::Log,
            time,
            series(rows, |row| real([row.delay_p99_ns, row.delay_p99_ns_min, row.delay_p99_ns_max])),
        ),
        chart(
            "Delay, 99.9th percentile",
            Scale::Log,
            time,
            series(rows, |row| real([row.delay_p999_ns, row.delay_p999_ns_min, row.delay_p999_ns_max])),
        ),
    ]
}

fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr { @for head in heads { th { (head) } } } }
                tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
            }
        }
    }
}

fn rate(rows: &[ReaderBench]) -> Markup {
    let heads: Vec<&str> = std::iter::once("reader").chain(text::HEADS).chain(["totals"]).collect();
    html! {
        h2 { (text::heading(rows)) }
        (table(&heads, rows.iter().map(text::cells)))
    }
}

fn lines(fits: &[ReaderFit]) -> Markup {
    let heads: Vec<&str> = ["reader", "CPU of"].into_iter().chain(text::LINE_HEADS).collect();
    html! {
        @if !fits.is_empty() {
            h2 { (text::LINES) }
            (table(&heads, fits.iter().map(text::line_cells)))
        }
    }
}

/// All columns, as they are in JSON.
fn whole<R: Row>(rows: &[R]) -> Markup {
    let heads: Vec<&str> =
        rows.first().map_or(&[][..], Row::columns).iter().map(|column| column.name).collect();
    let cells = |row: &R| {
        let mut cells = Vec::new();
        row.walk(&mut |_, value| cells.push(shown(value)));
        cells
    };
    table(&heads, rows.iter().map(cells))
}

fn shown(value: Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Number(number) => number.to_string(),
        Value::Signed(number) => number.to_string(),
        Value::Real(number) => format!("{number:.6}"),
        Value::Bool(truth) => truth.to_string(),
        Value::Text(text) => text.to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests;
