//! Events and actions in a few words each, where many stand in one line.

use std::fmt::Write;

use peer_sender_core::trace::{Call, TraceEvent};
use peer_sender_core::{Action, Outcome, PeerEvent, SessionNews, StopMode};

use super::{error_words, outcome_word, plain};
use crate::figures::bytes;
use crate::trace::moment::spell;

/// The most characters of what one step was told, or led to.
const STEP_CHARACTERS: usize = 220;

/// Things of one kind that follow each other are said once, with their number.
#[derive(Debug, Default)]
struct Row {
    text: String,
    kind: &'static str,
    detail: String,
    count: u64,
    cut: bool,
}

impl Row {
    fn add(&mut self, kind: &'static str, detail: impl FnOnce() -> String) {
        if self.cut {
            return;
        }
        if self.kind == kind {
            self.count += 1;
            return;
        }
        self.flush();
        (self.kind, self.count) = (kind, 1);
        self.detail = detail();
    }

    fn flush(&mut self) {
        if self.kind.is_empty() {
            return;
        }
        if self.text.len() > STEP_CHARACTERS {
            self.cut = true;
            self.text.push_str("; …");
            return;
        }
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.text.push_str(self.kind);
        if self.count > 1 {
            let _ = write!(self.text, " ×{}, first", self.count);
        }
        if !self.detail.is_empty() {
            self.text.push(' ');
            self.text.push_str(&self.detail);
        }
    }

    fn finish(mut self) -> String {
        if !self.cut {
            self.flush();
        }
        self.text
    }
}

/// What a machine was told in a step.
pub(in crate::trace) fn told(call: &Call, events: &[TraceEvent]) -> String {
    let mut row = Row::default();
    match call {
        Call::Handle | Call::Connection { .. } | Call::Session { .. } => {}
        Call::Accepted { attempt, .. } | Call::AcceptedSharing { attempt, .. } => {
            row.add("accepted", || format!("c{}", attempt.0))
        }
        Call::Stop { mode } => row.add("stop", || stop(*mode)),
        Call::Timeout => row.add("timer", String::new),
    }
    for event in events {
        tell(&mut row, event);
    }
    row.finish()
}

fn tell(row: &mut Row, event: &TraceEvent) {
    match event {
        TraceEvent::MessageQueued {
            id, lane, payload, ..
        } => row.add("queued", || {
            format!("#{} on lane {} ({})", id.0, lane.0, bytes(payload.bytes()))
        }),
        TraceEvent::Cancel { id } => row.add("cancel", || format!("#{}", id.0)),
        TraceEvent::AddressesChanged { addresses } => row.add("addresses", || {
            let each = addresses.iter().take(4).map(ToString::to_string);
            each.collect::<Vec<_>>().join(", ")
        }),
        TraceEvent::Wake { reason } => row.add("wake", || format!("({reason:?})")),
        TraceEvent::Connected { attempt } => row.add("connected", || format!("c{}", attempt.0)),
        TraceEvent::ConnectFailed { attempt, error } => row.add("not connected", || {
            plain(&format!("c{}: {}", attempt.0, error_words(error)))
        }),
        TraceEvent::ConnectionLost { attempt, error } => row.add("connection lost", || {
            plain(&format!("c{}: {}", attempt.0, error_words(error)))
        }),
        TraceEvent::StreamOpened { stream, .. } => {
            row.add("stream opened", || stream.index.to_string());
        }
        TraceEvent::BytesReceived { pieces, fin, .. } => row.add("received", || {
            let all = pieces.iter().map(|piece| piece.bytes());
            let end = if *fin { ", and the end" } else { "" };
            format!("{}{end}", bytes(all.fold(0, u64::saturating_add)))
        }),
        TraceEvent::StreamReset { code, .. } => row.add("stream reset", || format!("code {code}")),
        TraceEvent::StreamStopped { code, .. } => {
            row.add("stream stopped", || format!("code {code}"));
        }
        TraceEvent::TransferFinished { transfer } => {
            row.add("written", || format!("w{}", transfer.0));
        }
        TraceEvent::StreamAcknowledged { stream, .. } => {
            row.add("acknowledged", || format!("stream {}", stream.index));
        }
        TraceEvent::ProbeAnswered { .. } => row.add("probe answered", String::new),
        TraceEvent::TransferAcknowledged { transfer } => {
            row.add("acknowledged", || format!("w{}", transfer.0));
        }
        TraceEvent::Consumed { lane, below } => {
            row.add("consumed", || format!("lane {} below {below}", lane.0));
        }
        TraceEvent::Refused { lane, number, code } => row.add("refuse", || {
            format!("{number} on lane {} ({code:?})", lane.0)
        }),
        TraceEvent::Stop { mode } => row.add("stop", || stop(*mode)),
        TraceEvent::TimerFired => row.add("timer", String::new),
    }
}

fn stop(mode: StopMode) -> String {
    match mode {
        StopMode::Drain(within) => format!("(drain within {})", spell(within.as_nanos() as u64)),
        StopMode::Abort => "(abort)".to_owned(),
        StopMode::Remove => "(remove)".to_owned(),
    }
}

/// What came of a step.
pub(in crate::trace) fn done(actions: &[Action], news: &[SessionNews]) -> String {
    let mut row = Row::default();
    for action in actions {
        act(&mut row, action);
    }
    for news in news {
        hear(&mut row, news);
    }
    row.finish()
}

