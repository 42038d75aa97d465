//! What holds after each step of the sender: its books, its timers, its transitions.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use peer_sender_core::table::{Standing, TRANSITIONS};
use peer_sender_core::{Action, PeerSenderMachine, Time};

use super::ledger::Ledger;
use super::{Kind, Oracle};

/// An invariant of `docs/invariants.md` that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its id there; `A` if a machine asks for what no adapter can do.
    pub id: &'static str,
    /// What was seen.
    pub what: Cow<'static, str>,
}

impl Display for Violation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not hold: {}", self.id, self.what)
    }
}

impl std::error::Error for Violation {}

impl From<peer_sender_core::Violation> for Violation {
    fn from(it: peer_sender_core::Violation) -> Self {
        Self {
            id: it.id,
            what: it.what.into(),
        }
    }
}

pub(crate) fn violated<T>(
    id: &'static str,
    what: impl Into<Cow<'static, str>>,
) -> Result<T, Violation> {
    let what = what.into();
    Err(Violation { id, what })
}

/// How a sender stood before a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    standing: Standing,
    visits: [u64; TRANSITIONS.len()],
}

impl Before {
    pub(crate) fn of(sender: &PeerSenderMachine) -> Self {
        Self {
            standing: sender.state().standing(),
            visits: *sender.visits(),
        }
    }
}

impl Oracle {
    /// Judges the sender after a step, all of whose actions were seen.
    pub(crate) fn check_sender(
        &self,
        now: Time,
        before: &Before,
        sender: &PeerSenderMachine,
    ) -> Result<(), Violation> {
        self.check_books(sender)?;
        check_path(before, sender)?;
        let deadline = sender.next_deadline();
        if deadline.is_some_and(|deadline| deadline.at < now) {
            return violated("I15", format!("{deadline:?} has passed at {now}"));
        }
        if let Some(by) = self.connects_by
            && (by <= now || deadline.is_none_or(|deadline| deadline.at > by))
        {
            return violated("L3", "an attempt at a connection has no end in time");
        }
        if self.closed && deadline.is_some() {
            return violated("I27", format!("a closed sender waits for {deadline:?}"));
        }
        if self.closed != sender.is_closed() {
            return violated("I28", "it has ended, and did not say so");
        }
        if self.closed && !self.is_settled() {
            return violated("I28", "it has ended, and a message has no outcome");
        }
        if !self.unreturned.is_empty() {
            return violated("I8", "a message that failed at the end is not handed back");
        }
        if self.ledger.expires_next().is_some_and(|at| at <= now) {
            return violated("I15", "a message that waits has outlived its time");
        }
        if self.stop_at.is_some_and(|at| at <= now) && !self.closed {
            return violated("I28", "a stop is overdue");
        }
        Ok(())
    }

    /// I2: the machine's books against ours, in messages and in bytes.
    fn check_books(&self, sender: &PeerSenderMachine) -> Result<(), Violation> {
        let stats = sender.stats();
        let Ledger {
            rejected,
            queued: [queued, queued_bytes],
            in_flight: [flight, flight_bytes],
            outcomes,
            ..
        } = *self.ledger;
        let accepted = self.messages.len() as u64 - rejected;
        if (stats.accepted, stats.rejected) != (accepted, rejected) {
            return violated("I2", "what is accepted and rejected is counted otherwise");
        }
        let theirs = [
            (Kind::Delivered, stats.delivered),
            (Kind::Refused, stats.refused),
            (Kind::Cancelled, stats.cancelled),
            (Kind::Expired, stats.expired),
            (Kind::Failed, stats.failed),
            (Kind::Unknown, stats.unknown),
        ];
        for (kind, count) in theirs {
            if outcomes[kind as usize] != count {
                return violated("I2", format!("{kind:?} was told otherwise than counted"));
            }
        }
        let ours = (queued, queued_bytes, flight, flight_bytes);
        let theirs = (
            stats.queued,
            stats.queued_bytes,
            stats.in_flight,
            stats.in_flight_bytes,
        );
        if ours != theirs {
            let what = format!("queued and in flight, with bytes: {theirs:?}, should be {ours:?}");
            return violated("I2", what);
        }
        Ok(())
    }

    /// Whether the books that are kept step by step are those that all messages together make.
    pub(crate) fn check_ledger(&self) -> Result<(), Violation> {
        match *self.ledger == Ledger::of(&self.messages) {
            true => Ok(()),
            false => violated("I2", "the oracle has lost count itself"),
        }
    }

    /// I27: after the end nothing is said but that a message is not accepted.
    pub(super) fn check_silence(&self, action: &Action) -> Result<(), Violation> {
        if self.closed && !matches!(action, Action::Reject { .. }) {
            return violated("I27", format!("a closed sender says {action:?}"));
        }
        Ok(())
    }
}

/// I30: the rows of the table that were taken lead from where it stood to where it stands.
fn check_path(before: &Before, sender: &PeerSenderMachine) -> Result<(), Violation> {
    let standing = sender.state().standing();
    let mut balance = [0_i64; 8];
    balance[before.standing as usize] -= 1;
    balance[standing as usize] += 1;
    for (row, (before, after)) in TRANSITIONS
        .iter()
        .zip(before.visits.iter().zip(sender.visits()))
    {
        let times = (after - before) as i64;
        balance[row.from as usize] += times;
        balance[row.to as usize] -= times;
    }
    if balance != [0; 8] {
        let from = before.standing;
        return violated(
            "I30",
            format!("no listed way from {from:?} to {standing:?}"),
        );
    }
    Ok(())
}
