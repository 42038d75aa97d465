//! Any bytes whatever as a trace, and any records whatever, gone through by machines.
//!
//! The first byte says which: below 64 the rest is a trace as it stands. Else the rest is a row of
//! records, each behind two bytes of length (big endian), and the target puts the checksums in that no
//! fuzzer would guess.

use peer_sender_core::trace::{Record, Replay, TraceError, TraceReader};

/// What a trace came to: its records, and how many bytes are torn, or what is wrong with it.
type Read = (Vec<Record>, Result<u64, TraceError>);

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Some((&first, rest)) = bytes.split_first() else {
        return false;
    };
    let trace = match first {
        0..64 => rest.to_vec(),
        _ => framed(rest),
    };
    let whole = read(&trace, trace.len().max(1));
    for piece in [1, 7, 64] {
        assert!(read(&trace, piece) == whole, "I19 pieces make a difference");
    }
    for cut in [trace.len() / 2, trace.len().saturating_sub(1)] {
        let (records, _) = read(trace.get(..cut).unwrap_or_default(), 64);
        assert!(whole.0.starts_with(&records), "I19 a torn trace says else");
    }
    let twice = [replay(&whole.0), replay(&whole.0)];
    assert_eq!(twice[0], twice[1], "I17 the same records, another way");
    !whole.0.is_empty()
}

fn read(trace: &[u8], piece: usize) -> Read {
    let mut reader = TraceReader::new();
    let mut records = Vec::new();
    for piece in trace.chunks(piece) {
        reader.feed(piece);
        loop {
            match reader.next_record() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(error) => return (records, Err(error)),
            }
        }
    }
    (records, Ok(reader.torn()))
}

/// Has machines go through the records, those that fail left out, and tells what it came to.
fn replay(records: &[Record]) -> (String, usize) {
    let mut replay = Replay::new();
    let mut failed = 0;
    for record in records {
        failed += usize::from(replay.record(record.clone()).is_err());
    }
    (format!("{:?}", replay.summary()), failed)
}

/// A trace of these records.
fn framed(mut rest: &[u8]) -> Vec<u8> {
    let mut trace = Vec::from(peer_sender_core::trace::MAGIC);
    trace.extend(peer_sender_core::trace::FORMAT.to_le_bytes());
    peer_sender_core::trace::frame(&[0, 0, 0], &mut trace);
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (body, behind) = behind.split_at(length.min(behind.len()));
        peer_sender_core::trace::frame(body, &mut trace);
        rest = behind;
    }
    trace
}
