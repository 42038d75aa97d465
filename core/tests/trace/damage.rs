//! Bytes that were changed, cut off or made up.

use bytes::Bytes;
use peer_sender_core::trace::{
    Damage, MAGIC, MachineId, Payloads, RECORD_BYTES_MAX, Record, Replay, TraceError, TraceEvent,
    TraceReader, frame,
};

use crate::config;
use crate::night::{Night, about, records};

/// What can be read of these bytes, how it ended, and how many bytes are torn.
fn read(bytes: &[u8]) -> (Vec<Record>, Result<u64, TraceError>) {
    let mut reader = TraceReader::new();
    reader.feed(bytes);
    let mut records = Vec::new();
    loop {
        match reader.next_record() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => return (records, Ok(reader.torn())),
            Err(error) => {
                assert_eq!(reader.next_record(), Err(error.clone()), "it stays so");
                return (records, Err(error));
            }
        }
    }
}

fn small_trace() -> Vec<u8> {
    Night::of(config(Payloads::Digest, true)).bytes()
}

#[test]
fn every_changed_byte_is_refused() {
    let bytes = small_trace();
    let whole = records(&bytes);
    let mut changed = bytes.clone();
    for at in 0..bytes.len() {
        for flip in 1..=255 {
            changed[at] ^= flip;
            let (records, end) = read(&changed);
            assert!(whole.starts_with(&records), "byte {at} ^ {flip}");
            let error = end.expect_err("nothing was noticed");
            match at {
                0..8 => assert_eq!(error, TraceError::NotATrace),
                8..10 => assert!(matches!(
                    error,
                    TraceError::NewerFormat { .. } | TraceError::NotATrace
                )),
                _ => {
                    let TraceError::Damaged { offset, .. } = error else {
                        panic!("byte {at} ^ {flip}: {error}")
                    };
                    assert!(offset <= at as u64);
                }
            }
            changed[at] ^= flip;
        }
    }
}

#[test]
fn a_trace_that_is_cut_off_is_read_up_to_its_last_whole_record() {
    let bytes = small_trace();
    let whole = records(&bytes);
    let mut ends = 0;
    for length in 0..bytes.len() {
        let (records, end) = read(&bytes[..length]);
        assert!(whole.starts_with(&records), "{length} bytes");
        ends += u32::from(end.unwrap() == 0);
    }
    // Behind each record, the header included, and before the first byte of all, and of the first.
    assert_eq!(ends as usize, whole.len() + 2);
}

#[test]
fn a_length_is_no_reason_to_make_room() {
    let mut bytes = small_trace();
    let end = bytes.len() as u64;
    let length = u32::MAX.to_le_bytes();
    bytes.extend(length);
    let sum = xxhash_rust::xxh3::xxh3_64(&length) as u32;
    bytes.extend(sum.to_le_bytes());
    let problem = Damage::TooLong { bytes: u32::MAX };
    assert_eq!(
        read(&bytes).1,
        Err(TraceError::Damaged {
            offset: end,
            problem
        })
    );
    // One that may be takes no more room than has come.
    bytes.truncate(end as usize);
    framed(&vec![0; RECORD_BYTES_MAX], &mut bytes);
    bytes.truncate(end as usize + 100);
    assert_eq!(read(&bytes).1, Ok(100));
}

fn framed(body: &[u8], out: &mut Vec<u8>) {
    let length = (body.len() as u32).to_le_bytes();
    let sum = |bytes: &[u8]| (xxhash_rust::xxh3::xxh3_64(bytes) as u32).to_le_bytes();
    out.extend(length);
    out.extend(sum(&length));
    out.extend(body);
    out.extend(sum(body));
}

#[test]
fn a_body_is_framed_if_it_is_no_longer_than_a_record_may_be() {
    let body = vec![0; RECORD_BYTES_MAX + 1];
    let (mut found, mut expected) = (vec![7], vec![7]);
    assert!(!frame(&body, &mut found));
    assert_eq!(found, [7]);
    assert!(frame(&body[1..], &mut found));
    framed(&body[1..], &mut expected);
    assert!(found == expected);
}

