//! The limits and times that a case runs with.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::{Config, Lane, Priority, Redelivery, WhenFull};

use crate::op::text::duration;

/// Limits and times of a sender, and what the reference receiver takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    pub lanes: u8,
    pub message_bytes_max: usize,
    pub queue_messages_max: usize,
    pub queue_bytes_max: usize,
    pub flight_messages_max: usize,
    pub flight_bytes_max: usize,
    pub connect_timeout: Duration,
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    pub refusal_backoff_min: Duration,
    pub refusal_backoff_max: Duration,
    pub health_after: Duration,
    pub attempts_max: Option<u32>,
    pub give_up_after: Option<Duration>,
    pub disconnect_after: Option<Duration>,
    pub slow_after: Option<Duration>,
    pub ttl: Option<Duration>,
    pub patience: Duration,
    pub redelivery: Redelivery,
    pub when_full: WhenFull,
    /// The class of each lane, as far as they are told.
    pub priorities: Vec<Priority>,
    /// The addresses that the sender knows at first, by their numbers.
    pub addresses: Vec<u8>,
    /// The largest message that the receiver takes.
    pub receiver_bytes_max: usize,
}

impl Shape {
    /// The machine's configuration of this shape, whose waits are exact.
    pub fn config(&self) -> Config {
        self.config_with(false)
    }

    /// The same with waits that are spread, or not.
    pub fn config_with(&self, jitter: bool) -> Config {
        let mut builder = Config::builder(address(0))
            .addresses(self.addresses.iter().map(|&it| address(it)).collect())
            .lanes(self.lanes)
            .message_bytes_max(self.message_bytes_max)
            .inbound_bytes_max(self.message_bytes_max)
            .queue_messages_max(self.queue_messages_max)
            .queue_bytes_max(self.queue_bytes_max)
            .flight_messages_max(self.flight_messages_max)
            .flight_bytes_max(self.flight_bytes_max)
            .connect_timeout(self.connect_timeout)
            .backoff_min(self.backoff_min)
            .backoff_max(self.backoff_max)
            .jitter(jitter)
            .refusal_backoff_min(self.refusal_backoff_min)
            .refusal_backoff_max(self.refusal_backoff_max)
            .health_after(self.health_after)
            .attempts_max(self.attempts_max)
            .give_up_after(self.give_up_after)
            .disconnect_after(self.disconnect_after)
            .slow_after(self.slow_after)
            .ttl(self.ttl)
            .patience(self.patience)
            .redelivery(self.redelivery)
            .when_full(self.when_full);
        for (lane, priority) in (0..self.lanes).zip(&self.priorities) {
            builder = builder.priority(Lane(lane), *priority);
        }
        builder.build().unwrap()
    }

    /// The class of a lane.
    pub fn priority(&self, lane: u8) -> Priority {
        let class = self.priorities.get(usize::from(lane));
        class.copied().unwrap_or_default()
    }

    /// The same with every time so many times as long.
    pub fn scaled(&self, by: u32) -> Self {
        Self {
            connect_timeout: self.connect_timeout * by,
            backoff_min: self.backoff_min * by,
            backoff_max: self.backoff_max * by,
            refusal_backoff_min: self.refusal_backoff_min * by,
            refusal_backoff_max: self.refusal_backoff_max * by,
            health_after: self.health_after * by,
            give_up_after: self.give_up_after.map(|it| it * by),
            disconnect_after: self.disconnect_after.map(|it| it * by),
            slow_after: self.slow_after.map(|it| it * by),
            ttl: self.ttl.map(|it| it * by),
            patience: self.patience * by,
            ..self.clone()
        }
    }
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            lanes: 3,
            message_bytes_max: 100_000,
            queue_messages_max: 6,
            queue_bytes_max: 150_000,
            flight_messages_max: 4,
            flight_bytes_max: 80_000,
            connect_timeout: Duration::from_millis(5_000),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_millis(2_000),
            refusal_backoff_min: Duration::from_millis(700),
            refusal_backoff_max: Duration::from_millis(9_000),
            health_after: Duration::from_millis(3_000),
            attempts_max: None,
            give_up_after: None,
            disconnect_after: Some(Duration::from_millis(20_000)),
            slow_after: None,
            ttl: None,
            patience: Duration::from_millis(10_000),
            redelivery: Redelivery::AtLeastOnce,
            when_full: WhenFull::Reject,
            priorities: Vec::new(),
            addresses: vec![0],
            receiver_bytes_max: 100_000,
        }
    }
}

/// The settings that differ from the default, one a line.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ours, usual) = (self.settings(), Self::default().settings());
        for ((name, value), usual) in ours.into_iter().zip(usual) {
            if value != usual.1 {
                writeln!(f, "set {name} {value}")?;
            }
        }
        Ok(())
    }
}

