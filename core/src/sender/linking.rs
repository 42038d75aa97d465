//! The connection: when it is made, given up, ended, and made again.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use super::state::{Established, Failure, Phase};
use super::{Link, PeerSenderMachine};
use crate::table::Cause;
use crate::{Action, Attempt, CloseCode, LinkError, PeerEvent, StopReason, WakeReason};

impl PeerSenderMachine {
    /// Takes the new addresses. A connection to one that is no longer among them is given up for
    /// the next.
    pub(super) fn settle_moved(&mut self, actions: &mut Vec<Action>) {
        let Some(addresses) = self.state.news.moved.take() else {
            return;
        };
        if addresses == self.state.addresses {
            return;
        }
        let news = addresses
            .iter()
            .any(|it| !self.state.addresses.contains(it));
        self.state.addresses.clone_from(&addresses);
        self.state.turn = 0;
        let event = PeerEvent::AddressChanged { addresses };
        actions.push(Action::Emit(event));
        if news {
            // What failed at the old addresses says nothing of a new one.
            self.state.backoff.reset();
            self.state.news.wake(WakeReason::NewAddress);
        }
        let gone = |address| !self.state.addresses.contains(&address);
        if self.state.link.address().is_some_and(gone) && self.state.news.failed.is_none() {
            self.state.news.confirmed = false;
            self.fail(LinkError::Moved, true);
        }
        if let (Link::Backoff { .. }, true) = (self.state.link, self.state.addresses.is_empty()) {
            self.go(Cause::Moved, Link::Down);
        }
    }

    pub(super) fn settle_confirmed(&mut self, actions: &mut Vec<Action>) {
        if !mem::take(&mut self.state.news.confirmed) {
            return;
        }
        if let Link::Connecting {
            attempt, address, ..
        } = self.state.link
        {
            let connection = Established {
                attempt,
                address,
                since: self.state.now,
                answered: false,
                active: self.state.now,
                reads: true,
            };
            self.go(Cause::Confirmed, Link::Up(connection));
            self.stats.connected += 1;
            if broken!(BackoffResetOnConnect) {
                self.state.backoff.reset();
            }
            actions.push(Action::Emit(PeerEvent::Connected { attempt }));
        }
    }

    pub(super) fn settle_failed(&mut self, actions: &mut Vec<Action>) {
        let Some(Failure { error, open }) = self.state.news.failed.take() else {
            return;
        };
        let Some(attempt) = self.state.link.attempt() else {
            return;
        };
        if open && !broken!(ConnectionKept) {
            actions.push(close_after(attempt, &error));
        }
        if !open {
            self.state.outbound.all_was_told();
        }
        if refuses_session(&error) && self.state.outbound.awaits_first_resume() {
            self.state.outbound.start_over();
        }
        self.state.outbound.detach(self.state.now);
        // There may be no patience with a receiver that is away.
        self.state.outbound.time_passes(self.state.now);
        self.state.inbound.leave(attempt);
        self.last_error = Some((error.clone(), self.state.now));
        if self.is_healthy() {
            self.state.backoff.reset();
        }
        if let Link::Parting { .. } = self.state.link {
            // It was to end in any case, and everything on it was settled. What failed before it
            // says nothing of the next one.
            self.state.backoff.reset();
            self.rest(Cause::Failed, actions);
        } else if error == LinkError::Moved || self.state.addresses.is_empty() {
            self.leave(error, actions);
        } else {
            self.back_off(attempt, error, actions);
        }
    }

