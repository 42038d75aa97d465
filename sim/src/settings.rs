//! How a world is set up: both machines' configurations, and what the world does by itself.

use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::{
    Config, ConfigError, LANES_MAX, Lane, Priority, ReceiverConfig, Redelivery, SessionsConfig,
    WhenFull,
};

use crate::op::{letter, name_of, read_places, value_of};
use crate::text::{self, BadLine, Words, bad};

/// Everything that is fixed for the whole of a scenario. In text each setting that differs from
/// its default is a line, `set NAME VALUE`, under the name of its field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The peer's addresses, by letter.
    pub addresses: Vec<u8>,
    /// Lanes of the sender.
    pub lanes: u64,
    /// The sender's largest message.
    pub message_bytes_max: u64,
    /// The most messages of a lane that wait.
    pub queue_messages_max: u64,
    /// The most bytes of a lane that wait.
    pub queue_bytes_max: u64,
    /// The most messages of a lane in flight.
    pub flight_messages_max: u64,
    /// The most bytes of a lane in flight.
    pub flight_bytes_max: u64,
    /// For how long an attempt at a connection, or the answer to an OPEN, may take.
    pub connect_timeout: Duration,
    /// The wait after the first failure.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// The wait after the first permanent error.
    pub refusal_backoff_min: Duration,
    /// The longest wait after permanent errors.
    pub refusal_backoff_max: Duration,
    /// For how long a connection must stand to be healthy.
    pub health_after: Duration,
    /// How many attempts may fail in a row.
    pub attempts_max: Option<u64>,
    /// For how long attempts may fail in a row.
    pub give_up_after: Option<Duration>,
    /// After how long without traffic a connection is ended.
    pub disconnect_after: Option<Duration>,
    /// After how long the oldest message makes the peer a slow one.
    pub slow_after: Option<Duration>,
    /// How long a message may wait to be sent.
    pub ttl: Option<Duration>,
    /// How long the receiver may stay away while a message is given up.
    pub patience: Duration,
    /// What becomes of messages whose connection was lost.
    pub redelivery: Redelivery,
    /// What becomes of messages for which there is no room.
    pub when_full: WhenFull,
    /// The class of each lane.
    pub priorities: [Priority; LANES_MAX as usize],
    /// The largest message that the receiver takes.
    pub receiver_message_bytes_max: u64,
    /// The most bytes that a session of the receiver holds.
    pub receiver_bytes_max: u64,
    /// For how long a session is remembered after its last connection.
    pub session_ttl: Duration,
    /// Whether QUIC takes each write at once; else `written` says when.
    pub transfers: Transfers,
}

/// When QUIC holds the whole of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transfers {
    /// Right after it was written.
    Automatic,
    /// When an operation says so.
    Manual,
}

impl Default for Settings {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            addresses: vec![0],
            lanes: 8,
            message_bytes_max: 16 << 20,
            queue_messages_max: 8_192,
            queue_bytes_max: 16 << 20,
            flight_messages_max: 8_192,
            flight_bytes_max: 4 << 20,
            connect_timeout: 5 * second,
            backoff_min: Duration::from_millis(100),
            backoff_max: 3_600 * second,
            refusal_backoff_min: 5 * second,
            refusal_backoff_max: 300 * second,
            health_after: 10 * second,
            attempts_max: None,
            give_up_after: None,
            disconnect_after: Some(300 * second),
            slow_after: Some(10 * second),
            ttl: None,
            patience: 10 * second,
            redelivery: Redelivery::AtLeastOnce,
            when_full: WhenFull::Reject,
            priorities: [Priority::Normal; LANES_MAX as usize],
            receiver_message_bytes_max: 16 << 20,
            receiver_bytes_max: 32 << 20,
            session_ttl: 3_600 * second,
            transfers: Transfers::Automatic,
        }
    }
}

const REDELIVERIES: [(&str, Redelivery); 2] = [
    ("at-least-once", Redelivery::AtLeastOnce),
    ("at-most-once", Redelivery::AtMostOnce),
];
const WHEN_FULL: [(&str, WhenFull); 2] = [
    ("reject", WhenFull::Reject),
    ("drop-oldest", WhenFull::DropOldest),
];
const CLASSES: [(&str, Priority); 3] = [
    ("high", Priority::High),
    ("normal", Priority::Normal),
    ("low", Priority::Low),
];

/// Where the address of this letter is.
pub(crate) fn address(place: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, place + 1], 4433))
}

/// The letter of an address.
pub(crate) fn letter_of(address: SocketAddr) -> char {
    match address {
        SocketAddr::V4(v4) => letter(v4.ip().octets()[3].wrapping_sub(1)),
        SocketAddr::V6(_) => '?',
    }
}

