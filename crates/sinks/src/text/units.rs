//! Numbers as people read them: two or three digits, SI prefixes, a unit.

/// All digits, in groups of three: `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of a unit that has a plain plural: `1 packet`, `1,234 packets`.
pub fn counted(value: u64, unit: &str) -> String {
    format!("{} {unit}{}", count(value), if value == 1 { "" } else { "s" })
}

/// A rate: `0.4/s`, `950/s`, `1.2 k/s`, `3.4 M/s`; empty for what is not a number.
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() {
        return String::new();
    }
    let (number, prefix) = scaled(per_second, &["", "k", "M", "G", "T", "P", "E"]);
    if prefix.is_empty() { format!("{number}/s") } else { format!("{number} {prefix}/s") }
}

/// A number with a fraction: three decimals where it has any; empty for what is not a number.
pub fn real(value: f64) -> String {
    match value {
        _ if !value.is_finite() => String::new(),
        _ if value == value.trunc() => format!("{value:.0}"),
        // Three decimals of a small number would be zeros.
        _ if value.abs() < 0.01 => format!("{value:.2e}"),
        _ => format!("{value:.3}"),
    }
}

/// A size in powers of 1000: `512 B`, `1.5 kB`, `3.4 MB`.
pub fn bytes(value: u64) -> String {
    let (number, unit) = scaled(value as f64, &["B", "kB", "MB", "GB", "TB", "PB", "EB"]);
    format!("{number} {unit}")
}

/// A duration: `850 ns`, `1.2 us`, `3.4 ms`, `5.6 s`, `2 min 30 s`, `1 h 5 min`, `3 d 4 h`.
pub fn duration(nanoseconds: u64) -> String {
    // What rounds to a minute is told as one.
    let seconds = nanoseconds.saturating_add(500_000_000) / 1_000_000_000;
    let pair = |large, size, small, part| match seconds % size / part {
        0 => format!("{} {large}", seconds / size),
        rest => format!("{} {large} {rest} {small}", seconds / size),
    };
    match seconds {
        0..60 => {
            let (number, unit) = scaled(nanoseconds as f64, &["ns", "us", "ms", "s"]);
            format!("{number} {unit}")
        }
        60..3_600 => pair("min", 60, "s", 1),
        3_600..86_400 => pair("h", 3_600, "min", 60),
        _ => pair("d", 86_400, "h", 3_600),
    }
}

/// A share: `12.3%`. Never 0 for what is there nor 100 for what is not all; empty where there is no whole.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let share = 100.0 * part as f64 / whole as f64;
    match part {
        0 => "0%".to_owned(),
        _ if part == whole => "100%".to_owned(),
        _ if share < 0.05 => "<0.1%".to_owned(),
        _ if part < whole && share >= 99.95 => ">99.9%".to_owned(),
        _ => format!("{share:.1}%"),
    }
}

/// The number in the largest step of 1000 in which it is at least 1 once rounded, with one decimal below 100.
fn scaled<'a>(value: f64, steps: &[&'a str]) -> (String, &'a str) {
    let (mut value, mut step) = (value, 0);
    while value.abs() >= 999.5 && step + 1 < steps.len() {
        value /= 1000.0;
        step += 1;
    }
    let whole = value.abs() >= 99.95 || value == value.trunc() && step == 0;
    let number = if whole { format!("{value:.0}") } else { format!("{value:.1}") };
    (number, steps[step])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let counts = [0, 12, 999, 1000, 123_456, 1_234_567, u64::MAX].map(count);
        let expected = ["0", "12", "999", "1,000", "123,456", "1,234,567", "18,446,744,073,709,551,615"];
        assert_eq!(counts, expected);
    }

    #[test]
    fn one_is_not_plural() {
        assert_eq!([1, 0, 1000].map(|n| counted(n, "packet")), ["1 packet", "0 packets", "1,000 packets"]);
    }

    #[test]
    fn rates() {
        let rates =
            [0.0, 0.44, 3.0, 99.94, 99.96, 950.0, 999.6, 1234.0, 12_345.0, 123_456.0, 3.4e6, 1e9, 2e21];
        let expected = [
            "0/s", "0.4/s", "3/s", "99.9/s", "100/s", "950/s", "1.0 k/s", "1.2 k/s", "12.3 k/s", "123 k/s",
            "3.4 M/s", "1.0 G/s", "2000 E/s",
        ];
        assert_eq!(rates.map(rate), expected);
        assert_eq!([f64::NAN, f64::INFINITY].map(rate), ["", ""]);
    }

    #[test]
    fn reals() {
        let reals = [0.0, 3.0, -1.25, 2.0 / 3.0, 0.000_123_4, 1e21 + 0.5, f64::NAN, f64::NEG_INFINITY];
        let expected = ["0", "3", "-1.250", "0.667", "1.23e-4", "1000000000000000000000", "", ""];
        assert_eq!(reals.map(real), expected);
    }

    #[test]
    fn sizes() {
        let expected = ["0 B", "999 B", "1.0 kB", "1.5 kB", "1.0 MB", "18.4 EB"];
        assert_eq!([0, 999, 1000, 1500, 999_999, u64::MAX].map(bytes), expected);
    }

    #[test]
    fn durations() {
        let second = 1_000_000_000;
        let times = [
            0,
            850,
            1_234,
            999_999,
            3_400_000,
            5 * second,
            59 * second + 600_000_000,
            150 * second,
            3_600 * second,
            3_900 * second,
            90_000 * second,
            u64::MAX,
        ];
        let expected = [
            "0 ns",
            "850 ns",
            "1.2 us",
            "1.0 ms",
            "3.4 ms",
            "5.0 s",
            "1 min",
            "2 min 30 s",
            "1 h",
            "1 h 5 min",
            "1 d 1 h",
            "213503 d 23 h",
        ];
        assert_eq!(times.map(duration), expected);
    }

    #[test]
    fn shares() {
        let shares = [(0, 0), (0, 5), (1, 3), (5, 5), (1, 100_000), (99_999, 100_000), (7, 5)];
        let expected = ["", "0%", "33.3%", "100%", "<0.1%", ">99.9%", "140.0%"];
        assert_eq!(shares.map(|(part, whole)| percent(part, whole)), expected);
    }
}
