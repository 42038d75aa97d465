//! What is asked of a machine that sends, whatever it is told.

use std::collections::BTreeMap;

use peer_sender_core::table::{Standing, TRANSITIONS};
use peer_sender_core::{
    Action, Attempt, Event, Lane, MessageId, PeerEvent, Stats, Time, Violation,
};

/// What a machine was offered and what it said of it, so that both can be held against each other.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Accepted messages without an outcome, with their sizes.
    live: BTreeMap<MessageId, usize>,
    settled: BTreeMap<MessageId, ()>,
    accepted: u64,
    /// The last number that was delivered of each lane of the other end.
    delivered: BTreeMap<Lane, u64>,
    /// Connections that were asked for and not ended, and the highest that ever was.
    standing: Option<Attempt>,
    newest: Option<Attempt>,
    stopped: bool,
}

impl Books {
    /// Judges what a step did that brought these events. `stats` are those of after the step.
    pub(crate) fn step(&mut self, events: &[Event], actions: &[Action], stats: &Stats) {
        let offered = self.offer(events, actions);
        for action in actions {
            assert!(
                !self.stopped || matches!(action, Action::Reject { .. }),
                "I27 a closed machine does {action:?}"
            );
            match action {
                Action::Settle { id, .. } => {
                    let live = self.live.remove(id).is_some();
                    assert!(live, "I1 an outcome of {id:?}, which is not live");
                    self.settled.insert(*id, ());
                }
                Action::HandBack(unsent) => {
                    let settled = self.settled.contains_key(&unsent.id);
                    assert!(settled, "I1 {:?} is handed back first", unsent.id);
                }
                Action::Deliver(message) => {
                    let number = message.number;
                    let last = self.delivered.insert(message.lane, number);
                    let follows = last.is_none_or(|last| last < number);
                    assert!(follows, "I7 {number} follows {last:?}");
                }
                Action::ForgetDelivered => self.delivered.clear(),
                Action::Emit(PeerEvent::SenderStopped { .. }) => {
                    assert!(self.live.is_empty(), "I28 stopped with live messages");
                    self.stopped = true;
                }
                _ => {}
            }
        }
        assert_eq!(stats.accepted, self.accepted, "I2 accepted of {offered}");
        let (messages, bytes) = (self.live.len() as u64, self.live.values().sum::<usize>());
        assert_eq!(stats.queued + stats.in_flight, messages, "I2 messages");
        assert_eq!(
            stats.queued_bytes + stats.in_flight_bytes,
            bytes as u64,
            "I2 bytes"
        );
    }

    /// Each message that came is accepted, or handed back as it was.
    fn offer(&mut self, events: &[Event], actions: &[Action]) -> usize {
        let mut rejected = actions.iter().filter_map(|action| match action {
            Action::Reject { id, payload, .. } => Some((*id, payload)),
            _ => None,
        });
        let mut next = rejected.next();
        let mut offered = 0;
        for event in events {
            let Event::MessageQueued { id, payload, .. } = event else {
                continue;
            };
            offered += 1;
            match next {
                Some((named, back)) if named == *id && back == payload => next = rejected.next(),
                _ => {
                    self.accepted += 1;
                    let known = self.settled.contains_key(id);
                    let twice = self.live.insert(*id, payload.len()).is_some();
                    assert!(!known && !twice, "I1 {id:?} is accepted twice");
                }
            }
        }
        assert_eq!(next, None, "I8 handed back, and not offered");
        offered
    }

    /// A dialling machine has at most one connection, and says nothing on any other.
    pub(crate) fn links(&mut self, events: &[Event], actions: &[Action]) {
        for event in events {
            if let Event::ConnectFailed { attempt, .. } | Event::ConnectionLost { attempt, .. } =
                event
                && self.standing == Some(*attempt)
            {
                self.standing = None;
            }
        }
        for action in actions {
            match action {
                Action::Connect { attempt, .. } => {
                    assert_eq!(self.standing, None, "I9 a dial beside a connection");
                    let newer = self.newest.is_none_or(|newest| newest < *attempt);
                    assert!(newer, "I9 {attempt:?} is not new");
                    (self.standing, self.newest) = (Some(*attempt), Some(*attempt));
                }
                Action::Close { attempt, .. } => {
                    assert_eq!(self.standing, Some(*attempt), "I9 what is closed stands");
                    self.standing = None;
                }
                Action::Write { attempt, .. }
                | Action::PauseReading { attempt, .. }
                | Action::ResumeReading { attempt, .. }
                | Action::Probe { attempt }
                | Action::ResetStream { attempt, .. }
                | Action::StopSending { attempt, .. } => {
                    let here = self.standing == Some(*attempt);
                    assert!(here, "I10 {action:?} on a connection that is gone");
                }
                _ => {}
            }
        }
    }
}

/// A machine is sound.
pub(crate) fn sound(what: &str, holds: Result<(), Violation>) {
    if let Err(violation) = holds {
        panic!("{}: {what}: {}", violation.id, violation.what);
    }
}

/// The rows of the table that a step took lead from where the sender stood to where it stands.
pub(crate) fn path(
    (from, before): (Standing, &[u64; TRANSITIONS.len()]),
    (to, after): (Standing, &[u64; TRANSITIONS.len()]),
) {
    let mut balance: BTreeMap<Standing, i64> = BTreeMap::new();
    let mut change = |standing, by| *balance.entry(standing).or_default() += by;
    change(from, -1);
    change(to, 1);
    for ((row, before), after) in TRANSITIONS.iter().zip(before).zip(after) {
        let taken = (after - before) as i64;
        change(row.from, taken);
        change(row.to, -taken);
    }
    let leads = balance.values().all(|it| *it == 0);
    assert!(
        leads,
        "I30 no rows of the table lead from {from:?} to {to:?}"
    );
}

/// A timer never lies in the past.
pub(crate) fn timer(due: Option<Time>, now: Time) {
    let ahead = due.is_none_or(|at| at >= now);
    assert!(ahead, "I15 due at {due:?}, and it is {now}");
}
