use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::trace::image::copied;
use crate::wire::{Frame, Framing, Item, Open, Resume, encode_message_head};
use crate::{Epoch, ProtocolError, SessionId};

/// No frame holds it, and every payload does.
const CANARY: &[u8] = b"CANARY";

/// Whether something of a payload is in there.
fn is_told(image: &[u8]) -> bool {
    image
        .windows(3)
        .any(|bytes| CANARY.windows(3).any(|of| of == bytes))
}

fn message(bytes: &mut Vec<u8>, payload: &[u8]) {
    encode_message_head(payload.len(), bytes);
    bytes.extend(payload);
}

/// Every kind of frame.
fn stream(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let session = SessionId([1; 16]);
    let (fresh, lane, base) = (false, 3, 1_000);
    Frame::Open(Open {
        fresh,
        session,
        lane,
        base,
    })
    .encode(&mut bytes);
    message(&mut bytes, payload);
    message(&mut bytes, b"");
    Frame::Skip { count: 300 }.encode(&mut bytes);
    // Extensions are as long as they say, and none of ours.
    bytes.extend([0x41, 12]);
    bytes.extend(payload.repeat(2));
    message(&mut bytes, &payload.repeat(20));
    Frame::Receipt { taken: 1 << 40 }.encode(&mut bytes);
    bytes.extend([0x7f, 0]);
    Frame::Refuse { number: 5, code: 3 }.encode(&mut bytes);
    Frame::Resume(Resume {
        epoch: Epoch([2; 16]),
        record: 1,
        taken: 2,
        next: 3,
        message_bytes_max: 4,
    })
    .encode(&mut bytes);
    message(&mut bytes, payload);
    bytes
}

/// What the rest of a stream gives.
fn rest(mut reading: Reading, bytes: &[u8]) -> Vec<Result<Option<Item>, ProtocolError>> {
    reading.push(Bytes::copy_from_slice(bytes), true);
    let mut items = Vec::new();
    loop {
        let item = reading.next().map(|item| match item? {
            Item::Message(payload) => Some(Item::Message(vec![0; payload.len()].into())),
            item @ (Item::Frame(_) | Item::MessageBegins { .. }) => Some(item),
        });
        let ends = !matches!(item, Ok(Some(_)));
        items.push(item);
        if ends {
            return items;
        }
    }
}

fn restored(reading: &Reading, protocol: Protocol) -> Reading {
    let restore = |image: &mut Reader<'_>| Reading::restore(image, protocol);
    let (restored, image) = copied(|out| reading.save(protocol, out), restore);
    assert!(!is_told(&image), "{reading:?}");
    let restored = restored.unwrap();
    let lost = matches!(
        reading.decoder.finish(),
        Err(ProtocolError::UnknownFrame { .. })
    );
    assert!(lost || restored.in_hand() == reading.in_hand());
    assert_eq!(restored.decoder.buffered(), reading.decoder.buffered());
    let (_, again) = copied(|out| restored.save(protocol, out), restore);
    assert_eq!(again, image);
    restored
}

#[test]
fn a_stream_goes_on_from_wherever_it_is_read_to_and_has_come_to() {
    goes_on(&stream(CANARY), Protocol::Lanes);
}

#[test]
fn a_stream_of_lengths_goes_on_as_well() {
    let payloads = [CANARY.to_vec(), vec![9], CANARY.repeat(20), CANARY.to_vec()];
    let message = |payload: Vec<u8>| [&(payload.len() as u32).to_be_bytes()[..], &payload].concat();
    goes_on(&payloads.map(message).concat(), Protocol::Framed);
}

fn goes_on(bytes: &[u8], protocol: Protocol) {
    assert!(is_told(bytes));
    for read in 0..=bytes.len() {
        for come in read..=bytes.len() {
            let mut reading = Reading::new(protocol);
            reading.push(Bytes::copy_from_slice(&bytes[..read]), false);
            while let Ok(Some(item)) = reading.next() {
                // Those of this length are not wanted.
                if item == (Item::MessageBegins { length: 120 }) {
                    reading.decoder.discard_message();
                }
            }
            for chunk in bytes[read..come].chunks(7) {
                reading.push(Bytes::copy_from_slice(chunk), false);
            }
            let restored = restored(&reading, protocol);
            let (ours, straight) = (
                rest(restored, &bytes[come..]),
                rest(reading, &bytes[come..]),
            );
            assert_eq!(ours, straight, "read to {read}, come to {come}");
        }
    }
}

