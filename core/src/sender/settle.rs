//! One look at the whole state after a step's events, and everything that follows from it. No
//! action is emitted anywhere else.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use super::state::{Established, Failure, Phase};
use super::{Link, PeerSenderMachine};
use crate::outbound::{LaneStream, StreamEnd};
use crate::table::{self, Cause, Standing};
use crate::{
    Action, Attempt, CloseCode, Lane, LinkError, Outcome, PeerEvent, SessionId, Side, StopReason,
    StreamId, TransferId,
};

/// The lane's stream is the first that we open in a connection.
const LANE_STREAM: StreamId = StreamId {
    opener: Side::Local,
    index: 0,
};

impl PeerSenderMachine {
    /// Each part leaves nothing for an earlier one to do, so one pass is enough.
    pub(super) fn settle(&mut self, actions: &mut Vec<Action>) {
        self.settle_rejected(actions);
        if self.is_closed() {
            return;
        }
        self.settle_confirmed(actions);
        self.settle_outcomes(actions);
        self.settle_ended();
        self.settle_overdue();
        self.settle_failed(actions);
        self.settle_stop(actions);
        self.settle_dial(actions);
        self.settle_writes(actions);
        self.settle_outcomes(actions);
    }

    fn settle_rejected(&mut self, actions: &mut Vec<Action>) {
        let rejected = mem::take(&mut self.state.news.rejected);
        actions.extend(
            rejected
                .into_iter()
                .map(|(id, reason, payload)| Action::Reject {
                    id,
                    reason,
                    payload,
                }),
        );
    }

    fn settle_confirmed(&mut self, actions: &mut Vec<Action>) {
        if !mem::take(&mut self.state.news.confirmed) {
            return;
        }
        if let Link::Connecting { attempt, .. } = self.state.link {
            let since = self.state.now;
            self.go(
                Cause::Confirmed,
                Link::Up(Established {
                    attempt,
                    since,
                    answered: false,
                }),
            );
            self.stats.connected += 1;
            actions.push(Action::Emit(PeerEvent::Connected { attempt }));
        }
    }

    fn settle_outcomes(&mut self, actions: &mut Vec<Action>) {
        for (id, outcome) in self.state.lane.take_decided() {
            let counter = match outcome {
                Outcome::Delivered(_) => &mut self.stats.delivered,
                Outcome::Refused(_) => &mut self.stats.refused,
                Outcome::Cancelled => &mut self.stats.cancelled,
                Outcome::Failed(_) => &mut self.stats.failed,
                Outcome::Unknown(_) => &mut self.stats.unknown,
            };
            *counter += 1;
            let answered = matches!(outcome, Outcome::Delivered(_) | Outcome::Refused(_));
            if let (true, Link::Up(established) | Link::Draining(established)) =
                (answered, &mut self.state.link)
            {
                established.answered = true;
            }
            actions.push(Action::Settle { id, outcome });
        }
    }

    /// A way back that has ended leaves the connection without use: either all is said, or the
    /// other end is stopping.
    fn settle_ended(&mut self) {
        match self.state.news.ended.take() {
            Some(StreamEnd::GoingAway) => {
                let reason = String::new();
                let error = LinkError::Closed {
                    code: CloseCode::GoingAway,
                    reason,
                };
                self.state
                    .news
                    .failed
                    .get_or_insert(Failure { error, open: true });
            }
            Some(StreamEnd::Complete) => {
                self.state.news.complete = true;
            }
            None => {}
        }
    }

    fn settle_overdue(&mut self) {
        let now = self.state.now;
        let unanswered = self.state.stream.as_ref().and_then(LaneStream::resume_due);
        let error = match self.state.link {
            Link::Connecting { until, .. } if until <= now => LinkError::ConnectTimeout,
            Link::Up(_) | Link::Draining(_) if unanswered.is_some_and(|due| due <= now) => {
                LinkError::NoAnswer
            }
            Link::Down
            | Link::Connecting { .. }
            | Link::Up(_)
            | Link::Draining(_)
            | Link::Backoff { .. } => return,
        };
        let failure = Failure { error, open: true };
        self.state.news.failed.get_or_insert(failure);
    }

    fn settle_failed(&mut self, actions: &mut Vec<Action>) {
        let Some(Failure { error, open }) = self.state.news.failed.take() else {
            return;
        };
        let Some(attempt) = self.state.link.attempt() else {
            return;
        };
        if open {
            actions.push(close_after(attempt, &error));
        }
        self.leave_session_if_reused(&error);
        self.state.stream = None;
        if self.is_healthy() {
            self.state.backoff.reset();
        }
        let delay = self.state.backoff.fail(error.class(), &self.config);
        let until = self.state.now + delay;
        self.go(Cause::Failed, Link::Backoff { until });
        if self.has_nothing_to_wait_for() {
            return;
        }
        let failures = self.state.backoff.failures();
        actions.extend([
            Action::Emit(PeerEvent::Disconnected {
                error,
                retry_at: Some(until),
            }),
            Action::Emit(PeerEvent::BackoffStarted {
                failures,
                delay,
                until,
            }),
            Action::ScheduleBackoff {
                attempt,
                delay,
                until,
            },
        ]);
    }

