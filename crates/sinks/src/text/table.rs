//! Aligned tables that fit the terminal.

use super::{Ink, Style};
use plumb_records::column::{Column, Kind};
use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns stand this far apart.
const GAP: usize = 2;
/// A flexible column is not made narrower than this, unless it says so, nor than its title.
const NARROW: usize = 8;

/// On which side the cells of a column are filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// The head of a column.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its title.
    pub title: Cow<'static, str>,
    /// How its cells are aligned.
    pub align: Align,
    /// Whether its cells may be cut to fit the terminal.
    pub flexible: bool,
    /// What is left of them at least.
    least: usize,
    /// Of columns that do not fit together, those of the lowest worth are left out first.
    worth: u8,
}

impl Head {
    /// A column of short texts.
    pub const fn text(title: &'static str) -> Self {
        Self::new(Cow::Borrowed(title), Align::Left, false)
    }

    /// A column of texts that may be cut.
    pub const fn flexible(title: &'static str) -> Self {
        Self::new(Cow::Borrowed(title), Align::Left, true)
    }

    /// A column of numbers.
    pub const fn number(title: &'static str) -> Self {
        Self::new(Cow::Borrowed(title), Align::Right, false)
    }

    const fn new(title: Cow<'static, str>, align: Align, flexible: bool) -> Self {
        Self { title, align, flexible, least: NARROW, worth: 0 }
    }

    /// The same, cut to no less than so many characters.
    #[must_use]
    pub fn least(self, least: usize) -> Self {
        Self { least, ..self }
    }

    /// The same, left out after those of lower worth; the others have 0.
    #[must_use]
    pub fn worth(self, worth: u8) -> Self {
        Self { worth, ..self }
    }

    /// The head for a record's column: its name, less the unit, which the cells have.
    pub fn of(column: &Column) -> Self {
        let name = column.name;
        let unit = match column.kind {
            Kind::Bytes => "_bytes",
            Kind::Nanoseconds => "_ns",
            Kind::Microseconds => "_us",
            // Cells without a unit leave it in the name.
            _ => "",
        };
        let title = name.strip_suffix(unit).unwrap_or(name);
        let title = match title.strip_suffix("_per_s") {
            Some(counted) => Cow::Owned(format!("{counted}/s")),
            None => Cow::Borrowed(title),
        };
        let (align, flexible) = match column.kind {
            Kind::Nanoseconds
            | Kind::Microseconds
            | Kind::Bytes
            | Kind::Count
            | Kind::Id
            | Kind::Rate
            | Kind::Real => (Align::Right, false),
            Kind::Text | Kind::Texts | Kind::Integers | Kind::Map | Kind::Stamps => (Align::Left, true),
            Kind::Time | Kind::Bool | Kind::Address => (Align::Left, false),
        };
        Self::new(title, align, flexible)
    }
}

/// A cell. Its text has no control characters: see [`super::human`].
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    ink: Ink,
}

impl Cell {
    /// A cell that stands out.
    pub fn new(text: impl Into<String>, ink: Ink) -> Self {
        Self { text: text.into(), ink }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text, Ink::Plain)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text, Ink::Plain)
    }
}

/// Rows below heads.
#[derive(Clone, Debug)]
pub struct Table {
    heads: Vec<Head>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(heads: impl Into<Vec<Head>>) -> Self {
        Self { heads: heads.into(), rows: Vec::new() }
    }

    /// Adds a row; cells that it lacks are empty, cells without a head are not shown.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The table in lines of at most `width` characters, where a width is given.
    ///
    /// Flexible columns are cut first, the widest of them most; where that is not enough, columns are left out, those
    /// of the lowest worth first and among equals the one on the right.
    pub fn render(&self, width: Option<usize>, style: Style) -> String {
        self.render_columns(&self.fit(width.unwrap_or(usize::MAX)), style)
    }

    /// The same, and the titles of the columns that are left out.
    pub fn render_telling(&self, width: Option<usize>, style: Style) -> (String, Vec<&str>) {
        let columns = self.fit(width.unwrap_or(usize::MAX));
        let shown = |index: &usize| columns.iter().any(|(shown, _)| shown == index);
        let left_out = (0..self.heads.len()).filter(|index| !shown(index));
        (self.render_columns(&columns, style), left_out.map(|index| &*self.heads[index].title).collect())
    }