impl Settings {
    /// The sender's configuration.
    ///
    /// # Errors
    ///
    /// The first field that is out of range.
    pub fn sender(&self) -> Result<Config, ConfigError> {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let addresses: Vec<_> = self.addresses.iter().map(|it| address(*it)).collect();
        let builder = Config::builder(address(0))
            .message_bytes_max(size(self.message_bytes_max))
            .addresses(addresses)
            .lanes(u8::try_from(self.lanes).unwrap_or(u8::MAX))
            .queue_messages_max(size(self.queue_messages_max))
            .queue_bytes_max(size(self.queue_bytes_max))
            .flight_messages_max(size(self.flight_messages_max))
            .flight_bytes_max(size(self.flight_bytes_max))
            .inbound_bytes_max(size(self.message_bytes_max).max(32 << 20))
            .connect_timeout(self.connect_timeout)
            .backoff_min(self.backoff_min)
            .backoff_max(self.backoff_max)
            .refusal_backoff_min(self.refusal_backoff_min)
            .refusal_backoff_max(self.refusal_backoff_max)
            .health_after(self.health_after)
            .attempts_max(
                self.attempts_max
                    .map(|it| u32::try_from(it).unwrap_or(u32::MAX)),
            )
            .give_up_after(self.give_up_after)
            .disconnect_after(self.disconnect_after)
            .slow_after(self.slow_after)
            .ttl(self.ttl)
            .patience(self.patience)
            .redelivery(self.redelivery)
            .when_full(self.when_full);
        let classes = (0..).map(Lane).zip(self.priorities);
        classes
            .filter(|(_, class)| *class != Priority::Normal)
            .fold(builder, |builder, (lane, class)| {
                builder.priority(lane, class)
            })
            .build()
    }

    /// The accepting end's limits.
    ///
    /// # Errors
    ///
    /// The first field that is out of range.
    pub fn receiver(&self) -> Result<SessionsConfig, ConfigError> {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let receiver = ReceiverConfig::new(
            size(self.receiver_message_bytes_max),
            size(self.receiver_bytes_max),
        )?;
        Ok(SessionsConfig {
            receiver,
            session_ttl: self.session_ttl,
            ..SessionsConfig::default()
        })
    }

    /// Takes `NAME VALUE`.
    pub(crate) fn read(&mut self, words: &mut Words<'_>) -> Result<(), BadLine> {
        let name = words.word("a setting")?;
        match name {
            "addresses" => {
                self.addresses = read_places(words)?;
                return Ok(());
            }
            "transfers" => {
                self.transfers = match words.word("automatic or manual")? {
                    "automatic" => Transfers::Automatic,
                    "manual" => Transfers::Manual,
                    other => return Err(bad(other, "automatic or manual")),
                };
                return words.end();
            }
            "redelivery" => {
                self.redelivery = value_of(words, "a redelivery", &REDELIVERIES)?;
                return words.end();
            }
            "when_full" => {
                self.when_full = value_of(words, "reject or drop-oldest", &WHEN_FULL)?;
                return words.end();
            }
            "priority" => {
                let lane = words.small("", "a lane")?;
                let class = value_of(words, "high, normal or low", &CLASSES)?;
                match self.priorities.get_mut(usize::from(lane)) {
                    Some(priority) => *priority = class,
                    None => return Err(bad(&lane.to_string(), "a lane")),
                }
                return words.end();
            }
            _ => {}
        }
        if let Some(field) = self.number(name) {
            *field = words.number("", "a number")?;
        } else if let Some(field) = self.time(name) {
            *field = words.duration()?;
        } else if name == "attempts_max" {
            self.attempts_max = Some(words.number("", "a number")?);
        } else if let Some(field) = self.optional_time(name) {
            *field = match words.word("a time, or never")? {
                "never" => None,
                word => {
                    let time = text::read_duration(word);
                    Some(time.ok_or_else(|| bad(word, "a time such as 100ms, or never"))?)
                }
            };
        } else {
            return Err(bad(name, "a setting"));
        }
        words.end()
    }

    fn number(&mut self, name: &str) -> Option<&mut u64> {
        Some(match name {
            "lanes" => &mut self.lanes,
            "message_bytes_max" => &mut self.message_bytes_max,
            "queue_messages_max" => &mut self.queue_messages_max,
            "queue_bytes_max" => &mut self.queue_bytes_max,
            "flight_messages_max" => &mut self.flight_messages_max,
            "flight_bytes_max" => &mut self.flight_bytes_max,
            "receiver_message_bytes_max" => &mut self.receiver_message_bytes_max,
            "receiver_bytes_max" => &mut self.receiver_bytes_max,
            _ => return None,
        })
    }

