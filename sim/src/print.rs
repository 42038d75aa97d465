//! Actions as lines that read as documentation.

use bytes::Bytes;
use peer_sender_core::wire::{Decoder, Frame, Item, Open, Resume};
use peer_sender_core::{
    Action, Attempt, IncomingMessage, Level, LinkError, Outcome, PeerEvent, Priority, Side,
    StreamId, Time, TransferId, Unsent,
};

use crate::op::{Conn, End, machine};
use crate::settings::letter_of;
use crate::text::duration;

/// What a write says.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Frame(Frame),
    /// A message, if it is known, and its size.
    Message(Option<u64>, usize),
}

/// The frames of a write.
pub(crate) fn said(mut bytes: Bytes) -> Vec<Said> {
    let mut decoder = Decoder::default();
    let mut all = Vec::new();
    while let Ok(Some(item)) = decoder.next(&mut bytes) {
        match item {
            Item::Frame(frame) => all.push(Said::Frame(frame)),
            Item::MessageBegins { .. } => {}
            Item::Message(body) => all.push(Said::Message(None, body.len())),
        }
    }
    all
}

/// `sender   write t0 a0 lane 0: OPEN fresh base 0, MESSAGE #0 5B`
pub(crate) fn write(
    end: End,
    (place, lane): (Conn, u8),
    transfer: TransferId,
    said: &[Said],
    fin: bool,
) -> String {
    let mut parts: Vec<String> = said.iter().map(frame).collect();
    if fin {
        parts.push("FIN".into());
    }
    let what = parts.join(", ");
    let line = format!("write t{transfer} {place} lane {lane}: {what}");
    by(end, &line)
}

/// `sender   t0 goes low`: a write in another class than the normal one.
pub(crate) fn class(transfer: TransferId, priority: Priority) -> String {
    let class = match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    };
    by(End::Dialler, &format!("t{transfer} goes {class}"))
}

/// `receiver hands out #0, number 0 of lane 0, 5B`
pub(crate) fn handed(id: u64, lane: u8, number: u64, bytes: usize) -> String {
    by(
        End::Acceptor,
        &format!("hands out #{id}, number {number} of lane {lane}, {bytes}B"),
    )
}

/// Any action but a write.
pub(crate) fn action(end: End, action: &Action, place: impl Fn(Attempt) -> Option<Conn>) -> String {
    let conn = |attempt: &Attempt| match place(*attempt) {
        Some(place) => place.to_string(),
        None => "a?".into(),
    };
    let line = match action {
        Action::Connect { attempt, address } => {
            format!("connect a{attempt} to {}", letter_of(*address))
        }
        Action::Write { transfer, .. } => format!("write t{transfer}"),
        Action::ScheduleBackoff { attempt, delay, .. } => {
            format!("wait {} after a{attempt}", duration(*delay))
        }
        Action::Emit(event) => format!("emit {}", emitted(event)),
        Action::Deliver(IncomingMessage { lane, number, .. }) => {
            format!("deliver number {number} of lane {lane}")
        }
        Action::Settle { id, outcome } => format!("settle #{id} {}", outcome_of(outcome)),
        Action::Reject { id, reason, .. } => format!("reject #{id}: {reason}"),
        Action::HandBack(Unsent { id, payload, .. }) => {
            format!("hand back #{id}, {}B", payload.len())
        }
        Action::Room { lane, capacity } => format!(
            "room on lane {lane}: {} messages, {}B",
            capacity.messages, capacity.bytes
        ),
        Action::ForgetDelivered => "forget what was delivered".into(),
        Action::PauseReading { attempt, stream } => {
            format!("pause reading {} {}", conn(attempt), stream_of(*stream))
        }
        Action::Probe { attempt } => format!("probe {}", conn(attempt)),
        Action::ResumeReading { attempt, stream } => {
            format!("resume reading {} {}", conn(attempt), stream_of(*stream))
        }
        Action::ResetStream {
            attempt,
            stream,
            code,
        } => format!("reset {} {}: {code}", conn(attempt), stream_of(*stream)),
        Action::StopSending {
            attempt,
            stream,
            code,
        } => format!(
            "stop sending {} {}: {code}",
            conn(attempt),
            stream_of(*stream)
        ),
        Action::Close {
            attempt,
            code,
            reason,
        } if reason.is_empty() => format!("close {}: {code}", conn(attempt)),
        Action::Close {
            attempt,
            code,
            reason,
        } => format!("close {}: {code}, {reason}", conn(attempt)),
    };
    by(end, &line)
}

