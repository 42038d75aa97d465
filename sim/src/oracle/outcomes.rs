//! What the sender tells its user, action by action.

use peer_sender_core::{
    Action, FailReason, Level, Outcome, PeerEvent, RefuseCode, RejectReason, Time, UnknownReason,
    Unsent, WhenFull,
};

use super::{Fate, Kind, Message, Oracle, Violation, violated};
use crate::settings::Settings;

impl Oracle {
    /// Judges one action of the sender.
    pub(crate) fn told(
        &mut self,
        now: Time,
        action: &Action,
        settings: &Settings,
    ) -> Result<(), Violation> {
        self.check_silence(action)?;
        match action {
            Action::Settle { id, outcome } => self.settled(now, id.0, outcome, settings),
            Action::HandBack(Unsent { id, .. }) => {
                let before = self.unreturned.len();
                self.unreturned.retain(|it| *it != id.0);
                match self.unreturned.len() < before {
                    true => Ok(()),
                    false => violated("I8", format!("#{id} did not fail, and is handed back")),
                }
            }
            Action::Reject { id, reason, .. } => self.rejected(id.0, *reason, settings),
            Action::Emit(event) => {
                self.emitted(now, event, settings);
                Ok(())
            }
            Action::ScheduleBackoff { delay, until, .. } => {
                self.row.check(now, *delay, *until, settings)
            }
            Action::Deliver(_) | Action::ForgetDelivered => {
                violated("I5", "the sender hands out what nobody sent it")
            }
            Action::Connect { .. }
            | Action::Write { .. }
            | Action::Room { .. }
            | Action::PauseReading { .. }
            | Action::ResumeReading { .. }
            | Action::Probe { .. }
            | Action::ResetStream { .. }
            | Action::StopSending { .. }
            | Action::Close { .. } => Ok(()),
        }
    }

    fn settled(
        &mut self,
        now: Time,
        id: u64,
        outcome: &Outcome,
        settings: &Settings,
    ) -> Result<(), Violation> {
        let Some(message) = self.message(id) else {
            return violated("I1", format!("nobody sent #{id}"));
        };
        if message.fate != Fate::Live {
            return violated(
                "I1",
                format!("#{id} is told {outcome:?} as a second outcome"),
            );
        }
        if let Err((rule, why)) = self.judge(now, message, outcome, settings) {
            return violated(rule, format!("#{id} is told {outcome:?}, and {why}"));
        }
        if let Outcome::Failed(FailReason::Displaced) = outcome {
            self.check_displaced(id, settings)?;
        } else if let Outcome::Failed(_) = outcome {
            self.unreturned.push(id);
        }
        let kind = Kind::of(outcome);
        if let Some(message) = self.messages.get_mut(id as usize) {
            self.ledger.settled(id, message, kind);
            message.fate = Fate::Settled(kind);
        }
        if let (Kind::Delivered | Kind::Refused, Some((_, answered))) = (kind, &mut self.up) {
            *answered = true;
        }
        Ok(())
    }

    /// Whether the outcome is what happened, and has one of the causes that the contract lists.
    fn judge(
        &self,
        now: Time,
        message: &Message,
        outcome: &Outcome,
        settings: &Settings,
    ) -> Result<(), (&'static str, &'static str)> {
        let stopped = self.stop_at.is_some();
        let too_large = u64::from(message.bytes) > settings.receiver_message_bytes_max;
        let gives_up = settings.attempts_max.is_some() || settings.give_up_after.is_some();
        let require = |holds, rule, why| if holds { Ok(()) } else { Err((rule, why)) };
        match outcome {
            Outcome::Delivered(Level::Transport) | Outcome::Written => {
                require(false, "I3", "this protocol knows more than that")
            }
            Outcome::Delivered(Level::Application) => {
                require(message.accepted, "I3", "the application never accepted it")
            }
            Outcome::Refused(RefuseCode::TooLarge) => {
                require(too_large, "I3", "it is not too large")
            }
            Outcome::Refused(code) => require(
                message.refused == Some(code.to_wire()),
                "I3",
                "the application did not refuse it so",
            ),
            Outcome::Cancelled => {
                require(message.cancelled.is_some(), "I4", "nobody took it back")?;
                require(!message.seen, "I4", "the application has seen it")
            }
            Outcome::Expired => {
                let expired = message.expires_at.is_some_and(|at| at <= now);
                require(expired, "I4", "its time has not ended")?;
                require(!message.seen, "I4", "the application has seen it")
            }
            Outcome::Failed(reason) => {
                require(!message.seen, "I4", "the application has seen it")?;
                let caused = match reason {
                    FailReason::Stopped => stopped,
                    FailReason::GaveUp => gives_up,
                    FailReason::SessionForgotten | FailReason::ConnectionLost => false,
                    FailReason::Removed => self.removed,
                    FailReason::Displaced => settings.when_full == WhenFull::DropOldest,
                };
                require(caused, "I4", "nothing has happened that makes it fail")
            }
            Outcome::Unknown(reason) => {
                require(message.begun, "I4", "it was never sent")?;
                let caused = match reason {
                    UnknownReason::Stopped => stopped,
                    UnknownReason::GaveUp => gives_up,
                    UnknownReason::SessionForgotten | UnknownReason::ConnectionLost => false,
                    UnknownReason::Removed => self.removed,
                    UnknownReason::Patience => {
                        let given_up = [message.cancelled, message.expires_at];
                        let mut ends = given_up.into_iter().flatten();
                        ends.any(|since| since + settings.patience <= now)
                            && self.is_silent(message.lane, now, settings)
                    }
                    // One that is unproven would be sent again, if it were not too large.
                    UnknownReason::Forgotten => message.excused || *message.unproven && too_large,
                };
                require(caused, "I4", "nothing has happened that hides its fate")
            }
        }
    }

