//! Lengths of frames, as words: `64`, `IMIX`, `64-1514`. Without the FCS, as the kernel and its tools count them.

use std::str::FromStr;

/// The simple Internet mix: 7, 4 and 1 of 12 frames, here spread rather than in runs. With the FCS they are the usual 64,
/// 594 and 1518 bytes.
const IMIX: [u32; 12] = [60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 590, 60];

/// The shortest frame that Ethernet's drivers take.
const LEAST: u32 = 14;
/// The longest: an IP packet of 65,535 bytes behind a header with a VLAN tag.
const MOST: u32 = 65_535 + 18;

/// Lengths that frames take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// All alike.
    Fixed(u32),
    /// The simple Internet mix.
    Imix,
    /// From one to the other, both included.
    Between(u32, u32),
}

/// Why a text is no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a frame size from 14 to 65553 such as 64, a range such as 64-1514, or IMIX")]
pub struct SizeError;

impl Sizes {
    /// The shortest and the longest frame.
    pub fn bounds(self) -> (u32, u32) {
        match self {
            Self::Fixed(size) => (size, size),
            Self::Imix => (60, 1514),
            Self::Between(least, most) => (least, most),
        }
    }

    /// Mean length.
    pub fn mean(self) -> f64 {
        let of = |sizes: &[u32]| f64::from(sizes.iter().sum::<u32>()) / sizes.len() as f64;
        match self {
            Self::Fixed(size) => f64::from(size),
            Self::Imix => of(&IMIX),
            Self::Between(least, most) => of(&[least, most]),
        }
    }

    /// The sizes that frames take in turn; of a range its first.
    pub fn listed(&self) -> Vec<u32> {
        match self {
            Self::Fixed(size) => vec![*size],
            Self::Imix => IMIX.to_vec(),
            Self::Between(least, _) => vec![*least],
        }
    }

    /// How many sizes a range has; 0 where it is none.
    pub fn span(self) -> u32 {
        match self {
            Self::Between(least, most) => most - least + 1,
            Self::Fixed(_) | Self::Imix => 0,
        }
    }
}

fn size(text: &str) -> Result<u32, SizeError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let size = if digits { text.parse().ok() } else { None };
    size.filter(|size| (LEAST..=MOST).contains(size)).ok_or(SizeError)
}

impl FromStr for Sizes {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        if text.eq_ignore_ascii_case("imix") {
            return Ok(Self::Imix);
        }
        match text.split_once('-') {
            None => size(text).map(Self::Fixed),
            Some((least, most)) => match (size(least)?, size(most)?) {
                (least, most) if least == most => Ok(Self::Fixed(least)),
                (least, most) if least < most => Ok(Self::Between(least, most)),
                _ => Err(SizeError),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_sizes() {
        assert_eq!("64".parse(), Ok(Sizes::Fixed(64)));
        assert_eq!("imix".parse(), Ok(Sizes::Imix));
        assert_eq!("64-1514".parse(), Ok(Sizes::Between(64, 1514)));
        assert_eq!("64-64".parse(), Ok(Sizes::Fixed(64)));
        for text in ["", "13", "65554", "100-64", "64-", "-64", "+64", "6 4", "1-2-3"] {
            assert_eq!(text.parse::<Sizes>(), Err(SizeError), "{text}");
        }
    }

    #[test]
    fn the_mix_is_7_to_4_to_1() {
        let of = |size| IMIX.iter().filter(|other| **other == size).count();
        assert_eq!((of(60), of(590), of(1514)), (7, 4, 1));
        assert!((Sizes::Imix.mean() - 357.83).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn any_text_is_a_size_or_refused(text in "[0-9imxIMX-]{0,12}|\\PC{0,8}") {
            if let Ok(sizes) = text.parse::<Sizes>() {
                let (least, most) = sizes.bounds();
                prop_assert!((LEAST..=most).contains(&least) && most <= MOST);
            }
        }
    }
}
