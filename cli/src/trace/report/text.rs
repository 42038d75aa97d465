//! Figures, times and foreign words as the page says them.

use std::fmt;
use std::time::Duration;

use crate::figures;

/// The most characters of a foreign text that are shown.
pub(super) const TEXT_MAX: usize = 200;

/// Text from a trace: what would act in a terminal or turn the direction of writing is shown by its
/// number, and what goes on for long is cut off.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == TEXT_MAX {
            plain.push('…');
            break;
        }
        if is_inert(character) {
            plain.push(character);
        } else {
            plain.extend(character.escape_unicode());
        }
    }
    plain
}

fn is_inert(character: char) -> bool {
    let turns = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    !character.is_control() && !turns
}

/// Text that is written into HTML, be it between tags or into a quoted attribute.
pub(super) struct Html<T>(pub(super) T);

impl<T: AsRef<str>> fmt::Display for Html<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.as_ref().chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ if is_inert(character) => write!(f, "{character}")?,
                _ => write!(f, "{}", character.escape_unicode())?,
            }
        }
        Ok(())
    }
}

/// "1.5 s", "3 min 20 s", "2 d 5 h".
pub(super) fn span(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    let (big, small) = match seconds {
        0 if nanos == 0 => return "0 s".to_owned(),
        0..60 => return figures::duration(Duration::from_nanos(nanos)),
        60..3_600 => ((seconds / 60, "min"), (seconds % 60, "s")),
        3_600..86_400 => ((seconds / 3_600, "h"), (seconds / 60 % 60, "min")),
        _ => ((seconds / 86_400, "d"), (seconds / 3_600 % 24, "h")),
    };
    match small.0 {
        0 => format!("{} {}", big.0, big.1),
        _ => format!("{} {} {} {}", big.0, big.1, small.0, small.1),
    }
}

/// "12 B", "3.4 KiB".
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1_024.0;
    let mut unit = 0;
    while amount >= 1_023.95 && unit + 1 < UNITS.len() {
        amount /= 1_024.0;
        unit += 1;
    }
    format!(
        "{amount:.1} {}",
        UNITS.get(unit).copied().unwrap_or_default()
    )
}

/// "2026-11-29 13:28:50.123456" of nanoseconds since 1970, in UTC.
pub(super) fn utc(unix_nanos: u64) -> String {
    let (seconds, nanos) = (unix_nanos / 1_000_000_000, unix_nanos % 1_000_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{:06}",
        second / 3_600,
        second / 60 % 60,
        second % 60,
        nanos / 1_000
    )
}

/// The date of a day, counted from 1 January 1970: by years that begin in March, so that a leap day
/// comes last.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + later, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_says_what_it_is() {
        let text = "</title><b a=\"x\" b='y'>&\u{1b}[31m\u{202e}\n\0";
        let expected = "&lt;/title&gt;&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\
                        \\u{1b}[31m\\u{202e}\\u{a}\\u{0}";
        assert_eq!(Html(text).to_string(), expected);
        let long = plain(&"ä".repeat(1_000));
        assert_eq!(long.chars().count(), TEXT_MAX + 1);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00.000000"),
            (951_782_399, "2000-02-28 23:59:59.000000"),
            (951_782_400, "2000-02-29 00:00:00.000000"),
            (951_868_800, "2000-03-01 00:00:00.000000"),
            (1_796_000_000, "2026-11-30 00:53:20.000000"),
            (4_107_542_400, "2100-03-01 00:00:00.000000"),
        ] {
            assert_eq!(utc(seconds * 1_000_000_000), expected);
        }
        assert_eq!(utc(1_999), "1970-01-01 00:00:00.000001");
    }

    #[test]
    fn spans_and_sizes_take_the_unit_that_fits() {
        let second = 1_000_000_000;
        let texts = [0, 59 * second, 60 * second, 200 * second, 90_000 * second].map(span);
        assert_eq!(texts, ["0 s", "59.0 s", "1 min", "3 min 20 s", "1 d 1 h"]);
        let texts = [0, 1_023, 1_024, (1 << 20) - 1, 1 << 50, u64::MAX].map(bytes);
        assert_eq!(
            texts,
            [
                "0 B",
                "1023 B",
                "1.0 KiB",
                "1.0 MiB",
                "1.0 PiB",
                "16384.0 PiB"
            ]
        );
    }
}
