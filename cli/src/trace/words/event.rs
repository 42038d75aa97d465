//! Events in words.

use peer_sender_core::trace::TraceEvent;
use peer_sender_core::{MessageId, StopMode, WakeReason};

use super::{error_words, stream_name};
use crate::figures::plural;
use crate::trace::moment::spell;

/// The names of the kinds of events.
pub(crate) const EVENT_KINDS: [&str; 17] = [
    "queued",
    "cancel",
    "addresses-changed",
    "wake",
    "connected",
    "connect-failed",
    "connection-lost",
    "stream-opened",
    "received",
    "stream-reset",
    "stream-stopped",
    "transfer-finished",
    "acknowledged",
    "consumed",
    "refused",
    "stop",
    "timer",
];

pub(crate) fn event_kind(event: &TraceEvent) -> &'static str {
    match event {
        TraceEvent::MessageQueued { .. } => "queued",
        TraceEvent::Cancel { .. } => "cancel",
        TraceEvent::AddressesChanged { .. } => "addresses-changed",
        TraceEvent::Wake { .. } => "wake",
        TraceEvent::Connected { .. } => "connected",
        TraceEvent::ConnectFailed { .. } => "connect-failed",
        TraceEvent::ConnectionLost { .. } => "connection-lost",
        TraceEvent::StreamOpened { .. } => "stream-opened",
        TraceEvent::BytesReceived { .. } => "received",
        TraceEvent::StreamReset { .. } => "stream-reset",
        TraceEvent::StreamStopped { .. } => "stream-stopped",
        TraceEvent::TransferFinished { .. } => "transfer-finished",
        TraceEvent::StreamAcknowledged { .. } | TraceEvent::TransferAcknowledged { .. } => {
            "acknowledged"
        }
        TraceEvent::ProbeAnswered { .. } => "probe-answered",
        TraceEvent::Consumed { .. } => "consumed",
        TraceEvent::Refused { .. } => "refused",
        TraceEvent::Stop { .. } => "stop",
        TraceEvent::TimerFired => "timer",
    }
}

/// The message that an event names.
pub(crate) fn event_message(event: &TraceEvent) -> Option<MessageId> {
    match event {
        TraceEvent::MessageQueued { id, .. } | TraceEvent::Cancel { id } => Some(*id),
        _ => None,
    }
}

pub(crate) fn event_words(event: &TraceEvent) -> String {
    match event {
        TraceEvent::MessageQueued {
            id,
            lane,
            payload,
            expires_at,
        } => {
            let bytes = plural(payload.bytes(), "byte");
            let expires = match expires_at {
                Some(at) => format!(", expires at {at} of its machine"),
                None => String::new(),
            };
            format!("message #{id} of {bytes} handed over for lane {lane}{expires}")
        }
        TraceEvent::Cancel { id } => format!("message #{id} taken back"),
        TraceEvent::AddressesChanged { addresses } => match addresses.as_slice() {
            [] => "the peer has no known address any more".to_owned(),
            addresses => {
                let list: Vec<_> = addresses.iter().take(8).map(ToString::to_string).collect();
                format!("the peer's addresses are {}", list.join(", "))
            }
        },
        TraceEvent::Wake { reason } => format!(
            "a reason to dial now: {}",
            match reason {
                WakeReason::NewAddress => "the peer has a new address",
                WakeReason::InboundContact => "the peer has dialled us",
                WakeReason::Operator => "somebody asks for it",
                WakeReason::NetworkChange => "the network has changed",
            }
        ),
        TraceEvent::Connected { attempt } => format!("connection {attempt} stands"),
        TraceEvent::ConnectFailed { attempt, error } => {
            format!(
                "connection {attempt} could not be made: {}",
                error_words(error)
            )
        }
        TraceEvent::ConnectionLost { attempt, error } => {
            format!("connection {attempt} is lost: {}", error_words(error))
        }
        TraceEvent::StreamOpened { attempt, stream } => {
            format!("connection {attempt}: {} opened", stream_name(*stream))
        }
        TraceEvent::BytesReceived {
            attempt,
            stream,
            pieces,
            fin,
        } => {
            let bytes = pieces.iter().map(|piece| piece.bytes());
            let bytes = plural(bytes.fold(0, u64::saturating_add), "byte");
            let end = if *fin { ", and its end" } else { "" };
            format!(
                "connection {attempt}: {bytes} received on {}{end}",
                stream_name(*stream)
            )
        }
        TraceEvent::StreamReset {
            attempt,
            stream,
            code,
        } => format!(
            "connection {attempt}: the peer sends no more on {} (code {code})",
            stream_name(*stream)
        ),
        TraceEvent::StreamStopped {
            attempt,
            stream,
            code,
        } => format!(
            "connection {attempt}: the peer reads no more of {} (code {code})",
            stream_name(*stream)
        ),
        TraceEvent::TransferFinished { transfer } => format!("QUIC holds all of write {transfer}"),
        TraceEvent::ProbeAnswered { attempt } => {
            format!("connection {attempt}: the peer's transport is still there")
        }
        TraceEvent::TransferAcknowledged { transfer } => {
            format!("the peer's transport has all of write {transfer}")
        }
        TraceEvent::StreamAcknowledged { attempt, stream } => {
            format!(
                "connection {attempt}: the peer's transport has all of {}",
                stream_name(*stream)
            )
        }
        TraceEvent::Consumed { lane, below } => {
            format!("the application answered all messages of lane {lane} below number {below}")
        }
        TraceEvent::Refused { lane, number, code } => format!(
            "the application refused message number {number} of lane {lane} (code {})",
            code.to_wire()
        ),
        TraceEvent::Stop { mode } => match mode {
            StopMode::Drain(time) => {
                let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                format!(
                    "told to stop: finish what can be finished within {}",
                    spell(nanos)
                )
            }
            StopMode::Abort => "told to stop at once".to_owned(),
            StopMode::Remove => "told to stop: the peer is removed".to_owned(),
        },
        TraceEvent::TimerFired => "a deadline may have come".to_owned(),
    }
}
