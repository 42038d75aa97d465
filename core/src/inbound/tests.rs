//! What the parts of a receiving half do for the whole.

use alloc::vec::Vec;

use bytes::Bytes;

use super::*;
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
