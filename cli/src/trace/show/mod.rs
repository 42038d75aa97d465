//! `trace show`: what happened, a line for each event and each action.

mod summary;

use peer_sender_core::MessageId;
use serde::Serialize;

use super::args::ShowArgs;
use super::condition::{actions, written};
use super::moment::{Since, Utc};
use super::out::Out;
use super::player::{Player, Step, Told};
use super::select::Select;
use super::trouble::Troubles;
use super::words::{
    action_kind, action_message, action_words, clean, event_kind, event_message, event_words,
};
use crate::Verdict;
use crate::console::Paint;
use crate::failure::Failure;

pub(super) fn run(args: &ShowArgs) -> Result<Verdict, Failure> {
    if args.summary {
        return summary::run(&args.file, args.json);
    }
    let mut table = Table {
        args,
        select: Select::new(&args.select),
        out: Out::stdout(),
        paint: Paint::for_stdout(),
        shown: 0,
    };
    let mut player = Player::open(&args.file)?;
    let mut troubles = Troubles::default();
    loop {
        let start = player.started();
        let told = match player.next() {
            Ok(told) => told,
            Err(failure) => {
                table.out.flush()?;
                return Err(failure);
            }
        };
        let Some(told) = told else { break };
        troubles.note(&told);
        table.tell(&told, start)?;
    }
    table.out.flush()?;
    table.select.check()?;
    if let Some(id) = args.message
        && table.shown == 0
    {
        return Err(Failure::NoSuchMessage { id });
    }
    Ok(troubles.tell())
}

struct Table<'a> {
    args: &'a ShowArgs,
    select: Select,
    out: Out,
    paint: Paint,
    /// Rows so far.
    shown: u64,
}

/// A line of the table.
#[derive(Debug, Serialize)]
struct Row<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u64>,
    time: String,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<&'a str>,
    what: &'static str,
    kind: &'static str,
    text: String,
    /// The messages that it is about, as runs: the first and the last of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<[u64; 2]>,
    #[serde(skip)]
    at: (u64, u64),
}

impl Table<'_> {
    fn tell(&mut self, told: &Told<'_>, start: Option<u64>) -> Result<(), Failure> {
        match told {
            Told::Made { about, .. } => {
                self.select.meet(&about.name);
                Ok(())
            }
            Told::Step(step) => self.step(step, start.unwrap_or(step.at)),
            Told::Mark { at, text }
                if self.wants_marks()
                    && (*at == 0 || self.select.includes(*at, start.unwrap_or(0))) =>
            {
                let since = start.unwrap_or(*at);
                self.row(Row {
                    step: None,
                    time: match at {
                        0 => String::new(),
                        at => Utc(*at).to_string(),
                    },
                    seconds: seconds(at.saturating_sub(since)),
                    machine: None,
                    peer: None,
                    what: "mark",
                    kind: "mark",
                    text: clean(text),
                    messages: Vec::new(),
                    at: (*at, since),
                })
            }
            _ => Ok(()),
        }
    }

    fn step(&mut self, step: &Step<'_>, start: u64) -> Result<(), Failure> {
        let played = &step.played;
        if !self.select.wants(&played.about.name) || !self.select.includes(step.at, start) {
            return Ok(());
        }
        let row = |what, kind, text, ids: &[MessageId]| Row {
            step: Some(step.number),
            time: Utc(step.at).to_string(),
            seconds: seconds(step.at.saturating_sub(start)),
            machine: Some(played.machine.0),
            peer: Some(&played.about.name),
            what,
            kind,
            text,
            messages: runs(ids),
            at: (step.at, start),
        };
        for event in &played.events {
            let (kind, about) = (event_kind(event), event_message(event));
            if self.wants(kind, about.as_slice()) {
                self.row(row("event", kind, event_words(event), about.as_slice()))?;
            }
        }
        let mut writes = written(step).into_iter().peekable();
        for (place, action) in actions(step).enumerate() {
            let ids = match writes.next_if(|(of, _)| *of == place) {
                Some((_, ids)) => ids,
                None => action_message(&action).into_iter().collect(),
            };
            let kind = action_kind(&action);
            if self.wants(kind, &ids) {
                self.row(row("action", kind, action_words(&action, &ids), &ids))?;
            }
        }
        Ok(())
    }

    fn wants(&self, kind: &str, about: &[MessageId]) -> bool {
        (self.args.kind.is_empty() || self.args.kind.contains(&kind))
            && self.args.message.is_none_or(|id| about.contains(&id))
    }

    fn wants_marks(&self) -> bool {
        let ShowArgs {
            select,
            message,
            kind,
            ..
        } = self.args;
        select.peer.is_empty() && message.is_none() && kind.is_empty()
    }

    fn row(&mut self, row: Row<'_>) -> Result<(), Failure> {
        self.shown += 1;
        if self.args.json {
            return self.out.line(&serde_json::json!(row).to_string());
        }
        let (at, start) = row.at;
        let since = Since(at.saturating_sub(start));
        let step = row.step.map_or(String::new(), |step| format!("#{step}"));
        let name = clean(row.peer.unwrap_or("-"));
        let (arrow, text) = match row.what {
            "event" => ("<-", row.text),
            "action" => ("->", self.paint.good(&row.text)),
            _ => ("--", row.text),
        };
        let time = match at {
            0 => "-".to_owned(),
            at => Utc(at).to_string(),
        };
        self.out.line(&format!(
            "{time:<26} {since:>14} {step:>8} {name:<12} {arrow} {text}"
        ))
    }
}

/// Seconds, to the nanosecond as far as a float has them.
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// Names that follow each other, as the first and the last.
fn runs(ids: &[MessageId]) -> Vec<[u64; 2]> {
    let mut runs: Vec<[u64; 2]> = Vec::new();
    for MessageId(id) in ids {
        match runs.last_mut() {
            Some([_, last]) if last.checked_add(1) == Some(*id) => *last = *id,
            _ => runs.push([*id, *id]),
        }
    }
    runs
}
