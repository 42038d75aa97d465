//! What is to be looked at in a trace, in words.

use peer_sender_core::trace::MachineId;

use super::facts::Facts;
use super::peer::Peer;
use super::tally::Tally;
use crate::figures::{plural, thousands};
use crate::trace::moment::Utc;
use crate::trace::moment::spell;

/// A wait before the next attempt that is worth a word.
const BACKOFF_LONG_NANOS: u64 = 30_000_000_000;

/// The most warnings that are told.
pub(super) const WARNINGS_MAX: usize = 60;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Warning {
    /// About whom; none if it is about the trace.
    pub(super) machine: Option<MachineId>,
    pub(super) grave: bool,
    pub(super) text: String,
}

/// All warnings, those about the trace itself first, then those of the peers with the most trouble.
pub(super) fn all(facts: &Facts) -> Vec<Warning> {
    let mut warnings = of_trace(facts);
    for (machine, _, peer) in facts.peers() {
        let texts = of_peer(peer);
        warnings.extend(texts.into_iter().map(|(grave, text)| Warning {
            machine: Some(machine),
            grave,
            text,
        }));
    }
    warnings
}

fn of_trace(facts: &Facts) -> Vec<Warning> {
    let mut texts = Vec::new();
    for problem in &facts.problems.kept {
        texts.push((true, format!("The replay stopped being the same: {problem}. Nothing is told of this machine from there on.")));
    }
    let more = facts.problems.all - facts.problems.kept.len() as u64;
    if more > 0 {
        texts.push((
            true,
            format!("{} like these are not told.", plural(more, "more problem")),
        ));
    }
    let unknown = facts.summary.passed - facts.astray_steps;
    for (count, why) in [
        (
            facts.astray_steps,
            "because its machine had gone another way before",
        ),
        (
            unknown,
            "because nothing before them tells how their machine stood",
        ),
    ] {
        if count > 0 {
            let steps = of_many(count, "step was", "steps were");
            texts.push((false, format!("{steps} passed over, {why}.")));
        }
    }
    if facts.torn > 0 {
        texts.push((false, format!(
            "The trace breaks off in the middle of a record, as when its writer was killed: its last {} tell nothing.",
            plural(facts.torn, "byte")
        )));
    }
    if facts.span.is_none() {
        texts.push((
            false,
            "The trace has no step that could be played.".to_owned(),
        ));
    }
    let warning = |(grave, text)| Warning {
        machine: None,
        grave,
        text,
    };
    texts.into_iter().map(warning).collect()
}

fn of_peer(peer: &Peer) -> Vec<(bool, String)> {
    let worries = &peer.worries;
    let mut texts = Vec::new();
    let mut add = |grave, tally: &Tally, say: &dyn Fn(u64) -> String| {
        if tally.count() > 0 {
            texts.push((grave, format!("{}{}.", say(tally.count()), kinds(tally))));
        }
    };
    add(true, &worries.unknown, &|count| {
        let whose = of_many(count, "message has", "messages have");
        format!("{whose} an unknown outcome: it cannot be told whether the peer received them")
    });
    add(true, &worries.failed, &|count| {
        format!(
            "{} failed and never reached the receiver",
            plural(count, "message")
        )
    });
    add(true, &worries.wrong_identity, &|count| {
        format!("{} ended over an identity", plural(count, "attempt"))
    });
    add(true, &worries.refused, &|count| {
        format!(
            "{} refused by the receiver",
            of_many(count, "message was", "messages were")
        )
    });
    add(false, &worries.expired, &|count| {
        format!(
            "{} expired before the receiver had answered",
            plural(count, "message")
        )
    });
    add(false, &worries.rejected, &|count| {
        format!(
            "{} not accepted",
            of_many(count, "message was", "messages were")
        )
    });
    add(false, &worries.restarts, &|count| {
        format!(
            "The peer's process was restarted ({}), and knew nothing of what the one before had taken",
            plural(count, "time")
        )
    });
    add(false, &worries.slow, &|count| {
        format!(
            "{}, messages waited longer than slow_after",
            plural(count, "time")
        )
    });
    if let Some((delay, time)) = worries.longest_backoff {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        if nanos >= BACKOFF_LONG_NANOS {
            texts.push((
                false,
                format!(
                    "The longest wait before another attempt was {}, from {} on.",
                    spell(nanos),
                    Utc(time)
                ),
            ));
        }
    }
    if let Some((reason, time)) = worries.ended {
        texts.push((
            true,
            format!(
                "It ended before all was answered ({reason:?}), at {}.",
                Utc(time)
            ),
        ));
    }
    if peer.messages.unfollowed > 0 {
        texts.push((
            false,
            format!(
                "Latencies lack {}: too many were open at once.",
                plural(peer.messages.unfollowed, "message")
            ),
        ));
    }
    texts
}

/// By kind, the most frequent three, and since when.
fn kinds(tally: &Tally) -> String {
    let kinds = tally.kinds();
    let first = kinds.iter().map(|kind| kind.1.first).min();
    let first = format!("; first at {}", Utc(first.unwrap_or_default()));
    // One without a name says no more than the count does.
    if let [("", _)] = kinds[..] {
        return first;
    }
    let each = kinds.iter().take(3).map(|(kind, seen)| match seen.count {
        1 => (*kind).to_owned(),
        count => format!("{kind} ×{}", thousands(count)),
    });
    let each: Vec<_> = each.collect();
    let more = match kinds.len() {
        0..=3 => String::new(),
        count => format!(" and {}", plural(count as u64 - 3, "more kind")),
    };
    format!(" ({}{more}){first}", each.join("; "))
}

fn of_many(count: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        thousands(count),
        if count == 1 { one } else { many }
    )
}
