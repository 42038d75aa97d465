//! Times of a trace: in nanoseconds since 1970 (UTC), since machines of several nodes may be in one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;

/// A moment as a user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Since the start of the trace.
    Since(Duration),
    /// On a date.
    Utc(u64),
    /// On the day on which the trace starts, or the day after if that is before its start.
    OfDay(u64),
}

impl When {
    /// The moment itself, in a trace that starts then.
    pub(crate) fn nanos(self, start: u64) -> u64 {
        match self {
            Self::Since(duration) => {
                start.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
            }
            Self::Utc(nanos) => nanos,
            Self::OfDay(of_day) => {
                let today = start - start % DAY;
                let on_the_day = today.saturating_add(of_day);
                // To the second, as people write it.
                match on_the_day + SECOND <= start {
                    true => on_the_day.saturating_add(DAY),
                    false => on_the_day,
                }
            }
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            "expected seconds since the start, as 12.5, or UTC, as 2026-01-31T22:15:00 or 22:15:00"
                .to_owned()
        };
        let text = text.trim().trim_end_matches('Z');
        let since = text.trim_start_matches('+').trim_end_matches('s').trim();
        if let Ok(seconds) = since.parse() {
            return Duration::try_from_secs_f64(seconds)
                .map(Self::Since)
                .map_err(|_| expected());
        }
        if let Some((date, time)) = text.split_once(['T', ' ']) {
            let nanos = days(date)
                .zip(of_day(time))
                .and_then(|(days, of_day)| days.checked_mul(DAY)?.checked_add(of_day));
            return nanos.map(Self::Utc).ok_or_else(expected);
        }
        of_day(text).map(Self::OfDay).ok_or_else(expected)
    }
}

/// Nanoseconds since midnight.
fn of_day(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let (hours, minutes): (u64, u64) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let seconds = parts.next().unwrap_or("0");
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let seconds = digits(seconds)?;
    let nanos = digits(&format!("{:0<9}", fraction.get(..9).unwrap_or(fraction)))?;
    let within = hours < 24 && minutes < 60 && seconds < 60 && parts.next().is_none();
    within.then_some(((hours * 60 + minutes) * 60 + seconds) * SECOND + nanos)
}

/// Days since 1970.
fn days(text: &str) -> Option<u64> {
    let mut parts = text.split('-');
    let (year, month, day) = (
        digits(parts.next()?)?,
        digits(parts.next()?)?,
        digits(parts.next()?)?,
    );
    let fits = (1970..=2554).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && parts.next().is_none();
    let days = fits.then(|| days_from_civil(year, month, day))?;
    (civil(days) == (year, month, day)).then_some(days)
}

fn digits(text: &str) -> Option<u64> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

/// Of the proleptic Gregorian calendar, from 1970 on; months count from March inside.
fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// A moment on UTC's clock, to the microsecond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Utc(pub(crate) u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / DAY);
        write!(f, "{year:04}-{month:02}-{day:02} {}", OfDay(self.0))
    }
}

/// The same without its date.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfDay(pub(crate) u64);

impl fmt::Display for OfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 % DAY / 1_000;
        let seconds = micros / 1_000_000;
        write!(
            f,
            "{:02}:{:02}:{:02}.{:06}",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60,
            micros % 1_000_000
        )
    }
}

/// A length of time in seconds, to the microsecond, as in columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since(pub(crate) u64);

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("+{}.{:06}", self.0 / SECOND, self.0 / 1_000 % 1_000_000);
        f.pad(&text)
    }
}

/// A length of time in words, as exact as is worth reading: "1.5 s", "3 min 20 s", "2 d 5 h".
pub(crate) fn spell(nanos: u64) -> String {
    let seconds = nanos / SECOND;
    let (big, small) = match seconds {
        0 if nanos == 0 => return "0 s".to_owned(),
        0..60 => return crate::figures::duration(Duration::from_nanos(nanos)),
        60..3_600 => ((seconds / 60, "min"), (seconds % 60, "s")),
        3_600..86_400 => ((seconds / 3_600, "h"), (seconds / 60 % 60, "min")),
        _ => ((seconds / 86_400, "d"), (seconds / 3_600 % 24, "h")),
    };
    match small.0 {
        0 => format!("{} {}", big.0, big.1),
        _ => format!("{} {} {} {}", big.0, big.1, small.0, small.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01, 22:15:00.
    const START: u64 = 1_767_225_600 * SECOND + (22 * 60 + 15) * 60 * SECOND;

    fn shown(text: &str) -> String {
        let when: When = text.parse().unwrap();
        Utc(when.nanos(START)).to_string()
    }

    #[test]
    fn a_moment_is_named_in_three_ways() {
        assert_eq!(shown("0"), "2026-01-01 22:15:00.000000");
        assert_eq!(shown("+1.5s"), "2026-01-01 22:15:01.500000");
        assert_eq!(
            shown("2026-02-28T23:59:59.25Z"),
            "2026-02-28 23:59:59.250000"
        );
        assert_eq!(shown("2028-02-29 00:00"), "2028-02-29 00:00:00.000000");
        assert_eq!(shown("22:15:00"), "2026-01-01 22:15:00.000000");
        assert_eq!(shown("06:00"), "2026-01-02 06:00:00.000000");
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "x",
            "-1",
            "25:00",
            "10:60",
            "2026-02-30T00:00",
            "2026-13-01T00:00",
            "1:2:3:4",
            "inf",
        ] {
            assert!(text.parse::<When>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_day_of_six_centuries_is_itself() {
        for days in 0..213_500 {
            let (year, month, day) = civil(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(Utc(u64::MAX).to_string(), "2554-07-21 23:34:33.709551");
    }

    #[test]
    fn a_length_of_time_takes_the_units_that_fit() {
        let of = |seconds: u64| spell(seconds * SECOND);
        let texts = [0, 59, 60, 200, 3_601, 90_000, 200_000].map(of);
        let expected = [
            "0 s",
            "59.0 s",
            "1 min",
            "3 min 20 s",
            "1 h",
            "1 d 1 h",
            "2 d 7 h",
        ];
        assert_eq!(texts, expected);
        assert_eq!(spell(1_500_000), "1.5 ms");
    }
}
