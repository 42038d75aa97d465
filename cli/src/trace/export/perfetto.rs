//! Chrome's trace JSON, which Perfetto reads: a process for each machine, with a track of its states,
//! the lives of its messages, and its depths.

use std::collections::BTreeMap;

use peer_sender_core::trace::{MachineId, TraceAction};
use serde_json::{Value, json};

use super::{Fact, Failure, Out, Place, Step, Writer, depths};
use crate::trace::condition::actions;
use crate::trace::story::{Life, LinkFact};
use crate::trace::words::{action_words, clean, error_words, outcome_words};

#[derive(Debug, Default)]
pub(super) struct Perfetto {
    begun: bool,
    /// The depths that were written last.
    depths: BTreeMap<MachineId, (u64, u64)>,
}

/// The track of a machine's states, and of what happens to its connection.
const STATES: u64 = 1;

impl Writer for Perfetto {
    fn machine(&mut self, place: Place<'_>, out: &mut Out) -> Result<(), Failure> {
        let pid = pid(place);
        let name = clean(place.name);
        self.event(
            json!({"ph": "M", "pid": pid, "name": "process_name", "args": {"name": name}}),
            out,
        )?;
        self.event(
            json!({"ph": "M", "pid": pid, "tid": STATES, "name": "thread_name", "args": {"name": "state"}}),
            out,
        )
    }

    fn step(&mut self, place: Place<'_>, step: &Step<'_>, out: &mut Out) -> Result<(), Failure> {
        let at = micros(place, step.at);
        if let Some(depth) = depths(step) {
            if self.depths.insert(place.machine, depth) == Some(depth) {
                return Ok(());
            }
            let (queued, in_flight) = depth;
            let pid = pid(place);
            self.event(
                json!({"ph": "C", "pid": pid, "ts": at, "name": "queue", "args": {"messages": queued}}),
                out,
            )?;
            return self.event(
                json!({"ph": "C", "pid": pid, "ts": at, "name": "flight", "args": {"messages": in_flight}}),
                out,
            );
        }
        for action in actions(step) {
            if matches!(
                action,
                TraceAction::SessionDelivered { .. } | TraceAction::SessionForgotten { .. }
            ) {
                self.instant(place, step.at, &action_words(&action, &[]), out)?;
            }
        }
        Ok(())
    }

    fn fact(&mut self, place: Place<'_>, fact: &Fact, out: &mut Out) -> Result<(), Failure> {
        match fact {
            Fact::Stood {
                standing,
                from,
                until,
            } => self.event(
                json!({
                    "ph": "X",
                    "pid": pid(place),
                    "tid": STATES,
                    "ts": micros(place, *from),
                    "dur": until.saturating_sub(*from) as f64 / 1e3,
                    "name": format!("{standing:?}"),
                    "cat": "state",
                }),
                out,
            ),
            Fact::Link { at, what } => match what {
                LinkFact::Failed { error, .. } => {
                    let error = error_words(error);
                    self.instant(place, *at, &error, out)
                }
                LinkFact::Restarted => self.instant(place, *at, "the peer was restarted", out),
                LinkFact::Slow { .. } => self.instant(place, *at, "the peer is slow", out),
                _ => Ok(()),
            },
            Fact::Message(life) => self.message(place, life, out),
            Fact::Rejected | Fact::Before => Ok(()),
        }
    }

    fn end(&mut self, out: &mut Out) -> Result<(), Failure> {
        if !self.begun {
            out.write(HEAD)?;
        }
        out.line("\n]}")
    }
}

const HEAD: &str = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";

impl Perfetto {
    /// A message's life is two slices, one after the other: waiting, and begun.
    fn message(&mut self, place: Place<'_>, life: &Life, out: &mut Out) -> Result<(), Failure> {
        let id = format!("{}.{}", place.machine.0, life.id);
        let name = format!("message #{}", life.id);
        let event = |phase: &str, at: u64, name: &str, args: Value| {
            json!({
                "ph": phase,
                "pid": pid(place),
                "tid": STATES,
                "ts": micros(place, at),
                "cat": "message",
                "id": id,
                "name": name,
                "args": args,
            })
        };
        let about = json!({ "lane": life.lane.0, "bytes": life.bytes, "ahead": life.ahead });
        self.event(event("b", life.accepted_at, &name, about), out)?;
        for writing in &life.writings {
            let args = json!({ "connection": writing.attempt.0 });
            self.event(event("n", writing.at, "written", args), out)?;
        }
        let outcome = life.outcome.as_ref().map(outcome_words);
        let args = json!({ "outcome": outcome });
        self.event(event("e", life.ended_at, &name, args), out)
    }

    fn instant(
        &mut self,
        place: Place<'_>,
        at: u64,
        name: &str,
        out: &mut Out,
    ) -> Result<(), Failure> {
        self.event(
            json!({
                "ph": "i",
                "s": "p",
                "pid": pid(place),
                "tid": STATES,
                "ts": micros(place, at),
                "name": name,
            }),
            out,
        )
    }

    fn event(&mut self, event: Value, out: &mut Out) -> Result<(), Failure> {
        out.write(match std::mem::replace(&mut self.begun, true) {
            false => HEAD,
            true => ",\n",
        })?;
        out.write(&event.to_string())
    }
}

/// Perfetto has no process 0.
fn pid(place: Place<'_>) -> u64 {
    place.machine.0.saturating_add(1)
}

/// Microseconds since the trace starts.
fn micros(place: Place<'_>, at: u64) -> f64 {
    at.saturating_sub(place.start) as f64 / 1e3
}
