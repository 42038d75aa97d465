//! Figures as people read them.

use std::time::Duration;

/// With a comma between thousands.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// In the unit that leaves at least one digit before the point, to as many digits as are worth
/// reading. The bounds are where rounding would go over into the next form.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 0.999_5 {
        format!("{seconds:.1} s")
    } else if seconds >= 0.009_95 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds >= 0.000_999_5 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{:.0} us", seconds * 1e6)
    }
}

/// As [`duration`], of microseconds.
pub(crate) fn micros(micros: u64) -> String {
    duration(Duration::from_micros(micros))
}

/// How many a second; 0 if no time has passed.
pub(crate) fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

/// "1 message", "2 messages".
pub(crate) fn plural(count: u64, one: &str) -> String {
    format!(
        "{} {one}{}",
        thousands(count),
        if count == 1 { "" } else { "s" }
    )
}

/// "12 B", "3.4 KiB".
pub(crate) fn bytes(bytes: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_from_the_right() {
        let texts = [0, 999, 1_000, 123_456, 1_234_567].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn a_duration_takes_the_unit_that_fits() {
        let text = |nanos: u64| duration(Duration::from_nanos(nanos));
        let texts = [0, 999_400, 999_600, 9_940_000, 9_960_000].map(text);
        assert_eq!(texts, ["0 us", "999 us", "1.0 ms", "9.9 ms", "10 ms"]);
        let texts = [99_900_000, 999_400_000, 999_600_000, 2_100_000_000].map(text);
        assert_eq!(texts, ["100 ms", "999 ms", "1.0 s", "2.1 s"]);
    }

    #[test]
    fn a_size_takes_the_unit_that_fits() {
        let texts = [0, 1_023, 1_024, (1 << 20) - 1, 1 << 50, u64::MAX].map(bytes);
        let expected = [
            "0 B",
            "1023 B",
            "1.0 KiB",
            "1.0 MiB",
            "1.0 PiB",
            "16384.0 PiB",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn no_time_has_no_rate() {
        assert_eq!([rate(10, 0.0), rate(10, 2.0)], [0.0, 5.0]);
    }
}
