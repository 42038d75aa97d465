//! What is asked of each step of the machine.

use peer_sender_core::table::{Standing, TRANSITIONS};
use peer_sender_core::{Action, Config, LANES_MAX, Lane, PeerSenderMachine};

use crate::model::{Fact, Link, Model, Phase, Said, Step, payload};
use crate::subject::require;

/// The machine answers what the model says, in whatever order the contract leaves open.
pub fn said(expected: &[Said], said: &[Said]) -> Result<(), String> {
    let (missing, beyond) = (without(expected, said), without(said, expected));
    if !missing.is_empty() || !beyond.is_empty() {
        return Err(format!(
            "the answer differs from the contract's\n  missing:    {missing:#?}\n  unexpected: {beyond:#?}"
        ));
    }
    let ends = said
        .iter()
        .position(|it| matches!(it, Said::Stopped(_)))
        .is_none_or(|at| at + 1 == said.len());
    require("I27", ends, || "something follows SenderStopped".into())?;
    let place = |of: fn(&Said) -> bool| said.iter().position(of);
    let closed = place(|it| matches!(it, Said::Close { .. }));
    let dialled = place(|it| matches!(it, Said::Dial { .. }));
    let apart = closed
        .zip(dialled)
        .is_none_or(|(closed, dialled)| closed < dialled);
    require("I9", apart, || "a dial before the close of the last".into())
}

/// What is in the one and not in the other, each as often as it is there.
fn without<'a>(all: &'a [Said], others: &[Said]) -> Vec<&'a Said> {
    let mut others: Vec<_> = others.iter().collect();
    let mut here = |it: &&Said| match others.iter().position(|other| other == it) {
        Some(place) => {
            others.swap_remove(place);
            false
        }
        None => true,
    };
    all.iter().filter(|it| here(it)).collect()
}

/// What is not accepted is handed back at once, untouched, with a reason that holds.
pub fn rejects(step: &Step, actions: &[Action]) -> Result<(), String> {
    for action in actions {
        if let Action::Reject {
            reason,
            payload: bytes,
            ..
        } = action
        {
            require("I8", step.reasons.contains(reason), || {
                format!("rejected for {reason:?}, what holds is {:?}", step.reasons)
            })?;
            let same = match &step.fact {
                Fact::Queue(message) => payload(message) == bytes.as_ref(),
                _ => false,
            };
            require("I8", same, || "another payload is handed back".into())?;
        }
    }
    Ok(())
}

/// A stale event changes nothing but a counter: without it the step is the same.
pub fn stale(
    before: &PeerSenderMachine,
    after: &PeerSenderMachine,
    step: &Step,
    actions: &[Action],
) -> Result<(), String> {
    let mut without = before.clone();
    let mut same = Vec::new();
    without.handle(step.clock, [], &mut same);
    require("I10", same == actions, || {
        format!("a stale event led to {actions:?}, not to {same:?}")
    })?;
    require("I10", without.state() == after.state(), || {
        "a stale event changed the state".into()
    })?;
    let counted = after.stats().stale_events == without.stats().stale_events + 1;
    require("I10", counted, || "a stale event was not counted".into())
}

/// Timers, books and standing are the model's.
pub fn books(model: &Model, machine: &PeerSenderMachine) -> Result<(), String> {
    if let Err(violation) = machine.check() {
        return Err(violation.to_string());
    }
    let deadline = machine.next_deadline();
    let timers = model.timers();
    let exact = match deadline {
        Some(it) => Some(it.at) == model.deadline() && timers.contains(&(it.at, it.timer)),
        None => timers.is_empty(),
    };
    require("I15", exact, || {
        format!("the timer is {deadline:?}, of {timers:?}")
    })?;
    let past = deadline.is_some_and(|it| it.at < model.now);
    require("I15", !past, || "a timer lies in the past".into())?;
    let stats = machine.stats();
    let [queued, queued_bytes, in_flight, in_flight_bytes] = model.books();
    let books = [
        ("accepted", stats.accepted, model.accepted),
        ("queued", stats.queued, queued),
        ("queued bytes", stats.queued_bytes, queued_bytes),
        ("in flight", stats.in_flight, in_flight),
        ("bytes in flight", stats.in_flight_bytes, in_flight_bytes),
        ("dials", stats.connects, model.attempts),
    ];
    for (what, got, expected) in books {
        require("I2", got == expected, || {
            format!("{what} are {got}, not {expected}")
        })?;
    }
    let settled = stats.delivered
        + stats.refused
        + stats.expired
        + stats.cancelled
        + stats.failed
        + stats.unknown;
    require("I2", stats.accepted == settled + queued + in_flight, || {
        "accepted messages are neither settled nor kept".into()
    })?;
    for lane in (0..=LANES_MAX).chain([u8::MAX]) {
        let room = machine.capacity(Lane(lane));
        let expected = match (model.phase, model.lanes.get(&lane)) {
            (Phase::Running, Some(known)) => known.capacity(&model.shape),
            (Phase::Running, None) if lane < model.shape.lanes => {
                crate::model::lane::Lane::default().capacity(&model.shape)
            }
            _ => Default::default(),
        };
        require("I8", room == expected, || {
            format!("the room of lane {lane} is {room:?}, not {expected:?}")
        })?;
    }
    let standing = machine.state().standing();
    require("I30", standing == of(model), || {
        format!("it stands at {standing:?}, not at {:?}", of(model))
    })?;
    let waits = machine.next_deadline().is_some() || machine.state().link().connection().is_some();
    let idle = model.is_settled() || model.addresses.is_empty();
    require("L3", waits || idle, || "messages wait for nothing".into())
}

fn of(model: &Model) -> Standing {
    if model.is_closed() {
        return Standing::Closed;
    }
    match model.link {
        Link::Down => Standing::Down,
        Link::Connecting { .. } => Standing::Connecting,
        Link::Up(_) => Standing::Up,
        Link::Draining(_) => Standing::Draining,
        Link::Parting { .. } => Standing::Parting,
        Link::Idle => Standing::Idle,
        Link::Backoff { .. } => Standing::Backoff,
    }
}

/// The rows of the table that a step took lead from where it stood to where it stands.
pub fn path(before: &PeerSenderMachine, after: &PeerSenderMachine) -> Result<(), String> {
    let (from, to) = (before.state().standing(), after.state().standing());
    let mut balance: Vec<(Standing, i64)> = Vec::new();
    let mut change = |standing: Standing, by: i64| {
        match balance.iter_mut().find(|it| it.0 == standing) {
            Some(known) => known.1 += by,
            None => balance.push((standing, by)),
        };
    };
    change(from, -1);
    change(to, 1);
    let visits = before.visits().iter().zip(after.visits());
    for (row, (before, after)) in TRANSITIONS.iter().zip(visits) {
        let taken = (after - before) as i64;
        change(row.from, taken);
        change(row.to, -taken);
    }
    let leads = balance.iter().all(|it| it.1 == 0);
    require("I30", leads, || {
        format!("no rows of the table lead from {from:?} to {to:?}")
    })
}

/// A step emits no more than the configuration says.
pub fn count(config: &Config, step: &Step, actions: &[Action]) -> Result<(), String> {
    let brought = usize::from(matches!(step.fact, Fact::Queue(_)));
    let most = config.actions_per_step_max() + brought;
    require("I22", actions.len() <= most, || {
        format!("{} actions in a step", actions.len())
    })
}
