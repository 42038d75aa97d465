//! The judge of each single outcome, and of the books that a sending half keeps.

use peer_sender_core::{
    FailReason, Level, MessageId, Outcome, Redelivery, RefuseCode, Stats, Time, UnknownReason,
};

use crate::oracle::{Ending, Message, Oracle, Shown, Strength};

/// How often the rarer outcomes fell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bites {
    pub(crate) expired_queued: u64,
    pub(crate) expired_proven: u64,
    pub(crate) out_of_patience: u64,
    pub(crate) displaced: u64,
    /// Of unknown fate, and not sent again for that.
    pub(crate) forgotten_at_most_once: u64,
    pub(crate) removed: u64,
    pub(crate) handed_back: u64,
}

impl Bites {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            expired_queued: self.expired_queued + other.expired_queued,
            expired_proven: self.expired_proven + other.expired_proven,
            out_of_patience: self.out_of_patience + other.out_of_patience,
            displaced: self.displaced + other.displaced,
            forgotten_at_most_once: self.forgotten_at_most_once + other.forgotten_at_most_once,
            removed: self.removed + other.removed,
            handed_back: self.handed_back + other.handed_back,
        }
    }

    fn count(&mut self, message: &Message, outcome: &Outcome, redelivery: Redelivery) {
        let counter = match outcome {
            Outcome::Expired if message.begun => &mut self.expired_proven,
            Outcome::Expired => &mut self.expired_queued,
            Outcome::Unknown(UnknownReason::Patience) => &mut self.out_of_patience,
            Outcome::Failed(FailReason::Displaced) => &mut self.displaced,
            Outcome::Unknown(UnknownReason::Forgotten) if redelivery == Redelivery::AtMostOnce => {
                &mut self.forgotten_at_most_once
            }
            Outcome::Failed(FailReason::Removed) | Outcome::Unknown(UnknownReason::Removed) => {
                &mut self.removed
            }
            _ => return,
        };
        *counter += 1;
    }
}

impl Oracle {
    pub(crate) fn settled(&mut self, now: Time, id: MessageId, outcome: &Outcome) -> Shown {
        let was_open = self.is_live(id);
        assert!(
            was_open,
            "I1 {id} is settled as {outcome:?}, and is not open"
        );
        let shown = self.due.remove(&id).or_else(|| self.allowed.remove(&id));
        let shown = match shown {
            Some(shown) => {
                let instead = self.may_be_instead(now, id, &shown, outcome);
                assert!(
                    instead || shown == *outcome,
                    "I1 {id} is {outcome:?}, and must be {shown:?}"
                );
                Shown::ByTheStep
            }
            None => self.judge_unshown(now, id, outcome),
        };
        self.judge_truth(id, outcome);
        let kind = match outcome {
            Outcome::Delivered(_) => 0,
            Outcome::Refused(_) => 1,
            Outcome::Cancelled => 2,
            Outcome::Failed(_) => 3,
            Outcome::Unknown(_) => 4,
            Outcome::Expired => 5,
            Outcome::Written => panic!("I3 {id} is only written"),
        };
        self.counts[kind] += 1;
        let displaced = Outcome::Failed(FailReason::Displaced);
        if matches!(outcome, Outcome::Failed(_)) && *outcome != displaced {
            self.unsent.insert(id);
        }
        self.unqueue(id);
        self.forget_moments(id);
        let message = self.messages.get_mut(&id).expect("it is open");
        let redelivery = self.limits.policy.redelivery;
        self.bites.count(message, outcome, redelivery);
        message.outcome = Some(outcome.clone());
        let bytes = message.payload.len() as u64;
        let books = self.lanes.get_mut(&message.lane).expect("its lane");
        books.live.remove(&id);
        books.live_bytes -= bytes;
        if message.begun {
            books.begun -= 1;
            books.begun_bytes -= bytes;
        }
        books.waiting.retain(|waiting| *waiting != id);
        shown
    }

    /// Where two things end a message in one step, and either may come first.
    fn may_be_instead(&self, now: Time, id: MessageId, shown: &Outcome, outcome: &Outcome) -> bool {
        let forgotten = Outcome::Unknown(UnknownReason::Forgotten);
        *shown == forgotten
            && *outcome == Outcome::Unknown(UnknownReason::Patience)
            && self.is_out_of_patience(id, now)
    }