    fn render_columns(&self, columns: &[(usize, usize)], style: Style) -> String {
        let mut out = String::new();
        let titles: Vec<Cell> = self.heads.iter().map(|head| Cell::new(&*head.title, Ink::Strong)).collect();
        for row in std::iter::once(&titles).chain(&self.rows) {
            self.line(&mut out, row, columns, style);
        }
        out
    }

    /// `columns`: which, and how wide.
    fn line(&self, out: &mut String, row: &[Cell], columns: &[(usize, usize)], style: Style) {
        // Blanks are owed until something follows: no line ends in them.
        let mut owed = 0;
        for &(index, width) in columns {
            let Some(cell) = row.get(index) else { continue };
            let text = cut(&cell.text, width, style);
            let blank = width.saturating_sub(text.width());
            let right = self.heads[index].align == Align::Right;
            let (before, after) = if right { (blank, 0) } else { (0, blank) };
            owed += before;
            if !text.is_empty() {
                out.extend(std::iter::repeat_n(' ', owed));
                style.paint(out, &text, cell.ink);
                owed = 0;
            }
            owed += after + GAP;
        }
        out.push('\n');
    }

    /// The columns that fit, with their widths.
    fn fit(&self, most: usize) -> Vec<(usize, usize)> {
        let widest = |index: usize| {
            let cells = self.rows.iter().filter_map(move |row| row.get(index));
            cells.map(|cell| cell.text.width()).fold(self.heads[index].title.width(), usize::max)
        };
        let mut columns: Vec<(usize, usize)> =
            (0..self.heads.len()).map(|index| (index, widest(index))).collect();
        loop {
            let mut fitting = columns.clone();
            self.narrow(&mut fitting, most);
            if total(&fitting) <= most {
                return fitting;
            }
            if let [(index, _)] = columns[..] {
                return vec![(index, most)];
            }
            // The last of those that are worth least.
            let worth = |position: &usize| self.heads[columns[*position].0].worth;
            let Some(least) = (0..columns.len()).rev().min_by_key(worth) else { return columns };
            columns.remove(least);
        }
    }

    /// Cuts flexible columns until all fit, or no more can be cut.
    fn narrow(&self, columns: &mut [(usize, usize)], most: usize) {
        while total(columns) > most {
            let flexible = columns.iter_mut().filter(|(index, width)| {
                let head = &self.heads[*index];
                head.flexible && *width > head.title.width().max(head.least)
            });
            match flexible.max_by_key(|(_, width)| *width) {
                Some((_, width)) => *width -= 1,
                None => break,
            }
        }
    }
}

fn total(columns: &[(usize, usize)]) -> usize {
    columns.iter().map(|(_, width)| width).sum::<usize>() + GAP * columns.len().saturating_sub(1)
}

