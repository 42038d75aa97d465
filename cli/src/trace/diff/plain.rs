//! Events and actions without what two recordings of the same may differ in.

use std::borrow::Cow;
use std::time::Duration;

use peer_sender_core::trace::{Content, Piece, TraceAction, TraceEvent, TraceMessage};
use peer_sender_core::{PeerEvent, Time};

/// An event, whatever its trace keeps of payloads; and without its times, if they are to be ignored.
pub(super) fn event(event: &TraceEvent, ignore_times: bool) -> Cow<'_, TraceEvent> {
    match event {
        TraceEvent::MessageQueued {
            id,
            lane,
            payload,
            expires_at,
        } => Cow::Owned(TraceEvent::MessageQueued {
            id: *id,
            lane: *lane,
            payload: Content::Length(payload.bytes()),
            expires_at: match ignore_times {
                true => expires_at.map(|_| Time::ZERO),
                false => *expires_at,
            },
        }),
        TraceEvent::BytesReceived {
            attempt,
            stream,
            pieces,
            fin,
        } => Cow::Owned(TraceEvent::BytesReceived {
            attempt: *attempt,
            stream: *stream,
            pieces: pieces.iter().map(piece).collect(),
            fin: *fin,
        }),
        other => Cow::Borrowed(other),
    }
}

fn piece(piece: &Piece) -> Piece {
    match piece {
        Piece::Frames(bytes) => Piece::Frames(bytes.clone()),
        Piece::Payload(content) => Piece::Payload(Content::Length(content.bytes())),
    }
}

/// An action without its times, if they are to be ignored.
pub(super) fn action(action: TraceAction, ignore_times: bool) -> TraceAction {
    if !ignore_times {
        return action;
    }
    match action {
        TraceAction::ScheduleBackoff { attempt, .. } => TraceAction::ScheduleBackoff {
            attempt,
            delay: Duration::ZERO,
            until: Time::ZERO,
        },
        TraceAction::Emit(event) => TraceAction::Emit(news(event)),
        TraceAction::Deliver(message) => TraceAction::Deliver(undated(message)),
        TraceAction::SessionDelivered { session, messages } => TraceAction::SessionDelivered {
            session,
            messages: messages.into_iter().map(undated).collect(),
        },
        other => other,
    }
}

fn news(event: PeerEvent) -> PeerEvent {
    match event {
        PeerEvent::Disconnected { error, retry_at } => PeerEvent::Disconnected {
            error,
            retry_at: retry_at.map(|_| Time::ZERO),
        },
        PeerEvent::BackoffStarted { failures, .. } => PeerEvent::BackoffStarted {
            failures,
            delay: Duration::ZERO,
            until: Time::ZERO,
        },
        PeerEvent::SlowPeer { .. } => PeerEvent::SlowPeer { since: Time::ZERO },
        other => other,
    }
}

fn undated(message: TraceMessage) -> TraceMessage {
    TraceMessage {
        received_at: Time::ZERO,
        ..message
    }
}