fn by(end: End, line: &str) -> String {
    format!("{:<8} {line}", machine(end))
}

fn frame(said: &Said) -> String {
    match said {
        Said::Message(Some(id), bytes) => format!("MESSAGE #{id} {bytes}B"),
        Said::Message(None, bytes) => format!("MESSAGE {bytes}B"),
        Said::Frame(Frame::Open(Open { fresh, base, .. })) => {
            let fresh = if *fresh { " fresh" } else { "" };
            format!("OPEN{fresh} base {base}")
        }
        Said::Frame(Frame::Resume(Resume {
            record,
            taken,
            next,
            ..
        })) => format!("RESUME record {record} taken {taken} next {next}"),
        Said::Frame(Frame::Skip { count }) => format!("SKIP {count}"),
        Said::Frame(Frame::Receipt { taken }) => format!("RECEIPT {taken}"),
        Said::Frame(Frame::Refuse { number, code }) => format!("REFUSE {number} code {code}"),
    }
}

fn stream_of(stream: StreamId) -> String {
    let index = stream.index;
    match stream.opener {
        Side::Local => format!("own s{index}"),
        Side::Remote => format!("s{index}"),
    }
}

fn emitted(event: &PeerEvent) -> String {
    match event {
        PeerEvent::Connecting { attempt, .. } => format!("Connecting a{attempt}"),
        PeerEvent::Connected { attempt } => format!("Connected a{attempt}"),
        PeerEvent::Disconnected { error, retry_at } => {
            let retry = retry_at.map_or_else(
                || "no retry".into(),
                |at| format!("retry at {}", moment(at)),
            );
            format!("Disconnected: {}; {retry}", error_of(error))
        }
        PeerEvent::BackoffStarted {
            failures, delay, ..
        } => format!("BackoffStarted: failure {failures}, {}", duration(*delay)),
        PeerEvent::AddressChanged { addresses } => {
            let letters: String = addresses.iter().map(|it| letter_of(*it)).collect();
            format!("AddressChanged: {letters}")
        }
        PeerEvent::Idle => "Idle".into(),
        PeerEvent::SlowPeer { since } => format!("SlowPeer: since {}", moment(*since)),
        PeerEvent::SlowPeerCleared => "SlowPeerCleared".into(),
        PeerEvent::SenderStopped { reason } => format!("SenderStopped: {reason:?}"),
    }
}

fn moment(at: Time) -> String {
    duration(at.saturating_since(Time::ZERO))
}

fn error_of(error: &LinkError) -> String {
    match error {
        LinkError::Closed { code, .. } => format!("closed by the peer, {code}"),
        LinkError::ClosedHere { code, .. } => format!("closed here, {code}"),
        LinkError::Protocol(error) => format!("protocol, {error}"),
        LinkError::StreamCut { code } => format!("stream cut with {code}"),
        LinkError::IdentityRefused { .. } => "identity refused".into(),
        other => format!("{other:?}"),
    }
}

fn outcome_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered(Level::Application) => "delivered".into(),
        Outcome::Delivered(Level::Transport) => "delivered to its transport".into(),
        Outcome::Refused(code) => format!("refused, {code:?}"),
        Outcome::Cancelled => "cancelled".into(),
        Outcome::Expired => "expired".into(),
        Outcome::Failed(reason) => format!("failed, {reason:?}"),
        Outcome::Unknown(reason) => format!("unknown, {reason:?}"),
        Outcome::Written => "written".into(),
    }
}
