//! How many frames a second, as words: `250k`, `1.5M`, `max`, and bandwidths such as `1G`.

use std::fmt;
use std::str::FromStr;

/// Frames per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// So many; above 0 and finite.
    PerSecond(f64),
    /// As many as the machine makes.
    Max,
}

/// Bits per second of whole frames, without the FCS and what Ethernet puts between frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bandwidth(pub f64);

/// Why a text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Of frames.
    #[error("not a rate above 0 such as 1000, 250k, 1.5M or max")]
    Frames,
    /// Of bits.
    #[error("not a bandwidth above 0 in bits per second such as 500k, 100M or 1G")]
    Bits,
}

impl Bandwidth {
    /// The frames of `mean` bytes that it carries.
    pub fn frames(self, mean: f64) -> Rate {
        Rate::PerSecond(self.0 / (mean * 8.0))
    }
}

/// A number above 0 with a power of 1000 behind it.
fn scaled(text: &str) -> Option<f64> {
    let (number, factor) = match text.char_indices().last()? {
        (at, 'k' | 'K') => (&text[..at], 1e3),
        (at, 'M') => (&text[..at], 1e6),
        (at, 'G') => (&text[..at], 1e9),
        _ => (text, 1.0),
    };
    // The standard library would also take "inf", "1e9" and a sign.
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value = number.parse::<f64>().ok().filter(|_| plain)? * factor;
    // 10^12 frames or bits a second no machine makes.
    (value > 0.0 && value <= 1e12).then_some(value)
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        match text {
            "max" => Ok(Self::Max),
            _ => scaled(text).map(Self::PerSecond).ok_or(RateError::Frames),
        }
    }
}

impl FromStr for Bandwidth {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let number = text.strip_suffix("bit").unwrap_or(text);
        scaled(number).map(Self).ok_or(RateError::Bits)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond(rate) => write!(f, "{rate}/s"),
            Self::Max => f.write_str("the highest rate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_rates() {
        for (text, rate) in [("1", 1.0), ("250k", 250e3), ("1.5M", 1.5e6), ("0.5", 0.5)] {
            assert_eq!(text.parse(), Ok(Rate::PerSecond(rate)));
        }
        assert_eq!("max".parse(), Ok(Rate::Max));
        for text in ["", "0", "-1", "k", "1e6", "inf", "nan", "1m", "9999G", "1.2.3", "²"] {
            assert_eq!(text.parse::<Rate>(), Err(RateError::Frames), "{text}");
        }
        assert_eq!("1G".parse(), Ok(Bandwidth(1e9)));
        assert_eq!("10Mbit".parse(), Ok(Bandwidth(1e7)));
        assert_eq!(Bandwidth(8e6).frames(1000.0), Rate::PerSecond(1000.0));
    }

    proptest! {
        #[test]
        fn any_text_is_a_rate_or_refused(text in "\\PC{0,12}") {
            if let Ok(Rate::PerSecond(rate)) = text.parse::<Rate>() {
                prop_assert!(rate > 0.0 && rate.is_finite());
            }
            if let Ok(Bandwidth(bits)) = text.parse::<Bandwidth>() {
                prop_assert!(bits > 0.0 && bits.is_finite());
            }
        }
    }
}
