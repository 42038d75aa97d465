//! A row for each message.

use super::{Fact, Failure, Out, Place, Writer};
use crate::trace::moment::Utc;
use crate::trace::story::{Life, Wait};
use crate::trace::words::{clean, outcome_word, outcome_words};

#[derive(Debug, Default)]
pub(super) struct Csv {
    begun: bool,
}

const HEAD: &str = "peer,machine,message,lane,bytes,accepted,first_written,last_written,\
quic_had_all,ended,outcome,detail,times_written,messages_ahead,seconds,seconds_queued,\
seconds_unconnected,seconds_flight_full,seconds_unanswered,failures";

impl Writer for Csv {
    fn fact(&mut self, place: Place<'_>, fact: &Fact, out: &mut Out) -> Result<(), Failure> {
        self.begin(out)?;
        match fact {
            Fact::Message(life) => out.line(&row(place, life)),
            _ => Ok(()),
        }
    }

    fn end(&mut self, out: &mut Out) -> Result<(), Failure> {
        self.begin(out)
    }
}

impl Csv {
    fn begin(&mut self, out: &mut Out) -> Result<(), Failure> {
        match std::mem::replace(&mut self.begun, true) {
            false => out.line(HEAD),
            true => Ok(()),
        }
    }
}

fn row(place: Place<'_>, life: &Life) -> String {
    let utc = |at: Option<u64>| at.map_or(String::new(), |at| Utc(at).to_string());
    let seconds = |nanos: u64| format!("{:.6}", nanos as f64 / 1e9);
    let last = life.writings.last();
    let all = life.waited.plus(&life.open);
    let unconnected = Wait::ALL.into_iter().filter(|wait| wait.is_unconnected());
    let unconnected: u64 = unconnected.map(|wait| all.get(wait)).sum();
    let queued = life.begun_at().unwrap_or(life.ended_at);
    let (outcome, detail) = match &life.outcome {
        Some(outcome) => (outcome_word(outcome), outcome_words(outcome)),
        None => ("", "no outcome when the trace ends".to_owned()),
    };
    [
        text(place.name),
        place.machine.0.to_string(),
        life.id.to_string(),
        life.lane.to_string(),
        life.bytes.to_string(),
        utc(Some(life.accepted_at)),
        utc(life.begun_at()),
        utc(last.map(|writing| writing.at)),
        utc(last.and_then(|writing| writing.taken_at)),
        utc(Some(life.ended_at)),
        outcome.to_owned(),
        text(&detail),
        life.written.to_string(),
        life.ahead.to_string(),
        seconds(life.took()),
        seconds(queued.saturating_sub(life.accepted_at)),
        seconds(unconnected),
        seconds(all.get(Wait::FlightFull)),
        seconds(all.get(Wait::Answers)),
        (life.failures.1 - life.failures.0).to_string(),
    ]
    .join(",")
}

/// Text of others: quoted, and never taken for a formula by a spreadsheet.
fn text(text: &str) -> String {
    let text = clean(text).replace('"', "\"\"");
    match text.starts_with(['=', '+', '-', '@']) {
        true => format!("\"'{text}\""),
        false => format!("\"{text}\""),
    }
}
