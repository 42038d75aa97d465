//! How often something happens.

use std::fmt::{self, Display, Formatter};

use crate::tape::Rng;
use crate::text::{BadLine, bad};

/// A share of all, in ten thousandths: from 0.00% to 100.00%.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

impl Share {
    /// Never.
    pub const NONE: Self = Self(0);
    /// Always.
    pub const ALL: Self = Self(10_000);

    /// So many ten thousandths; what is above all is all.
    pub fn new(of_10_000: u64) -> Self {
        Self(u16::try_from(of_10_000.min(10_000)).unwrap_or(10_000))
    }

    /// Whether it happens this time.
    pub(super) fn hits(self, rng: &mut Rng) -> bool {
        // Nothing is drawn where nothing is open, so that a fault that is off changes nothing.
        match self.0 {
            0 => false,
            10_000.. => true,
            share => rng.below(10_000) < u64::from(share),
        }
    }

    pub(super) fn read(word: &str) -> Result<Self, BadLine> {
        Self::parse(word).ok_or_else(|| bad(word, "a share such as 2.50%"))
    }

    fn parse(word: &str) -> Option<Self> {
        let (whole, part) = word.strip_suffix('%')?.split_once('.')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if part.len() != 2 || !digits(whole) || !digits(part) {
            return None;
        }
        let whole: u16 = whole.parse().ok()?;
        let share = whole.checked_mul(100)?.checked_add(part.parse().ok()?)?;
        (share <= 10_000).then_some(Self(share))
    }
}

impl Display for Share {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}%", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_as_it_is_written() {
        for share in [0, 1, 99, 100, 250, 10_000].map(Share::new) {
            assert_eq!(Share::read(&share.to_string()), Ok(share));
        }
        for wrong in [
            "", "5", "5%", "5.5%", "100.01%", "-1.00%", "700.00%", "1.+5%",
        ] {
            assert!(Share::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_happens_as_often_as_it_says() {
        let mut rng = Rng::new(1);
        let hits =
            |share, rng: &mut Rng| (0..10_000).filter(|_| Share::new(share).hits(rng)).count();
        assert_eq!(hits(0, &mut rng), 0);
        assert_eq!(hits(10_000, &mut rng), 10_000);
        assert!((2_800..3_200).contains(&hits(3_000, &mut rng)));
    }
}
