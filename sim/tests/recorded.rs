//! Traces of random runs of both machines.

use peer_sender_core::trace::{Replay, Summary, TraceReader};
use peer_sender_sim::Scenario;
use peer_sender_sim::swarm::{Profile, run_seed};

fn replayed(trace: &[u8]) -> Summary {
    let (mut reader, mut replay) = (TraceReader::new(), Replay::new());
    reader.feed(trace);
    while let Some(record) = reader.next_record().expect("it is whole") {
        replay.record(record).expect("it goes the same way");
    }
    assert_eq!(reader.torn(), 0);
    replay.summary()
}

/// The actions themselves are in these traces, so that each is compared, and not a digest alone.
#[test]
fn whatever_happens_is_replayed_action_by_action() {
    let mut lives = 0;
    for seed in 0..40 {
        let scenario = run_seed(seed, &Profile::Swarm).scenario;
        let world = scenario.run().unwrap();
        let (result, trace) = scenario.run_recorded();
        assert_eq!(result, Ok(()));
        let summary = replayed(&trace);
        assert_eq!(summary.passed, 0, "each step is of a machine that is known");
        assert!(summary.steps >= world.steps(), "{summary:?}");
        lives = lives.max(summary.machines);
    }
    assert!(lives > 2, "no accepting process was started anew");
}

/// What led to it is what such a trace is for.
#[test]
fn a_run_that_fails_is_recorded_up_to_there() {
    let text = "confirm a0\nsend 0 5B\ntake 0\nsend 0 5B";
    let scenario: Scenario = text.parse().unwrap();
    let (result, trace) = scenario.run_recorded();
    assert!(result.is_err(), "the application has nothing to take yet");
    let summary = replayed(&trace);
    assert_eq!(summary.machines, 2);
    assert!(summary.steps >= 3, "{summary:?}");
}
