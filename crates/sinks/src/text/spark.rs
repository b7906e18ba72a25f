//! A small history of rates in one cell.

use super::Style;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];

/// One character per value, oldest first, scaled to the largest. Zero is a space, so that a trickle shows.
///
/// What is not a number is a space too.
pub fn line(values: impl IntoIterator<Item = f64, IntoIter: Clone>, style: Style) -> String {
    let levels = if style.unicode { BLOCKS } else { ASCII };
    let values = values.into_iter();
    let most = values.clone().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let level = |value: f64| match value {
        value if value.is_finite() && value > 0.0 => {
            levels[((value / most * 8.0).ceil() as usize).clamp(1, 8) - 1]
        }
        _ => ' ',
    };
    values.map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_to_the_largest() {
        let unicode = Style { colour: false, unicode: true };
        assert_eq!(line([0.0, 0.001, 1.0, 2.0, 4.0, 8.0], unicode), " ▁▁▂▄█");
        assert_eq!(line([0.0, 0.001, 1.0, 2.0, 4.0, 8.0], Style::default()), " __.-#");
        assert_eq!(line((1..=8).map(f64::from), Style::default()), "_.:-=+*#");
    }

    #[test]
    fn without_a_largest() {
        assert_eq!(line([0.0, 0.0], Style::default()), "  ");
        assert_eq!(line([], Style::default()), "");
        assert_eq!(line([f64::NAN, -1.0, f64::INFINITY, 1.0, f64::MIN_POSITIVE], Style::default()), "   #_");
    }
}
