//! The judge of each single outcome, and of the books that a sending half keeps.

use peer_sender_core::{
    Capacity, FailReason, Lane, Level, MessageId, Outcome, RefuseCode, Stats, Time, UnknownReason,
};

use crate::oracle::{Ending, Oracle};

impl Oracle {
    pub(crate) fn settled(&mut self, now: Time, id: MessageId, outcome: &Outcome) {
        let was_open = self.is_live(id);
        assert!(
            was_open,
            "I1 {id} is settled as {outcome:?}, and is not open"
        );
        let shown = self.due.remove(&id).or_else(|| self.allowed.remove(&id));
        if let Some(shown) = shown {
            assert_eq!(&shown, outcome, "I1 the wire has shown of {id}");
        } else {
            self.judge_unshown(now, id, outcome);
        }
        self.judge_truth(id, outcome);
        let kind = match outcome {
            Outcome::Delivered(_) => 0,
            Outcome::Refused(_) => 1,
            Outcome::Cancelled => 2,
            Outcome::Failed(_) => 3,
            Outcome::Unknown(_) => 4,
            Outcome::Expired => 5,
        };
        self.counts[kind] += 1;
        if let Outcome::Failed(_) = outcome {
            self.unsent.insert(id);
        }
        let message = self.messages.get_mut(&id).expect("it is open");
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
    }

    /// An outcome that no RECEIPT or RESUME of this step tells of must have another cause.
    fn judge_unshown(&self, now: Time, id: MessageId, outcome: &Outcome) {
        let early = self.ends_early;
        let stopped = self.stop_at.is_some_and(|at| at <= now || early);
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
            Outcome::Cancelled => {
                assert!(message.cancelled, "I4 nobody took {id} back");
                assert!(lost, "I4 {id} is taken back, and may have arrived");
            }
            Outcome::Failed(reason) => {
                let why = match reason {
                    FailReason::Stopped => stopped,
                    FailReason::GaveUp => self.ending == Some(Ending::GaveUp),
                    FailReason::Removed | FailReason::Displaced => false,
                    FailReason::SessionForgotten => self.ending == Some(Ending::SessionForgotten),
                };
                assert!(why, "I4 {id} failed without a cause: {reason:?}");
                assert!(lost, "I4 {id} may have arrived");
            }
            Outcome::Unknown(reason) => {
                let why = match reason {
                    UnknownReason::Stopped => stopped,
                    UnknownReason::GaveUp => self.ending == Some(Ending::GaveUp),
                    UnknownReason::SessionForgotten => {
                        self.ending == Some(Ending::SessionForgotten)
                    }
                    UnknownReason::Forgotten
                    | UnknownReason::Removed
                    | UnknownReason::Patience
                    | UnknownReason::ConnectionLost => false,
                };
                assert!(why, "I4 {id} unknown without a cause: {reason:?}");
                assert!(!lost, "I4 {id} has surely not arrived");
            }
            Outcome::Delivered(_) | Outcome::Refused(_) | Outcome::Expired => {
                panic!("I1 nothing shows that {id} is {outcome:?}")
            }
        }
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
            Outcome::Delivered(Level::Transport) => {
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

    /// Whoever waits for room is told where messages have left a lane's queue, and of the room
    /// that there is.
    pub(crate) fn check_room(&mut self, capacity: impl Fn(Lane) -> Capacity) {
        let told = std::mem::take(&mut self.rooms);
        for (lane, room) in &told {
            assert_eq!(*room, capacity(*lane), "I8 the room of {lane:?}");
        }
        for (lane, books) in &mut self.lanes {
            let queued = books.live.len() as u64 - books.begun;
            let left = books.queued > queued;
            books.queued = queued;
            let named = told.iter().any(|(name, _)| name.0 == *lane);
            let over = self.closed || self.stop_at.is_some();
            assert!(!left || named || over, "I8 lane {lane} has room");
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
