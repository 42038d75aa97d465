use super::*;
use crate::wire::{Open, Resume, VARINT_MAX, encode_message_head};
use crate::{Epoch, SessionId};
use alloc::{format, vec};

/// Everything the decoder makes of these pieces, and how the stream may end behind them.
fn decode(pieces: &[&[u8]]) -> (Vec<Item>, Result<(), ProtocolError>) {
    let mut decoder = Decoder::default();
    let mut items = Vec::new();
    for piece in pieces {
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Err(error)),
            }
        }
        assert!(input.is_empty(), "no item, so all input was taken");
    }
    (items, decoder.finish())
}

fn message(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_message_head(payload.len(), &mut bytes);
    bytes.extend(payload);
    bytes
}

fn every_kind() -> (Vec<u8>, Vec<Item>) {
    let session = SessionId([7; 16]);
    let frames = [
        Frame::Open(Open {
            fresh: true,
            session,
            lane: 0,
            base: VARINT_MAX,
        }),
        Frame::Resume(Resume {
            epoch: Epoch([9; 16]),
            record: 1,
            taken: 70,
            next: 20_000,
            message_bytes_max: 1 << 40,
        }),
        Frame::Skip { count: 3 },
        Frame::Receipt { taken: 64 },
        Frame::Refuse { number: 1, code: 2 },
    ];
    let mut bytes = Vec::new();
    let mut items = Vec::new();
    for (frame, payload) in frames
        .into_iter()
        .zip([&b""[..], b"x", b"hello", &[5; 70], b"yz"])
    {
        frame.encode(&mut bytes);
        items.push(Item::Frame(frame));
        bytes.extend(message(payload));
        items.push(Item::MessageBegins {
            length: payload.len() as u64,
        });
        items.push(Item::Message(Bytes::copy_from_slice(payload)));
        // Extensions: without a body, with a long one.
        bytes.extend([0x40, 0x00, 0xff, 0x40, 0x41]);
        bytes.extend([0xaa; 0x41]);
    }
    (bytes, items)
}

#[test]
fn any_two_cuts_give_the_same_items() {
    let (bytes, items) = every_kind();
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(
                decode(&pieces),
                (items.clone(), Ok(())),
                "cut at {first} and {second}"
            );
        }
    }
}

#[test]
fn single_bytes_give_the_same_items() {
    let (bytes, items) = every_kind();
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode(&pieces), (items, Ok(())));
}

#[test]
fn a_stream_may_end_only_between_frames() {
    let (bytes, _) = every_kind();
    let mut ends = vec![0];
    let mut at = 0;
    while at < bytes.len() {
        let length = match bytes[at + 1] {
            short @ 0..=0x3f => 2 + usize::from(short),
            _ => 3 + usize::from(bytes[at + 2]),
        };
        at += length;
        ends.push(at);
    }
    for cut in 0..=bytes.len() {
        let expected = if ends.contains(&cut) {
            Ok(())
        } else {
            Err(ProtocolError::Truncated)
        };
        assert_eq!(decode(&[&bytes[..cut]]).1, expected, "ended at {cut}");
    }
}

/// All inputs of two bytes and a grid of third ones, cut in every way.
#[test]
fn every_short_input_is_the_same_however_it_is_cut() {
    for first in 0..=0xff {
        for second in 0..=0xff {
            for third in (0..=0xff).step_by(5).chain([1, 63, 64, 128, 192]) {
                let bytes = [first, second, third];
                let whole = decode(&[&bytes]);
                assert_eq!(decode(&[&bytes[..1], &bytes[1..]]), whole);
                assert_eq!(decode(&[&bytes[..2], &bytes[2..]]), whole);
                assert_eq!(decode(&[&bytes[..1], &bytes[1..2], &bytes[2..]]), whole);
            }
        }
    }
}

#[test]
fn each_unknown_critical_kind_is_an_error_at_its_first_byte() {
    for kind in (0x07..=0x3f).chain([0]) {
        assert_eq!(
            decode(&[&[kind]]),
            (vec![], Err(ProtocolError::UnknownFrame { kind }))
        );
    }
    for kind in 0x40..=0xff {
        assert_eq!(decode(&[&[kind, 2, 0, 0]]), (vec![], Ok(())));
    }
}

#[test]
fn a_length_that_is_not_in_its_shortest_form_is_refused() {
    for kind in [0x01, 0x03, 0x05, 0x40] {
        assert_eq!(
            decode(&[&[kind, 0x40, 0x01]]).1,
            Err(ProtocolError::IntegerForm)
        );
    }
}

#[test]
fn a_body_beyond_any_frame_is_refused_before_it_comes() {
    let error = |length| {
        Err(ProtocolError::BodyLength {
            frame: "RECEIPT",
            length,
        })
    };
    assert_eq!(decode(&[&[0x05, 49]]).1, error(49));
    assert_eq!(
        decode(&[&[0x05, 0xff, 255, 255, 255, 255, 255, 255, 255]]).1,
        error(VARINT_MAX)
    );
}

#[test]
fn a_length_alone_allocates_nothing() {
    let mut decoder = Decoder::default();
    let mut input = Bytes::from_static(&[0x03, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3]);
    let begins = Item::MessageBegins { length: VARINT_MAX };
    assert_eq!(decoder.next(&mut input), Ok(Some(begins)));
    assert_eq!(decoder.buffered(), 0);
    assert_eq!(decoder.next(&mut input), Ok(None));
    let State::Payload { buffer, .. } = &decoder.state else {
        panic!("{decoder:?}")
    };
    assert_eq!((buffer.len(), buffer.capacity()), (3, 3));
}