/// At most `width` columns of the text, with an ellipsis where it is cut.
fn cut(text: &str, width: usize, style: Style) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let ellipsis = if style.unicode { '…' } else { '~' };
    let mut left = width.saturating_sub(1);
    let kept = text.chars().take_while(|letter| {
        let wide = letter.width().unwrap_or(0);
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    });
    Cow::Owned(kept.chain((width > 0).then_some(ellipsis)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Sample;
    use proptest::prelude::*;

    const UNICODE: Style = Style { colour: false, unicode: true };

    fn drops() -> Table {
        let heads = [
            Head::text("reason"),
            Head::flexible("location"),
            Head::number("packets"),
            Head::text("history"),
        ];
        let mut table = Table::new(heads);
        table.row(["NO_SOCKET", "__udp4_lib_rcv+0x6f9", "1,234", "▁█"]);
        table.row(["NETFILTER_DROP", "nft_do_chain+0x3f1 [nf_tables]", "9", ""]);
        table
    }

    #[test]
    fn aligned() {
        let expected = "\
reason          location                        packets  history
NO_SOCKET       __udp4_lib_rcv+0x6f9              1,234  ▁█
NETFILTER_DROP  nft_do_chain+0x3f1 [nf_tables]        9
";
        assert_eq!(drops().render(None, UNICODE), expected);
        assert_eq!(drops().render(Some(64), UNICODE), expected);
    }

    #[test]
    fn cut_to_the_terminal() {
        let expected = "\
reason          location             packets  history
NO_SOCKET       __udp4_lib_rcv+0x6…    1,234  ▁█
NETFILTER_DROP  nft_do_chain+0x3f1…        9
";
        assert_eq!(drops().render(Some(53), UNICODE), expected);
        let narrow = "\
reason          location
NO_SOCKET       __udp4_lib_rc~
NETFILTER_DROP  nft_do_chain+~
";
        assert_eq!(drops().render(Some(30), Style::default()), narrow, "columns on the right are left out");
        assert_eq!(drops().render(Some(4), Style::default()), "rea~\nNO_~\nNET~\n");
    }

    #[test]
    fn the_widest_is_cut_most() {
        let mut table = Table::new([Head::flexible("a"), Head::flexible("b"), Head::number("c")]);
        table.row(["0123456789", "0123456789abcdef", "1"]);
        assert_eq!(table.render(Some(25), UNICODE).lines().last(), Some("0123456789  012345678…  1"));
        assert_eq!(table.render(Some(23), UNICODE).lines().last(), Some("01234567…  01234567…  1"));
    }

    #[test]
    fn what_is_worth_least_gives_way_before_the_rest_is_cut_short() {
        let heads = [
            Head::flexible("location").least(12).worth(2),
            Head::number("share"),
            Head::text("netns").worth(1),
            Head::text("history"),
        ];
        let mut table = Table::new(heads);
        table.row(["__udp4_lib_rcv+0x6f9", "12.5%", "blue", "▁█"]);
        let last = |width| table.render(Some(width), UNICODE).lines().last().unwrap().to_owned();
        assert_eq!(last(43), "__udp4_lib_rcv+0x6f9  12.5%  blue   ▁█");
        assert_eq!(last(35), "__udp4_lib_…  12.5%  blue   ▁█");
        assert_eq!(last(34), "__udp4_lib_rcv+0x6f9  12.5%  blue");
        assert_eq!(last(25), "__udp4_lib_rcv+0x…  blue");
        assert_eq!(last(18), "__udp4_lib_rcv+0x…");
        assert_eq!(last(3), "__…");
    }

    #[test]
    fn no_rows_and_ragged_rows() {
        let mut table = Table::new([Head::text("a"), Head::number("b")]);
        assert_eq!(table.render(None, UNICODE), "a  b\n");
        table.row(["x"]);
        table.row(["", "22", "beyond"]);
        assert_eq!(table.render(None, UNICODE), "a   b\nx\n   22\n");
        assert_eq!(Table::new([]).render(None, UNICODE), "\n");
    }

    #[test]
    fn colour_changes_no_width() {
        let mut table = Table::new([Head::text("a"), Head::number("b")]);
        table.row([Cell::new("x", Ink::Bad), Cell::from("1")]);
        let style = Style { colour: true, unicode: false };
        let expected = "\x1b[1ma\x1b[0m  \x1b[1mb\x1b[0m\n\x1b[31mx\x1b[0m  1\n";
        assert_eq!(table.render(Some(4), style), expected);
    }

    #[test]
    fn heads_of_columns() {
        let heads: Vec<Head> = Sample::COLUMNS.iter().map(Head::of).collect();
        let titles: Vec<&str> = heads.iter().map(|head| &*head.title).collect();
        let expected = [
            "time",
            "name",
            "address",
            "port",
            "packets",
            "size",
            "took",
            "offset",
            "packets/s",
            "flag",
            "stack",
            "gaps_us",
            "span",
            "mean",
            "hooks",
        ];
        assert_eq!(titles, expected);
        assert_eq!([heads[1].align, heads[4].align], [Align::Left, Align::Right]);
        assert!(heads[1].flexible && !heads[2].flexible);
    }

    proptest! {
        #[test]
        fn never_wider(
            cells in proptest::collection::vec("[a-z0-9漢é ]{0,30}", 0..40),
            flexible in proptest::collection::vec(any::<bool>(), 1..8),
            width in 1..100usize,
        ) {
            let head = |flexible: &bool| if *flexible { Head::flexible("title") } else { Head::number("title") };
            let mut table = Table::new(flexible.iter().map(head).collect::<Vec<_>>());
            for row in cells.chunks(flexible.len()) {
                table.row(row.iter().map(String::as_str));
            }
            for line in table.render(Some(width), UNICODE).lines() {
                prop_assert!(line.width() <= width, "{:?}", line);
            }
        }
    }
}
