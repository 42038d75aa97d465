//! How machines stand where a replay has stopped.

use std::fmt::Write;

use peer_sender_core::trace::{About, MachineId, MachineState};
use peer_sender_core::{Deadline, LANES_MAX, Lane, Link, PeerSenderMachine, Sessions, Time};
use serde_json::{Value, json};

use super::{Out, Player};
use crate::failure::Failure;
use crate::figures::{plural, thousands};
use crate::trace::condition::{actions, written};
use crate::trace::moment::{Since, Utc, spell};
use crate::trace::player::Step;
use crate::trace::words::{action_words, clean, error_words, event_words};

/// As many machines are printed.
const MACHINES_MAX: usize = 100;

/// A step, and how its machine stands after it.
pub(super) fn print(step: &Step<'_>, start: u64, out: &mut Out, json: bool) -> Result<(), Failure> {
    print_step(step, start, out, json)?;
    let played = &step.played;
    let view = View {
        machine: played.machine,
        about: played.about,
        state: played.state,
        zero: step.zero,
        start,
        now: Some(played.now),
    };
    out.write(&view.text(json))
}

/// A step alone.
pub(super) fn print_step(
    step: &Step<'_>,
    start: u64,
    out: &mut Out,
    json: bool,
) -> Result<(), Failure> {
    let writes = written(step);
    let told = step.played.events.iter().map(event_words);
    let told: Vec<String> = told.collect();
    let came = actions(step).enumerate().map(|(place, action)| {
        let ids = writes.iter().find(|(of, _)| *of == place);
        action_words(&action, ids.map_or(&[], |(_, ids)| ids))
    });
    let came: Vec<String> = came.collect();
    if json {
        let object = json!({
            "step": step.number,
            "time": Utc(step.at).to_string(),
            "machine": step.played.machine.0,
            "peer": step.played.about.name,
            "events": told,
            "actions": came,
        });
        return out.line(&object.to_string());
    }
    out.line(&format!(
        "step #{} at {} UTC ({} s), machine {} {}",
        step.number,
        Utc(step.at),
        Since(step.at.saturating_sub(start)),
        step.played.machine.0,
        clean(&step.played.about.name),
    ))?;
    for line in told {
        out.line(&format!("  <- {line}"))?;
    }
    for line in came {
        out.line(&format!("  -> {line}"))?;
    }
    Ok(())
}

/// How all machines stand.
pub(super) fn print_all(player: &Player, out: &mut Out, json: bool) -> Result<(), Failure> {
    let all = player.replay().machines();
    for (machine, about, state) in all.take(MACHINES_MAX) {
        let view = View {
            machine,
            about,
            state,
            zero: player.zero(machine),
            start: player.start(),
            now: None,
        };
        out.write(&view.text(json))?;
    }
    let more = player.replay().machines().skip(MACHINES_MAX).count() as u64;
    if more > 0 && !json {
        out.line(&format!("and {} more machines", thousands(more)))?;
    }
    Ok(())
}

struct View<'a> {
    machine: MachineId,
    about: &'a About,
    state: &'a MachineState,
    zero: u64,
    start: u64,
    /// The time of the machine's last step, where that is known.
    now: Option<Time>,
}

