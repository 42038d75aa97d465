//! Events that come too late, or about what never was: they must change nothing.

use bytes::Bytes;
use peer_sender_core::{Attempt, Event, LinkError, Side, StreamId, Time, TransferId};

use crate::log::{self, brief_event};
use crate::rng::Rng;
use crate::world::World;

impl World {
    /// I10: a stale event changes nothing but a counter; and a step that brings nothing leaves
    /// nothing to do.
    pub(crate) fn probe(&mut self, reading: Time) {
        if !self.rng.chance(self.plan.stale) {
            return;
        }
        let event = self.stale_event();
        log::line(self.now, || format!("S -> stale {}", brief_event(&event)));
        let state = self.sender.state().clone();
        let mut stats = self.sender.stats();
        let mut actions = Vec::new();
        self.sender.handle(reading, [event.clone()], &mut actions);
        assert_eq!(actions, [], "I10 {event:?} is answered");
        assert_eq!(
            self.sender.state(),
            &state,
            "I10 {event:?} changes the state"
        );
        stats.stale_events = self.sender.stats().stale_events;
        assert_eq!(
            self.sender.stats(),
            stats,
            "I10 {event:?} is counted otherwise"
        );
    }

    fn stale_event(&mut self) -> Event {
        let current = self.recovery.attempt();
        let rng = &mut self.rng;
        let past = self
            .connections
            .iter()
            .filter_map(|c| c.dialler)
            .collect::<Vec<_>>();
        let attempt = match past.is_empty() || rng.chance(200) {
            true => Attempt(1_000_000 + rng.below(10)),
            false => rng.pick(&past),
        };
        if Some(attempt) == current {
            return Event::TimerFired;
        }
        any_event_of(attempt, self.old_transfers.first().copied(), rng)
    }
}

/// Any event about a connection, as a late one would look.
pub(crate) fn any_event_of(attempt: Attempt, transfer: Option<TransferId>, rng: &mut Rng) -> Event {
    let opener = rng.pick(&[Side::Local, Side::Remote]);
    let stream = StreamId {
        opener,
        index: rng.below(2),
    };
    let error = LinkError::IdleTimeout;
    let code = rng.below(8);
    match rng.below(8) {
        0 => Event::Connected { attempt },
        1 => Event::ConnectFailed { attempt, error },
        2 => Event::ConnectionLost { attempt, error },
        3 => Event::BytesReceived {
            attempt,
            stream,
            bytes: Bytes::from(rng.array::<5>().to_vec()),
            fin: rng.chance(300),
        },
        4 => Event::StreamReset {
            attempt,
            stream,
            code,
        },
        5 => Event::StreamStopped {
            attempt,
            stream,
            code,
        },
        6 => Event::StreamAcknowledged { attempt, stream },
        _ => match transfer {
            // The last write may still be under way; the first of several is not.
            Some(first) => Event::TransferFinished {
                transfer: TransferId(first.0 + (1 << 40)),
            },
            None => Event::StreamOpened { attempt, stream },
        },
    }
}

pub(crate) fn attempt_of(event: &Event) -> Option<Attempt> {
    match event {
        Event::Connected { attempt }
        | Event::ConnectFailed { attempt, .. }
        | Event::ConnectionLost { attempt, .. }
        | Event::StreamOpened { attempt, .. }
        | Event::BytesReceived { attempt, .. }
        | Event::StreamReset { attempt, .. }
        | Event::StreamStopped { attempt, .. }
        | Event::StreamAcknowledged { attempt, .. }
        | Event::ProbeAnswered { attempt } => Some(*attempt),
        Event::MessageQueued { .. }
        | Event::Cancel { .. }
        | Event::AddressesChanged { .. }
        | Event::Wake { .. }
        | Event::TransferFinished { .. }
        | Event::TransferAcknowledged { .. }
        | Event::Consumed { .. }
        | Event::Refused { .. }
        | Event::Stop { .. }
        | Event::TimerFired => None,
    }
}
