//! Events and actions in short words, and the names of their kinds.

mod action;
mod brief;
mod event;

use std::fmt::Write;

use peer_sender_core::{
    FailReason, Level, LinkError, MessageId, Outcome, RefuseCode, Side, StopReason, StreamId,
    UnknownReason,
};

pub(super) use self::action::{ACTION_KINDS, action_kind, action_message, action_words};
pub(super) use self::brief::{done, told};
pub(super) use self::event::{EVENT_KINDS, event_kind, event_message, event_words};
pub(super) use crate::foreign::{clean, is_inert, plain};

/// A name of a kind of event or action, as it is given on the command line.
pub(super) fn kind(text: &str) -> Result<&'static str, String> {
    let mut all = EVENT_KINDS.into_iter().chain(ACTION_KINDS);
    all.find(|kind| *kind == text).ok_or_else(|| {
        format!(
            "events are {}; actions are {}",
            EVENT_KINDS.join(", "),
            ACTION_KINDS.join(", ")
        )
    })
}

/// An error in words; some of them are the peer's.
pub(super) fn error_words(error: &LinkError) -> String {
    clean(&error.to_string())
}

/// A stream, as short as can be: ours, or theirs.
pub(super) fn stream_name(stream: StreamId) -> String {
    match stream.opener {
        Side::Local => format!("s{}", stream.index),
        Side::Remote => format!("their s{}", stream.index),
    }
}

/// What an outcome is called where there is one word for it.
pub(super) fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered(_) => "delivered",
        Outcome::Refused(_) => "refused",
        Outcome::Expired => "expired",
        Outcome::Cancelled => "cancelled",
        Outcome::Failed(_) => "failed",
        Outcome::Unknown(_) => "unknown",
        Outcome::Written => "written",
    }
}

/// An outcome, and what is known of it.
pub(super) fn outcome_words(outcome: &Outcome) -> String {
    let why = match outcome {
        Outcome::Delivered(Level::Application) => "the receiving application accepted it",
        Outcome::Delivered(Level::Transport) => "the peer's transport has all of it",
        Outcome::Written => "all of it was written, and the peer's transport has acknowledged it",
        Outcome::Refused(code) => return format!("refused: {}", refusal(*code)),
        Outcome::Expired => "its time to live ended first",
        Outcome::Cancelled => "it was taken back in time",
        Outcome::Failed(reason) => match reason {
            FailReason::Stopped => "the sender was stopped before it was sent",
            FailReason::GaveUp => "the sender gave the peer up before it was sent",
            FailReason::Removed => "the peer was removed before it was sent",
            FailReason::Displaced => "a newer message put it out of the full queue",
            FailReason::SessionForgotten => "the session that it answered was forgotten",
            FailReason::ConnectionLost => "its only connection was lost before it was sent whole",
        },
        Outcome::Unknown(reason) => match reason {
            UnknownReason::Stopped => "the sender was stopped before the receiver answered",
            UnknownReason::GaveUp => "the sender gave the peer up before the receiver answered",
            UnknownReason::Removed => "the peer was removed before the receiver answered",
            UnknownReason::Patience => "the receiver stayed away for longer than the patience",
            UnknownReason::ConnectionLost => {
                "its connection was lost before the answer, and nobody can be asked"
            }
            UnknownReason::SessionForgotten => {
                "the session that it answered was forgotten before the receiver answered"
            }
            UnknownReason::Forgotten => {
                "the receiver that may have taken it no longer remembers, and it may not be sent again"
            }
        },
    };
    format!("{}: {why}", outcome_word(outcome))
}

fn refusal(code: RefuseCode) -> String {
    match code {
        RefuseCode::TooLarge => "larger than the receiver takes".to_owned(),
        RefuseCode::Application => "the receiving application did not want it".to_owned(),
        RefuseCode::Dropped => "the receiving application dropped it unanswered".to_owned(),
        RefuseCode::Malformed => "the receiving application could not read it".to_owned(),
        RefuseCode::Other(code) => format!("by the receiver's code {code}"),
    }
}

/// Why a sender has ended.
pub(super) fn stop_words(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Drained => "all was answered",
        StopReason::DeadlineReached => "the time to finish was over",
        StopReason::Aborted => "told to end at once",
        StopReason::Removed => "the peer was removed",
        StopReason::GaveUp => "the peer was given up",
        StopReason::SessionForgotten => "the session that it answered was forgotten",
    }
}

/// Messages by their names, as runs: "#3, #5 to #9".
pub(super) fn messages(ids: &[MessageId]) -> String {
    const RUNS_MAX: usize = 8;
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for MessageId(id) in ids {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*id) => *last = *id,
            _ => runs.push((*id, *id)),
        }
    }
    let shown = runs
        .iter()
        .take(RUNS_MAX)
        .map(|(first, last)| match last - first {
            0 => format!("#{first}"),
            1 => format!("#{first}, #{last}"),
            _ => format!("#{first} to #{last}"),
        });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if let Some(more) = runs.len().checked_sub(RUNS_MAX + 1) {
        let _ = write!(text, " and {} more runs", more + 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_messages_are_told_as_such() {
        let told = |ids: &[u64]| messages(&ids.iter().copied().map(MessageId).collect::<Vec<_>>());
        assert_eq!(told(&[]), "");
        assert_eq!(told(&[3, 5, 6, 8, 9, 10]), "#3, #5, #6, #8 to #10");
        let many: Vec<u64> = (0..10).map(|it| it * 2).collect();
        assert!(
            told(&many).ends_with("#14 and 2 more runs"),
            "{}",
            told(&many)
        );
    }
}