    /// A close with code 1 in answer to a fresh OPEN says that the receiver has a record of this
    /// session already, so that its numbers mean other messages there.
    fn leave_session_if_reused(&mut self, error: &LinkError) {
        let refused = matches!(
            error,
            LinkError::Closed {
                code: CloseCode::Protocol,
                ..
            }
        );
        if refused
            && self
                .state
                .stream
                .as_ref()
                .is_some_and(LaneStream::awaits_first_resume)
        {
            self.state.session += 1;
            self.state.lane.start_over();
        }
    }

    /// Only the receiver's answer to a message, or having stood for long enough, says that the
    /// peer is well: a peer may confirm a handshake and close at once, for ever.
    fn is_healthy(&self) -> bool {
        match self.state.link {
            Link::Up(established) | Link::Draining(established) => {
                let stood = self.state.now.saturating_since(established.since);
                established.answered || stood >= self.config.health_after
            }
            Link::Down | Link::Connecting { .. } | Link::Backoff { .. } => false,
        }
    }

    fn settle_stop(&mut self, actions: &mut Vec<Action>) {
        let Phase::Stopping { until, aborted } = self.state.phase else {
            return;
        };
        if self.state.lane.is_settled()
            && (self.has_nothing_to_wait_for() || until <= self.state.now)
        {
            self.finish(StopReason::Drained, CloseCode::Done, actions);
        } else if until <= self.state.now {
            let reason = if aborted {
                StopReason::Aborted
            } else {
                StopReason::DeadlineReached
            };
            self.finish(reason, CloseCode::GoingAway, actions);
        }
    }

    /// Whether the sender is stopping and no connection has anything left to say.
    fn has_nothing_to_wait_for(&self) -> bool {
        matches!(self.state.phase, Phase::Stopping { .. })
            && self.state.lane.is_settled()
            && (self.state.stream.is_none() || self.state.news.complete)
    }

    fn finish(&mut self, reason: StopReason, code: CloseCode, actions: &mut Vec<Action>) {
        self.state.lane.abandon();
        self.settle_outcomes(actions);
        if let Some(attempt) = self.state.link.attempt() {
            actions.push(Action::Close {
                attempt,
                code,
                reason: String::new(),
            });
        }
        let complete = mem::take(&mut self.state.news.complete);
        let said_all = complete && matches!(self.state.link, Link::Draining(_));
        let cause = if said_all {
            Cause::Done
        } else {
            Cause::Stopped
        };
        self.count(self.state.link.standing(), cause, Standing::Closed);
        self.state.stream = None;
        self.state.link = Link::Down;
        self.state.phase = Phase::Closed;
        actions.push(Action::Emit(PeerEvent::SenderStopped { reason }));
    }

    fn settle_dial(&mut self, actions: &mut Vec<Action>) {
        let due = match self.state.link {
            Link::Down => true,
            Link::Backoff { until } => until <= self.state.now,
            Link::Connecting { .. } | Link::Up(_) | Link::Draining(_) => false,
        };
        if !due || self.is_closed() {
            return;
        }
        let attempt = Attempt(self.state.next_attempt);
        self.state.next_attempt += 1;
        self.stats.connects += 1;
        let until = self.state.now + self.config.connect_timeout;
        self.go(Cause::Dial, Link::Connecting { attempt, until });
        let Some(&address) = self.config.addresses.first() else {
            return;
        };
        actions.push(Action::Emit(PeerEvent::Connecting { attempt, address }));
        actions.push(Action::Connect { attempt, address });
    }

    /// Writes what may be written, unless QUIC has not taken the last write yet.
    fn settle_writes(&mut self, actions: &mut Vec<Action>) {
        let Link::Up(established) = self.state.link else {
            return;
        };
        let attempt = established.attempt;
        if self.state.stream.is_none() && !self.state.lane.is_settled() {
            let session = SessionId::nth(&self.seed, self.state.session);
            let lane = &self.state.lane;
            self.state.stream = Some(LaneStream::new(
                lane,
                Lane(0),
                session,
                attempt,
                LANE_STREAM,
                self.state.now + self.config.connect_timeout,
            ));
        }
        let Some(stream) = self
            .state
            .stream
            .as_mut()
            .filter(|stream| !stream.is_writing())
        else {
            return;
        };
        let last = matches!(self.state.phase, Phase::Stopping { .. });
        let Some(composed) = self.state.lane.compose(stream, &self.config, last) else {
            return;
        };
        let transfer = TransferId(self.state.next_transfer);
        self.state.next_transfer += 1;
        stream.write_began(transfer, composed.fin);
        self.stats.written += composed.messages;
        self.stats.redelivered += composed.repeated;
        if composed.fin {
            self.go(Cause::FinWritten, Link::Draining(established));
        }
        let (chunks, fin) = (composed.chunks, composed.fin);
        actions.push(Action::Write {
            transfer,
            attempt,
            stream: LANE_STREAM,
            chunks,
            fin,
        });
    }

    fn go(&mut self, cause: Cause, link: Link) {
        self.count(self.state.link.standing(), cause, link.standing());
        self.state.link = link;
    }

    fn count(&mut self, from: Standing, cause: Cause, to: Standing) {
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

/// How a connection is closed that QUIC still has.
fn close_after(attempt: Attempt, error: &LinkError) -> Action {
    let (code, reason) = if let LinkError::Protocol(error) = error {
        (CloseCode::Protocol, error.to_string())
    } else {
        (CloseCode::Done, String::new())
    };
    Action::Close {
        attempt,
        code,
        reason,
    }
}
