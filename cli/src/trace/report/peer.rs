//! What is kept of one sender while a trace is read.

use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::table::{Standing, TRANSITIONS};
use peer_sender_core::trace::{Played, TraceEvent};
use peer_sender_core::{
    Action, LinkError, Outcome, PeerEvent, PeerSenderMachine, Stats, StopReason,
};

use super::bands::Bands;
use super::columns::{Columns, Counts, Level};
use super::messages::Messages;
use super::tally::{First, Tally};
use crate::trace::story::Receivers;
use crate::trace::words::error_words;
use crate::trace::words::plain;

/// The most errors that are marked in the life of a sender.
const FAULTS_MARKED: usize = 200;

/// What a sender did, and what became of it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) bands: Bands,
    pub(super) queue: Columns<Level>,
    pub(super) flight: Columns<Level>,
    /// Messages accepted, delivered, and settled in another way.
    pub(super) flow: Columns<Counts<3>>,
    pub(super) messages: Messages,
    /// When, and what was wrong.
    pub(super) faults: First<(u64, String)>,
    pub(super) errors: Tally,
    pub(super) worries: Worries,
    /// As it stood after its last step.
    pub(super) standing: Standing,
    pub(super) address: Option<SocketAddr>,
    pub(super) stats: Stats,
    pub(super) visits: [u64; TRANSITIONS.len()],
    receivers: Receivers,
}

/// What somebody should know who looks after this peer.
#[derive(Debug, Default)]
pub(super) struct Worries {
    /// Outcomes other than delivered, by reason.
    pub(super) unknown: Tally,
    pub(super) failed: Tally,
    pub(super) refused: Tally,
    pub(super) expired: Tally,
    pub(super) rejected: Tally,
    pub(super) wrong_identity: Tally,
    pub(super) restarts: Tally,
    pub(super) slow: Tally,
    /// The longest wait before another attempt, and when it began.
    pub(super) longest_backoff: Option<(Duration, u64)>,
    /// Why it ended before all was done.
    pub(super) ended: Option<(StopReason, u64)>,
}

impl Peer {
    /// Of times from `start` on, with what it had counted before, and who had answered.
    pub(super) fn new(start: u64, (stats, receivers): (Stats, Receivers)) -> Self {
        Self {
            bands: Bands::default(),
            queue: Columns::new(start),
            flight: Columns::new(start),
            flow: Columns::new(start),
            messages: Messages::default(),
            faults: First::new(FAULTS_MARKED),
            errors: Tally::default(),
            worries: Worries::default(),
            standing: Standing::Down,
            address: None,
            stats,
            visits: [0; TRANSITIONS.len()],
            receivers,
        }
    }

    /// Takes a step in, which was at this time. Whether something happened that is worth a look.
    pub(super) fn step(
        &mut self,
        time: u64,
        machine: &PeerSenderMachine,
        played: &Played<'_>,
    ) -> bool {
        let before = (self.stats, self.errors.count(), self.standing);
        for event in &played.events {
            if let TraceEvent::MessageQueued { id, lane, .. } = *event {
                self.messages.queued(id, lane, played.now);
            }
        }
        for action in played.actions {
            self.action(time, action, played);
        }
        self.messages.step_is_over(machine, played.now);
        self.look(time, machine);
        self.count(time, &before.0, machine.stats());
        let (errors, standing) = (self.errors.count(), self.standing);
        let troubled = troubles(&self.stats) != troubles(&before.0);
        troubled || (errors, standing) != (before.1, before.2)
    }

    fn action(&mut self, time: u64, action: &Action, played: &Played<'_>) {
        match action {
            Action::Settle { id, outcome } => {
                self.messages.settled(*id, outcome, played.now);
                self.worries.outcome(time, outcome);
            }
            Action::Reject { id, reason, .. } => {
                self.messages.rejected(*id);
                self.worries.rejected.add(time, &reason.to_string());
            }
            Action::Emit(event) => self.told(time, event),
            _ => {}
        }
    }

    fn told(&mut self, time: u64, event: &PeerEvent) {
        match event {
            PeerEvent::Disconnected { error, .. } => {
                self.worries.error(time, error);
                let text = plain(&error_words(error));
                self.errors.add(time, &text);
                self.faults.add(|| (time, text));
            }
            PeerEvent::BackoffStarted { delay, .. } => {
                let longest = &mut self.worries.longest_backoff;
                if longest.is_none_or(|(longest, _)| *delay > longest) {
                    *longest = Some((*delay, time));
                }
            }
            PeerEvent::SlowPeer { .. } => self.worries.slow.add(time, ""),
            PeerEvent::SenderStopped { reason } if *reason != StopReason::Drained => {
                self.worries.ended = Some((*reason, time));
            }
            _ => {}
        }
    }

    fn look(&mut self, time: u64, machine: &PeerSenderMachine) {
        self.standing = machine.state().standing();
        self.bands.stands(time, self.standing);
        if let Some(address) = machine.state().link().address() {
            self.address = Some(address);
        } else if self.address.is_none() {
            self.address = machine.state().addresses().first().copied();
        }
        self.visits = *machine.visits();
        if self.receivers.look(machine) {
            self.worries.restarts.add(time, "");
        }
    }

    fn count(&mut self, time: u64, before: &Stats, now: Stats) {
        self.queue.add(time, Level::of(now.queued));
        self.flight.add(time, Level::of(now.in_flight));
        let accepted = now.accepted.saturating_sub(before.accepted);
        let delivered = now.delivered.saturating_sub(before.delivered);
        let otherwise = settled_otherwise(&now).saturating_sub(settled_otherwise(before));
        if accepted + delivered + otherwise > 0 {
            self.flow
                .add(time, Counts([accepted, delivered, otherwise]));
        }
        self.stats = now;
    }

    /// How much is to be looked at here: the peer with the most comes first.
    pub(super) fn trouble(&self) -> u64 {
        let stats = &self.stats;
        let lost = stats.unknown.saturating_mul(1_000) + stats.failed.saturating_mul(100);
        let other = stats.expired + stats.refused + stats.rejected;
        lost.saturating_add(other.saturating_mul(10))
            .saturating_add(self.errors.count())
    }
}

fn settled_otherwise(stats: &Stats) -> u64 {
    stats.refused + stats.expired + stats.cancelled + stats.failed + stats.unknown
}

/// What is settled otherwise than was hoped for, or not even accepted.
fn troubles(stats: &Stats) -> u64 {
    let settled = stats.refused + stats.expired + stats.failed + stats.unknown;
    settled + stats.rejected + stats.protocol_errors
}

impl Worries {
    fn outcome(&mut self, time: u64, outcome: &Outcome) {
        match outcome {
            Outcome::Delivered(_) | Outcome::Written | Outcome::Cancelled => {}
            Outcome::Refused(code) => self.refused.add(time, &format!("{code:?}")),
            Outcome::Expired => self.expired.add(time, ""),
            Outcome::Failed(reason) => self.failed.add(time, &format!("{reason:?}")),
            Outcome::Unknown(reason) => self.unknown.add(time, &format!("{reason:?}")),
        }
    }

    fn error(&mut self, time: u64, error: &LinkError) {
        match error {
            LinkError::WrongIdentity { .. }
            | LinkError::IdentityRefused { .. }
            | LinkError::CertificateRefused { .. }
            | LinkError::NotAllowed { .. }
            | LinkError::NotExpected => self.wrong_identity.add(time, &plain(&error_words(error))),
            _ => {}
        }
    }
}
