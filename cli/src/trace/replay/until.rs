//! Up to where a replay goes.

use std::str::FromStr;

use crate::trace::moment::When;
use crate::trace::player::Step;

/// A moment, or a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trace) enum Until {
    Time(When),
    Step(u64),
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('#') {
            Some(number) => {
                let number = number.parse().map(Self::Step);
                number.map_err(|_| "expected the number of a step, as #1234".to_owned())
            }
            None => text.parse().map(Self::Time),
        }
    }
}

impl Until {
    /// Whether this step is the last that is done.
    pub(super) fn is_reached(self, step: &Step<'_>, start: u64) -> bool {
        match self {
            Self::Time(when) => step.at >= when.nanos(start),
            Self::Step(number) => step.number >= number,
        }
    }
}