#[test]
fn what_is_no_record_stops_the_reader_although_its_checksums_are_right() {
    let trace = small_trace();
    let end = trace.len() as u64;
    let header = [0, 1, b'p', 0];
    let cases: [(&[u8], Damage); 8] = [
        (&[], Damage::Content),
        // An unknown kind.
        (&[7], Damage::Content),
        (&[0xff, 0xff, 0xff, 0xff, 0x0f], Damage::Content),
        // A machine that is gone, and something behind it.
        (&[5, 0, 0], Damage::Content),
        // A list of more events than there are bytes.
        (
            &[3, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            Damage::Content,
        ),
        // An integer of more than 64 bits.
        (
            &[
                5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02,
            ],
            Damage::Content,
        ),
        // A text that is none.
        (&[6, 0, 1, 0xff], Damage::Content),
        // A second header.
        (&header, Damage::Header),
    ];
    for (body, problem) in cases {
        let mut bytes = trace.clone();
        framed(body, &mut bytes);
        let damaged = TraceError::Damaged {
            offset: end,
            problem,
        };
        assert_eq!(read(&bytes).1, Err(damaged), "{body:x?}");
    }
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    framed(&[5, 0], &mut bytes);
    let damaged = TraceError::Damaged {
        offset: 10,
        problem: Damage::Header,
    };
    assert_eq!(read(&bytes).1, Err(damaged), "no header");
}

#[test]
fn short_events_in_great_number_are_refused_before_they_are_read() {
    const TIMER_FIRED: u8 = 16;
    let trace = small_trace();
    let with = |events: usize| {
        let mut bytes = trace.clone();
        let mut body = vec![3, 0];
        // The count, in three bytes.
        body.extend([0, 7, 14].map(|shift| (events >> shift) as u8 & 0x7f | 0x80));
        *body.last_mut().unwrap() &= 0x7f;
        body.extend(vec![TIMER_FIRED; events]);
        framed(&body, &mut bytes);
        read(&bytes).1
    };
    assert_eq!(with(1 << 16), Ok(0));
    let damaged = TraceError::Damaged {
        offset: trace.len() as u64,
        problem: Damage::Content,
    };
    assert_eq!(with((1 << 16) + 1), Err(damaged));
}

#[test]
fn an_image_that_never_ends_is_refused() {
    let mut replay = Replay::new();
    let part = |machine, bytes| Record::Image {
        machine: MachineId(machine),
        about: about("bob"),
        last: false,
        bytes,
    };
    let bytes = Bytes::from(vec![0; 16 << 20]);
    for machine in 0..16 {
        let part = part(machine % 2, bytes.clone());
        assert!(replay.record(part).is_ok());
    }
    let one_more = part(2, Bytes::from_static(b"1"));
    let error = replay.record(one_more).unwrap_err().to_string();
    assert!(error.contains("longer than any may be"), "{error}");
}

#[test]
fn a_step_that_never_ends_is_refused() {
    let events = vec![TraceEvent::TimerFired; 1 << 16];
    let machine = MachineId(0);
    let mut replay = Replay::new();
    for _ in 0..16 {
        let events = events.clone();
        assert!(replay.record(Record::Events { machine, events }).is_ok());
    }
    let error = replay.record(Record::Events { machine, events });
    assert!(error.unwrap_err().to_string().contains("more events than"));
}

#[test]
fn errors_say_what_to_do() {
    let mut bytes = small_trace();
    bytes[8] = 2;
    let error = read(&bytes).1.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the trace is of format 2, and formats up to 1 are known; use a later version"
    );
    let error = read(b"GIF89a and so on").1.unwrap_err();
    assert_eq!(error.to_string(), "this is no trace of peer-sender");
}
