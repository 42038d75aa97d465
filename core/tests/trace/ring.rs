//! What a flight recorder keeps.

use peer_sender_core::trace::{Noticed, Record, RecorderConfig, Watch};

use crate::night::{Night, records};
use crate::replay;

const KEPT: usize = 256 << 10;

#[test]
fn a_flight_recorder_keeps_the_latest_within_its_bound() {
    let mut night = Night::new(RecorderConfig::flight(KEPT));
    assert!(
        records(&night.recorder.dump().unwrap()).len() == 2,
        "the machines"
    );
    for id in 0..20_000 {
        night.queue(id);
        if id % 1_000 == 0 {
            let dump = night.recorder.dump().unwrap();
            assert!(dump.len() < KEPT + 1_000);
        }
    }
    let kept = records(&night.recorder.dump().unwrap());
    let steps = kept.iter().filter(|it| matches!(it, Record::Step { .. }));
    assert!(steps.count() > 500);
    let Some(Record::Step { now, .. }) = kept.last() else {
        panic!("{:?}", kept.last())
    };
    assert_eq!(now.as_nanos(), 19_999 * 7_000_000, "the latest is there");
    let summary = replay(kept).unwrap();
    assert_eq!(
        (summary.machines, summary.passed),
        (1, 0),
        "from an image on"
    );
}

#[test]
fn a_flight_recorder_has_room_for_some_images_and_no_more_than_it_needs() {
    for (ring, image) in [(16 << 20, 4 << 20), (4 << 10, 64 << 10)] {
        let config = RecorderConfig::flight(ring);
        assert_eq!((config.ring_bytes, config.image_every), (Some(ring), image));
    }
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
