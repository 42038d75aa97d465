//! How long a sender's messages took, stage by stage.

use std::collections::{BTreeMap, VecDeque};

use peer_sender_core::{Lane, MessageId, Outcome, PeerSenderMachine, Time};

use super::histogram::Histogram;

/// The most messages that are followed at once; more are only counted.
const OPEN_MAX: usize = 1 << 18;

/// The messages of one sender that have no outcome, and how long those took that have one.
#[derive(Debug, Default)]
pub(super) struct Messages {
    open: BTreeMap<MessageId, Open>,
    /// Of each lane those that have not begun, in order.
    waiting: BTreeMap<Lane, VecDeque<MessageId>>,
    pub(super) latency: Latency,
    /// Messages that were too many to be followed.
    pub(super) unfollowed: u64,
}

#[derive(Debug)]
struct Open {
    queued: Time,
    written: Option<Time>,
}

/// How long messages took that the receiver has answered, in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Latency {
    /// From being accepted to being written.
    pub(super) waiting: Histogram,
    /// From being written, first, to the receiver's answer.
    pub(super) answer: Histogram,
    /// From being accepted to the receiver's answer.
    pub(super) whole: Histogram,
}

impl Messages {
    pub(super) fn queued(&mut self, id: MessageId, lane: Lane, now: Time) {
        if self.open.len() >= OPEN_MAX {
            self.unfollowed += 1;
            return;
        }
        let open = Open {
            queued: now,
            written: None,
        };
        self.open.insert(id, open);
        self.waiting.entry(lane).or_default().push_back(id);
    }

    pub(super) fn rejected(&mut self, id: MessageId) {
        self.open.remove(&id);
    }

    pub(super) fn settled(&mut self, id: MessageId, outcome: &Outcome, now: Time) {
        let Some(open) = self.open.remove(&id) else {
            return;
        };
        if !matches!(
            outcome,
            Outcome::Delivered(_) | Outcome::Written | Outcome::Refused(_)
        ) {
            return;
        }
        let between = |from: Time, to: Time| nanos(to.saturating_since(from));
        self.latency.whole.add(between(open.queued, now));
        if let Some(written) = open.written {
            self.latency.waiting.add(between(open.queued, written));
            self.latency.answer.add(between(written, now));
        }
    }

    /// After a step, and what it settled: messages that have left their lane's queue have begun.
    pub(super) fn step_is_over(&mut self, machine: &PeerSenderMachine, now: Time) {
        for (&lane, waiting) in &mut self.waiting {
            if waiting.is_empty() {
                continue;
            }
            let next = machine.lane(lane).and_then(|lane| lane.next);
            while let Some(&id) = waiting.front()
                && next.is_none_or(|next| id < next)
            {
                waiting.pop_front();
                if let Some(open) = self.open.get_mut(&id) {
                    open.written = Some(now);
                }
            }
        }
    }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
