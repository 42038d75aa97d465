//! Actions, and news of sessions, in words.

use std::time::Duration;

use peer_sender_core::trace::TraceAction;
use peer_sender_core::{Capacity, MessageId, PeerEvent, Priority};

use super::{clean, error_words, messages, outcome_words, stop_words, stream_name};
use crate::figures::{plural, thousands};
use crate::trace::moment::spell;

/// The names of the kinds of actions.
pub(crate) const ACTION_KINDS: [&str; 21] = [
    "connect",
    "write",
    "backoff",
    "tell",
    "deliver",
    "settle",
    "hand-back",
    "reject",
    "room",
    "forget-delivered",
    "pause-reading",
    "resume-reading",
    "reset-stream",
    "stop-sending",
    "close",
    "session-delivered",
    "session-settled",
    "session-handed-back",
    "session-rejected",
    "session-room",
    "session-forgotten",
];

pub(crate) fn action_kind(action: &TraceAction) -> &'static str {
    match action {
        TraceAction::Connect { .. } => "connect",
        TraceAction::Write { .. } => "write",
        TraceAction::ScheduleBackoff { .. } => "backoff",
        TraceAction::Emit(_) => "tell",
        TraceAction::Deliver(_) => "deliver",
        TraceAction::Settle { .. } => "settle",
        TraceAction::HandBack(_) => "hand-back",
        TraceAction::Reject { .. } => "reject",
        TraceAction::Room { .. } => "room",
        TraceAction::ForgetDelivered => "forget-delivered",
        TraceAction::PauseReading { .. } => "pause-reading",
        TraceAction::ResumeReading { .. } => "resume-reading",
        TraceAction::Probe { .. } => "probe",
        TraceAction::ResetStream { .. } => "reset-stream",
        TraceAction::StopSending { .. } => "stop-sending",
        TraceAction::Close { .. } => "close",
        TraceAction::SessionDelivered { .. } => "session-delivered",
        TraceAction::SessionSettled { .. } => "session-settled",
        TraceAction::SessionHandedBack { .. } => "session-handed-back",
        TraceAction::SessionRejected { .. } => "session-rejected",
        TraceAction::SessionRoom { .. } => "session-room",
        TraceAction::SessionForgotten { .. } => "session-forgotten",
    }
}

/// The message that an action names, if it is one of ours.
pub(crate) fn action_message(action: &TraceAction) -> Option<MessageId> {
    match action {
        TraceAction::Settle { id, .. }
        | TraceAction::Reject { id, .. }
        | TraceAction::SessionRejected { id, .. } => Some(*id),
        TraceAction::HandBack(unsent) => Some(unsent.id),
        _ => None,
    }
}

