//! One look at the whole state after a step's events, and everything that follows from it. No
//! action is emitted anywhere else.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use super::state::{Ending, Established, Failure, Phase};
use super::{Link, PeerSenderMachine};
use crate::outbound::Flow;
use crate::table::{self, Cause, Standing};
use crate::{
    Action, CloseCode, FailReason, LinkError, Outcome, PeerEvent, StopReason, UnknownReason,
};

impl PeerSenderMachine {
    /// Each part leaves nothing for an earlier one to do, so one pass is enough; save what it takes
    /// to lose a connection. Whether that was healthy depends on the answers that it brought, so
    /// outcomes are told before; and the loss, which lets time look at the messages again for
    /// itself, and the writing decide further ones, which are told at the end. Where the last thing to
    /// do is to reset a message's own stream, that leaves nothing to wait for.
    pub(super) fn settle(&mut self, actions: &mut Vec<Action>) {
        self.settle_rejected(actions);
        if self.is_closed() {
            self.state.news = Default::default();
            return;
        }
        self.settle_moved(actions);
        self.settle_confirmed(actions);
        self.state.outbound.time_passes(self.state.now);
        self.settle_outcomes(actions);
        self.settle_inbound(actions);
        self.settle_going_away();
        self.settle_overdue();
        self.settle_failed(actions);
        self.settle_rest();
        self.settle_last_reads(actions);
        self.settle_parting(actions);
        self.settle_stop(actions);
        self.settle_dial(actions);
        self.settle_writes(actions);
        self.settle_outcomes(actions);
        self.settle_stop(actions);
        self.settle_slow(actions);
        if self.state.phase == Phase::Running {
            self.state.outbound.tell_room(actions);
        }
    }

    fn settle_rejected(&mut self, actions: &mut Vec<Action>) {
        let rejected = mem::take(&mut self.state.news.rejected);
        actions.extend(
            rejected
                .into_iter()
                .map(|(id, lane, reason, payload)| Action::Reject {
                    id,
                    lane,
                    reason,
                    payload,
                }),
        );
    }

    fn settle_outcomes(&mut self, actions: &mut Vec<Action>) {
        let mut answered = false;
        for (id, outcome) in self.state.outbound.take_decided() {
            let counter = match outcome {
                Outcome::Delivered(_) => &mut self.stats.delivered,
                Outcome::Refused(_) => &mut self.stats.refused,
                Outcome::Expired => &mut self.stats.expired,
                Outcome::Cancelled => &mut self.stats.cancelled,
                Outcome::Failed(_) => &mut self.stats.failed,
                Outcome::Unknown(_) => &mut self.stats.unknown,
                Outcome::Written => &mut self.stats.handed_over,
            };
            *counter += 1;
            answered |= matches!(outcome, Outcome::Delivered(_) | Outcome::Refused(_));
            actions.push(Action::Settle { id, outcome });
        }
        if let Some(connection) = self.state.link.connection_mut() {
            connection.answered |= answered;
        }
    }

    /// Takes what came of the peer's lanes.
    fn settle_inbound(&mut self, actions: &mut Vec<Action>) {
        if self.state.link.connection().is_some_and(|it| !it.reads) {
            self.state.inbound.read_nothing();
            return;
        }
        for (attempt, closing) in self.state.inbound.read(self.state.now, actions) {
            if self.state.link.attempt() == Some(attempt) {
                self.stats.protocol_errors += u64::from(closing.code() == CloseCode::Protocol);
                self.fail(closing.into_error(), true);
            }
        }
    }

    /// A way back that has ended before its lane leaves the connection without use: the other end
    /// is stopping.
    fn settle_going_away(&mut self) {
        if mem::take(&mut self.state.news.going_away) {
            let (code, reason) = (CloseCode::GoingAway, String::new());
            self.fail(LinkError::Closed { code, reason }, true);
        }
    }