    fn time(&mut self, name: &str) -> Option<&mut Duration> {
        Some(match name {
            "connect_timeout" => &mut self.connect_timeout,
            "backoff_min" => &mut self.backoff_min,
            "backoff_max" => &mut self.backoff_max,
            "refusal_backoff_min" => &mut self.refusal_backoff_min,
            "refusal_backoff_max" => &mut self.refusal_backoff_max,
            "health_after" => &mut self.health_after,
            "patience" => &mut self.patience,
            "session_ttl" => &mut self.session_ttl,
            _ => return None,
        })
    }

    fn optional_time(&mut self, name: &str) -> Option<&mut Option<Duration>> {
        Some(match name {
            "give_up_after" => &mut self.give_up_after,
            "disconnect_after" => &mut self.disconnect_after,
            "slow_after" => &mut self.slow_after,
            "ttl" => &mut self.ttl,
            _ => return None,
        })
    }

    /// A line for each setting that differs from its default.
    pub(crate) fn lines(&self) -> Vec<String> {
        const NUMBERS: [&str; 8] = [
            "lanes",
            "message_bytes_max",
            "queue_messages_max",
            "queue_bytes_max",
            "flight_messages_max",
            "flight_bytes_max",
            "receiver_message_bytes_max",
            "receiver_bytes_max",
        ];
        const TIMES: [&str; 8] = [
            "connect_timeout",
            "backoff_min",
            "backoff_max",
            "refusal_backoff_min",
            "refusal_backoff_max",
            "health_after",
            "patience",
            "session_ttl",
        ];
        let (mut ours, mut defaults) = (self.clone(), Self::default());
        let mut lines = Vec::new();
        if ours.addresses != defaults.addresses {
            let letters: Vec<_> = ours
                .addresses
                .iter()
                .map(|it| letter(*it).to_string())
                .collect();
            let letters = match letters.is_empty() {
                true => "none".to_owned(),
                false => letters.join(" "),
            };
            lines.push(format!("set addresses {letters}"));
        }
        for name in NUMBERS {
            if let (Some(it), Some(default)) = (ours.number(name), defaults.number(name))
                && it != default
            {
                lines.push(format!("set {name} {it}"));
            }
        }
        for name in TIMES {
            if let (Some(it), Some(default)) = (ours.time(name), defaults.time(name))
                && it != default
            {
                lines.push(format!("set {name} {}", text::duration(*it)));
            }
        }
        if let Some(max) = ours.attempts_max {
            lines.push(format!("set attempts_max {max}"));
        }
        for name in ["give_up_after", "disconnect_after", "slow_after", "ttl"] {
            if let (Some(it), Some(default)) =
                (ours.optional_time(name), defaults.optional_time(name))
                && it != default
            {
                let value = it.map_or_else(|| "never".to_owned(), text::duration);
                lines.push(format!("set {name} {value}"));
            }
        }
        if ours.redelivery != defaults.redelivery {
            let name = name_of(ours.redelivery, &REDELIVERIES);
            lines.push(format!("set redelivery {name}"));
        }
        if ours.when_full != defaults.when_full {
            let name = name_of(ours.when_full, &WHEN_FULL);
            lines.push(format!("set when_full {name}"));
        }
        for (lane, class) in ours.priorities.iter().enumerate() {
            if *class != Priority::Normal {
                lines.push(format!("set priority {lane} {}", name_of(*class, &CLASSES)));
            }
        }
        if ours.transfers == Transfers::Manual {
            lines.push("set transfers manual".into());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_are_written() {
        let lines = [
            "set addresses A B",
            "set lanes 2",
            "set flight_messages_max 1",
            "set backoff_min 200ms",
            "set attempts_max 3",
            "set give_up_after 1min",
            "set disconnect_after never",
            "set ttl 3s",
            "set redelivery at-most-once",
            "set when_full drop-oldest",
            "set priority 1 high",
            "set transfers manual",
        ];
        let mut settings = Settings::default();
        assert_eq!(settings.lines(), Vec::<String>::new());
        for line in lines {
            let mut words = Words::of(line);
            words.next();
            settings.read(&mut words).unwrap();
        }
        assert_eq!(settings.lines(), lines);
        assert!(settings.sender().is_ok() && settings.receiver().is_ok());
    }

    #[test]
    fn what_is_no_setting_is_named() {
        let mut settings = Settings::default();
        let mut wrong = |line| settings.read(&mut Words::of(line)).unwrap_err().to_string();
        assert_eq!(wrong("colour red"), "\"colour\" is not a setting");
        assert_eq!(wrong("lanes many"), "\"many\" is not a number");
        assert_eq!(wrong("lanes 1 2"), "nothing may follow here, not \"2\"");
    }
}
