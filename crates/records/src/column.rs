//! A column is declared once; schema, JSON, CSV, text and later formats are derived from it.
//!
//! A record type is written with [`record!`](crate::record): every field carries its kind and its help text,
//! and the macro yields the struct, the table of [`Column`]s and the [`Row`] walk. A sink knows only `Row`.

use std::net::IpAddr;

/// What a column holds. The kind fixes its unit: see [`Kind::unit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nanoseconds since the Unix epoch in memory, RFC 3339 UTC with nanoseconds in text formats.
    Time,
    /// A duration in nanoseconds.
    Nanoseconds,
    /// A duration in microseconds.
    Microseconds,
    /// A size or a sum of sizes in bytes.
    Bytes,
    /// A count of packets, events or records.
    Count,
    /// A number that identifies something (an inode, an index, a port): never summed or scaled.
    Id,
    /// A rate per second.
    Rate,
    /// A number with a fraction: a mean, a deviation, a share. Its unit, if any, is in its name.
    Real,
    /// A name or a short text.
    Text,
    /// True or false.
    Bool,
    /// An IPv4 or IPv6 address in canonical text.
    Address,
    /// A list of texts.
    Texts,
    /// A list of signed integers.
    Integers,
    /// An object of names and texts.
    Map,
    /// Where something was and when, in order: a list of objects with `name` and `at_ns`.
    Stamps,
}

impl Kind {
    /// The unit as it is written in schemas; empty where there is none.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Time => "RFC 3339 UTC",
            Self::Nanoseconds => "ns",
            Self::Microseconds => "us",
            Self::Bytes => "bytes",
            Self::Count => "count",
            Self::Rate => "per second",
            Self::Stamps => "ns",
            Self::Id
            | Self::Real
            | Self::Text
            | Self::Bool
            | Self::Address
            | Self::Texts
            | Self::Integers
            | Self::Map => "",
        }
    }
}

/// One column of a record kind.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in every format: snake_case, with the unit as suffix where the contract asks for one.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// One sentence: meaning, source, and when it is null.
    pub help: &'static str,
}

/// One cell, borrowed from its record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Unknown or not applicable; never zero in disguise.
    Null,
    /// Truth.
    Bool(bool),
    /// Any unsigned number; the column's kind says what it counts.
    Number(u64),
    /// A signed number (a clock offset).
    Signed(i64),
    /// A rate or another number with a fraction. What is not finite is null in every output.
    Real(f64),
    /// A name.
    Text(&'a str),
    /// Nanoseconds since the Unix epoch.
    Time(u64),
    /// An address.
    Address(IpAddr),
    /// Several names.
    Texts(&'a [String]),
    /// Several integers.
    Integers(&'a [i64]),
    /// Names and their texts.
    Map(&'a [(String, String)]),
    /// Places and nanoseconds.
    Stamps(&'a [(&'static str, u64)]),
}

/// Which of a record's columns a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown([u64; Self::MOST / 64]);

impl Shown {
    /// The most columns that a record may have.
    pub const MOST: usize = 256;
    /// Every column.
    pub const ALL: Self = Self([u64::MAX; Self::MOST / 64]);
    /// No column.
    pub const NONE: Self = Self([0; Self::MOST / 64]);

    /// Column `index` alone.
    pub const fn only(index: usize) -> Self {
        Self::NONE.with(index)
    }

    /// These and column `index`; one beyond the most adds nothing.
    pub const fn with(mut self, index: usize) -> Self {
        if index < Self::MOST {
            self.0[index / 64] |= 1 << (index % 64);
        }
        self
    }

    /// Whether column `index` is shown.
    pub const fn has(self, index: usize) -> bool {
        index < Self::MOST && self.0[index / 64] >> (index % 64) & 1 == 1
    }

    /// The columns of `columns` whose name `keep` accepts.
    pub fn pick(columns: &[Column], keep: impl Fn(&str) -> bool) -> Self {
        let kept = columns.iter().enumerate().filter(|(_, column)| keep(column.name));
        kept.fold(Self::NONE, |shown, (index, _)| shown.with(index))
    }
}

/// Bytes of a packet that travel with a record, for formats that store packets.
#[derive(Clone, Copy, Debug)]
pub struct Capture<'a> {
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
    /// Name of the interface, where known.
    pub interface: Option<&'a str>,
    /// Inode of the namespace of the interface: interfaces of one name in two namespaces are two interfaces.
    pub netns: Option<u64>,
    /// Its cookie, which tells it from an earlier one with the same inode.
    pub netns_cookie: Option<u64>,
    /// What the bytes begin with.
    pub link: Link,
    /// Length of the whole packet; `bytes` may be shorter.
    pub length: u32,
    /// The first bytes.
    pub bytes: &'a [u8],
}

/// What captured bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// An Ethernet header.
    Ethernet,
    /// An IPv4 or IPv6 header.
    Ip,
}

