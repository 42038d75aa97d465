//! What a trace keeps of events, and what a replay is told of it.

use alloc::vec;

use super::*;

#[track_caller]
fn recorded(event: &Event, payloads: Payloads, expected: &TraceEvent) {
    let mut out = Form::default();
    TraceEvent::encode(event, payloads, &mut Runs::unread(), &mut out);
    let whole = postcard::to_allocvec(expected);
    assert_eq!(whole.as_deref(), Ok(out.filled()));
    let replayed = expected.event(&mut Zeros::default());
    assert_eq!(replayed.as_ref(), Some(event));
}

#[test]
fn what_is_encoded_by_hand_is_as_serde_has_it() {
    let payload = Bytes::from(vec![0; 200]);
    let digest = Content::Digest {
        bytes: 200,
        digest: xxhash_rust::xxh3::xxh3_64(&payload),
    };
    let (id, lane, attempt) = (MessageId(u64::MAX), Lane(255), Attempt(128));
    for (payloads, content) in [
        (Payloads::Whole, Content::Whole(payload.clone())),
        (Payloads::Digest, digest),
        (Payloads::Length, Content::Length(200)),
    ] {
        for expires_at in [None, Some(Time::from_secs(1))] {
            let event = Event::MessageQueued {
                id,
                lane,
                payload: payload.clone(),
                options: MessageOptions { expires_at },
            };
            let expected = TraceEvent::MessageQueued {
                id,
                lane,
                payload: content.clone(),
                expires_at,
            };
            recorded(&event, payloads, &expected);
        }
        for (opener, fin) in [(Side::Local, false), (Side::Remote, true)] {
            let stream = StreamId { opener, index: 300 };
            for bytes in [payload.clone(), Bytes::new()] {
                let piece = Piece::Payload(content.clone());
                let pieces = (!bytes.is_empty()).then_some(piece);
                let expected = TraceEvent::BytesReceived {
                    attempt,
                    stream,
                    pieces: pieces.into_iter().collect(),
                    fin,
                };
                let event = Event::BytesReceived {
                    attempt,
                    stream,
                    bytes,
                    fin,
                };
                recorded(&event, payloads, &expected);
            }
        }
    }
}

fn received(pieces: Vec<Piece>) -> TraceEvent {
    TraceEvent::BytesReceived {
        attempt: Attempt(0),
        stream: StreamId::FIRST,
        pieces,
        fin: false,
    }
}

/// What a replay is told of these pieces.
fn told(pieces: Vec<Piece>, zeros: &mut Zeros) -> Option<Bytes> {
    let event = received(pieces).event(zeros)?;
    let Event::BytesReceived { bytes, .. } = event else {
        panic!("not expected: {event:?}");
    };
    Some(bytes)
}

#[test]
fn what_came_in_one_piece_is_not_copied() {
    let mut zeros = Zeros::default();
    let shared = zeros.take(200).unwrap();
    let whole = Bytes::from(vec![7; 200]);
    for (piece, held) in [
        (Piece::Frames(whole.clone()), &whole),
        (Piece::Payload(Content::Whole(whole.clone())), &whole),
        (Piece::Payload(Content::Length(200)), &shared),
    ] {
        let told = told(vec![piece], &mut zeros).unwrap();
        assert_eq!(&told, held);
        assert_eq!(told.as_ptr(), held.as_ptr());
    }
}

#[test]
fn no_event_brings_more_than_a_node_reads_at_once() {
    let length = |bytes| Piece::Payload(Content::Length(bytes));
    let told = |pieces| {
        let told = told(pieces, &mut Zeros::default());
        told.map(|bytes| bytes.len() as u64)
    };
    assert_eq!(told(vec![length(RECEIVED_MAX)]), Some(RECEIVED_MAX));
    assert_eq!(told(vec![length(RECEIVED_MAX + 1)]), None);
    let frames = || Piece::Frames(Bytes::from_static(b"four"));
    let most = vec![frames(), length(RECEIVED_MAX - 4)];
    assert_eq!(told(most), Some(RECEIVED_MAX));
    assert_eq!(told(vec![frames(), length(RECEIVED_MAX - 3)]), None);
    assert_eq!(told(vec![length(u64::MAX), length(2)]), None);
}

#[test]
fn only_bytes_of_a_stream_count_as_received() {
    let frames = Piece::Frames(Bytes::from_static(b"four"));
    let payload = Piece::Payload(Content::Length(96));
    assert_eq!(received(vec![frames, payload]).received(), 100);
    assert_eq!(received(vec![]).received(), 0);
    assert_eq!(TraceEvent::TimerFired.received(), 0);
}

#[test]
fn a_record_has_so_many_events_and_no_more() {
    use serde::de::value::{Error, SeqDeserializer};

    let read = |count| {
        let events = core::iter::repeat_n("TimerFired", count);
        few(SeqDeserializer::<_, Error>::new(events))
    };
    let most = vec![TraceEvent::TimerFired; EVENTS_MAX];
    assert_eq!(read(EVENTS_MAX), Ok(most));
    let error = read(EVENTS_MAX + 1).unwrap_err();
    let expected = "invalid length 65537, expected at most 65536 events";
    assert_eq!(alloc::format!("{error}"), expected);
}