    /// Waits before the next attempt, or gives the peer up.
    fn back_off(&mut self, attempt: Attempt, error: LinkError, actions: &mut Vec<Action>) {
        let healthy = self.is_healthy();
        let state = &mut self.state;
        if !healthy && state.link.address() == state.addresses.get(state.turn).copied() {
            // The turn of any other address, after a change, is still to come.
            let next = (state.turn + 1).checked_rem(state.addresses.len());
            state.turn = next.unwrap_or(0);
        }
        let now = state.now;
        let places = state.addresses.len();
        let delay = state
            .backoff
            .fail(now, error.class(), places, &self.config, &self.seed);
        let failures = state.backoff.failures();
        let give_up_at = state.backoff.give_up_at(&self.config);
        let until = give_up_at.map_or(now + delay, |limit| limit.min(now + delay));
        let too_many = self.config.attempts_max.is_some_and(|max| failures >= max);
        let settled = matches!(state.phase, Phase::Stopping { .. }) && state.outbound.is_settled();
        if settled {
            self.go(Cause::Failed, Link::Backoff { until });
            return;
        }
        if too_many || give_up_at.is_some_and(|limit| limit <= now) {
            let event = PeerEvent::Disconnected {
                error,
                retry_at: None,
            };
            actions.push(Action::Emit(event));
            self.go(Cause::Failed, Link::Backoff { until });
            self.finish(StopReason::GaveUp, CloseCode::Done, actions);
            return;
        }
        self.go(Cause::Failed, Link::Backoff { until });
        let delay = until.saturating_since(now);
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

    /// Parts from an address that is no longer the peer's, without any fault.
    fn leave(&mut self, error: LinkError, actions: &mut Vec<Action>) {
        let until = self.state.now.max(self.state.dial_after);
        let (link, retry_at) = match self.state.addresses.is_empty() {
            true => (Link::Down, None),
            false => (Link::Backoff { until }, Some(until)),
        };
        self.go(Cause::Moved, link);
        actions.push(Action::Emit(PeerEvent::Disconnected { error, retry_at }));
    }

    /// Only the receiver's answer to a message, or having stood for long enough, says that the
    /// peer is well: a peer may confirm a handshake and close at once, for ever.
    fn is_healthy(&self) -> bool {
        self.state.link.connection().is_some_and(|connection| {
            let stood = self.state.now.saturating_since(connection.since);
            connection.answered || stood >= self.config.health_after
        })
    }

    /// Begins to end a connection on which nothing was said for long.
    pub(super) fn settle_rest(&mut self) {
        let due = self.state.rest_at(&self.config);
        let (Link::Up(connection), true) = (
            self.state.link,
            due.is_some_and(|due| due <= self.state.now),
        ) else {
            return;
        };
        let until = self.state.now + self.config.connect_timeout;
        self.go(Cause::Rest, Link::Parting { connection, until });
    }

    /// Ends a connection once both ends have said all, or it takes too long.
    pub(super) fn settle_parting(&mut self, actions: &mut Vec<Action>) {
        let Link::Parting { connection, until } = self.state.link else {
            return;
        };
        if self.has_said_all() || until <= self.state.now {
            self.part(connection.attempt, actions);
            // What failed before it says nothing of the next one.
            self.state.backoff.reset();
            self.rest(Cause::Done, actions);
        }
    }

    /// Closes a connection in good order.
    pub(super) fn part(&mut self, attempt: Attempt, actions: &mut Vec<Action>) {
        let reason = String::new();
        actions.push(Action::Close {
            attempt,
            code: CloseCode::Done,
            reason,
        });
        self.state.outbound.detach(self.state.now);
        self.state.inbound.leave(attempt);
    }

    fn rest(&mut self, cause: Cause, actions: &mut Vec<Action>) {
        self.go(cause, Link::Idle);
        actions.push(Action::Emit(PeerEvent::Idle));
    }

    pub(super) fn settle_dial(&mut self, actions: &mut Vec<Action>) {
        let woken = self.state.news.woken.take();
        let consumed = mem::take(&mut self.state.news.consumed);
        if self.is_closed() {
            return;
        }
        let now = self.state.now;
        let from = match &mut self.state.link {
            Link::Down => self.state.dial_after,
            Link::Idle => {
                let needed = !self.state.outbound.is_settled()
                    || self.state.recall
                    || consumed
                    || woken == Some(WakeReason::Operator);
                match needed {
                    true => self.state.dial_after,
                    false => return,
                }
            }
            Link::Backoff { until } => {
                let cuts = match woken {
                    Some(WakeReason::InboundContact) => self.state.backoff.heeds_contact(),
                    Some(
                        WakeReason::NewAddress | WakeReason::Operator | WakeReason::NetworkChange,
                    ) => true,
                    None => false,
                };
                if cuts {
                    *until = self.state.dial_after.max(now).min(*until);
                }
                *until
            }
            Link::Connecting { .. } | Link::Up(_) | Link::Draining(_) | Link::Parting { .. } => {
                return;
            }
        };
        if self.state.addresses.is_empty() || self.state.only_listens() {
            return;
        }
        if from <= now {
            self.dial(actions);
        } else if !matches!(self.state.link, Link::Backoff { .. }) {
            self.go(Cause::TooSoon, Link::Backoff { until: from });
        }
    }

    fn dial(&mut self, actions: &mut Vec<Action>) {
        let now = self.state.now;
        // Only a wait that follows a failure ends so: from rest there is nothing to give up yet.
        let waited = matches!(self.state.link, Link::Backoff { .. });
        let give_up_at = self.state.backoff.give_up_at(&self.config);
        if waited && give_up_at.is_some_and(|limit| limit <= now) {
            self.finish(StopReason::GaveUp, CloseCode::Done, actions);
            return;
        }
        let Some(&address) = self.state.addresses.get(self.state.turn) else {
            return;
        };
        let attempt = Attempt(self.state.next_attempt);
        self.state.next_attempt += 1;
        self.state.recall = false;
        self.state.dial_after = now + self.config.backoff_min;
        self.stats.connects += 1;
        let until = now + self.config.connect_timeout;
        let link = Link::Connecting {
            attempt,
            address,
            until,
        };
        self.go(Cause::Dial, link);
        actions.push(Action::Emit(PeerEvent::Connecting { attempt, address }));
        actions.push(Action::Connect { attempt, address });
    }
}

/// A close with code 1 in answer to a fresh OPEN says that the receiver has a record of this
/// session already, so that its numbers mean other messages there.
pub(crate) fn refuses_session(error: &LinkError) -> bool {
    matches!(
        error,
        LinkError::Closed {
            code: CloseCode::Protocol,
            ..
        }
    )
}

/// How a connection is closed that QUIC still has.
fn close_after(attempt: Attempt, error: &LinkError) -> Action {
    let (code, reason) = if let LinkError::Protocol(error) = error {
        (CloseCode::Protocol, error.to_string())
    } else if let LinkError::ClosedHere { code, reason } = error {
        (*code, reason.clone())
    } else {
        (CloseCode::Done, String::new())
    };
    Action::Close {
        attempt,
        code,
        reason,
    }
}
