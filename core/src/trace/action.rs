//! Actions as a trace keeps them.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::form::{Form, Short};

use crate::{
    Action, Attempt, Capacity, CloseCode, IncomingMessage, Lane, Level, MessageId, Outcome,
    PeerEvent, Priority, RejectReason, SessionHandle, SessionNews, StreamId, Time, TransferId,
    Unsent,
};

/// An [`Action`], or a [`SessionNews`], as a trace keeps it: the same, with the lengths of payloads
/// and of what is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is that of the action")]
pub enum TraceAction {
    /// [`Action::Connect`].
    Connect {
        attempt: Attempt,
        address: SocketAddr,
    },
    /// [`Action::Write`].
    Write {
        transfer: TransferId,
        attempt: Attempt,
        stream: StreamId,
        bytes: u64,
        fin: bool,
        priority: Priority,
    },
    /// [`Action::ScheduleBackoff`].
    ScheduleBackoff {
        attempt: Attempt,
        delay: Duration,
        until: Time,
    },
    /// [`Action::Emit`].
    Emit(PeerEvent),
    /// [`Action::Deliver`].
    Deliver(TraceMessage),
    /// [`Action::Settle`].
    Settle { id: MessageId, outcome: Outcome },
    /// [`Action::HandBack`].
    HandBack(TraceUnsent),
    /// [`Action::Reject`].
    Reject {
        id: MessageId,
        lane: Lane,
        reason: RejectReason,
        bytes: u64,
    },
    /// [`Action::Room`].
    Room { lane: Lane, capacity: Capacity },
    /// [`Action::ForgetDelivered`].
    ForgetDelivered,
    /// [`Action::PauseReading`].
    PauseReading { attempt: Attempt, stream: StreamId },
    /// [`Action::ResumeReading`].
    ResumeReading { attempt: Attempt, stream: StreamId },
    /// [`Action::ResetStream`].
    ResetStream {
        attempt: Attempt,
        stream: StreamId,
        code: CloseCode,
    },
    /// [`Action::StopSending`].
    StopSending {
        attempt: Attempt,
        stream: StreamId,
        code: CloseCode,
    },
    /// [`Action::Close`].
    Close {
        attempt: Attempt,
        code: CloseCode,
        reason: String,
    },
    /// [`SessionNews::Delivered`].
    SessionDelivered {
        session: SessionHandle,
        messages: Vec<TraceMessage>,
    },
    /// [`SessionNews::Settled`].
    SessionSettled {
        session: SessionHandle,
        settled: Vec<(MessageId, Outcome)>,
    },
    /// [`SessionNews::HandedBack`].
    SessionHandedBack {
        session: SessionHandle,
        unsent: Vec<TraceUnsent>,
    },
    /// [`SessionNews::Rejected`].
    SessionRejected {
        session: SessionHandle,
        id: MessageId,
        lane: Lane,
        reason: RejectReason,
        bytes: u64,
    },
    /// [`SessionNews::Room`].
    SessionRoom {
        session: SessionHandle,
        lane: Lane,
        capacity: Capacity,
    },
    /// [`SessionNews::Forgotten`].
    SessionForgotten { session: SessionHandle },
    /// [`Action::Probe`].
    Probe { attempt: Attempt },
}

/// An [`IncomingMessage`], without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is that of the message")]
pub struct TraceMessage {
    pub lane: Lane,
    pub number: u64,
    pub bytes: u64,
    pub received_at: Time,
}

/// An [`Unsent`], without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is that of the message")]
pub struct TraceUnsent {
    pub id: MessageId,
    pub lane: Lane,
    pub bytes: u64,
}

impl TraceAction {
    /// Appends an action, as a `TraceAction` is encoded.
    pub(super) fn encode(action: &Action, out: &mut Form) {
        if let Action::Settle { id, outcome } = action {
            encode_outcome(Some(5), *id, outcome, out);
        } else if let Action::Deliver(message) = action {
            out.short(|short| {
                short.byte(4);
                TraceMessage::from(message).encode(short);
            });
        } else {
            out.value(&Self::from(action));
        }
    }

    /// Appends news of a session, as a `TraceAction` is encoded.
    pub(super) fn encode_news(news: &SessionNews, out: &mut Form) {
        if let SessionNews::Delivered { session, messages } = news {
            out.short(|short| {
                short.byte(15);
                short.integer(session.0);
                short.count(messages.len());
            });
            for message in messages {
                out.short(|short| TraceMessage::from(message).encode(short));
            }
        } else if let SessionNews::Settled { session, settled } = news {
            out.short(|short| {
                short.byte(16);
                short.integer(session.0);
                short.count(settled.len());
            });
            for (id, outcome) in settled {
                encode_outcome(None, *id, outcome, out);
            }
        } else {
            out.value(&Self::from(news));
        }
    }
}

/// Appends a message and its outcome, mostly that it was delivered; behind the kind of an action.
#[inline]
fn encode_outcome(kind: Option<u8>, id: MessageId, outcome: &Outcome, out: &mut Form) {
    let delivered = matches!(outcome, Outcome::Delivered(Level::Application));
    out.short(|short| {
        if let Some(kind) = kind {
            short.byte(kind);
        }
        short.integer(id.0);
        if delivered {
            short.byte(0);
            short.byte(0);
        }
    });
    if !delivered {
        out.value(outcome);
    }
}