    /// I8: only the oldest that waits in a lane makes room, and only where there is none.
    fn check_displaced(&self, id: u64, settings: &Settings) -> Result<(), Violation> {
        let lane = self.message(id).map(|it| it.lane);
        let waits = |(_, it): &(u64, &Message)| Some(it.lane) == lane && !it.begun;
        let mut waiting = self.live().filter(waits);
        let bytes: u64 = self
            .live()
            .filter(waits)
            .map(|(_, it)| u64::from(it.bytes))
            .sum();
        let messages = self.live().filter(waits).count() as u64;
        if messages <= settings.queue_messages_max && bytes <= settings.queue_bytes_max {
            return violated("I8", format!("#{id} is put out, and there was room"));
        }
        match waiting.next() {
            Some((oldest, _)) if oldest == id => Ok(()),
            _ => violated("I8", format!("#{id} is put out, and is not the oldest")),
        }
    }

    fn rejected(
        &mut self,
        id: u64,
        reason: RejectReason,
        settings: &Settings,
    ) -> Result<(), Violation> {
        let stopped = self.stop_at.is_some() || self.closed;
        let newest = self.messages.len() as u64 == id + 1;
        let Some(message) = self.messages.get_mut(id as usize) else {
            return violated("I8", format!("nobody sent #{id}"));
        };
        if !newest || message.fate != Fate::Live {
            return violated("I8", format!("#{id} was accepted, and is handed back"));
        }
        self.ledger.rejected(id, message);
        message.fate = Fate::Rejected;
        let holds = match reason {
            RejectReason::Stopped => stopped,
            RejectReason::TooLarge { .. } => u64::from(message.bytes) > settings.message_bytes_max,
            RejectReason::UnknownLane { .. } => u64::from(message.lane) >= settings.lanes,
            // Whether there was room is judged where it was asked for.
            RejectReason::QueueFull => true,
            RejectReason::BeyondReserved { .. }
            | RejectReason::OutcomesUnread { .. }
            | RejectReason::TtlZero
            | RejectReason::NothingToReserve
            | RejectReason::Empty
            | RejectReason::IdNotIncreasing => false,
        };
        match holds {
            true => Ok(()),
            false => violated("I8", format!("#{id} is handed back: {reason}")),
        }
    }

    fn emitted(&mut self, now: Time, event: &PeerEvent, settings: &Settings) {
        match event {
            PeerEvent::Connecting { .. } => {
                self.connects_by = Some(now + settings.connect_timeout);
            }
            PeerEvent::BackoffStarted { .. }
            | PeerEvent::SlowPeer { .. }
            | PeerEvent::SlowPeerCleared => {}
            PeerEvent::Connected { .. } => {
                self.connects_by = None;
                self.up = Some((now, false));
            }
            PeerEvent::Disconnected { error, .. } => {
                if self.is_healthy(now, settings) {
                    self.row.reset();
                }
                self.connects_by = None;
                self.up = None;
                self.row.fails(error.class());
            }
            PeerEvent::Idle => {
                self.up = None;
                self.row.reset();
            }
            PeerEvent::AddressChanged { addresses } => self.row.moved(addresses),
            PeerEvent::SenderStopped { .. } => {
                self.connects_by = None;
                self.up = None;
                self.closed = true;
            }
        }
    }

    /// I11: only an answer to a message, or having stood for long enough, proves health.
    fn is_healthy(&self, now: Time, settings: &Settings) -> bool {
        self.up.is_some_and(|(since, answered)| {
            answered || now.saturating_since(since) >= settings.health_after
        })
    }
}
