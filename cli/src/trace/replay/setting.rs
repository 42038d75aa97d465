//! Fields of a sender's configuration, as they may be set for what might have been.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use peer_sender_core::{Config, ConfigBuilder, ConfigError, Redelivery, WhenFull};

/// A field, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::trace) struct Setting {
    field: &'static str,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Time(Duration),
    TimeOrNone(Option<Duration>),
    Count(usize),
    CountOrNone(Option<u32>),
    Yes(bool),
    Redelivery(Redelivery),
    WhenFull(WhenFull),
}

/// All that may be set, and what its value looks like.
const FIELDS: [(&str, &str); 21] = [
    ("attempts_max", COUNT_OR_NONE),
    ("backoff_max", TIME),
    ("backoff_min", TIME),
    ("connect_timeout", TIME),
    ("disconnect_after", TIME_OR_NONE),
    ("flight_bytes_max", COUNT),
    ("flight_messages_max", COUNT),
    ("give_up_after", TIME_OR_NONE),
    ("health_after", TIME),
    ("jitter", YES),
    ("message_bytes_max", COUNT),
    ("patience", TIME),
    ("queue_bytes_max", COUNT),
    ("queue_messages_max", COUNT),
    ("redelivery", REDELIVERY),
    ("refusal_backoff_max", TIME),
    ("refusal_backoff_min", TIME),
    ("slow_after", TIME_OR_NONE),
    ("streams_max", COUNT),
    ("ttl", TIME_OR_NONE),
    ("when_full", WHEN_FULL),
];
const TIME: &str = "a time, as 5s, 100ms or 2min";
const TIME_OR_NONE: &str = "a time, as 5s, 100ms or 2min, or none";
const COUNT: &str = "a number, as 100, 64KiB or 4MiB";
const COUNT_OR_NONE: &str = "a number, or none";
const YES: &str = "true or false";
const REDELIVERY: &str = "at-least-once or at-most-once";
const WHEN_FULL: &str = "reject or drop-oldest";

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or("expected FIELD=VALUE, as backoff_max=5s")?;
        let known = FIELDS.into_iter().find(|(field, _)| *field == name);
        let (field, form) = known.ok_or_else(|| {
            let names = FIELDS.map(|(field, _)| field);
            format!("there may be set {}", names.join(", "))
        })?;
        let value = read(form, value).ok_or_else(|| format!("{field} is {form}"))?;
        Ok(Self { field, value })
    }
}

fn read(form: &str, text: &str) -> Option<Value> {
    let none = text == "none";
    Some(match form {
        TIME => Value::Time(time(text)?),
        TIME_OR_NONE if none => Value::TimeOrNone(None),
        TIME_OR_NONE => Value::TimeOrNone(Some(time(text)?)),
        COUNT => Value::Count(count(text)?),
        COUNT_OR_NONE if none => Value::CountOrNone(None),
        COUNT_OR_NONE => Value::CountOrNone(Some(text.parse().ok()?)),
        YES => Value::Yes(text.parse().ok()?),
        REDELIVERY => Value::Redelivery(match text {
            "at-least-once" => Redelivery::AtLeastOnce,
            "at-most-once" => Redelivery::AtMostOnce,
            _ => return None,
        }),
        _ => Value::WhenFull(match text {
            "reject" => WhenFull::Reject,
            "drop-oldest" => WhenFull::DropOldest,
            _ => return None,
        }),
    })
}

fn time(text: &str) -> Option<Duration> {
    let units = [
        ("ms", 1e-3),
        ("us", 1e-6),
        ("min", 60.0),
        ("h", 3_600.0),
        ("s", 1.0),
    ];
    let with_unit = units.into_iter().find_map(|(unit, seconds)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        Some(number * seconds)
    });
    Duration::try_from_secs_f64(with_unit?).ok()
}

