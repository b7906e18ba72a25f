//! Columns of flows as data: a name, a kind, a meaning, and the function that gives the cell.

use super::numbers::FlowNumbers;
use crate::column::{Column, Kind, Row, Shown, Value};

/// How much the kernel keeps of each flow; every level has what those before it have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Volume, flags, times.
    Basic,
    /// And lengths, gaps, activity, handshake.
    #[default]
    Stats,
    /// And histograms and the first packets one by one.
    Full,
}

/// A flow, and what its record says beside what was counted.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    /// What was counted.
    pub numbers: &'a FlowNumbers,
    /// Name of the interface.
    pub interface: Option<&'a str>,
    /// What makes a time of the packets' clock one since the Unix epoch, when added.
    pub epoch_ns: i64,
    /// One in how many flows is followed.
    pub sampling: u64,
    /// How many first packets are kept: profiles fill up to it.
    pub firsts: usize,
}

impl Flow<'_> {
    /// A time of the packets' clock as one since the Unix epoch.
    pub(super) fn epoch(&self, at_ns: u64) -> u64 {
        at_ns.saturating_add_signed(self.epoch_ns)
    }
}

/// Takes a cell.
pub(super) type Take<'a> = &'a mut dyn FnMut(Value<'_>);

/// One column and where it comes from.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) column: Column,
    /// The lowest level that has it.
    pub(super) level: Level,
    pub(super) cell: fn(&Flow<'_>, Take<'_>),
}

/// Columns of flows under one set of names: the native one or a profile.
#[derive(Clone, Copy)]
pub struct Table {
    /// The value of the `record` field.
    pub record: &'static str,
    /// The columns, in output order.
    pub columns: &'static [Column],
    /// The level that a flow must be kept at so that no column is null for want of it.
    pub level: Level,
    pub(super) groups: &'static [&'static [Field]],
}

impl Table {
    /// The columns that a flow kept at `level` can have.
    pub fn shown(&self, level: Level) -> Shown {
        let fields = self.groups.iter().copied().flatten().enumerate();
        let kept = fields.filter(|(_, field)| field.level <= level);
        kept.fold(Shown::NONE, |shown, (index, _)| shown.with(index))
    }

    /// A flow's row with the columns that `shown` selects.
    pub fn row<'a>(&self, flow: Flow<'a>, shown: Shown) -> FlowRow<'a> {
        FlowRow { flow, table: *self, shown }
    }
}

/// A flow's record.
#[derive(Clone, Copy)]
pub struct FlowRow<'a> {
    flow: Flow<'a>,
    table: Table,
    shown: Shown,
}

impl Row for FlowRow<'_> {
    fn record(&self) -> &'static str {
        self.table.record
    }

    fn columns(&self) -> &'static [Column] {
        self.table.columns
    }

    fn shown(&self) -> Shown {
        self.shown
    }

    fn walk(&self, cell: &mut dyn FnMut(usize, Value<'_>)) {
        for (index, field) in self.table.groups.iter().copied().flatten().enumerate() {
            if self.shown.has(index) {
                (field.cell)(&self.flow, &mut |value| cell(index, value));
            }
        }
    }
}

/// How many columns the groups have together.
pub(super) const fn count(groups: &[&[Field]]) -> usize {
    let (mut sum, mut group) = (0, 0);
    while group < groups.len() {
        sum += groups[group].len();
        group += 1;
    }
    assert!(sum <= Shown::MOST);
    sum
}

/// The columns of the groups, one after the other; `N` is their [`count`].
pub(super) const fn columns<const N: usize>(groups: &[&[Field]]) -> [Column; N] {
    let mut columns = [Column { name: "", kind: Kind::Count, help: "" }; N];
    let (mut index, mut group) = (0, 0);
    while group < groups.len() {
        let mut field = 0;
        while field < groups[group].len() {
            columns[index] = groups[group][field].column;
            index += 1;
            field += 1;
        }
        group += 1;
    }
    columns
}

/// `fields! { LEVEL |flow: &Flow| "name" Kind "help" => value; }`: columns one by one.
macro_rules! fields {
    ($level:ident |$flow:ident| $($name:literal $kind:ident $help:literal => $value:expr;)*) => {
        [$($crate::flow::field::Field {
            column: $crate::column::Column { name: $name, kind: $crate::column::Kind::$kind, help: $help },
            level: $crate::flow::field::Level::$level,
            cell: |$flow, take| {
                let _ = $flow;
                take($crate::column::Cell::cell(&$value))
            },
        },)*]
    };
}
pub(super) use fields;

/// The same per direction: each line gives `fwd_NAME` and `bwd_NAME` of one direction's [`Scope`](super::scope::Scope); with
/// `scopes! { all LEVEL ...}` also NAME of both directions together, first; `scopes! { "PREFIX" forward LEVEL ...}` gives one
/// direction's alone, under that prefix.
macro_rules! scopes {
    (all $level:ident |$scope:ident| $($name:literal $kind:ident $help:literal => $value:expr;)*) => {
        [$(
            scopes!(@ $level $scope both concat!($name), concat!($help, "; both directions"), $kind, $value),
            scopes!(@ $level $scope forward concat!("fwd_", $name), concat!($help, "; forward"), $kind, $value),
            scopes!(@ $level $scope backward concat!("bwd_", $name), concat!($help, "; backward"), $kind, $value),
        )*]
    };
    ($level:ident |$scope:ident| $($name:literal $kind:ident $help:literal => $value:expr;)*) => {
        [$(
            scopes!(@ $level $scope forward concat!("fwd_", $name), concat!($help, "; forward"), $kind, $value),
            scopes!(@ $level $scope backward concat!("bwd_", $name), concat!($help, "; backward"), $kind, $value),
        )*]
    };
    ($prefix:literal $which:ident $level:ident |$scope:ident| $($name:literal $kind:ident $help:literal => $value:expr;)*) => {
        [$(scopes!(@ $level $scope $which concat!($prefix, $name), $help, $kind, $value),)*]
    };
    (@ $level:ident $scope:ident $which:ident $name:expr, $help:expr, $kind:ident, $value:expr) => {
        $crate::flow::field::Field {
            column: $crate::column::Column { name: $name, kind: $crate::column::Kind::$kind, help: $help },
            level: $crate::flow::field::Level::$level,
            cell: |flow, take| {
                let $scope = $crate::flow::scope::Scope::$which(flow.numbers);
                take($crate::column::Cell::cell(&$value))
            },
        }
    };
}
pub(super) use scopes;

/// `table!(NAME "record" level, [groups])`: a static [`Table`], so that its columns have one address.
macro_rules! table {
    ($(#[$meta:meta])* $name:ident, $record:literal, $level:ident, $groups:expr) => {
        $(#[$meta])*
        pub static $name: $crate::flow::field::Table = {
            const GROUPS: &[&[$crate::flow::field::Field]] = $groups;
            const COLUMNS: [$crate::column::Column; $crate::flow::field::count(GROUPS)] =
                $crate::flow::field::columns(GROUPS);
            $crate::flow::field::Table {
                record: $record,
                columns: &COLUMNS,
                level: $crate::flow::field::Level::$level,
                groups: GROUPS,
            }
        };
    };
}
pub(super) use table;
