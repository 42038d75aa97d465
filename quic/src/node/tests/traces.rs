//! What nodes record is what they did.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::Lane;
use peer_sender_core::trace::{
    Payloads, Record, RecorderConfig, Replay, ReplayError, StepResult, Summary, TraceEvent,
    TraceReader,
};

use super::nodes::*;
use super::world::World;
use crate::node::Target;
use crate::{NodeConfig, Trace, Trust};

const SECRET: &str = "a secret that nobody may find";

/// Both ends send while connections are lost, and both are recorded.
fn stormy_night(config: RecorderConfig, plain: bool) -> Trace {
    let trace = Trace::new(config);
    let speak = |builder: crate::NodeConfigBuilder| match plain {
        true => builder.plain("test"),
        false => builder,
    };
    let of = |number| speak(NodeConfig::builder(identity(number)).trace(trace.clone()));
    let mut world = World::new(3);
    world.place(1, of(1).build().unwrap(), 1);
    let listener = of(2).accept(Trust::Any).build().unwrap();
    world.place(2, listener.clone(), 2);
    let peer = world.dial(1, 2, identity(2).key());
    let there = Target::Peer(peer);
    for round in 0..40_u64 {
        let payload = |id: u64| match id % 50 {
            0 => Bytes::from(SECRET.repeat(20_000)),
            _ => Bytes::from(format!("{id}: {SECRET}")),
        };
        let lane = match plain {
            true => Lane(0),
            false => Lane((round % 8) as u8),
        };
        let ids = round * 30..round * 30 + 30;
        world.send_on(1, there, lane, ids.clone().map(|id| (id, payload(id))));
        if let Some(&session) = world.end(2).sources.iter().next_back()
            && let crate::Source::Session(session) = session
        {
            let messages = ids.map(|id| (id, payload(id)));
            world.send_on(2, Target::Session(session), lane, messages);
        }
        world.loss = round % 7;
        world.run(Duration::from_millis(round * 5));
        let now = world.now;
        match round % 10 {
            3 => world.end(2).node.cut_accepted(now),
            6 => {
                world.silent.insert(2);
                world.run(Duration::from_secs(12));
                world.silent.clear();
            }
            9 => {
                world.place(2, listener.clone(), round as u8);
            }
            _ => {}
        }
    }
    world.loss = 0;
    world.run(Duration::from_secs(60));
    let now = world.now;
    for place in [1, 2] {
        let node = &mut world.end(place).node;
        node.stop(
            now,
            peer_sender_core::StopMode::Drain(Duration::from_secs(5)),
        );
    }
    world.run(Duration::from_secs(10));
    trace
}

fn taken(trace: &Trace) -> Vec<u8> {
    let mut bytes = Vec::new();
    trace.take(&mut bytes);
    bytes
}

fn records(bytes: &[u8]) -> Vec<Record> {
    let mut reader = TraceReader::new();
    reader.feed(bytes);
    let records = std::iter::from_fn(|| reader.next_record().unwrap()).collect();
    assert_eq!(reader.torn(), 0);
    records
}

fn replay(records: impl IntoIterator<Item = Record>) -> Result<Summary, ReplayError> {
    let mut replay = Replay::new();
    for record in records {
        replay.record(record)?;
    }
    Ok(replay.summary())
}

fn has(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|it| it == what.as_bytes())
}

#[test]
fn a_recorded_night_goes_the_same_way_again() {
    for payloads in [Payloads::Whole, Payloads::Digest, Payloads::Length] {
        for plain in [false, true] {
            let config = RecorderConfig {
                payloads,
                ..RecorderConfig::default()
            };
            let bytes = taken(&stormy_night(config, plain));
            let summary = replay(records(&bytes)).unwrap();
            assert_eq!((summary.machines, summary.passed), (6, 0));
            assert!(
                summary.steps > 1_000 && summary.events > 3_000,
                "{summary:?}"
            );
            let whole = payloads == Payloads::Whole;
            assert_eq!(has(&bytes, SECRET), whole, "{payloads:?}, plain {plain}");
            assert!(!has(&bytes, &SECRET[3..9]) || whole);
        }
    }
}

#[test]
fn a_step_that_led_to_something_else_is_found() {
    let config = RecorderConfig {
        actions: true,
        ..RecorderConfig::default()
    };
    let mut records = records(&taken(&stormy_night(config, false)));
    let whole = replay(records.clone()).unwrap();
    let steps = records
        .iter()
        .filter(|it| matches!(it, Record::Step { .. }));
    assert_eq!(steps.count() as u64, whole.steps);

    // The trace says that one message fewer was handed over: what is written later differs.
    let changed = records.iter_mut().find_map(|record| match record {
        Record::Step { events, .. } if events.len() > 20 => Some(events),
        _ => None,
    });
    let changed = changed.unwrap();
    assert!(matches!(
        changed.pop(),
        Some(TraceEvent::MessageQueued { .. })
    ));
    let Err(ReplayError::Diverged(found)) = replay(records) else {
        panic!("nothing was found")
    };
    let StepResult::Actions(expected) = &found.expected else {
        panic!("actions are kept")
    };
    assert_ne!(*expected, found.got);
}