/// An action in words; `written` are the messages of a write.
pub(crate) fn action_words(action: &TraceAction, written: &[MessageId]) -> String {
    match action {
        TraceAction::Connect { attempt, address } => {
            format!("dial {address} (connection {attempt})")
        }
        TraceAction::Write {
            transfer,
            attempt,
            stream,
            bytes,
            fin,
            priority,
        } => {
            let content = match written {
                [] => String::new(),
                ids => format!(": {}", messages(ids)),
            };
            let class = match priority {
                Priority::Low => ", low",
                Priority::Normal => "",
                Priority::High => ", high",
            };
            let end = if *fin { ", and the end" } else { "" };
            format!(
                "write {transfer} of {} on connection {attempt} {}{end}{class}{content}",
                plural(*bytes, "byte"),
                stream_name(*stream)
            )
        }
        TraceAction::ScheduleBackoff { delay, .. } => {
            format!("wait {} before dialling again", spell_duration(*delay))
        }
        TraceAction::Emit(event) => format!("tell the user: {}", news_words(event)),
        TraceAction::Deliver(message) => format!(
            "hand message number {} of lane {} ({}) to the application",
            message.number,
            message.lane,
            plural(message.bytes, "byte")
        ),
        TraceAction::Settle { id, outcome } => format!("message #{id} {}", outcome_words(outcome)),
        TraceAction::HandBack(unsent) => format!("message #{} handed back", unsent.id),
        TraceAction::Reject { id, reason, .. } => {
            format!("message #{id} not accepted: {}", clean(&reason.to_string()))
        }
        TraceAction::Room { lane, capacity } => {
            format!("room on lane {lane} for {}", room(*capacity))
        }
        TraceAction::ForgetDelivered => {
            "the peer's sending half has begun anew: what was delivered before can no longer be \
             answered"
                .to_owned()
        }
        TraceAction::PauseReading { attempt, stream } => {
            format!(
                "read no further on connection {attempt} {}",
                stream_name(*stream)
            )
        }
        TraceAction::Probe { attempt } => {
            format!("ask on connection {attempt} whether the peer is still there")
        }
        TraceAction::ResumeReading { attempt, stream } => {
            format!("read on, on connection {attempt} {}", stream_name(*stream))
        }
        TraceAction::ResetStream {
            attempt,
            stream,
            code,
        } => format!(
            "reset connection {attempt} {}: {code}",
            stream_name(*stream)
        ),
        TraceAction::StopSending {
            attempt,
            stream,
            code,
        } => format!(
            "ask the peer to send no more on connection {attempt} {}: {code}",
            stream_name(*stream)
        ),
        TraceAction::Close {
            attempt,
            code,
            reason,
        } => {
            let reason = match reason.as_str() {
                "" => String::new(),
                text => format!(": {}", clean(text)),
            };
            format!("close connection {attempt}, {code}{reason}")
        }
        TraceAction::SessionDelivered { session, messages } => {
            let bytes = messages
                .iter()
                .map(|it| it.bytes)
                .fold(0, u64::saturating_add);
            let range = messages.first().zip(messages.last()).map(|(first, last)| {
                format!(
                    ", lane {} number {} to lane {} number {}",
                    first.lane, first.number, last.lane, last.number
                )
            });
            format!(
                "session {}: {} ({}) to the application{}",
                session.0,
                plural(messages.len() as u64, "message"),
                plural(bytes, "byte"),
                range.unwrap_or_default()
            )
        }
        TraceAction::SessionSettled { session, settled } => {
            let ids: Vec<MessageId> = settled.iter().map(|(id, _)| *id).collect();
            let outcome = settled.first().map(|(_, outcome)| outcome_words(outcome));
            let same = settled.windows(2).all(|pair| match pair {
                [one, other] => one.1 == other.1,
                _ => true,
            });
            let outcome = outcome
                .filter(|_| same)
                .unwrap_or("different outcomes".to_owned());
            format!(
                "session {}: replies {}: {outcome}",
                session.0,
                messages(&ids)
            )
        }
        TraceAction::SessionHandedBack { session, unsent } => {
            let ids: Vec<MessageId> = unsent.iter().map(|it| it.id).collect();
            format!(
                "session {}: replies {} handed back",
                session.0,
                messages(&ids)
            )
        }
        TraceAction::SessionRejected {
            session,
            id,
            reason,
            ..
        } => format!(
            "session {}: reply #{id} not accepted: {}",
            session.0,
            clean(&reason.to_string())
        ),
        TraceAction::SessionRoom {
            session,
            lane,
            capacity,
        } => format!(
            "session {}: room on lane {lane} for {}",
            session.0,
            room(*capacity)
        ),
        TraceAction::SessionForgotten { session } => format!("session {} is forgotten", session.0),
    }
}

fn room(capacity: Capacity) -> String {
    format!(
        "{} of {} bytes",
        plural(capacity.messages as u64, "message"),
        thousands(capacity.bytes as u64)
    )
}

fn news_words(event: &PeerEvent) -> String {
    match event {
        PeerEvent::Connecting { attempt, address } => {
            format!("dialling {address} (connection {attempt})")
        }
        PeerEvent::Connected { attempt } => format!("connected (connection {attempt})"),
        PeerEvent::Disconnected { error, retry_at } => {
            let next = match retry_at {
                Some(_) => "",
                None => "; it is not tried again by itself",
            };
            format!("not connected: {}{next}", error_words(error))
        }
        PeerEvent::BackoffStarted {
            failures, delay, ..
        } => format!(
            "{} in a row; the next attempt follows after {}",
            plural(u64::from(*failures), "failure"),
            spell_duration(*delay)
        ),
        PeerEvent::AddressChanged { .. } => "the peer's addresses have changed".to_owned(),
        PeerEvent::SlowPeer { .. } => "the peer is slow, or away".to_owned(),
        PeerEvent::SlowPeerCleared => "the peer is no longer slow".to_owned(),
        PeerEvent::Idle => "the idle connection was ended".to_owned(),
        PeerEvent::SenderStopped { reason } => {
            format!("the sender has ended: {}", stop_words(*reason))
        }
    }
}

fn spell_duration(duration: Duration) -> String {
    spell(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