fn count(text: &str) -> Option<usize> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let with_unit = units
        .into_iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let (number, shift) = with_unit.unwrap_or((text, 0));
    let number: usize = number.trim().parse().ok()?;
    number.checked_mul(1 << shift)
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: Duration| format!("{time:?}");
        let value = match self.value {
            Value::Time(value) => time(value),
            Value::TimeOrNone(value) => value.map_or("none".to_owned(), time),
            Value::Count(value) => value.to_string(),
            Value::CountOrNone(value) => value.map_or("none".to_owned(), |it| it.to_string()),
            Value::Yes(value) => value.to_string(),
            Value::Redelivery(value) => format!("{value:?}"),
            Value::WhenFull(value) => format!("{value:?}"),
        };
        write!(f, "{}={value}", self.field)
    }
}

/// The configuration with these settings in place of its own.
///
/// # Errors
///
/// The whole is out of range.
pub(super) fn apply(config: &Config, settings: &[Setting]) -> Result<Config, ConfigError> {
    let builder = settings.iter().try_fold(config.to_builder(), set);
    builder.and_then(ConfigBuilder::build)
}

fn set(builder: ConfigBuilder, setting: &Setting) -> Result<ConfigBuilder, ConfigError> {
    Ok(match (setting.field, setting.value) {
        ("attempts_max", Value::CountOrNone(value)) => builder.attempts_max(value),
        ("backoff_max", Value::Time(value)) => builder.backoff_max(value),
        ("backoff_min", Value::Time(value)) => builder.backoff_min(value),
        ("connect_timeout", Value::Time(value)) => builder.connect_timeout(value),
        ("disconnect_after", Value::TimeOrNone(value)) => builder.disconnect_after(value),
        ("flight_bytes_max", Value::Count(value)) => builder.flight_bytes_max(value),
        ("flight_messages_max", Value::Count(value)) => builder.flight_messages_max(value),
        ("give_up_after", Value::TimeOrNone(value)) => builder.give_up_after(value),
        ("health_after", Value::Time(value)) => builder.health_after(value),
        ("jitter", Value::Yes(value)) => builder.jitter(value),
        ("message_bytes_max", Value::Count(value)) => builder.message_bytes_max(value),
        ("patience", Value::Time(value)) => builder.patience(value),
        ("queue_bytes_max", Value::Count(value)) => builder.queue_bytes_max(value),
        ("queue_messages_max", Value::Count(value)) => builder.queue_messages_max(value),
        ("redelivery", Value::Redelivery(value)) => builder.redelivery(value),
        ("refusal_backoff_max", Value::Time(value)) => builder.refusal_backoff_max(value),
        ("refusal_backoff_min", Value::Time(value)) => builder.refusal_backoff_min(value),
        ("slow_after", Value::TimeOrNone(value)) => builder.slow_after(value),
        ("streams_max", Value::Count(value)) => match u16::try_from(value) {
            Ok(value) => builder.streams_max(value),
            Err(_) => return Err(ConfigError::new("streams_max", "must be at most 65,535")),
        },
        ("ttl", Value::TimeOrNone(value)) => builder.ttl(value),
        ("when_full", Value::WhenFull(value)) => builder.when_full(value),
        (field, _) => return Err(ConfigError::new(field, "cannot be set")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_can_be_set() {
        let config = Config::new("192.0.2.1:1".parse().unwrap()).unwrap();
        for (field, form) in FIELDS {
            let value = match form {
                TIME | TIME_OR_NONE => "2min",
                COUNT => "17MiB",
                COUNT_OR_NONE => "3",
                YES => "true",
                REDELIVERY => "at-most-once",
                _ => "drop-oldest",
            };
            let value = if field == "streams_max" { "7" } else { value };
            let setting: Setting = format!("{field}={value}").parse().unwrap();
            // A limit alone may not fit the others; then it is that which is said.
            match apply(&config, std::slice::from_ref(&setting)) {
                Ok(other) => assert_ne!(other, config, "{setting}"),
                Err(error) => assert_ne!(error.problem, "cannot be set", "{setting}"),
            }
        }
    }

    #[test]
    fn what_cannot_be_set_says_what_can() {
        let refused = |text: &str| text.parse::<Setting>().unwrap_err();
        assert!(refused("nonsense=1").contains("backoff_max"));
        assert_eq!(refused("ttl=soon"), format!("ttl is {TIME_OR_NONE}"));
        assert_eq!(refused("backoff_max=-1s"), format!("backoff_max is {TIME}"));
        assert!(refused("backoff_max").contains("FIELD=VALUE"));
    }
}
