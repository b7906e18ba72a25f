//! One packet's way for people: a line about the packet, then one for each hook.

use plumb_records::latency::Journey;
use plumb_sinks::text::events::Part;
use plumb_sinks::text::{Style, units};

/// The line about the packet.
pub const HEAD: [Part; 9] = [
    Part::Plain("time"),
    Part::Strong("direction"),
    Part::Flow(""),
    Part::Plain("length_bytes"),
    Part::Strong("ended"),
    Part::Plain("reason"),
    Part::Named("total_ns"),
    Part::Named("pid"),
    Part::Plain("comm"),
];

/// Characters of the whole way at most, of what is before it in a line, and of a way that is too short to show anything.
const WIDTH: usize = 40;
const BEFORE: usize = 37;
const LEAST: usize = 8;

/// A line for each hook: when the packet came there, how long that took, and where in the whole way that lies, as far as
/// `columns` have room for it.
pub fn stages(out: &mut String, journey: &Journey<'_>, style: Style, columns: Option<usize>) {
    let room = columns.map_or(WIDTH, |columns| columns.saturating_sub(BEFORE).min(WIDTH));
    let room = if room < LEAST { 0 } else { room as u64 };
    let block = if style.unicode { "█" } else { "#" };
    let place =
        |at: u64| usize::try_from(u128::from(at) * u128::from(room) / u128::from(journey.total_ns.max(1)));
    let mut before = 0;
    for (name, at) in journey.stages {
        let (start, end) = (place(before).unwrap_or_default(), place(*at).unwrap_or_default());
        let bar = format!(
            "{}{}",
            " ".repeat(start),
            block.repeat((end - start.min(end)).max(usize::from(room > 0 && *at > before)))
        );
        let took = if *at > 0 { units::duration(at - before) } else { String::new() };
        let line = format!("    {name:<12}{:>9}{took:>10}  {bar}", units::duration(*at));
        out.push_str(line.trim_end());
        out.push('\n');
        before = *at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_with_a_long_stage() {
        let stages_of = [("driver", 0), ("receive", 1_000), ("readable", 2_000), ("copied", 20_000)];
        let journey = Journey { stages: &stages_of, total_ns: 20_000, ..Journey::default() };
        let mut out = String::new();
        stages(&mut out, &journey, Style { colour: false, unicode: false }, None);
        let expected = "    driver           0 ns
    receive        1.0 us    1.0 us  ##
    readable       2.0 us    1.0 us    ##
    copied        20.0 us   18.0 us      ####################################
";
        assert_eq!(out, expected);
    }

    #[test]
    fn a_narrow_terminal_has_a_shorter_way_or_none() {
        let stages_of = [("driver", 0), ("copied", 20_000), ("freed", 20_001)];
        let journey = Journey { stages: &stages_of, total_ns: 20_001, ..Journey::default() };
        for columns in [20, 40, 50, 60, 200] {
            let mut out = String::new();
            stages(&mut out, &journey, Style { colour: false, unicode: false }, Some(columns));
            let longest = out.lines().map(str::len).max();
            assert!(longest <= Some(columns.max(BEFORE)), "{columns}: {out}");
            assert_eq!(out.contains('#'), columns > 44, "{columns}: {out}");
        }
    }
}
