//! What an exploration lets happen, and how often.

use std::time::Duration;

use peer_sender_core::{Redelivery, WhenFull};

use crate::settings::{Settings, Transfers};

/// How often things happen that need not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Messages are sent.
    pub messages: u8,
    /// An end loses a connection for no reason, or an attempt at one fails or takes too long.
    pub losses: u8,
    /// The accepting process is killed and starts anew.
    pub restarts: u8,
    /// A session is forgotten.
    pub forgets: u8,
    /// A message is taken back.
    pub cancels: u8,
    /// The application refuses a message.
    pub refusals: u8,
    /// The sender is told to drain.
    pub stops: u8,
    /// The sender is told to end at once.
    pub aborts: u8,
    /// A stream is reset, or given up, by nobody's machine.
    pub cuts: u8,
    /// The accepting end stops in good order.
    pub leaves: u8,
    /// Ten seconds pass in which nothing happens: as long as a sender is patient, and as a
    /// connection must stand to be healthy.
    pub waits: u8,
}

/// In which pieces the bytes of a stream arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pieces {
    /// All that is under way at once.
    All,
    /// Frame by frame.
    Frames,
    /// Frame by frame, and each frame whole or in halves.
    Halves,
}

/// What an exploration lets happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What these bounds are called.
    pub name: &'static str,
    /// How the world is set up.
    pub settings: Settings,
    /// Lanes that messages are sent on.
    pub lanes: u8,
    /// The sizes of the messages, in turn.
    pub sizes: &'static [u32],
    /// In which pieces bytes arrive.
    pub pieces: Pieces,
    /// How often each thing may happen that need not.
    pub most: Budget,
}

/// How wide the bounds get.
const WIDTH_MAX: u8 = 16;

/// The bounds that are explored one after the other until there are as many states as were asked
/// for: configuration by configuration, then all of them again with more of everything, and so on
/// without an end that anybody would reach.
pub fn ladder() -> impl Iterator<Item = Bounds> {
    (0..=WIDTH_MAX).flat_map(rungs)
}

/// Every configuration, at one width, those with fewer states first. Each row is also the reason of its bounds: what can go wrong
/// together is let happen together, and what cannot is left out, so that the rest goes further.
fn rungs(width: u8) -> [Bounds; 12] {
    let base = base();
    let most_once = Settings {
        redelivery: Redelivery::AtMostOnce,
        ..base.clone()
    };
    let few = Budget {
        messages: 2 + width / 2,
        losses: 1 + width.div_ceil(2),
        ..Budget::default()
    };
    let forgetful = Budget {
        restarts: 1 + width / 3,
        cancels: 1 + width / 4,
        ..few
    };
    let refusing = Budget {
        forgets: 1 + width / 3,
        refusals: 1 + width / 4,
        ..few
    };
    let rung = |name, settings: &Settings, most| Bounds {
        name,
        settings: settings.clone(),
        lanes: 1,
        sizes: &[1],
        pieces: Pieces::Frames,
        most,
    };
    [
        rung(
            "few messages, many losses, connections that overlap",
            &base,
            Budget {
                messages: 1 + width / 4,
                losses: 2 + width,
                ..few
            },
        ),
        rung(
            "cancelled, lost, and time passes",
            &base,
            Budget {
                messages: 1 + width / 2,
                cancels: 1,
                waits: 1 + width / 4,
                ..few
            },
        ),
        rung("lost, forgotten, refused; at least once", &base, refusing),
        rung(
            "lost, forgotten, refused; at most once",
            &most_once,
            refusing,
        ),
        rung(
            "one in flight, lost, cancelled",
            &Settings {
                flight_messages_max: 1,
                ..base.clone()
            },
            Budget {
                messages: 3 + width / 2,
                cancels: 1,
                ..few
            },
        ),
        Bounds {
            sizes: &[2, 5],
            pieces: Pieces::Halves,
            ..rung(
                "messages in halves, one too large, late writes, lost",
                &Settings {
                    receiver_message_bytes_max: 4,
                    transfers: Transfers::Manual,
                    ..base.clone()
                },
                few,
            )
        },
        rung(
            "lost, restarted, cancelled; at most once",
            &most_once,
            forgetful,
        ),
        rung(
            "stopped, lost, a receiver that leaves",
            &base,
            Budget {
                stops: 1,
                aborts: 1,
                leaves: 1,
                ..few
            },
        ),
        rung(
            "lost, restarted, cancelled; at least once",
            &base,
            forgetful,
        ),
        rung(
            "a queue of one that drops its oldest, lost, restarted, aborted",
            &Settings {
                queue_messages_max: 1,
                flight_messages_max: 1,
                when_full: WhenFull::DropOldest,
                ..base.clone()
            },
            Budget {
                messages: 3 + width / 2,
                restarts: 1,
                aborts: 1,
                ..few
            },
        ),
        rung(
            "a time to live, lost, restarted, cancelled; at most once",
            &Settings {
                ttl: Some(Duration::from_secs(1)),
                ..most_once.clone()
            },
            forgetful,
        ),
        Bounds {
            lanes: 2,
            ..rung(
                "two lanes, lost, streams cut",
                &base,
                Budget {
                    losses: width,
                    cuts: 1,
                    ..few
                },
            )
        },
    ]
}

/// What all configurations share: no timer but those that a message or a connection needs.
fn base() -> Settings {
    Settings {
        lanes: 2,
        flight_messages_max: 2,
        queue_messages_max: 8,
        disconnect_after: None,
        slow_after: None,
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_can_be_set_up_and_has_its_own_bounds() {
        let all: Vec<_> = ladder().collect();
        for bounds in &all {
            bounds.settings.sender().unwrap();
            bounds.settings.receiver().unwrap();
            assert!(!bounds.sizes.is_empty());
            let alike = all.iter().filter(|it| *it == bounds);
            assert_eq!(alike.count(), 1, "{}", bounds.name);
        }
    }
}