impl TraceMessage {
    fn encode(self, out: &mut Short<'_, '_>) {
        out.byte(self.lane.0);
        out.integer(self.number);
        out.integer(self.bytes);
        out.integer(self.received_at.as_nanos());
    }
}

impl From<&IncomingMessage> for TraceMessage {
    fn from(message: &IncomingMessage) -> Self {
        Self {
            lane: message.lane,
            number: message.number,
            bytes: message.payload.len() as u64,
            received_at: message.received_at,
        }
    }
}

impl From<&Unsent> for TraceUnsent {
    fn from(unsent: &Unsent) -> Self {
        Self {
            id: unsent.id,
            lane: unsent.lane,
            bytes: unsent.payload.len() as u64,
        }
    }
}

impl From<&Action> for TraceAction {
    fn from(action: &Action) -> Self {
        match *action {
            Action::Connect { attempt, address } => Self::Connect { attempt, address },
            Action::Write {
                transfer,
                attempt,
                stream,
                ref chunks,
                fin,
                priority,
            } => Self::Write {
                transfer,
                attempt,
                stream,
                bytes: chunks.iter().map(|chunk| chunk.len() as u64).sum(),
                fin,
                priority,
            },
            Action::ScheduleBackoff {
                attempt,
                delay,
                until,
            } => Self::ScheduleBackoff {
                attempt,
                delay,
                until,
            },
            Action::Emit(ref event) => Self::Emit(event.clone()),
            Action::Deliver(ref message) => Self::Deliver(message.into()),
            Action::Settle { id, ref outcome } => Self::Settle {
                id,
                outcome: outcome.clone(),
            },
            Action::HandBack(ref unsent) => Self::HandBack(unsent.into()),
            Action::Reject {
                id,
                lane,
                reason,
                ref payload,
            } => Self::Reject {
                id,
                lane,
                reason,
                bytes: payload.len() as u64,
            },
            Action::Room { lane, capacity } => Self::Room { lane, capacity },
            Action::ForgetDelivered => Self::ForgetDelivered,
            Action::PauseReading { attempt, stream } => Self::PauseReading { attempt, stream },
            Action::ResumeReading { attempt, stream } => Self::ResumeReading { attempt, stream },
            Action::Probe { attempt } => Self::Probe { attempt },
            Action::ResetStream {
                attempt,
                stream,
                code,
            } => Self::ResetStream {
                attempt,
                stream,
                code,
            },
            Action::StopSending {
                attempt,
                stream,
                code,
            } => Self::StopSending {
                attempt,
                stream,
                code,
            },
            Action::Close {
                attempt,
                code,
                ref reason,
            } => Self::Close {
                attempt,
                code,
                reason: reason.clone(),
            },
        }
    }
}

impl From<&SessionNews> for TraceAction {
    fn from(news: &SessionNews) -> Self {
        match *news {
            SessionNews::Delivered {
                session,
                ref messages,
            } => Self::SessionDelivered {
                session,
                messages: messages.iter().map(TraceMessage::from).collect(),
            },
            SessionNews::Settled {
                session,
                ref settled,
            } => Self::SessionSettled {
                session,
                settled: settled.clone(),
            },
            SessionNews::HandedBack {
                session,
                ref unsent,
            } => Self::SessionHandedBack {
                session,
                unsent: unsent.iter().map(TraceUnsent::from).collect(),
            },
            SessionNews::Rejected {
                session,
                id,
                lane,
                ref rejected,
            } => Self::SessionRejected {
                session,
                id,
                lane,
                reason: rejected.reason,
                bytes: rejected.payload.len() as u64,
            },
            SessionNews::Room {
                session,
                lane,
                capacity,
            } => Self::SessionRoom {
                session,
                lane,
                capacity,
            },
            SessionNews::Forgotten { session } => Self::SessionForgotten { session },
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use bytes::Bytes;

    use super::*;
    use crate::UnknownReason;

    fn message(number: u64) -> IncomingMessage {
        IncomingMessage {
            lane: Lane(7),
            number,
            payload: Bytes::from(vec![0; 300]),
            received_at: Time::from_secs(5),
        }
    }

    #[test]
    fn what_is_encoded_by_hand_is_as_serde_has_it() {
        let outcomes = [
            Outcome::Delivered(Level::Application),
            Outcome::Delivered(Level::Transport),
            Outcome::Expired,
            Outcome::Unknown(UnknownReason::Patience),
        ];
        let (id, session) = (MessageId(200), SessionHandle(129));
        let mut actions = vec![
            Action::Deliver(message(127)),
            Action::Deliver(message(u64::MAX)),
            Action::ForgetDelivered,
        ];
        actions.extend(outcomes.iter().cloned().map(|outcome| {
            let id = MessageId(128);
            Action::Settle { id, outcome }
        }));
        for action in actions {
            let mut out = Form::default();
            TraceAction::encode(&action, &mut out);
            let whole = postcard::to_allocvec(&TraceAction::from(&action));
            assert_eq!(whole.as_deref(), Ok(out.filled()));
        }
        let news = [
            SessionNews::Delivered {
                session,
                messages: (0..130).map(message).collect(),
            },
            SessionNews::Settled {
                session,
                settled: outcomes.into_iter().map(|it| (id, it)).collect(),
            },
            SessionNews::Forgotten { session },
        ];
        for news in news {
            let mut out = Form::default();
            TraceAction::encode_news(&news, &mut out);
            let whole = postcard::to_allocvec(&TraceAction::from(&news));
            assert_eq!(whole.as_deref(), Ok(out.filled()));
        }
    }
}
