//! The distribution of each stage's times, in powers of two, for people.

use super::table;
use plumb_kernel::probes::latency::Stage;
use plumb_sinks::text::table::{Cell, Head, Table};
use plumb_sinks::text::{Ink, Style, units};

/// Characters of the longest bar.
const BAR: u64 = 40;

/// A table for each stage within `width`. Ranges without packets between others are told too.
pub fn render(stages: &[Stage], style: Style, width: Option<usize>) -> String {
    let mut out = String::new();
    for stage in stages {
        let ranges = stage.times.doublings();
        let most = ranges.iter().map(|range| range.count).max().unwrap_or(0);
        if most == 0 {
            continue;
        }
        let label = table::label(stage, style);
        out.push('\n');
        style.paint(&mut out, &format!("{}, {label}", table::name(stage.direction)), Ink::Strong);
        out.push('\n');
        let numbers = ["from", "to less than", "packets", "share"].map(Head::number);
        let heads: Vec<Head> = numbers.into_iter().chain([Head::text("")]).collect();
        let (mut rows, all) = (Table::new(heads), stage.times.count());
        for range in &ranges {
            let end = range.end.map_or_else(String::new, units::duration);
            let cells: [Cell; 5] = [
                units::duration(range.start).into(),
                end.into(),
                units::count(range.count).into(),
                units::percent(range.count, all).into(),
                table::blocks(range.count, most, BAR, style).into(),
            ];
            rows.row(cells);
        }
        out.push_str(&rows.render(width, style));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_kernel::probes::latency::{Direction, Hook};
    use plumb_records::histogram::Histogram;

    fn stage(ends: Option<(Hook, Hook)>, values: &[(u64, u64)]) -> Stage {
        let mut times = Histogram::default();
        values.iter().for_each(|(value, count)| times.add_times(*value, *count));
        Stage { group: None, direction: Direction::Receive, ends, times }
    }

    #[test]
    fn ranges_of_powers_of_two() {
        let stages = [
            stage(Some((Hook::Driver, Hook::Receive)), &[(1000, 30), (1023, 10), (1024, 5), (5000, 5)]),
            stage(Some((Hook::Receive, Hook::Socket)), &[]),
            stage(None, &[(0, 1), (1 << 40, 1)]),
        ];
        let expected = "
received, driver -> receive
  from  to less than  packets  share
512 ns        1.0 us       40  80.0%  ########################################
1.0 us        2.0 us        5  10.0%  #####
2.0 us        4.1 us        0     0%
4.1 us        8.2 us        5  10.0%  #####
";
        let text = render(&stages, Style { colour: false, unicode: false }, None);
        assert_eq!(text.split("\nreceived, total").next(), Some(expected));
        let whole: Vec<&str> = text.lines().skip_while(|line| *line != "received, total").collect();
        assert!(whole[2].trim_start().starts_with("0 ns") && whole[2].contains("50.0%"), "{text}");
        let last = whole[whole.len() - 1];
        assert!(last.starts_with("1 min 9 s  ") && last.contains("50.0%"), "{text}");
        assert_eq!(render(&stages[1..2], Style { colour: false, unicode: false }, None), "");
    }
}
