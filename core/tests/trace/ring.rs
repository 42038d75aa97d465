//! What a flight recorder keeps.

use peer_sender_core::trace::{Record, RecorderConfig};

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
