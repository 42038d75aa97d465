//! How a sender stood, in short.

use peer_sender_core::table::Standing;
use peer_sender_core::{Holdup, PeerSenderMachine, Stats};

use crate::figures::{plural, thousands};

/// How a sender stood.
#[derive(Clone, Copy)]
pub(super) struct Stood {
    standing: Standing,
    holdup: Holdup,
    stats: Stats,
}

impl Stood {
    pub(super) fn of(machine: &PeerSenderMachine) -> Self {
        Self {
            standing: machine.state().standing(),
            holdup: machine.holdup(),
            stats: machine.stats(),
        }
    }

    pub(super) fn words(self) -> String {
        let Self {
            standing,
            holdup,
            stats,
        } = self;
        format!(
            "{standing:?}, {} queued, {} in flight, {} delivered, {} expired; {holdup}",
            plural(stats.queued, "message"),
            thousands(stats.in_flight),
            thousands(stats.delivered),
            thousands(stats.expired),
        )
    }
}
