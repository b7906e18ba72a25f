//! A run in words for people.

use crate::screen;
use plumb_records::traffic::Traffic;
use plumb_sinks::text::units;

/// One interval.
pub fn line(row: &Traffic) -> String {
    let mut parts = vec![format!("sent {}", units::count(row.sent))];
    parts.extend(rates(row));
    parts.push(format!("errors {}", units::count(row.errors)));
    if let Some(late) = row.late_p99_ns {
        parts.push(format!("late p99 {}", units::duration(late)));
    }
    if let Some(gap) = row.gap_max_ns {
        parts.push(format!("longest gap {}", units::duration(gap)));
    }
    parts.join(", ")
}

/// A line that a terminal of so many columns shows without wrapping: its last column stays free.
pub fn short(line: &str, columns: usize) -> String {
    let mut fitting = screen::fit(line, columns.saturating_sub(1));
    fitting.truncate(fitting.trim_end().len());
    fitting
}

/// A rate that was asked for. What the usual form would round to nothing is told as it is.
pub fn rate(per_second: f64) -> String {
    if per_second < 1.0 { format!("{per_second}/s") } else { units::rate(per_second) }
}

/// Frames and bits a second, where there is a rate.
fn rates(row: &Traffic) -> Option<String> {
    let rate = row.sent_per_s?;
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    let bits = rate * row.offered_bytes as f64 * 8.0 / row.offered.max(1) as f64;
    // A rate has its prefix before the stroke: `1.2 k/s`, `950/s`.
    let bits =
        if bits < 1000.0 { format!("{bits:.0} bit/s") } else { units::rate(bits).replace("/s", "bit/s") };
    Some(format!("{}, {bits}", units::rate(rate)))
}

/// The whole run in one sentence. `captured`: the frames are those of a file, each of which was offered once.
pub fn sentence(total: &Traffic, captured: bool) -> String {
    let mut text = format!(
        "{} sent of {} offered ({}) in {} by {}",
        if total.sent == 1 { "1 packet".to_owned() } else { format!("{} packets", units::count(total.sent)) },
        units::count(total.offered),
        units::bytes(total.offered_bytes),
        units::duration(total.duration_ns),
        match total.transport {
            "live" => "live frames",
            _ => "packet sockets",
        },
    );
    if let Some(rates) = rates(total) {
        text += &format!(": {rates}");
    }
    if let Some(asked) = total.asked_per_s {
        text += &format!("; {} asked", rate(asked));
    }
    if let (Some(p50), Some(p99), Some(max)) = (total.late_p50_ns, total.late_p99_ns, total.late_max_ns) {
        let [p50, p99, max] = [p50, p99, max].map(units::duration);
        text += &format!("; late by {p50} (median), {p99} (p99), {max} at most");
    }
    match (total.errors, &total.error) {
        (0, _) => text += "; no errors",
        (errors, None) => text += &format!("; {} not taken by the interface", units::count(errors)),
        (errors, Some(error)) => text += &format!("; {} not taken: {error}", units::count(errors)),
    }
    if captured && total.errors > 0 {
        text += ", and not offered again: of the capture they are missing";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{rate, sentence, short};
    use plumb_records::traffic::Traffic;

    #[test]
    fn a_line_never_fills_its_terminal() {
        let line = "sent 1,000, 1.0 k/s, 512 kbit/s, errors 0, late p99 80.1 us, longest gap 1.1 ms";
        for columns in [20, 30, 79, 80, 81, 200] {
            let short = short(line, columns);
            assert!(short.chars().count() < columns && !short.ends_with('\n'), "{columns}: {short}");
        }
        assert_eq!(short(line, 200), line);
    }

    #[test]
    fn small_rates_are_not_nothing() {
        assert_eq!((rate(0.0001), rate(20_000.0)), ("0.0001/s".to_owned(), "20.0 k/s".to_owned()));
    }

    #[test]
    fn a_capture_with_frames_missing_says_so() {
        let total = |errors| Traffic {
            time: plumb_records::column::Time(0),
            duration_ns: 1_000_000_000,
            interface: "v0".to_owned(),
            transport: "live",
            threads: 1,
            asked_per_s: None,
            offered: 10,
            sent: 10 - errors,
            errors,
            error: None,
            offered_bytes: 640,
            sent_per_s: Some(10.0),
            late_p50_ns: None,
            late_p99_ns: None,
            late_max_ns: None,
            gap_p50_ns: None,
            gap_p99_ns: None,
            gap_max_ns: None,
        };
        assert_eq!(
            sentence(&total(0), true),
            "10 packets sent of 10 offered (640 B) in 1.0 s by live frames: 10/s, 5.1 kbit/s; no errors"
        );
        assert!(sentence(&total(9), true).starts_with("1 packet sent of 10"));
        assert!(sentence(&total(9), true).ends_with(
            "9 not taken by the interface, and not offered again: of the capture they are missing"
        ));
        assert!(sentence(&total(9), false).ends_with("9 not taken by the interface"));
    }
}
