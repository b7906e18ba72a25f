//! What the rows of all benches have in common: figures over repeats, and how they are written.

use crate::args::Report;
use crate::failure::{Exit, Failure, Outcome};
use crate::text::{style, width};
use plumb_records::column::Row;
use plumb_sinks::Encode as _;
use plumb_sinks::json::Json;
use plumb_sinks::text::table::{Head, Table};
use std::io::IsTerminal;

/// What several runs come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Middle {
    /// The median.
    pub middle: f64,
    pub min: f64,
    pub max: f64,
}

impl Middle {
    /// Of these values, those that are no number left out; `None` where there are none.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let half = values.len() / 2;
        let upper = *values.get(half)?;
        let odd = values.len() % 2 == 1;
        let middle = if odd { upper } else { f64::midpoint(*values.get(half.checked_sub(1)?)?, upper) };
        Some(Self { middle, min: *values.first()?, max: *values.last()? })
    }

    /// Median, smallest and largest.
    pub fn three(self) -> (f64, f64, f64) {
        (self.middle, self.min, self.max)
    }

    /// The same of what may be unknown.
    pub fn split(known: Option<Self>) -> (Option<f64>, Option<f64>, Option<f64>) {
        (known.map(|values| values.middle), known.map(|values| values.min), known.map(|values| values.max))
    }
}

/// The median alone.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    Middle::of(values).map(|values| values.middle)
}

/// One line per record.
pub fn json<R: Row>(records: &[R]) -> Outcome<String> {
    let mut encoder = Json::default();
    let mut bytes = Vec::new();
    for record in records {
        encoder.encode(record, &mut bytes);
    }
    String::from_utf8(bytes).map_err(|error| Failure::failed("cannot write the bench's rows").because(error))
}

/// Writes rows as they were asked for.
pub fn write<R: Row>(format: Report, records: &[R], text: impl FnOnce(&[R]) -> String) -> Outcome<Exit> {
    match format {
        Report::Text => crate::commands::print(&text(records)),
        Report::Json => crate::commands::print(&json(records)?),
    }
}

/// A table for people: names first, figures after them.
pub fn table(
    names: &[&'static str],
    figures: &[&'static str],
    rows: impl Iterator<Item = Vec<String>>,
) -> String {
    let names = names.iter().copied().map(Head::text);
    let heads: Vec<Head> = names.chain(figures.iter().copied().map(Head::number)).collect();
    let mut table = Table::new(heads);
    rows.for_each(|row| table.row(row));
    table.render(width(), style(std::io::stdout().is_terminal()))
}

/// `-` is what is not known.
pub fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

#[cfg(test)]
mod tests {
    use super::{Middle, median};

    #[test]
    fn the_median_of_an_even_number_is_between() {
        assert_eq!(Middle::of([].into_iter()), None);
        assert_eq!(median([3.0].into_iter()), Some(3.0));
        let four = Middle::of([9.0, 1.0, f64::NAN, 4.0, 2.0].into_iter());
        assert_eq!(four, Some(Middle { middle: 3.0, min: 1.0, max: 9.0 }));
    }
}
