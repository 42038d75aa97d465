//! A sender of the plain protocol under the hands of tests.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::sender::tests::bench::limited;
use crate::*;

/// A sender, and what it says in words.
pub(super) struct Bench {
    pub(super) machine: PeerSenderMachine,
    pub(super) now: Time,
    pub(super) attempt: Attempt,
    pub(super) next_id: u64,
}

impl Bench {
    pub(super) fn with(set: impl FnOnce(&mut SendLimits)) -> Self {
        let config = limited(set).with_protocol(Protocol::Plain).unwrap();
        let mut bench = Self {
            machine: PeerSenderMachine::new(config, [7; 32]),
            now: Time::from_secs(100),
            attempt: Attempt(0),
            next_id: 0,
        };
        bench.step([]);
        bench
    }

    /// One whose first connection stands.
    pub(super) fn up_with(set: impl FnOnce(&mut SendLimits)) -> Self {
        let mut bench = Self::with(set);
        assert_eq!(bench.confirm(), ["connected"]);
        bench
    }

    pub(super) fn up() -> Self {
        Self::up_with(|_| ())
    }

    pub(super) fn step(&mut self, events: impl IntoIterator<Item = Event>) -> Vec<String> {
        let mut actions = Vec::new();
        self.machine.handle(self.now, events, &mut actions);
        self.machine.check().unwrap();
        let max = self.machine.config.actions_per_step_max();
        assert!(actions.len() <= max);
        let actions = actions.into_iter().filter(|action| {
            !matches!(
                action,
                Action::Room { .. } | Action::HandBack(_) | Action::ScheduleBackoff { .. }
            )
        });
        actions.map(|action| self.in_words(action)).collect()
    }

    pub(super) fn in_words(&mut self, action: Action) -> String {
        match action {
            Action::Connect { attempt, .. } => {
                self.attempt = attempt;
                format!("dial {attempt}")
            }
            Action::Write {
                transfer,
                attempt,
                stream,
                chunks,
                fin,
                ..
            } => {
                assert_eq!((attempt, stream.opener), (self.attempt, Side::Local));
                assert!(fin && chunks.iter().all(|chunk| !chunk.is_empty()));
                let text = String::from_utf8(chunks.concat()).unwrap();
                format!("stream {}: {text} ({transfer})", stream.index)
            }
            Action::ResetStream { stream, .. } => format!("reset {}", stream.index),
            Action::StopSending { stream, code, .. } => format!("stop {}: {code}", stream.index),
            Action::Deliver(message) => {
                format!("got {} as {}", message.payload.len(), message.number)
            }
            Action::Emit(PeerEvent::Connecting { .. }) => "connecting".into(),
            Action::Emit(PeerEvent::Connected { .. }) => "connected".into(),
            Action::Emit(PeerEvent::Disconnected { .. }) => "lost".into(),
            Action::Emit(PeerEvent::BackoffStarted { failures, .. }) => {
                format!("failures {failures}")
            }
            Action::Emit(PeerEvent::Idle) => "idle".into(),
            Action::Emit(PeerEvent::SenderStopped { reason }) => format!("stopped: {reason:?}"),
            Action::Settle { id, outcome } => format!("{id}: {outcome:?}"),
            Action::Close { code, .. } => format!("close: {code}"),
            other => panic!("not expected: {other:?}"),
        }
    }

    /// Hands over messages whose payloads are their ids.
    pub(super) fn queue(&mut self, count: u64) -> Vec<String> {
        let first = self.next_id;
        self.next_id += count;
        let message = |id| Event::MessageQueued {
            id: MessageId(id),
            lane: Lane(0),
            payload: Bytes::from(format!("m{id}")),
            options: MessageOptions::default(),
        };
        self.step((first..self.next_id).map(message).collect::<Vec<_>>())
    }

    pub(super) fn confirm(&mut self) -> Vec<String> {
        let attempt = self.attempt;
        self.step([Event::Connected { attempt }])
    }

    pub(super) fn lose(&mut self) -> Vec<String> {
        let (attempt, error) = (self.attempt, LinkError::IdleTimeout);
        self.step([Event::ConnectionLost { attempt, error }])
    }

    /// Waits out the backoff, and is confirmed again.
    pub(super) fn come_back(&mut self) -> Vec<String> {
        self.wait_for_deadline();
        self.confirm()
    }

    pub(super) fn wait_for_deadline(&mut self) -> Vec<String> {
        self.now = self.machine.next_deadline().unwrap().at;
        self.step([Event::TimerFired])
    }

    pub(super) fn ours(index: u64) -> StreamId {
        let opener = Side::Local;
        StreamId { opener, index }
    }

    pub(super) fn acknowledged(&self, index: u64) -> Event {
        Event::StreamAcknowledged {
            attempt: self.attempt,
            stream: Self::ours(index),
        }
    }

    pub(super) fn stopped(&self, index: u64, code: u64) -> Event {
        Event::StreamStopped {
            attempt: self.attempt,
            stream: Self::ours(index),
            code,
        }
    }

    pub(super) fn taken(&mut self, transfers: &[u64]) {
        let taken = transfers.iter().map(|&transfer| Event::TransferFinished {
            transfer: TransferId(transfer),
        });
        assert!(self.step(taken.collect::<Vec<_>>()).is_empty());
    }

    pub(super) fn cancel(&mut self, id: u64) -> Vec<String> {
        let id = MessageId(id);
        self.step([Event::Cancel { id }])
    }

    pub(super) fn stale(&self) -> u64 {
        self.machine.stats().stale_events
    }
}
