//! The first record of a tape: how its world is set up.

use std::time::Duration;

use peer_sender_core::{Priority, Redelivery, WhenFull};

use super::class::{Class, Classes};
use crate::settings::{Settings, Transfers};
use crate::tape::Choices;

/// Where the peer is known to be at first.
fn addresses(it: &mut Choices<'_>, classes: Classes) -> Vec<u8> {
    let count = match it.below(16) {
        0 if classes.has(Class::Addresses) => 0,
        few => few % 3 + 1,
    };
    (0..count as u8).collect()
}

/// What is fixed for a whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setup {
    pub(super) settings: Settings,
    pub(super) classes: Classes,
    /// The largest of ordinary messages.
    pub(super) bytes_max: u64,
    /// How the run ends.
    pub(super) end: RunEnd,
}

/// What comes after a world was healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunEnd {
    /// A drain that has nothing more to do.
    Drain,
    /// A drain with messages before it.
    DrainBusy,
    Abort,
    Remove,
    /// Nothing.
    None,
}

impl Setup {
    pub(super) fn read(choices: &mut Choices<'_>) -> Self {
        let bits = [0; 4].map(|_: u8| choices.byte());
        let classes = Classes::from_bits(u32::from_le_bytes(bits));
        let it = choices;
        let ms = Duration::from_millis;
        let second = Duration::from_secs(1);
        let bytes_max = match it.below(20) {
            0 => 0,
            1..=12 => it.log_uniform(1, 64),
            13..=17 => it.log_uniform(64, 1_000),
            18 => it.log_uniform(1_000, 10_000),
            _ => it.log_uniform(10_000, 100_000),
        };
        let message_bytes_max = bytes_max.max(1);
        let lanes = it.one_of(&[1, 1, 2, 2, 3, 8]).copied().unwrap_or(1);
        let queue_messages_max = it.log_uniform(1, 64);
        let queue_bytes_max = message_bytes_max * it.log_uniform(1, 64);
        let flight_messages_max = it.log_uniform(1, 64);
        let flight_bytes_max = it.log_uniform(1, message_bytes_max * 64);
        let poison = classes.has(Class::Refuse) && it.chance(100);
        let receiver_message_bytes_max = match poison {
            true => 1 + it.below(message_bytes_max),
            false => message_bytes_max,
        };
        let receiver_bytes_max = match it.chance(128) {
            true => receiver_message_bytes_max * it.log_uniform(1, 16),
            false => receiver_message_bytes_max.max(32 << 20),
        };
        let backoff_min = it.time(ms(1), second);
        let refusal_backoff_min = it.time(ms(1), 10 * second);
        let often = |it: &mut Choices<'_>, min, max| it.chance(128).then(|| it.time(min, max));
        let mut priorities = [Priority::Normal; 8];
        if it.chance(100) {
            for class in priorities.iter_mut().take(lanes) {
                let all = [Priority::High, Priority::Normal, Priority::Low];
                *class = it.one_of(&all).copied().unwrap_or_default();
            }
        }
        let gives_up = classes.has(Class::GiveUp);
        let settings = Settings {
            addresses: addresses(it, classes),
            lanes: lanes as u64,
            message_bytes_max,
            queue_messages_max,
            queue_bytes_max,
            flight_messages_max,
            flight_bytes_max,
            connect_timeout: it.time(ms(10), 30 * second),
            backoff_min,
            backoff_max: backoff_min + it.time(Duration::ZERO, 3_600 * second),
            refusal_backoff_min,
            refusal_backoff_max: refusal_backoff_min + it.time(Duration::ZERO, 300 * second),
            health_after: it.time(ms(1), 60 * second),
            attempts_max: (gives_up && it.chance(128)).then(|| it.log_uniform(2, 30)),
            give_up_after: match gives_up {
                true => often(it, second, 3_600 * second),
                false => None,
            },
            disconnect_after: often(it, second, 300 * second),
            slow_after: often(it, ms(10), 60 * second),
            ttl: match classes.has(Class::Expiry) {
                true => often(it, ms(1), 60 * second),
                false => None,
            },
            patience: it.time(Duration::ZERO, 30 * second),
            redelivery: match it.chance(77) {
                true => Redelivery::AtMostOnce,
                false => Redelivery::AtLeastOnce,
            },
            when_full: match it.chance(77) {
                true => WhenFull::DropOldest,
                false => WhenFull::Reject,
            },
            priorities,
            receiver_message_bytes_max,
            receiver_bytes_max,
            session_ttl: it.time(second, 3_600 * second),
            transfers: match it.chance(90) {
                true => Transfers::Manual,
                false => Transfers::Automatic,
            },
        };
        let end = match it.below(8) {
            0 => RunEnd::None,
            1 => RunEnd::Abort,
            2 => RunEnd::Remove,
            3 | 4 => RunEnd::DrainBusy,
            _ => RunEnd::Drain,
        };
        Self {
            settings,
            classes,
            bytes_max,
            end,
        }
    }
}