/// A record as a sink sees it.
pub trait Row {
    /// The value of the `record` field.
    fn record(&self) -> &'static str;
    /// All columns of this kind, in output order.
    fn columns(&self) -> &'static [Column];
    /// Which of them this row shows.
    fn shown(&self) -> Shown {
        Shown::ALL
    }
    /// Calls `cell` for every shown column, in order, with its index.
    fn walk(&self, cell: &mut dyn FnMut(usize, Value<'_>));
    /// The packet bytes that belong to this record, if any were captured.
    fn capture(&self) -> Option<Capture<'_>> {
        None
    }
}

/// How a field becomes a cell.
pub trait Cell {
    /// The cell, borrowed.
    fn cell(&self) -> Value<'_>;
}

macro_rules! number_cells {
    ($($from:ty),*) => { $(impl Cell for $from {
        fn cell(&self) -> Value<'_> {
            Value::Number(u64::from(*self))
        }
    })* };
}
number_cells!(u8, u16, u32, u64);

impl Cell for i64 {
    fn cell(&self) -> Value<'_> {
        Value::Signed(*self)
    }
}

impl Cell for bool {
    fn cell(&self) -> Value<'_> {
        Value::Bool(*self)
    }
}

impl Cell for f64 {
    fn cell(&self) -> Value<'_> {
        if self.is_finite() { Value::Real(*self) } else { Value::Null }
    }
}

impl Cell for &str {
    fn cell(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Cell for String {
    fn cell(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Cell for IpAddr {
    fn cell(&self) -> Value<'_> {
        Value::Address(*self)
    }
}

impl Cell for Vec<String> {
    fn cell(&self) -> Value<'_> {
        Value::Texts(self)
    }
}

impl Cell for Vec<i64> {
    fn cell(&self) -> Value<'_> {
        Value::Integers(self)
    }
}

impl Cell for &[i64] {
    fn cell(&self) -> Value<'_> {
        Value::Integers(self)
    }
}

impl Cell for Vec<(String, String)> {
    fn cell(&self) -> Value<'_> {
        Value::Map(self)
    }
}

impl Cell for &[(&'static str, u64)] {
    fn cell(&self) -> Value<'_> {
        Value::Stamps(self)
    }
}

/// A moment: nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl Cell for Time {
    fn cell(&self) -> Value<'_> {
        Value::Time(self.0)
    }
}

impl<T: Cell> Cell for Option<T> {
    fn cell(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Cell::cell)
    }
}

/// Declares a record: `record! { /// docs  pub struct Name<'a> = "kind" { field: Type as Kind, "help"; ... } }`.
///
/// Yields the struct with its public fields, `Name::COLUMNS`, `Name::RECORD` and `Name::cells`, the walk over the
/// columns that a `Shown` selects. `Row` is implemented by the type itself, so that it can add `shown` or `capture`.
#[macro_export]
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident $(<$life:lifetime>)? = $record:literal {
        $($field:ident : $type:ty as $kind:ident, $help:literal;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub struct $name $(<$life>)? {
            $(#[doc = $help] pub $field: $type,)*
        }

        impl $(<$life>)? $name $(<$life>)? {
            /// The value of the `record` field.
            pub const RECORD: &'static str = $record;
            /// The columns, in output order.
            pub const COLUMNS: &'static [$crate::column::Column] = &[
                $($crate::column::Column {
                    name: stringify!($field),
                    kind: $crate::column::Kind::$kind,
                    help: $help,
                },)*
            ];

            /// Calls `cell` for every column that `shown` selects, in order.
            pub fn cells(
                &self,
                shown: $crate::column::Shown,
                cell: &mut dyn FnMut(usize, $crate::column::Value<'_>),
            ) {
                const { assert!(Self::COLUMNS.len() <= $crate::column::Shown::MOST) };
                let mut index = 0;
                $(
                    if shown.has(index) {
                        cell(index, $crate::column::Cell::cell(&self.$field));
                    }
                    index += 1;
                )*
                let _ = index;
            }
        }
    };
}

/// Implements [`Row`] for records that show every column and carry no packet bytes.
#[macro_export]
macro_rules! plain_row {
    ($($name:ty),*) => { $(impl $crate::column::Row for $name {
        fn record(&self) -> &'static str {
            Self::RECORD
        }
        fn columns(&self) -> &'static [$crate::column::Column] {
            Self::COLUMNS
        }
        fn walk(&self, cell: &mut dyn FnMut(usize, $crate::column::Value<'_>)) {
            self.cells($crate::column::Shown::ALL, cell);
        }
    })* };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_shown_or_not_on_its_own() {
        for index in 0..Shown::MOST {
            let shown: Vec<usize> = (0..Shown::MOST).filter(|other| Shown::only(index).has(*other)).collect();
            assert_eq!(shown, [index]);
            assert!(Shown::ALL.has(index) && !Shown::NONE.has(index));
        }
        assert!(!Shown::ALL.has(Shown::MOST));
        assert_eq!(Shown::NONE.with(Shown::MOST), Shown::NONE);
    }

    #[test]
    fn what_is_not_finite_is_null() {
        assert_eq!(
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|real| real.cell() == Value::Null),
            [true; 3]
        );
        assert_eq!(Some(0.5).cell(), Value::Real(0.5));
    }
}