#[test]
fn a_payload_in_pieces_never_takes_more_room_than_itself() {
    let bytes = message(&[1; 10_000]);
    let mut decoder = Decoder::default();
    for piece in bytes.chunks(700) {
        let mut input = Bytes::copy_from_slice(piece);
        while decoder.next(&mut input).unwrap().is_some() {}
        if let State::Payload { buffer, .. } = &decoder.state {
            assert!(buffer.capacity() <= 10_000.min(2 * buffer.len()));
        }
    }
    assert_eq!(decoder.finish(), Ok(()));
}

#[test]
fn a_payload_does_not_pin_the_buffer_that_it_came_in() {
    let mut input = Bytes::from(message(b"hello"));
    let all = input.clone();
    let mut decoder = Decoder::default();
    decoder.next(&mut input).unwrap();
    let Some(Item::Message(payload)) = decoder.next(&mut input).unwrap() else {
        panic!()
    };
    let range = all.as_ptr_range();
    assert!(!range.contains(&payload.as_ptr()));
}

#[test]
fn a_discarded_message_leaves_no_trace_wherever_it_is_cut() {
    let bytes = [message(b"unwanted"), message(b"kept")].concat();
    for cut in 2..=10 {
        let mut decoder = Decoder::default();
        let mut head = Bytes::copy_from_slice(&bytes[..cut]);
        assert_eq!(
            decoder.next(&mut head),
            Ok(Some(Item::MessageBegins { length: 8 }))
        );
        decoder.discard_message();
        assert_eq!(decoder.next(&mut head), Ok(None));
        assert_eq!(decoder.buffered(), 0);
        let mut rest = Bytes::copy_from_slice(&bytes[cut..]);
        assert_eq!(
            decoder.next(&mut rest),
            Ok(Some(Item::MessageBegins { length: 4 }))
        );
        assert_eq!(
            decoder.next(&mut rest),
            Ok(Some(Item::Message(Bytes::from_static(b"kept"))))
        );
    }
}

#[test]
fn a_discarded_empty_message_lets_the_stream_end() {
    let mut decoder = Decoder::default();
    decoder
        .next(&mut Bytes::from_static(&[0x03, 0x00]))
        .unwrap();
    assert_eq!(decoder.finish(), Err(ProtocolError::Truncated));
    decoder.discard_message();
    assert_eq!(decoder.finish(), Ok(()));
}

#[test]
fn after_an_error_nothing_else_comes() {
    let mut decoder = Decoder::default();
    let error = ProtocolError::UnknownFrame { kind: 0x07 };
    assert_eq!(decoder.next(&mut Bytes::from_static(&[0x07])), Err(error));
    assert_eq!(
        decoder.next(&mut Bytes::from_static(&[0x05, 1, 1])),
        Err(error)
    );
    assert_eq!(decoder.finish(), Err(error));
}

#[test]
fn debug_never_shows_a_payload() {
    let mut decoder = Decoder::default();
    decoder.next(&mut Bytes::from(vec![0x03, 0x10])).unwrap();
    decoder.next(&mut Bytes::from_static(b"secret")).unwrap();
    assert_eq!(
        format!("{decoder:?}"),
        "Decoder(in a payload, 6 bytes buffered)"
    );
    let item = Item::Message(Bytes::from_static(b"secret"));
    assert_eq!(format!("{item:?}"), "Message(6 bytes)");
}

#[test]
fn a_message_discarded_halfway_ends_where_it_would_have() {
    let bytes = [message(b"unwanted"), message(b"kept")].concat();
    let mut decoder = Decoder::default();
    let mut half = Bytes::copy_from_slice(&bytes[..6]);
    decoder.next(&mut half).unwrap();
    assert_eq!(decoder.next(&mut half), Ok(None));
    assert_eq!(decoder.buffered(), 4);
    decoder.discard_message();
    assert_eq!(decoder.buffered(), 0);
    let mut rest = Bytes::copy_from_slice(&bytes[6..]);
    let begins = Item::MessageBegins { length: 4 };
    assert_eq!(decoder.next(&mut rest), Ok(Some(begins)));
}

#[test]
fn a_payload_under_way_has_room_for_what_is_at_hand_and_no_more() {
    let room = |decoder: &Decoder| {
        let State::Payload { buffer, .. } = &decoder.state else {
            panic!("no payload is under way")
        };
        buffer.capacity()
    };
    let mut input = Bytes::from(message(&[7; 1_000]));
    let mut rest = input.split_off(input.len() - 990);
    let mut decoder = Decoder::default();
    let begins = Item::MessageBegins { length: 1_000 };
    assert_eq!(decoder.next(&mut input), Ok(Some(begins)));
    assert_eq!(decoder.next(&mut input), Ok(None));
    assert_eq!(room(&decoder), 10);
    decoder.foresee(600);
    assert_eq!(room(&decoder), 610);
    assert_eq!(decoder.next(&mut rest.split_to(600)), Ok(None));
    assert_eq!(room(&decoder), 610, "all of it was foreseen");
    decoder.foresee(5_000);
    assert_eq!(room(&decoder), 1_000);
    let payload = Bytes::from(vec![7; 1_000]);
    assert_eq!(decoder.next(&mut rest), Ok(Some(Item::Message(payload))));
}
