//! Traces, from recording to replay: what is written is read, and what is damaged is refused.
#![cfg(feature = "trace")]
#![expect(clippy::unwrap_used, reason = "what cannot be ends the test")]

mod damage;
mod golden;
mod night;
mod recorder;
mod ring;

use night::{Night, records};
use peer_sender_core::trace::{
    Call, Content, MachineState, Payloads, Record, RecorderConfig, Replay, ReplayError, StepResult,
    Summary, TraceAction, TraceEvent, TraceReader,
};

/// Has fresh machines go through these records.
fn replay(records: impl IntoIterator<Item = Record>) -> Result<Summary, ReplayError> {
    let mut replay = Replay::new();
    for record in records {
        replay.record(record)?;
    }
    Ok(replay.summary())
}

fn config(payloads: Payloads, actions: bool) -> RecorderConfig {
    RecorderConfig {
        payloads,
        actions,
        ..RecorderConfig::default()
    }
}

#[test]
fn what_was_recorded_goes_the_same_way_again() {
    for payloads in [Payloads::Whole, Payloads::Digest, Payloads::Length] {
        for actions in [false, true] {
            let records = records(&Night::of(config(payloads, actions)).bytes());
            let events = |record: &Record| match record {
                Record::Step { events, .. } => events.len() as u64,
                _ => 0,
            };
            let told = records.iter().map(events).sum();
            let summary = replay(records).unwrap();
            assert_eq!((summary.machines, summary.passed), (2, 0));
            assert_eq!(summary.events, told);
            assert!(summary.steps >= 20 && summary.actions > 20, "{summary:?}");
        }
    }
}

/// The image behind it is of the machine that was recorded, which is no longer what it is compared with.
#[test]
fn a_machine_that_has_gone_another_way_stays_out() {
    let mut night = Night::new(RecorderConfig {
        image_every: 64 << 10,
        ..RecorderConfig::default()
    });
    (0..5_000).for_each(|id| night.queue(id));
    let mut records = records(&night.bytes());
    let images = records
        .iter()
        .filter(|it| matches!(it, Record::Image { .. }));
    assert!(images.count() > 1);
    let first = records.iter_mut().find_map(|record| match record {
        Record::Step {
            result: StepResult::Digest(digest),
            ..
        } => Some(digest),
        _ => None,
    });
    *first.unwrap() ^= 1;
    let mut replay = Replay::new();
    let failed = records.into_iter().map(|it| replay.record(it).is_err());
    assert_eq!(failed.filter(|&it| it).count(), 1);
    let summary = replay.summary();
    assert_eq!((summary.steps, summary.passed), (0, 4_999), "{summary:?}");
}

#[test]
fn a_digest_that_is_not_that_of_the_actions_is_found_in_its_step() {
    let whole = records(&Night::of(config(Payloads::Digest, false)).bytes());
    let steps = whole.iter().filter(|it| matches!(it, Record::Step { .. }));
    for wrong in 0..steps.count() as u64 {
        let (mut records, mut seen) = (whole.clone(), 0);
        for record in &mut records {
            if let Record::Step {
                result: StepResult::Digest(digest),
                ..
            } = record
            {
                *digest ^= u64::from(seen == wrong);
                seen += 1;
            }
        }
        let Err(ReplayError::Diverged(found)) = replay(records) else {
            panic!("step {wrong} goes the same way")
        };
        assert_eq!(found.step, wrong);
    }
}

#[test]
fn a_replay_shows_each_machine_until_it_is_gone() {
    let mut replay = Replay::new();
    let names = |replay: &Replay| -> Vec<String> {
        let all = replay.machines().map(|(id, about, _)| {
            let (same, _) = replay.machine(id).unwrap();
            assert_eq!(same, about);
            about.name.clone()
        });
        all.collect()
    };
    for record in records(&Night::of(config(Payloads::Length, false)).bytes()) {
        if let Record::Gone { machine } = record {
            assert_eq!(names(&replay), ["bob", "sessions"]);
            let (_, state) = replay.machine(machine).unwrap();
            assert!(matches!(state, MachineState::Sender(_)));
            replay.record(record).unwrap();
            assert!(replay.machine(machine).is_none());
        } else {
            replay.record(record).unwrap();
        }
    }
    assert_eq!(names(&replay), ["sessions"]);
}