fn act(row: &mut Row, action: &Action) {
    match action {
        Action::Connect { attempt, address } => {
            row.add("dial", || format!("{address} as c{}", attempt.0));
        }
        Action::Write {
            transfer,
            chunks,
            fin,
            ..
        } => row.add("write", || {
            let all = chunks.iter().map(|chunk| chunk.len() as u64).sum();
            let end = if *fin { ", and the end" } else { "" };
            format!("w{} ({}{end})", transfer.0, bytes(all))
        }),
        Action::ScheduleBackoff { delay, .. } => {
            row.add("wait", || spell(delay.as_nanos() as u64));
        }
        Action::Emit(event) => emit(row, event),
        Action::Deliver(message) => row.add("hand over", || {
            let size = bytes(message.payload.len() as u64);
            format!("{} of lane {} ({size})", message.number, message.lane.0)
        }),
        Action::Settle { id, outcome } => {
            row.add(outcome_word(outcome), || {
                format!("#{}{}", id.0, why(outcome))
            });
        }
        Action::HandBack(unsent) => row.add("hand back", || format!("#{}", unsent.id.0)),
        Action::Reject { id, reason, .. } => {
            row.add("reject", || plain(&format!("#{}: {reason}", id.0)))
        }
        // It follows from each write, and from what the state says.
        Action::Room { .. } => {}
        Action::ForgetDelivered => row.add("forget delivered", String::new),
        Action::PauseReading { .. } => row.add("pause reading", String::new),
        Action::ResumeReading { .. } => row.add("resume reading", String::new),
        Action::Probe { .. } => row.add("probe", String::new),
        Action::ResetStream { code, .. } => row.add("reset stream", || format!("({code:?})")),
        Action::StopSending { code, .. } => row.add("stop sending", || format!("({code:?})")),
        Action::Close {
            attempt,
            code,
            reason,
        } => row.add("close", || {
            plain(&format!("c{} ({code:?}) {reason}", attempt.0))
        }),
    }
}

/// What is told to the user. What other actions and the state say as well is left out.
fn emit(row: &mut Row, event: &PeerEvent) {
    match event {
        PeerEvent::Connecting { .. }
        | PeerEvent::Connected { .. }
        | PeerEvent::BackoffStarted { .. }
        | PeerEvent::AddressChanged { .. } => {}
        PeerEvent::Disconnected { error, .. } => {
            row.add("disconnected:", || plain(&error_words(error)));
        }
        PeerEvent::SlowPeer { .. } => row.add("slow peer", String::new),
        PeerEvent::SlowPeerCleared => row.add("peer no longer slow", String::new),
        PeerEvent::Idle => row.add("idle", String::new),
        PeerEvent::SenderStopped { reason } => row.add("stopped", || format!("({reason:?})")),
    }
}

fn hear(row: &mut Row, news: &SessionNews) {
    match news {
        SessionNews::Delivered { session, messages } => row.add("hand over", || {
            format!("{} of session {}", messages.len(), session.0)
        }),
        SessionNews::Settled { session, settled } => row.add("settle replies", || {
            format!("{} of session {}", settled.len(), session.0)
        }),
        SessionNews::HandedBack { session, unsent } => row.add("hand replies back", || {
            format!("{} of session {}", unsent.len(), session.0)
        }),
        SessionNews::Rejected {
            session, rejected, ..
        } => row.add("reject a reply", || {
            plain(&format!("of session {}: {}", session.0, rejected.reason))
        }),
        SessionNews::Room { .. } => {}
        SessionNews::Forgotten { session } => {
            row.add("forget session", || session.0.to_string());
        }
    }
}

fn why(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered(_) | Outcome::Written | Outcome::Expired | Outcome::Cancelled => {
            String::new()
        }
        Outcome::Refused(code) => format!(" ({code:?})"),
        Outcome::Failed(reason) => format!(" ({reason:?})"),
        Outcome::Unknown(reason) => format!(" ({reason:?})"),
    }
}

#[cfg(test)]
mod tests {
    use peer_sender_core::trace::Content;
    use peer_sender_core::{Attempt, Lane, LinkError, MessageId};

    use super::*;

    #[test]
    fn many_of_a_kind_are_one_phrase_and_long_steps_are_cut() {
        let queued = |id| TraceEvent::MessageQueued {
            id: MessageId(id),
            lane: Lane(0),
            payload: Content::Length(12),
            expires_at: None,
        };
        let lost = |attempt| TraceEvent::ConnectionLost {
            attempt: Attempt(attempt),
            error: LinkError::Local {
                reason: "\u{1b}[31m".to_owned(),
            },
        };
        let told = told(&Call::Handle, &[queued(7), queued(8), lost(3)]);
        let expected = "queued ×2, first #7 on lane 0 (12 B); connection lost c3: the local system \
                        refused: \\u{1b}[31m";
        assert_eq!(told, expected);

        let mixed: Vec<_> = (0..1_000).flat_map(|it| [queued(it), lost(it)]).collect();
        let told = super::told(&Call::Handle, &mixed);
        assert!(
            told.len() < 2 * STEP_CHARACTERS && told.ends_with("; …"),
            "{told}"
        );
    }
}
