//! What a receiver decides, once a step.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::PeerReceiverMachine;
use crate::inbound::Closing;
use crate::outbound::Flow;
use crate::receiver::phase::Phase;
use crate::{Action, Attempt, CloseCode, FailReason, Outcome, Time, UnknownReason};

impl PeerReceiverMachine {
    /// Looks at the whole state and says what is to be done.
    pub(super) fn settle(&mut self, actions: &mut Vec<Action>) {
        self.settle_rejected(actions);
        self.settle_phase(actions);
        self.settle_reads(actions);
        self.settle_parted();
        self.outbound.time_passes(self.now);
        self.settle_outcomes(actions);
        if self.phase != Phase::Closed {
            self.settle_writes(actions);
        }
        if self.phase != Phase::Running {
            self.end_connections(actions);
        }
        self.settle_outcomes(actions);
        self.hand_back(actions);
        if self.phase == Phase::Running {
            self.outbound.tell_room(actions);
        }
    }

    fn settle_rejected(&mut self, actions: &mut Vec<Action>) {
        let rejected = self.rejected.drain(..);
        actions.extend(rejected.map(|(id, lane, reason, payload)| Action::Reject {
            id,
            lane,
            reason,
            payload,
        }));
    }

    fn settle_phase(&mut self, actions: &mut Vec<Action>) {
        let was = self.phase;
        if let Some(deadline) = self.stop_by.take() {
            self.phase = self.phase.stop(self.now, deadline);
        } else if let Phase::Draining { deadline } = self.phase {
            self.phase = self.phase.stop(self.now, deadline);
        }
        // What comes without a lane is not sent again if it is not taken, so it is taken up to the end.
        if was == Phase::Running && self.phase != was && self.protocol.has_lanes() {
            let stay = self.phase != Phase::Closed;
            self.inbound.stop_reading(stay, actions);
        }
    }

    /// Takes what the streams hold, and closes connections whose other end broke the protocol.
    fn settle_reads(&mut self, actions: &mut Vec<Action>) {
        let mut closings = match (self.phase, self.protocol.has_lanes()) {
            (Phase::Running, _) | (Phase::Draining { .. }, false) => {
                self.inbound.read(self.now, actions)
            }
            (Phase::Draining { .. }, true) | (Phase::Closed, _) => {
                self.inbound.read_nothing();
                Vec::new()
            }
        };
        for (attempt, error) in core::mem::take(&mut self.broken) {
            if self.inbound.stands(attempt) {
                self.tally.0.stats.protocol_errors += 1;
                self.inbound.part_from(attempt);
                closings.push((attempt, Closing::Protocol(error)));
            }
        }
        actions.extend(closings.iter().map(|(attempt, it)| it.close(*attempt)));
        for attempt in core::mem::take(&mut self.cut) {
            if self.inbound.stands(attempt) {
                self.inbound.leave(attempt);
                let (code, reason) = (CloseCode::Done, String::new());
                actions.push(Action::Close {
                    attempt,
                    code,
                    reason,
                });
            }
        }
        self.settle_carrier();
    }

    /// Replies go no further on a connection that does not stand.
    fn settle_carrier(&mut self) {
        let carrier = self.outbound.carrier();
        if carrier.is_some_and(|it| !self.inbound.stands(it)) {
            self.tally.0.since = self.now;
            self.outbound.detach(self.now);
        }
    }

    /// Without lanes a session has one connection: what is open without it, or is said
    /// after its end, has no other on which it could go.
    fn settle_parted(&mut self) {
        let parted = !self.protocol.has_lanes() && self.outbound.carrier().is_none();
        if parted && !self.outbound.is_settled() {
            let unknown = UnknownReason::ConnectionLost;
            self.outbound.abandon(FailReason::ConnectionLost, unknown);
        }
    }

    pub(super) fn settle_outcomes(&mut self, actions: &mut Vec<Action>) {
        for (id, outcome) in self.outbound.take_decided() {
            let stats = &mut self.tally.0.stats;
            let counter = match outcome {
                Outcome::Delivered(_) => &mut stats.delivered,
                Outcome::Refused(_) => &mut stats.refused,
                Outcome::Expired => &mut stats.expired,
                Outcome::Cancelled => &mut stats.cancelled,
                Outcome::Failed(_) => &mut stats.failed,
                Outcome::Unknown(_) => &mut stats.unknown,
                Outcome::Written => &mut stats.handed_over,
            };
            *counter += 1;
            actions.push(Action::Settle { id, outcome });
        }
    }

    /// Hands back what was not sent and never will be.
    pub(super) fn hand_back(&mut self, actions: &mut Vec<Action>) {
        let unsent = self.outbound.take_unsent();
        actions.extend(unsent.map(Action::HandBack));
    }

    /// Writes the replies, and what the other end's lanes must be told. An end that stops says its
    /// own last first: the other end parts as soon as it sees a way back of its own end.
    fn settle_writes(&mut self, actions: &mut Vec<Action>) {
        let flow = match self.phase {
            Phase::Running => Flow::Running,
            Phase::Draining { .. } | Phase::Closed => Flow::Last,
        };
        // A dialler that keeps its answer back holds up nobody but itself.
        self.outbound.open_lanes(false, Time::MAX);
        let written = self.outbound.write(flow, &mut self.transfers, actions);
        self.tally.0.stats.written += written.messages;
        self.tally.0.stats.redelivered += written.repeated;
        let ending = self.phase != Phase::Running && self.has_replied();
        self.inbound.answer(ending, &mut self.transfers, actions);
    }

    fn has_replied(&self) -> bool {
        self.outbound.carrier().is_none()
            || self.outbound.is_settled() && self.outbound.is_complete()
    }

    /// Closes each connection that has nothing left to say and be told, and ends with the last. Without
    /// lanes what had come on them by then is the application's to take first: nobody sends it again.
    fn end_connections(&mut self, actions: &mut Vec<Action>) {
        let draining = matches!(self.phase, Phase::Draining { .. });
        let mut awaited = BTreeSet::new();
        if draining {
            awaited = self.inbound.awaited();
            awaited.extend(self.outbound.carrier().filter(|_| !self.has_replied()));
        }
        let standing: Vec<Attempt> = self.inbound.standing().collect();
        for attempt in standing {
            if awaited.contains(&attempt) {
                continue;
            }
            self.inbound.leave(attempt);
            let reason = String::from("the receiver stops");
            actions.push(Action::Close {
                attempt,
                code: self.protocol.parting_code(),
                reason,
            });
        }
        if draining && (self.connections() > 0 || self.inbound.holds_messages()) {
            self.settle_carrier();
            return;
        }
        self.phase = self.phase.close();
        self.inbound.forget();
        self.outbound
            .abandon(FailReason::Stopped, UnknownReason::Stopped);
    }
}
