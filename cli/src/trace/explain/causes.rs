//! Why a message took as long as it did.

use peer_sender_core::{ErrorClass, LinkError, Outcome};

use super::history::{Alike, History};
use crate::figures::{plural, thousands};
use crate::trace::moment::spell;
use crate::trace::story::{Life, LinkFact, Wait};
use crate::trace::words::{error_words, outcome_words, stop_words};

/// What took less is not worth a cause.
const SHORT: u64 = 50_000_000;

/// An application that answers a message in less is not slow.
const QUICK: u64 = 5_000_000;

/// Why it came to its end, and the reason for most of the time that it took, in words.
pub(super) fn why(life: &Life, history: &History) -> String {
    match (end(life), delay(life, history)) {
        (Some(end), Some(delay)) => format!("{end}; {delay}"),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => match &life.outcome {
            None => "the trace ends there".to_owned(),
            Some(_) => "nothing held it up for long".to_owned(),
        },
    }
}

/// What ended it, unless it was delivered, which is what it is for.
fn end(life: &Life) -> Option<String> {
    match life.outcome.as_ref()? {
        Outcome::Delivered(_) | Outcome::Written => None,
        Outcome::Expired => Some(match life.expires_at {
            Some(at) => {
                let ttl = spell(at.saturating_sub(life.accepted_at));
                format!("its time to live of {ttl} was over")
            }
            None => "its time to live was over".to_owned(),
        }),
        Outcome::Cancelled => Some("it was taken back".to_owned()),
        outcome => {
            let words = outcome_words(outcome);
            let why = words.split_once(": ").map(|(_, why)| why.to_owned());
            Some(why.unwrap_or(words))
        }
    }
}

/// The reason for most of the time that it took; none if that is not worth one.
fn delay(life: &Life, history: &History) -> Option<String> {
    let all = life.waited.plus(&life.open);
    let of = |wait| all.get(wait);
    let unconnected = Wait::ALL.into_iter().filter(|wait| wait.is_unconnected());
    let unconnected: u64 = unconnected.map(of).fold(0, u64::saturating_add);
    // While a connection is dead and nobody knows, it looks as if the application were slow.
    let silent = history.silent(life.accepted_at);
    let unconnected = unconnected.saturating_add(silent);
    let application = of(Wait::FlightFull).saturating_add(of(Wait::Answers));
    let (application, silent) = (
        application.saturating_sub(silent),
        silent.saturating_sub(application),
    );
    let network = of(Wait::Quic).saturating_sub(silent);
    let lanes = of(Wait::HigherLanes);
    let opening = of(Wait::Resume);
    let streams = of(Wait::Streams);
    let longest = [unconnected, application, network, lanes, opening, streams];
    let longest = longest.into_iter().max().unwrap_or(0);
    if life.took() < SHORT || longest == 0 {
        return None;
    }
    let share = spell(longest);
    if longest == unconnected {
        return Some(unreachable(life, history, of(Wait::NoAddress), unconnected));
    }
    if longest == application {
        return Some(slow_consumer(life, application));
    }
    let reason = if longest == network {
        "the network, or the peer's flow control, took no more"
    } else if longest == lanes {
        "lanes of a higher class went first"
    } else if longest == opening {
        "the peer had accepted the connection and did not answer on it"
    } else {
        "the peer allowed no further stream"
    };
    Some(format!("{reason}, for {share} of {}", spell(life.took())))
}

