//! A stop after each thing that happens in a run.
//!
//! Where a stop comes is the one fault that can be tried in every place, so it is.

use std::time::Duration;

use peer_sender_core::StopMode;

use crate::op::{End, Op};
use crate::oracle::Violation;
use crate::scenario::Scenario;
use crate::world::{Trouble, World};

/// A timer of the sender's is due, or not.
const DUE: Op = Op::Tick { end: End::Dialler };

/// How the sender may be stopped, and what happens behind.
fn ways() -> [Vec<Op>; 5] {
    let stop = |mode| Op::Stop { mode };
    let drain = |seconds| stop(StopMode::Drain(Duration::from_secs(seconds)));
    let second = Op::Advance {
        by: Duration::from_secs(1),
    };
    let somewhere = Op::Addresses { places: vec![0] };
    [
        // All goes well from there on, and the drain has all the time that it needs.
        vec![drain(3_600), somewhere, Op::Heal],
        // Nothing comes any more, and the drain runs into its end.
        vec![drain(1), second.clone(), DUE],
        // The user loses patience, twice.
        vec![
            drain(60),
            second,
            drain(1),
            stop(StopMode::Abort),
            stop(StopMode::Abort),
        ],
        vec![stop(StopMode::Abort)],
        vec![stop(StopMode::Remove)],
    ]
}

/// Stops the sender of a run in each of five ways after each thing that happens in it, up to its own
/// end, and sees that it ends: in time, with an outcome for every message, nothing left to do, and
/// nothing but refusals behind. How many stops there were.
///
/// # Errors
///
/// What happened up to a stop that did not end well, with the stop, and what was wrong.
pub fn stop_everywhere(scenario: &Scenario) -> Result<u64, Box<(Scenario, Violation)>> {
    let failed = |done: &[Op], violation| {
        let scenario = Scenario {
            settings: scenario.settings.clone(),
            ops: done.to_vec(),
        };
        Err(Box::new((scenario, violation)))
    };
    let Ok(mut world) = World::new(&scenario.settings) else {
        // It was a run, so that its settings are of use.
        return Ok(0);
    };
    let mut stops = 0;
    for at in 0..=scenario.ops.len() {
        if world.sender().is_closed() {
            break;
        }
        for way in ways() {
            stops += 1;
            if let Err(violation) = ends(world.clone(), &way) {
                return failed(&[&scenario.ops[..at], &way].concat(), violation);
            }
        }
        let Some(op) = scenario.ops.get(at) else {
            break;
        };
        if let Err(Trouble::Violated(violation)) = world.apply(op) {
            return failed(&scenario.ops[..=at], violation);
        }
    }
    Ok(stops)
}

fn ends(mut world: World, way: &[Op]) -> Result<(), Violation> {
    let late = [
        Op::Send {
            lane: 0,
            bytes: 1,
            ttl: None,
        },
        DUE,
    ];
    for op in way.iter().chain(&late) {
        match world.apply(op) {
            Ok(()) | Err(Trouble::Impossible(_)) => {}
            Err(Trouble::Violated(violation)) => return Err(violation),
        }
    }
    world.check()?;
    let sender = world.sender();
    let wrong = match (sender.is_closed(), sender.next_deadline()) {
        (false, _) => ("I28", "the sender was stopped, and has not ended"),
        (true, Some(_)) => ("I27", "a sender that has ended waits for something"),
        (true, None) => return Ok(()),
    };
    Err(Violation {
        id: wrong.0,
        what: wrong.1.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::{Profile, run_seed};

    #[test]
    fn runs_may_be_stopped_after_anything() {
        let mut stops = 0;
        for seed in 0..3 {
            let run = run_seed(seed, &Profile::Swarm);
            stops += stop_everywhere(&run.scenario).unwrap_or_else(|failed| {
                let (scenario, violation) = *failed;
                panic!("seed {seed}: {violation}\n{scenario}");
            });
        }
        assert!(stops > 1_000, "{stops}");
    }

    #[test]
    fn a_stop_that_does_not_end_is_told_with_all_that_led_there() {
        let scenario: Scenario = "send 0 5B\nconfirm a0\n".parse().unwrap();
        let mut world = World::new(&scenario.settings).unwrap();
        scenario.ops.iter().for_each(|op| world.apply(op).unwrap());
        // A drain that still has time, and no stop at all.
        let drain = Op::Stop {
            mode: StopMode::Drain(Duration::from_secs(5)),
        };
        assert_eq!(ends(world.clone(), &[drain]).unwrap_err().id, "I28");
        assert_eq!(ends(world, &[]).unwrap_err().id, "I28");
    }
}
