//! What the parts of a receiving half do for the whole.

use alloc::format;
use alloc::vec::Vec;

use bytes::Bytes;

use super::*;
use crate::Lane;
use crate::wire::Item;

#[test]
fn a_stream_that_is_read_no_further_keeps_nothing() {
    let mut reading = Reading::default();
    let mut head = Vec::new();
    crate::wire::encode_message_head(10, &mut head);
    reading.push(Bytes::from(head), false);
    reading.push(Bytes::from_static(b"half"), false);
    assert_eq!(reading.next(), Ok(Some(Item::MessageBegins { length: 10 })));
    assert_eq!(reading.next(), Ok(None));
    reading.push(Bytes::from_static(b"a part"), false);
    assert_eq!((reading.in_hand(), reading.decoder.buffered()), (6, 4));
    reading.clear();
    assert_eq!((reading.in_hand(), reading.decoder.buffered()), (0, 0));
    assert_eq!(reading.next(), Ok(None));
}

#[test]
fn without_allowance_there_is_room_for_one_message_of_a_half_and_a_small_one_of_each_lane() {
    let overhead = 128;
    let mut budget = Budget::new(1 << 20, 8);
    budget.allow(Allowance { bytes: 0, first: 0 });
    assert_eq!(budget.reserve(Lane(1), 65_536 - overhead + 1), None);
    let cost = budget.reserve(Lane(1), 65_536 - overhead);
    assert_eq!(cost, Some(65_536));
    for lane in [0, 7].map(Lane) {
        assert_eq!(budget.reserve(lane, 8_192 - overhead + 1), None);
        assert_eq!(budget.reserve(lane, 8_192 - overhead), Some(8_192));
    }
}

#[test]
fn a_stream_is_told_by_its_sizes() {
    let mut reading = Reading::default();
    reading.push(Bytes::from_static(b"secret"), true);
    let text = format!("{reading:?}");
    assert!(text.contains("input_bytes: 6, fin: true"), "{text}");
}