    fn settle_overdue(&mut self) {
        let now = self.state.now;
        let unanswered = self.state.outbound.resume_due();
        let error = match self.state.link {
            Link::Connecting { until, .. } if until <= now && !broken!(ConnectNeverGivenUp) => {
                LinkError::ConnectTimeout
            }
            Link::Up(_) | Link::Draining(_) | Link::Parting { .. }
                if unanswered.is_some_and(|due| due <= now) =>
            {
                LinkError::NoAnswer
            }
            Link::Down
            | Link::Connecting { .. }
            | Link::Up(_)
            | Link::Draining(_)
            | Link::Parting { .. }
            | Link::Idle
            | Link::Backoff { .. } => return,
        };
        self.state
            .news
            .failed
            .get_or_insert(Failure { error, open: true });
    }

    /// Once our own lanes have ended, the peer's are read no further: what they still hold is
    /// answered, and their ways back end. What comes without a lane is not sent again if it is not
    /// taken, so it is taken up to the end.
    fn settle_last_reads(&mut self, actions: &mut Vec<Action>) {
        let ends = match (self.state.link, self.state.phase) {
            (Link::Parting { .. }, _) => true,
            (Link::Up(_) | Link::Draining(_), Phase::Stopping { .. }) => {
                self.state.outbound.is_settled()
            }
            _ => false,
        };
        if ends
            && self.config.protocol.has_lanes()
            && self.state.outbound.is_complete()
            && let Some(connection @ Established { reads: true, .. }) =
                self.state.link.connection_mut()
        {
            connection.reads = false;
            self.state.inbound.stop_reading(true, actions);
        }
    }

    fn settle_stop(&mut self, actions: &mut Vec<Action>) {
        let Phase::Stopping { until, ending } = self.state.phase else {
            return;
        };
        let overdue =
            until <= self.state.now && !(ending == Ending::Drain && broken!(DrainWithoutEnd));
        let settled = self.state.outbound.is_settled();
        let reason = match ending {
            Ending::Remove => StopReason::Removed,
            Ending::Drain | Ending::Abort if settled => StopReason::Drained,
            Ending::Drain => StopReason::DeadlineReached,
            Ending::Abort => StopReason::Aborted,
        };
        if !self.config.protocol.has_lanes() && self.state.only_listens() && !overdue {
            self.settle_parted(actions);
        }
        let done = self.has_said_all() && !self.state.inbound.owes_messages();
        if settled && (overdue || done) {
            self.finish(reason, CloseCode::Done, actions);
        } else if overdue {
            self.finish(reason, self.config.protocol.parting_code(), actions);
        }
    }

    /// Without lanes there is no end of which the peer could tell us, so the connection is closed once
    /// all of ours is said. What had come on it by then is read before this sender ends.
    fn settle_parted(&mut self, actions: &mut Vec<Action>) {
        if let (Link::Up(connection), true) = (self.state.link, self.has_said_all()) {
            self.go(Cause::FinWritten, Link::Draining(connection));
        }
        if let (Link::Draining(connection), true) = (self.state.link, self.has_said_all()) {
            self.part(connection.attempt, actions);
            self.go(Cause::Done, Link::Idle);
        }
    }

    /// Whether no connection has anything left to say, at either end; without lanes, at this one.
    pub(super) fn has_said_all(&self) -> bool {
        let lanes = self.config.protocol.has_lanes();
        match self.state.link.connection() {
            Some(connection) => {
                !(connection.reads && lanes)
                    && self.state.outbound.is_complete()
                    && self.state.inbound.awaited().is_empty()
            }
            None => true,
        }
    }