    /// An outcome that no RECEIPT or RESUME of this step tells of must have another cause.
    fn judge_unshown(&self, now: Time, id: MessageId, outcome: &Outcome) -> Shown {
        let early = self.ends_early;
        let stopped = self.stop_at.is_some_and(|at| at <= now || early);
        let removed = self.stop_mode == Some(Strength::Remove);
        let message = &self.messages[&id];
        let too_large = message.payload.len() > self.receiver_message_bytes_max;
        let lost = !message.begun || message.proven;
        match outcome {
            // Settled unwritten: as refused, unless a receiver that is not asked may have taken it.
            Outcome::Refused(RefuseCode::TooLarge) => {
                assert!(too_large && !message.unproven, "I3 {id} is not too large");
            }
            Outcome::Unknown(UnknownReason::Forgotten) => {
                assert!(too_large && message.unproven, "I4 {id} can be sent again");
            }
            Outcome::Unknown(UnknownReason::Patience) => {
                let over = self.is_out_of_patience(id, now);
                assert!(over, "I4 there is patience left for {id}");
                return Shown::ByTheStep;
            }
            Outcome::Failed(reason) => {
                let why = match reason {
                    FailReason::Stopped => stopped && !removed,
                    FailReason::Removed => stopped && removed,
                    FailReason::GaveUp => self.ending == Some(Ending::GaveUp),
                    FailReason::Displaced | FailReason::ConnectionLost => false,
                    FailReason::SessionForgotten => self.ending == Some(Ending::SessionForgotten),
                };
                assert!(why, "I4 {id} failed without a cause: {reason:?}");
                assert!(lost, "I4 {id} may have arrived");
            }
            Outcome::Unknown(reason) => {
                let why = match reason {
                    UnknownReason::Stopped => stopped && !removed,
                    UnknownReason::Removed => stopped && removed,
                    UnknownReason::GaveUp => self.ending == Some(Ending::GaveUp),
                    UnknownReason::SessionForgotten => {
                        self.ending == Some(Ending::SessionForgotten)
                    }
                    UnknownReason::Forgotten
                    | UnknownReason::Patience
                    | UnknownReason::ConnectionLost => false,
                };
                assert!(why, "I4 {id} unknown without a cause: {reason:?}");
                assert!(!lost, "I4 {id} has surely not arrived");
            }
            Outcome::Delivered(_)
            | Outcome::Refused(_)
            | Outcome::Cancelled
            | Outcome::Expired
            | Outcome::Written => {
                panic!("I1 nothing shows that {id} is {outcome:?}")
            }
        }
        Shown::ByTheEnd
    }

    /// Whatever showed it, the outcome must be what the application saw.
    fn judge_truth(&self, id: MessageId, outcome: &Outcome) {
        let message = &self.messages[&id];
        let too_large = message.payload.len() > self.receiver_message_bytes_max;
        match outcome {
            Outcome::Delivered(Level::Application) => {
                assert!(
                    message.accepted > 0,
                    "I3 the application never accepted {id}"
                );
            }
            Outcome::Refused(RefuseCode::TooLarge) => {
                assert!(too_large, "I3 {id} is within the receiver's limit");
            }
            Outcome::Refused(code) => {
                assert!(
                    message.refusals.contains(code),
                    "I3 nobody refused {id} with {code:?}"
                );
            }
            Outcome::Delivered(Level::Transport) | Outcome::Written => {
                panic!("I3 {id} has no transport alone")
            }
            Outcome::Cancelled | Outcome::Expired | Outcome::Failed(_) => {
                assert_eq!(
                    message.handed, 0,
                    "I4 {id} is {outcome:?}, and the application has seen it"
                );
            }
            Outcome::Unknown(_) => {}
        }
    }

    /// I2: the sender's books against the oracle's, and each lane's limits.
    pub(crate) fn check_books(&self, stats: &Stats) {
        let theirs = [
            stats.delivered,
            stats.refused,
            stats.cancelled,
            stats.failed,
            stats.unknown,
            stats.expired,
        ];
        assert_eq!(theirs, self.counts, "I2 outcomes are counted otherwise");
        assert_eq!(stats.accepted, self.messages.len() as u64, "I2 accepted");
        assert_eq!(stats.rejected, self.rejected, "I2 rejected");
        let sum = |of: fn(&crate::oracle::LaneBooks) -> u64| self.lanes.values().map(of).sum();
        let live: u64 = sum(|books| books.live.len() as u64);
        let live_bytes: u64 = sum(|books| books.live_bytes);
        let begun: u64 = sum(|books| books.begun);
        let begun_bytes: u64 = sum(|books| books.begun_bytes);
        assert_eq!(stats.queued, live - begun, "I2 queued");
        assert_eq!(stats.in_flight, begun, "I2 in flight");
        assert_eq!(
            stats.queued_bytes,
            live_bytes - begun_bytes,
            "I2 bytes queued"
        );
        assert_eq!(stats.in_flight_bytes, begun_bytes, "I2 bytes in flight");
        let limits = &self.limits;
        for (lane, books) in &self.lanes {
            let queued = books.live.len() as u64 - books.begun;
            let queued_bytes = books.live_bytes - books.begun_bytes;
            assert!(
                queued <= limits.queue_messages_max as u64,
                "I21 messages queued on lane {lane}"
            );
            assert!(
                queued_bytes <= limits.queue_bytes_max as u64,
                "I21 bytes queued on lane {lane}"
            );
            assert!(
                books.begun <= limits.flight_messages_max as u64,
                "I21 messages in flight on lane {lane}"
            );
            assert!(
                books.begun <= 1 || books.begun_bytes <= limits.flight_bytes_max as u64,
                "I21 bytes in flight on lane {lane}"
            );
        }
    }
}