#[test]
fn actions_that_are_not_those_that_were_recorded_are_found_in_their_step() {
    let fewer = |actions: &mut Vec<TraceAction>| actions.pop().is_some();
    let others = |actions: &mut Vec<TraceAction>| {
        let other = TraceAction::ForgetDelivered;
        let first = actions.first_mut().filter(|first| **first != other);
        first.map(|first| *first = other).is_some()
    };
    let whole = records(&Night::of(config(Payloads::Digest, true)).bytes());
    for change in [fewer as fn(&mut Vec<TraceAction>) -> bool, others] {
        let (mut step, mut changed) = (0, 0);
        for place in 0..whole.len() {
            let mut records = whole.clone();
            let Record::Step { result, .. } = &mut records[place] else {
                continue;
            };
            step += 1;
            if let StepResult::Actions(actions) = result
                && change(actions)
            {
                changed += 1;
                let Err(ReplayError::Diverged(found)) = replay(records) else {
                    panic!("step {step} goes the same way")
                };
                assert_eq!(found.step + 1, step);
            }
        }
        assert!(changed > 5);
    }
}

#[test]
fn a_step_with_a_payload_that_cannot_be_is_refused() {
    let mut records = records(&Night::of(config(Payloads::Length, false)).bytes());
    for record in &mut records {
        if let Record::Step { events, .. } = record
            && let Some(TraceEvent::MessageQueued { payload, .. }) = events.first_mut()
        {
            *payload = Content::Length((1 << 30) + 1);
        }
    }
    let error = replay(records).unwrap_err().to_string();
    assert!(error.contains("more payload than there may be"), "{error}");
}

#[test]
fn a_trace_says_who_wrote_it_and_what_it_keeps_of_payloads() {
    for payloads in [Payloads::Whole, Payloads::Digest, Payloads::Length] {
        let mut reader = TraceReader::new();
        assert_eq!(reader.header(), None);
        reader.feed(&Night::of(config(payloads, false)).bytes());
        reader.next_record().unwrap();
        let header = reader.header().unwrap();
        assert_eq!(header.payloads, payloads);
        assert!(header.program.contains(env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn payloads_are_in_a_trace_only_where_they_were_asked_for() {
    let has = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|it| it == what);
    for payloads in [Payloads::Digest, Payloads::Length] {
        let bytes = Night::of(config(payloads, true)).bytes();
        // Whatever four bytes of it: as long as they are no part of something else.
        for part in night::SECRET.windows(4) {
            assert!(!has(&bytes, part), "{payloads:?} has {part:?}");
        }
    }
    let bytes = Night::of(config(Payloads::Whole, false)).bytes();
    assert!(has(&bytes, night::SECRET));
}

/// One more dialler than a share has sessions is told that there is no room, whatever its key.
#[test]
fn whose_share_a_dialler_uses_is_in_a_trace() {
    let mut night = Night::new(config(Payloads::Length, false));
    night.share(17);
    let mut records = records(&night.bytes());
    assert_eq!(replay(records.clone()).unwrap().steps, 34);
    for record in &mut records {
        if let Record::Step { call, .. } = record
            && let Call::AcceptedSharing { attempt, dialler } = *call
        {
            *call = Call::accepted(attempt, dialler.key.into());
        }
    }
    let Err(ReplayError::Diverged(found)) = replay(records) else {
        panic!("nobody has a share in common")
    };
    assert_eq!(found.step, 33);
}

#[test]
fn steps_without_a_machine_are_passed_over() {
    let mut records = records(&Night::of(config(Payloads::Length, false)).bytes());
    records.retain(|record| !matches!(record, Record::Made { .. }));
    let summary = replay(records).unwrap();
    assert_eq!((summary.machines, summary.steps), (0, 0));
    assert!(summary.passed >= 20);
}

#[test]
fn a_call_that_a_machine_does_not_have_is_refused() {
    let mut records = records(&Night::of(config(Payloads::Length, false)).bytes());
    for record in &mut records {
        if let Record::Step { call, .. } = record {
            *call = Call::Timeout;
        }
    }
    let error = replay(records).unwrap_err();
    assert_eq!(
        error.to_string(),
        "machine 0: it has no such function as was called"
    );
}