/// Why there was no connection.
fn unreachable(life: &Life, history: &History, no_address: u64, unconnected: u64) -> String {
    let share = format!("for {} of {}", spell(unconnected), spell(life.took()));
    if no_address.saturating_mul(2) > unconnected {
        return format!("no address of the peer was known, {share}");
    }
    if history.was_restarted() {
        let failures = plural(
            history.failures().iter().map(|it| it.count).sum(),
            "failure",
        );
        return format!(
            "the peer's process was restarted, and could not be used {share} ({failures}); the \
             new one knows nothing of what the old one had taken"
        );
    }
    let failures = history.failures();
    let Some(most) = failures.first() else {
        return match &life.outcome {
            Some(Outcome::Delivered(_)) => {
                format!("it took that long to connect, {share}, without any failure")
            }
            _ => format!("no connection stood, {share}, without any failure"),
        };
    };
    let times = times(&failures);
    let stays = match history.has_passed(&most.error) {
        true => "",
        false => "; this does not pass by itself",
    };
    match &most.error {
        LinkError::WrongIdentity { expected, offered } => format!(
            "whoever answers at the peer's address has the wrong key, so that nothing is sent \
             there, {share} ({times}): it shows {offered}, and {expected} is expected{stays}"
        ),
        LinkError::IdentityRefused { ours } => format!(
            "the peer does not let us in: our key {ours} is not allowed there, {share} \
             ({times}){stays}"
        ),
        error if error.class() == ErrorClass::Permanent => format!(
            "the connection is refused, {share} ({times}): {}{stays}",
            error_words(error)
        ),
        LinkError::Moved => format!("the peer's address was taken back, {share} ({times})"),
        error => {
            let of_all = match failures.len() {
                1 => String::new(),
                _ => format!("{} of them with: ", thousands(most.count)),
            };
            let error = error_words(error);
            if failures.iter().all(|it| it.count == it.stood) {
                return format!(
                    "the connection was lost and had to be made anew, {share} ({times}): \
                     {of_all}{error}"
                );
            }
            format!("the peer could not be reached, {share} ({times}): {of_all}{error}")
        }
    }
}

fn times(failures: &[Alike]) -> String {
    let all: u64 = failures.iter().map(|it| it.count).sum();
    let lost: u64 = failures.iter().map(|it| it.stood).sum();
    match (all - lost, lost) {
        (0, lost) => format!("{} lost", plural(lost, "connection")),
        (failed, 0) => format!("{} failed", plural(failed, "attempt")),
        (failed, lost) => format!(
            "{} lost, {} failed",
            plural(lost, "connection"),
            plural(failed, "attempt")
        ),
    }
}

fn slow_consumer(life: &Life, application: u64) -> String {
    let (waited, took) = (spell(application), spell(life.took()));
    if let Some(Outcome::Written) = life.outcome {
        return format!(
            "the peer's transport was waited for: {waited} of {took}; a connection has stood for \
             500 ms before anything counts as written on it"
        );
    }
    let delivered = matches!(life.outcome, Some(Outcome::Delivered(_)));
    let answered = life.ahead + u64::from(delivered);
    if !delivered || answered < 2 {
        return format!(
            "the peer's application answers slowly: {waited} of {took} went by waiting for it"
        );
    }
    let each = life.took() / answered;
    let before = plural(life.ahead, "message");
    match each {
        0..QUICK => format!(
            "it waited for its turn: {before} of its lane came first, and the peer's application \
             answered one in {}",
            spell(each)
        ),
        _ => format!(
            "the peer's application answers slowly: {waited} of {took} went by waiting for it; \
             {before} of its lane came first, and it answered one in {}",
            spell(each)
        ),
    }
}

/// What happened to a connection, in words.
pub(super) fn link_words(what: &LinkFact) -> String {
    match what {
        LinkFact::Dialled { attempt, address } => {
            format!("dialled {address} (connection {attempt})")
        }
        LinkFact::Connected { attempt } => format!("connection {attempt} stood"),
        LinkFact::Already { attempt, stood } => match stood {
            true => format!("connection {attempt} stood already when the trace begins"),
            false => format!("connection {attempt} was being made when the trace begins"),
        },
        LinkFact::Failed {
            attempt,
            stood,
            silent,
            error,
        } => {
            let name = match attempt {
                Some(attempt) => format!("connection {attempt}"),
                None => "the connection".to_owned(),
            };
            let what = if *stood { "was lost" } else { "failed" };
            let silence = match silent {
                0..SHORT => String::new(),
                _ => format!(" after {} without a word", spell(*silent)),
            };
            format!("{name} {what}{silence}: {}", error_words(error))
        }
        LinkFact::Waits { failures, delay } => {
            let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
            let failures = plural(u64::from(*failures), "failure");
            format!(
                "the next attempt was to follow after {} ({failures} in a row)",
                spell(nanos)
            )
        }
        LinkFact::Restarted => {
            "another process of the peer answered: it was restarted, and knows nothing of what it \
             had taken"
                .to_owned()
        }
        LinkFact::Rested => "the idle connection was ended".to_owned(),
        LinkFact::Moved => "the peer's addresses were changed".to_owned(),
        LinkFact::Slow { .. } => "the user was told that the peer is slow, or away".to_owned(),
        LinkFact::NoLongerSlow => "the user was told that the peer is no longer slow".to_owned(),
        LinkFact::Stopped { reason } => format!("the sender ended: {}", stop_words(*reason)),
    }
}