impl View<'_> {
    fn text(&self, json: bool) -> String {
        match (self.state, json) {
            (MachineState::Sender(machine), true) => format!("{}\n", self.sender_json(machine)),
            (MachineState::Sender(machine), false) => self.sender(machine),
            (MachineState::Sessions(table), true) => format!("{}\n", self.sessions_json(table)),
            (MachineState::Sessions(table), false) => self.sessions(table),
        }
    }

    /// A time of the machine.
    fn at(&self, time: Time) -> String {
        let nanos = self.zero.saturating_add(time.as_nanos());
        format!(
            "{} ({} s)",
            Utc(nanos),
            Since(nanos.saturating_sub(self.start))
        )
    }

    fn deadline(&self, deadline: Option<Deadline>) -> String {
        let Some(Deadline { at, timer }) = deadline else {
            return "none".to_owned();
        };
        let left = match self.now {
            Some(now) => format!(
                ", in {}",
                spell(at.as_nanos().saturating_sub(now.as_nanos()))
            ),
            None => String::new(),
        };
        format!("{timer:?} at {}{left}", self.at(at))
    }

    fn sender(&self, machine: &PeerSenderMachine) -> String {
        let snapshot = machine.snapshot();
        let state = machine.state();
        let mut text = format!(
            "machine {} {}: {:?} since {}, {:?}\n",
            self.machine.0,
            clean(&self.about.name),
            snapshot.standing,
            self.at(snapshot.since),
            state.phase(),
        );
        let _ = writeln!(text, "  waits for: {}", snapshot.holdup);
        let _ = writeln!(
            text,
            "  next deadline: {}",
            self.deadline(machine.next_deadline())
        );
        let _ = writeln!(
            text,
            "  connection: {}",
            link(state.link(), snapshot.address)
        );
        let _ = writeln!(text, "  failures in a row: {}", snapshot.failures);
        if let Some((error, at)) = &snapshot.last_error {
            let error = error_words(error);
            let _ = writeln!(text, "  last error: {error}, at {}", self.at(*at));
        }
        let _ = writeln!(
            text,
            "  queue: {} of {} bytes; flight: {} of {} bytes",
            plural(snapshot.queued, "message"),
            thousands(snapshot.queued_bytes),
            plural(snapshot.in_flight, "message"),
            thousands(snapshot.in_flight_bytes),
        );
        for (lane, known) in lanes(machine) {
            let _ = writeln!(
                text,
                "    lane {lane}: {} queued, {} in flight: {}",
                thousands(known.queued),
                thousands(known.in_flight),
                known.holdup,
            );
        }
        text
    }

    fn sender_json(&self, machine: &PeerSenderMachine) -> Value {
        let snapshot = machine.snapshot();
        let lanes = lanes(machine).map(|(lane, known)| {
            json!({
                "lane": lane.0,
                "queued": known.queued,
                "queued_bytes": known.queued_bytes,
                "in_flight": known.in_flight,
                "in_flight_bytes": known.in_flight_bytes,
                "holdup": format!("{:?}", known.holdup),
            })
        });
        let utc = |time: Time| Utc(self.zero.saturating_add(time.as_nanos())).to_string();
        json!({
            "machine": self.machine.0,
            "peer": self.about.name,
            "standing": format!("{:?}", snapshot.standing),
            "since": utc(snapshot.since),
            "phase": format!("{:?}", machine.state().phase()),
            "holdup": format!("{:?}", snapshot.holdup),
            "waits_for": snapshot.holdup.to_string(),
            "deadline": machine.next_deadline().map(|it| {
                json!({ "timer": format!("{:?}", it.timer), "at": utc(it.at) })
            }),
            "address": snapshot.address.map(|it| it.to_string()),
            "failures": snapshot.failures,
            "last_error": snapshot.last_error.as_ref().map(|(error, _)| error_words(error)),
            "queued": snapshot.queued,
            "queued_bytes": snapshot.queued_bytes,
            "in_flight": snapshot.in_flight,
            "in_flight_bytes": snapshot.in_flight_bytes,
            "lanes": lanes.collect::<Vec<_>>(),
        })
    }

    fn sessions(&self, table: &Sessions) -> String {
        let stats = table.stats();
        format!(
            "machine {} {}: {}; {} delivered, {} refused, {} dropped as received before, {} bytes \
             held\n  next deadline: {}\n",
            self.machine.0,
            clean(&self.about.name),
            plural(table.len() as u64, "session"),
            plural(stats.delivered, "message"),
            thousands(stats.refused),
            thousands(stats.duplicates),
            thousands(stats.held_bytes),
            self.deadline(table.next_deadline()),
        )
    }

    fn sessions_json(&self, table: &Sessions) -> Value {
        let stats = table.stats();
        json!({
            "machine": self.machine.0,
            "peer": self.about.name,
            "sessions": table.len(),
            "delivered": stats.delivered,
            "refused": stats.refused,
            "duplicates": stats.duplicates,
            "held_bytes": stats.held_bytes,
        })
    }
}

fn lanes(
    machine: &PeerSenderMachine,
) -> impl Iterator<Item = (Lane, peer_sender_core::LaneSnapshot)> {
    let lanes = (0..LANES_MAX).map(Lane);
    lanes.filter_map(|lane| Some((lane, machine.lane(lane)?)))
}

fn link(link: Link, address: Option<std::net::SocketAddr>) -> String {
    let to = match address {
        Some(address) => format!(" to {address}"),
        None => String::new(),
    };
    match (link.attempt(), link.connection()) {
        (Some(attempt), Some(_)) => format!("{attempt}{to}, stands"),
        (Some(attempt), None) => format!("{attempt}{to}, is being made"),
        (None, _) => "none".to_owned(),
    }
}
