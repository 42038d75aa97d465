//! What a recorder writes down, and when it ends.

use peer_sender_core::Time;
use peer_sender_core::trace::{
    Call, MachineConfig, Noticed, Record, Recorder, RecorderConfig, StepRecorder, Watch,
};

use crate::night::{self, Night, records};
use crate::replay;

/// A recorder of this configuration, and a step for it.
fn recorder_and_step(config: RecorderConfig) -> (Recorder, StepRecorder) {
    let mut recorder = Recorder::new(config);
    let made = MachineConfig::Sessions(Box::default());
    let mut step = recorder.made(night::about("sessions"), made, [2; 32]);
    step.begin();
    step.end(Time::ZERO, Call::Timeout);
    (recorder, step)
}

#[test]
fn as_much_may_be_ready_as_was_set_and_no_more() {
    let (mut recorder, step) = recorder_and_step(RecorderConfig::default());
    assert!(recorder.add(&step) && !recorder.is_stopped());
    let ready_bytes_max = recorder.ready();
    assert!(ready_bytes_max > 100);
    for (less, fits) in [(0, true), (1, false)] {
        let (mut recorder, step) = recorder_and_step(RecorderConfig {
            ready_bytes_max: ready_bytes_max - less,
            ..RecorderConfig::default()
        });
        assert_eq!((recorder.add(&step), recorder.is_stopped()), (fits, !fits));
    }
}

#[test]
fn a_recording_that_was_stopped_goes_on_no_more_and_keeps_what_is_ready() {
    let (mut recorder, step) = recorder_and_step(RecorderConfig::default());
    assert!(recorder.add(&step));
    let ready = recorder.ready();
    recorder.stop();
    assert!(recorder.is_stopped() && !recorder.add(&step));
    recorder.mark(1, "too late".to_owned());
    assert_eq!(recorder.ready(), ready);
    let mut bytes = Vec::new();
    recorder.take(&mut bytes);
    assert_eq!((bytes.len(), recorder.ready()), (ready, 0));
}

/// However long the state of a machine is beside its steps.
#[test]
fn images_are_half_of_a_trace_at_most() {
    let mut night = Night::new(RecorderConfig {
        image_every: 64 << 10,
        ..RecorderConfig::default()
    });
    (0..60_000).for_each(|id| night.queue(id));
    let bytes = night.bytes();
    let images: usize = records(&bytes)
        .iter()
        .map(|record| match record {
            Record::Image { bytes, .. } => bytes.len(),
            _ => 0,
        })
        .sum();
    assert!(
        images > 1 << 20 && images < bytes.len() / 2,
        "{images} of {}",
        bytes.len()
    );
}

#[test]
fn a_recorder_whose_bytes_nobody_takes_ends_the_recording_and_says_so() {
    let mut night = Night::new(RecorderConfig {
        ready_bytes_max: 100_000,
        ..RecorderConfig::default()
    });
    let mut id = 0;
    while !night.recorder.is_stopped() {
        night.queue(id);
        id += 1;
        assert!(night.recorder.ready() < 101_000);
    }
    night.queue(id);
    let records = records(&night.bytes());
    let Some(Record::Mark { text, .. }) = records.last() else {
        panic!("{:?}", records.last())
    };
    assert!(text.contains("not written fast enough"), "{text}");
    replay(records).unwrap();
}

#[test]
fn a_recorder_notices_what_it_was_told_to_watch() {
    let watched = |watch| {
        let config = RecorderConfig {
            watch,
            ..RecorderConfig::default()
        };
        let mut night = Night::of(config);
        let noticed = night.recorder.noticed();
        assert_eq!(night.recorder.noticed(), None, "once");
        noticed.map(|notice| {
            assert_eq!(notice.machine, "bob");
            notice.what
        })
    };
    assert_eq!(watched(Watch::default()), None);
    let disconnected = Watch {
        disconnected: true,
        ..Watch::default()
    };
    assert_eq!(watched(disconnected), Some(Noticed::Disconnected));
    let unknown = Watch {
        unknown: true,
        ..Watch::default()
    };
    assert!(matches!(watched(unknown), Some(Noticed::Unknown { .. })));
    assert_eq!(watched(Watch::ALL), Some(Noticed::Disconnected));
}