#[test]
fn a_reading_without_payloads_is_restored_as_it_was() {
    let bytes = stream(&[0; 6]);
    for (begun, fin, cut, paused) in [
        (true, false, false, false),
        (false, true, false, false),
        (false, false, true, false),
        (false, false, false, true),
    ] {
        let mut reading = Reading::default();
        reading.push(Bytes::copy_from_slice(&bytes[..40]), false);
        while let Ok(Some(_)) = reading.next() {}
        reading.push(Bytes::copy_from_slice(&bytes[40..]), false);
        reading.own();
        (reading.begun, reading.fin, reading.cut, reading.paused) = (begun, fin, cut, paused);
        assert!(restored(&reading, Protocol::Lanes) == reading);
    }
}

#[test]
fn without_frames_every_byte_is_of_a_payload() {
    let mut reading = Reading::default();
    reading.push(Bytes::from_static(&[4, 1, 5]), false);
    let mut restored = restored(&reading, Protocol::Plain);
    let mut bytes = Vec::new();
    restored.take_into(&mut bytes);
    assert_eq!(bytes, [0; 3]);
}

#[test]
fn a_stream_that_is_lost_stays_lost_and_the_rest_of_it_is_not_told() {
    let mut reading = Reading::default();
    reading.push(Bytes::from_static(b"\x20CANARY"), false);
    let lost = ProtocolError::UnknownFrame { kind: 0x20 };
    // Not read yet: the byte that shows it is a frame's own.
    let mut waits = restored(&reading, Protocol::Lanes);
    assert_eq!(waits.next(), Err(lost));
    assert_eq!(reading.next(), Err(lost));
    assert_eq!(restored(&reading, Protocol::Lanes).next(), Err(lost));
}

#[test]
fn what_no_reading_has_is_refused() {
    type Save = fn(&mut Writer<'_>);
    let flags = (true, false, false, false);
    let of_decoder: [(Save, &str); 8] = [
        (|out| out.number(4), "no place among frames"),
        (
            |out| [1, 10, 10].map(|it| out.number(it)).into_iter().collect(),
            "a half-received payload that is whole",
        ),
        (
            |out| [1, 10, 11].map(|it| out.number(it)).into_iter().collect(),
            "a half-received payload that is whole",
        ),
        (|out| half(out, &[0x04, 1, 5]), "not half a frame"),
        (|out| half(out, &[0x20]), "not half a frame"),
        (|out| half(out, &[0x03, 1]), "not half a frame"),
        (|out| half(out, &[0x41, 1]), "not half a frame"),
        (|out| half(out, &[0x41, 0].repeat(26)), "not half a frame"),
    ];
    for (save, expected) in of_decoder {
        let (restored, _) = copied(save, |image| Decoder::restore(image, Framing::Frames));
        let Err(ImageError::Damaged { what, .. }) = restored else {
            panic!("{restored:?}, not {expected}");
        };
        assert_eq!(what, expected);
    }
    for (waiting, runs, holds) in [
        (3, vec![(1, &b"ab"[..])], true),
        (3, vec![(1, b"a"), (1, b"")], true),
        (3, vec![(9, b"")], true),
        (3, vec![(2, b"ab")], false),
        (3, vec![(0, b"")], false),
        (3, vec![(usize::MAX, b"a")], false),
    ] {
        let save = |out: &mut Writer<'_>| {
            Decoder::default().save(out);
            out.value(&flags);
            out.size(waiting);
            for (passed, frame) in &runs {
                out.size(*passed);
                out.bytes(frame);
            }
        };
        let (restored, _) = copied(save, |image| Reading::restore(image, Protocol::Lanes));
        assert_eq!(restored.is_ok(), holds, "{runs:?}");
    }
}

fn half(out: &mut Writer<'_>, bytes: &[u8]) {
    out.number(0);
    out.bytes(bytes);
}
