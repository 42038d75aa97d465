//! What must not make a difference, and what must make exactly one: the machine against itself.

use std::time::Duration;

use peer_sender_core::{Attempt, Event, LinkError, MessageId, PeerSenderMachine, Time};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use proptest_state_machine::ReferenceStateMachine;

use crate::case::SEED;
use crate::draw::Contract;
use crate::model::{Model, Said, Step};
use crate::op::{Op, Wait};
use crate::shape::Shape;
use crate::subject::Subject;

/// What a machine answered, step by step, and its timer after each.
type Trace = Vec<(Vec<Said>, Option<Time>)>;

/// What happens in the model's world, step by step.
fn steps(shape: &Shape, start: Time, ops: &[Op]) -> Vec<Step> {
    let mut model = Model::new(shape.clone());
    model.clock = start;
    let happens = ops.iter().filter_map(|op| {
        model.apply(op);
        model.step.clone()
    });
    happens.collect()
}

/// A machine that is told these steps; `alter` has a say in when, and in what.
fn trace(
    shape: &Shape,
    steps: &[Step],
    mut alter: impl FnMut(&mut Subject, Time, Event) -> (Time, Event),
) -> Result<Trace, String> {
    let mut subject = Subject::new(&Model::new(shape.clone()), SEED);
    let answer = |step: &Step| {
        let event = subject.event(&step.fact);
        let (clock, event) = alter(&mut subject, step.clock, event);
        let said = subject.tell(clock, event)?;
        let timer = subject.machine.next_deadline();
        Ok((said, timer.map(|it| it.at)))
    };
    steps.iter().map(answer).collect()
}

fn unaltered(_: &mut Subject, clock: Time, event: Event) -> (Time, Event) {
    (clock, event)
}

/// Draws cases, and has each judged.
fn check(cases: u32, judge: impl Fn(&Shape, &[Op]) -> Result<(), String>) {
    let strategy = Contract::sequential_strategy(1..60);
    let result = crate::runner(crate::cases(cases)).run(&strategy, |(model, ops, seen)| {
        if let Some(seen) = seen {
            seen.store(ops.len(), std::sync::atomic::Ordering::Relaxed);
        }
        judge(&model.shape, &ops).map_err(TestCaseError::fail)
    });
    if let Err(error) = result {
        let text = match error {
            proptest::test_runner::TestError::Fail(why, (model, ops, _)) => {
                format!("{why}\n\n{}", crate::kept::write(&model.shape, &ops))
            }
            proptest::test_runner::TestError::Abort(why) => why.to_string(),
        };
        panic!("{text}");
    }
}

fn same(what: &str, one: &Trace, other: &Trace) -> Result<(), String> {
    match one.iter().zip(other).position(|(one, other)| one != other) {
        None => Ok(()),
        Some(at) => Err(format!(
            "{what}: step {at} answers {:?}, not {:?}",
            other[at], one[at]
        )),
    }
}

/// I14: a reading that goes back is as one that has not moved.
#[test]
fn a_clock_that_goes_back_is_one_that_stands() {
    check(400, |shape, ops| {
        let steps = steps(shape, Time::from_secs(1), ops);
        let mut latest = Time::ZERO;
        let standing = |_: &mut Subject, clock: Time, event| {
            latest = latest.max(clock);
            (latest, event)
        };
        let straight = trace(shape, &steps, standing)?;
        same("I14", &straight, &trace(shape, &steps, unaltered)?)
    });
}

/// I14: with every time three times as long, every answer comes at three times the time.
#[test]
fn times_that_are_scaled_scale_the_answers() {
    const BY: u32 = 3;
    check(400, |shape, ops| {
        // A nanosecond before a deadline has no scale.
        let unscaled = |op: &&Op| !matches!(op, Op::Wait(Wait::Early));
        let ops: Vec<Op> = ops.iter().filter(unscaled).cloned().collect();
        let scaled: Vec<Op> = ops.iter().map(|op| longer(op, BY)).collect();
        let slow = shape.scaled(BY);
        let mut once = trace(shape, &steps(shape, Time::from_secs(1), &ops), unaltered)?;
        let start = times(Time::from_secs(1), BY);
        let thrice = trace(&slow, &steps(&slow, start, &scaled), unaltered)?;
        for (said, timer) in &mut once {
            said.iter_mut().for_each(|it| later(it, BY));
            *timer = timer.map(|at| times(at, BY));
        }
        same("I14", &once, &thrice)
    });
}

/// I17: the same steps give the same answers.
#[test]
fn a_case_that_is_repeated_gives_the_same_answers() {
    check(200, |shape, ops| {
        let steps = steps(shape, Time::from_secs(1), ops);
        let once = trace(shape, &steps, unaltered)?;
        same("I17", &once, &trace(shape, &steps, unaltered)?)
    });
}

