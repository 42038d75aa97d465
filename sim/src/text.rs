//! Words of a line: durations, sizes and names, read and written alike.

use std::str::SplitWhitespace;
use std::time::Duration;

/// Why a line is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadLine(pub(crate) String);

/// The words of one line, taken from the front.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    rest: SplitWhitespace<'a>,
}

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a str) -> Self {
        Self {
            rest: line.split_whitespace(),
        }
    }

    pub(crate) fn next(&mut self) -> Option<&'a str> {
        self.rest.next()
    }

    /// The next word, which is a `what`.
    pub(crate) fn word(&mut self, what: &str) -> Result<&'a str, BadLine> {
        self.next()
            .ok_or_else(|| BadLine(format!("{what} is missing")))
    }

    /// The next word without the letter that it must begin with.
    pub(crate) fn number(&mut self, prefix: &str, what: &str) -> Result<u64, BadLine> {
        let word = self.word(what)?;
        let digits = word.strip_prefix(prefix);
        let number = digits.and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| bad(word, what))
    }

    pub(crate) fn small(&mut self, prefix: &str, what: &str) -> Result<u8, BadLine> {
        let number = self.number(prefix, what)?;
        u8::try_from(number).map_err(|_| bad(&number.to_string(), what))
    }

    pub(crate) fn duration(&mut self) -> Result<Duration, BadLine> {
        let word = self.word("a time")?;
        read_duration(word).ok_or_else(|| bad(word, "a time such as 100ms"))
    }

    /// Says that nothing may follow.
    pub(crate) fn end(&mut self) -> Result<(), BadLine> {
        match self.next() {
            Some(word) => Err(BadLine(format!("nothing may follow here, not {word:?}"))),
            None => Ok(()),
        }
    }
}

pub(crate) fn bad(word: &str, what: &str) -> BadLine {
    BadLine(format!("{word:?} is not {what}"))
}

const UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A duration in the largest unit that tells it exactly.
pub(crate) fn duration(wait: Duration) -> String {
    let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 {
        return "0s".into();
    }
    let exact = UNITS.iter().find(|(_, unit)| nanos.is_multiple_of(*unit));
    let (name, unit) = exact.unwrap_or(&("ns", 1));
    format!("{}{name}", nanos / unit)
}

pub(crate) fn read_duration(word: &str) -> Option<Duration> {
    let digits = word.find(|c: char| !c.is_ascii_digit())?;
    let (number, name) = word.split_at(digits);
    let (_, unit) = UNITS.iter().find(|(known, _)| *known == name)?;
    let nanos = number.parse::<u64>().ok()?.checked_mul(*unit)?;
    Some(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_they_are_written() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (100_000_000, "100ms"),
            (90_000_000_000, "90s"),
            (7_200_000_000_000, "2h"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), text);
            assert_eq!(read_duration(text), Some(Duration::from_nanos(nanos)));
        }
        for wrong in ["", "5", "s", "5 s", "-1s", "99999999999h"] {
            assert_eq!(read_duration(wrong), None, "{wrong}");
        }
    }
}