impl Shape {
    fn settings(&self) -> Vec<(&'static str, String)> {
        let time = |it: Duration| format!("{it:?}");
        let maybe = |it: Option<Duration>| it.map_or("none".into(), time);
        let priorities: Vec<_> = self.priorities.iter().map(|it| format!("{it:?}")).collect();
        let addresses: Vec<String> = self.addresses.iter().map(u8::to_string).collect();
        vec![
            ("lanes", self.lanes.to_string()),
            ("message_bytes_max", self.message_bytes_max.to_string()),
            ("queue_messages_max", self.queue_messages_max.to_string()),
            ("queue_bytes_max", self.queue_bytes_max.to_string()),
            ("flight_messages_max", self.flight_messages_max.to_string()),
            ("flight_bytes_max", self.flight_bytes_max.to_string()),
            ("receiver_bytes_max", self.receiver_bytes_max.to_string()),
            ("connect_timeout", time(self.connect_timeout)),
            ("backoff_min", time(self.backoff_min)),
            ("backoff_max", time(self.backoff_max)),
            ("refusal_backoff_min", time(self.refusal_backoff_min)),
            ("refusal_backoff_max", time(self.refusal_backoff_max)),
            ("health_after", time(self.health_after)),
            (
                "attempts_max",
                self.attempts_max.map_or("none".into(), |it| it.to_string()),
            ),
            ("give_up_after", maybe(self.give_up_after)),
            ("disconnect_after", maybe(self.disconnect_after)),
            ("slow_after", maybe(self.slow_after)),
            ("ttl", maybe(self.ttl)),
            ("patience", time(self.patience)),
            ("redelivery", format!("{:?}", self.redelivery)),
            ("when_full", format!("{:?}", self.when_full)),
            ("priorities", priorities.join(" ")),
            ("addresses", addresses.join(" ")),
        ]
    }

    /// Reads one of the lines that `Display` writes.
    pub fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let count = || value.parse::<usize>().ok();
        let maybe = || match value {
            "none" => Some(None),
            time => duration(time).map(Some),
        };
        match name {
            "lanes" => self.lanes = value.parse().ok()?,
            "message_bytes_max" => self.message_bytes_max = count()?,
            "queue_messages_max" => self.queue_messages_max = count()?,
            "queue_bytes_max" => self.queue_bytes_max = count()?,
            "flight_messages_max" => self.flight_messages_max = count()?,
            "flight_bytes_max" => self.flight_bytes_max = count()?,
            "receiver_bytes_max" => self.receiver_bytes_max = count()?,
            "connect_timeout" => self.connect_timeout = duration(value)?,
            "backoff_min" => self.backoff_min = duration(value)?,
            "backoff_max" => self.backoff_max = duration(value)?,
            "refusal_backoff_min" => self.refusal_backoff_min = duration(value)?,
            "refusal_backoff_max" => self.refusal_backoff_max = duration(value)?,
            "health_after" => self.health_after = duration(value)?,
            "attempts_max" => self.attempts_max = value.parse().ok(),
            "give_up_after" => self.give_up_after = maybe()?,
            "disconnect_after" => self.disconnect_after = maybe()?,
            "slow_after" => self.slow_after = maybe()?,
            "ttl" => self.ttl = maybe()?,
            "patience" => self.patience = duration(value)?,
            "redelivery" => self.redelivery = among(&REDELIVERIES, value)?,
            "when_full" => self.when_full = among(&WHEN_FULL, value)?,
            "priorities" => {
                let classes = value.split_whitespace().map(|it| among(&PRIORITIES, it));
                self.priorities = classes.collect::<Option<_>>()?;
            }
            "addresses" => {
                let addresses = value.split_whitespace().map(|it| it.parse().ok());
                self.addresses = addresses.collect::<Option<_>>()?;
            }
            _ => return None,
        }
        Some(())
    }
}

pub const REDELIVERIES: [Redelivery; 2] = [Redelivery::AtLeastOnce, Redelivery::AtMostOnce];
pub const WHEN_FULL: [WhenFull; 2] = [WhenFull::Reject, WhenFull::DropOldest];
pub const PRIORITIES: [Priority; 3] = [Priority::Normal, Priority::High, Priority::Low];

/// The one that is written so.
fn among<T: Copy + fmt::Debug>(all: &[T], word: &str) -> Option<T> {
    let mut all = all.iter().copied();
    all.find(|it| format!("{it:?}") == word)
}

/// The address of this number.
pub fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1 + number], 4433))
}

/// The number of this address.
pub fn number(address: SocketAddr) -> u8 {
    match address.ip() {
        std::net::IpAddr::V4(ip) => ip.octets()[3] - 1,
        std::net::IpAddr::V6(_) => u8::MAX,
    }
}