/// What messages are called makes no difference but in their names.
#[test]
fn names_of_messages_make_no_difference() {
    let named = |id: u64| MessageId(id.saturating_mul(7).saturating_add(5));
    check(400, |shape, ops| {
        let steps = steps(shape, Time::from_secs(1), ops);
        let mut once = trace(shape, &steps, unaltered)?;
        let renamed = trace(shape, &steps, |_, clock, mut event| {
            if let Event::MessageQueued { id, .. } | Event::Cancel { id } = &mut event {
                *id = named(id.0);
            }
            (clock, event)
        })?;
        for said in once.iter_mut().flat_map(|step| &mut step.0) {
            if let Said::Settle { id, .. } | Said::Reject { id } | Said::HandBack { id, .. } = said
            {
                *id = named(*id).0;
            }
        }
        same("names", &once, &renamed)
    });
}

/// Ticks for which there is no need, and events of other connections, make no difference.
#[test]
fn ticks_and_stale_events_between_steps_make_no_difference() {
    use crate::op::Stale;
    const BETWEEN: [Stale; 4] = [
        Stale::ConnectedFuture,
        Stale::LostOld,
        Stale::BytesOld,
        Stale::TakenFuture,
    ];
    check(400, |shape, ops| {
        let steps = steps(shape, Time::from_secs(1), ops);
        let once = trace(shape, &steps, unaltered)?;
        let mut before: Option<Time> = None;
        let mut round = BETWEEN.iter().cycle();
        let mut beyond = Vec::new();
        let busy = trace(shape, &steps, |subject, clock, event| {
            let due = subject.machine.next_deadline().map(|it| it.at);
            // The first step of all dials, whatever it brings.
            if let Some(moment) = before.filter(|it| due.is_none_or(|due| due > *it)) {
                let stale = round.next().and_then(|it| subject.stale_if_any(*it));
                for event in [Some(Event::TimerFired), stale].into_iter().flatten() {
                    beyond.extend(subject.tell(moment, event));
                }
            }
            before = before.max(Some(clock));
            (clock, event)
        })?;
        let nothing = beyond.iter().all(Vec::is_empty);
        crate::subject::require("I10", nothing, || format!("{beyond:?}"))?;
        same("I10", &once, &busy)
    });
}

/// I11: with jitter each wait lies from -25 % to +50 % of what it is without, between the shortest
/// and the longest, and is the same for the same seed.
#[test]
fn a_wait_with_jitter_is_near_the_one_without() {
    let seeds = (any::<[u8; 32]>(), any::<[u8; 32]>());
    let limits = (1..500_u64, 1..40_u32);
    let result = crate::runner(crate::cases(100)).run(&(limits, seeds), |(limits, seeds)| {
        let (min, most) = (Duration::from_millis(limits.0), limits.1);
        let shape = Shape {
            backoff_min: min,
            backoff_max: min * most,
            ..Shape::default()
        };
        let plain = waits(&shape, false, seeds.0);
        let (one, other) = (waits(&shape, true, seeds.0), waits(&shape, true, seeds.1));
        for (wait, spread) in plain.iter().zip(&one) {
            let (low, high) = (*wait * 3 / 4, *wait * 3 / 2);
            // What would be too short or too long is folded back.
            let low = low
                .max(min)
                .min(shape.backoff_max * 2 - high.max(shape.backoff_max));
            let high = high
                .min(shape.backoff_max)
                .max(min * 2 - (*wait * 3 / 4).min(min));
            prop_assert!((low..=high).contains(spread), "{spread:?} of {wait:?}");
        }
        prop_assert_eq!(&one, &waits(&shape, true, seeds.0));
        prop_assert!(
            most < 20 || one != other || seeds.0 == seeds.1,
            "no seed matters"
        );
        Ok(())
    });
    crate::ended(result);
}

/// The waits after twelve failures in a row.
fn waits(shape: &Shape, jitter: bool, seed: [u8; 32]) -> Vec<Duration> {
    let mut machine = PeerSenderMachine::new(shape.config_with(jitter), seed);
    let (mut now, mut waits) = (Time::ZERO, Vec::new());
    for attempt in 0..12 {
        let (mut actions, attempt) = (Vec::new(), Attempt(attempt));
        machine.handle(now, [Event::TimerFired], &mut actions);
        let error = LinkError::Unreachable;
        let failed = Event::ConnectFailed { attempt, error };
        machine.handle(now, [failed], &mut actions);
        let until = machine.next_deadline().map(|it| it.at).unwrap();
        waits.push(until.saturating_since(now));
        now = until;
    }
    waits
}

fn times(time: Time, by: u32) -> Time {
    Time::from_nanos(time.as_nanos().saturating_mul(u64::from(by)))
}

fn longer(op: &Op, by: u32) -> Op {
    let mut op = op.clone();
    let time: Option<&mut Duration> = match &mut op {
        Op::Queue { ttl, .. } => ttl.as_mut(),
        Op::Pause(time)
        | Op::Back(time)
        | Op::Drain(time)
        | Op::Wait(Wait::Late(time) | Wait::For(time)) => Some(time),
        _ => None,
    };
    if let Some(time) = time {
        *time *= by;
    }
    op
}

/// The times that an answer names.
fn later(said: &mut Said, by: u32) {
    match said {
        Said::Disconnected { retry_at, .. } => *retry_at = retry_at.map(|at| times(at, by)),
        Said::BackoffStarted { delay, until, .. } | Said::ScheduleBackoff { delay, until, .. } => {
            *delay *= by;
            *until = times(*until, by);
        }
        Said::Slow { since } => *since = times(*since, by),
        _ => {}
    }
}