    pub(super) fn finish(
        &mut self,
        reason: StopReason,
        code: CloseCode,
        actions: &mut Vec<Action>,
    ) {
        let (failed, unknown) = match reason {
            StopReason::GaveUp => (FailReason::GaveUp, UnknownReason::GaveUp),
            StopReason::Removed => (FailReason::Removed, UnknownReason::Removed),
            StopReason::SessionForgotten
            | StopReason::Drained
            | StopReason::DeadlineReached
            | StopReason::Aborted => (FailReason::Stopped, UnknownReason::Stopped),
        };
        let draining = matches!(self.state.link, Link::Draining(_));
        let cause = if reason == StopReason::GaveUp {
            Cause::GaveUp
        } else if draining && self.has_said_all() {
            Cause::Done
        } else {
            Cause::Stopped
        };
        if broken!(StoppedTooSoon) {
            actions.push(Action::Emit(PeerEvent::SenderStopped { reason }));
        }
        self.state.outbound.abandon(failed, unknown);
        self.settle_outcomes(actions);
        let unsent = self.state.outbound.take_unsent();
        actions.extend(unsent.map(Action::HandBack));
        if let Some(attempt) = self.state.link.attempt() {
            let reason = String::new();
            actions.push(Action::Close {
                attempt,
                code,
                reason,
            });
        }
        self.count(self.state.link.standing(), cause, Standing::Closed);
        self.state.inbound.forget();
        self.state.link = Link::Down;
        self.state.phase = Phase::Closed;
        self.since = self.state.now;
        if !broken!(StoppedTooSoon) {
            actions.push(Action::Emit(PeerEvent::SenderStopped { reason }));
        }
    }

    /// Tells that the peer has become slow, or is no longer. Between the two ages lies the hysteresis:
    /// a queue that moves slowly must not tell it again and again.
    fn settle_slow(&mut self, actions: &mut Vec<Action>) {
        let (Some(after), false) = (self.config.slow_after, self.is_closed()) else {
            return;
        };
        let oldest = self.state.outbound.oldest();
        let older_than = |age| oldest.filter(|&since| since + age <= self.state.now);
        if self.state.slow && older_than(after / 2).is_none() {
            self.state.slow = false;
            actions.push(Action::Emit(PeerEvent::SlowPeerCleared));
        } else if let (false, Some(since)) = (self.state.slow, older_than(after)) {
            self.state.slow = true;
            actions.push(Action::Emit(PeerEvent::SlowPeer { since }));
        }
    }

    /// Writes what may be written, and answers what was answered.
    fn settle_writes(&mut self, actions: &mut Vec<Action>) {
        let resume_due = self.state.now + self.config.connect_timeout;
        let stopping = matches!(self.state.phase, Phase::Stopping { .. });
        let flow = match self.state.link {
            Link::Up(_) if stopping => Flow::Last,
            Link::Up(_) => Flow::Running,
            Link::Parting { .. } => Flow::Parting,
            Link::Draining(_) => Flow::Last,
            Link::Down | Link::Connecting { .. } | Link::Idle | Link::Backoff { .. } => return,
        };
        let state = &mut self.state;
        if let Link::Up(_) = state.link {
            state.outbound.open_lanes(flow == Flow::Running, resume_due);
        }
        let written = state.outbound.write(flow, &mut state.transfers, actions);
        state.outbound.note_begun(state.now);
        let reads = state.link.connection().is_some_and(|it| it.reads);
        state.inbound.answer(!reads, &mut state.transfers, actions);
        if written.resets {
            state.touch();
        }
        self.stats.written += written.messages;
        self.stats.redelivered += written.repeated;
        if let (Link::Up(connection), true) = (self.state.link, stopping)
            && self.state.outbound.is_finished()
        {
            self.go(Cause::FinWritten, Link::Draining(connection));
        }
    }

    pub(super) fn go(&mut self, cause: Cause, link: Link) {
        self.count(self.state.link.standing(), cause, link.standing());
        self.state.link = link;
        self.since = self.state.now;
    }

    pub(super) fn count(&mut self, from: Standing, cause: Cause, to: Standing) {
        let row = table::find(from, cause, to);
        debug_assert!(
            row.is_some(),
            "no transition from {from:?} to {to:?} because of {cause:?}"
        );
        if let Some(visits) = row.and_then(|row| self.visits.get_mut(row)) {
            *visits += 1;
        }
    }
}
