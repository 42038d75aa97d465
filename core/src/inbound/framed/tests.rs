use alloc::collections::BTreeMap;
use alloc::vec;

use super::*;
use crate::{CloseCode, Protocol, Side, StreamId};

/// The largest message; with its overhead two of them fill the budget.
const LARGEST: usize = 100_000 - MESSAGE_OVERHEAD;

struct Bench {
    framed: FramedInbound,
    budget: Budget,
    readings: BTreeMap<u64, Reading>,
}

fn place(connection: u64) -> Place {
    let (opener, index) = (Side::Remote, 0);
    Place {
        attempt: Attempt(connection),
        stream: StreamId { opener, index },
    }
}

/// A message of so many bytes behind its length.
fn message(bytes: usize) -> Vec<u8> {
    let mut message = (bytes as u32).to_be_bytes().to_vec();
    message.resize(4 + bytes, 7);
    message
}

impl Bench {
    fn new() -> Self {
        Self {
            framed: FramedInbound::new(),
            budget: Budget::new(200_000, 1),
            readings: BTreeMap::new(),
        }
    }

    /// These bytes come on a connection; the sizes of the messages that are given out.
    fn come(&mut self, connection: u64, bytes: &[u8]) -> Result<Vec<usize>, Closing> {
        self.framed.connected(Attempt(connection));
        let reading = self.readings.entry(connection);
        let reading = reading.or_insert_with(|| Reading::new(Protocol::Framed));
        reading.push(Bytes::copy_from_slice(bytes), false);
        self.take(connection)
    }

    fn take(&mut self, connection: u64) -> Result<Vec<usize>, Closing> {
        let reading = self.readings.get_mut(&connection).unwrap();
        let mut sizes = Vec::new();
        let at = place(connection);
        while let Some((number, payload)) =
            self.framed.take(at, reading, (LARGEST, &mut self.budget))?
        {
            assert_eq!(number + 1, self.framed.record.next());
            sizes.push(payload.len());
        }
        assert_eq!(self.framed.check(), Ok(()));
        assert_eq!(self.budget.used(), self.framed.cost());
        Ok(sizes)
    }

    /// A connection is lost; whether nothing of its stream is.
    fn lose(&mut self, connection: u64) -> bool {
        let mut reading = self.readings.remove(&connection).unwrap();
        let kept = self.framed.keep(place(connection), &mut reading, LARGEST);
        self.framed.lose_all(Attempt(connection), &mut self.budget);
        assert_eq!(self.framed.check(), Ok(()));
        kept
    }
}

#[test]
fn messages_are_cut_out_wherever_the_bytes_are_cut() {
    let bytes = [message(1), message(300), message(2)].concat();
    for cut in 0..=bytes.len() {
        let mut bench = Bench::new();
        let mut sizes = bench.come(0, &bytes[..cut]).unwrap();
        sizes.extend(bench.come(0, &bytes[cut..]).unwrap());
        assert_eq!(sizes, [1, 300, 2], "cut at {cut}");
    }
    let mut bench = Bench::new();
    let each = bytes.chunks(1).flat_map(|one| bench.come(0, one).unwrap());
    assert_eq!(each.collect::<Vec<_>>(), [1, 300, 2]);
}

#[test]
fn a_length_is_judged_before_anything_is_set_aside_for_it() {
    let empty = Closing::Protocol(ProtocolError::BodyLength {
        frame: "MESSAGE",
        length: 0,
    });
    let large = |bytes| Closing::TooLarge {
        bytes,
        max: LARGEST,
    };
    let most = LARGEST as u32;
    for (length, refused) in [
        (0, Some(empty)),
        (most, None),
        (most + 1, Some(large(u64::from(most) + 1))),
        (u32::MAX, Some(large(u64::from(u32::MAX)))),
    ] {
        let mut bench = Bench::new();
        let came = bench.come(0, &length.to_be_bytes());
        let reserved = came.is_ok().then_some(LARGEST + MESSAGE_OVERHEAD);
        assert_eq!(came.err(), refused, "{length}");
        assert_eq!(bench.budget.used(), reserved.unwrap_or(0));
    }
    assert_eq!(large(9).code(), CloseCode::MessageTooLarge);
}

#[test]
fn a_message_without_room_waits_and_those_behind_it_too() {
    let mut bench = Bench::new();
    let large = message(LARGEST);
    assert_eq!(bench.come(0, &large), Ok(vec![LARGEST]));
    assert_eq!(bench.come(0, &large), Ok(vec![LARGEST]));
    let more = [message(10), message(20)].concat();
    assert_eq!(bench.come(0, &more), Ok(vec![]));
    assert!(bench.framed.waits_at(place(0)) && bench.framed.waits());
    bench.framed.consume(1, &mut bench.budget);
    assert_eq!(bench.take(0), Ok(vec![10, 20]));
    assert!(!bench.framed.waits());
}

#[test]
fn what_a_lost_connection_left_comes_before_what_a_newer_one_brings() {
    let mut bench = Bench::new();
    let large = message(LARGEST);
    let brought = [large.clone(), large.clone(), large.clone()].concat();
    assert_eq!(bench.come(0, &brought), Ok(vec![LARGEST, LARGEST]));
    assert!(bench.lose(0), "the third is whole");
    assert_eq!(bench.framed.late(), 1);
    bench.framed.consume(1, &mut bench.budget);
    // There is room for it, and for the small one alone as well.
    assert_eq!(bench.come(1, &message(10)), Ok(vec![]));
    let late = bench.framed.take_late(&mut bench.budget);
    assert_eq!(
        late.map(|(number, it)| (number, it.len())),
        Some((2, LARGEST))
    );
    // The newer one stood already when its number was given out, and has not brought it.
    assert_eq!(bench.framed.brought(2), None);
    bench.framed.consume(3, &mut bench.budget);
    assert_eq!(bench.take(1), Ok(vec![10]));
    assert_eq!(bench.framed.brought(3), Some(Attempt(1)));
}

#[test]
fn it_is_known_from_the_first_length_on() {
    let mut bench = Bench::new();
    let small = message(10);
    assert_eq!(bench.come(0, &small[..3]), Ok(vec![]));
    assert!(!bench.framed.is_known(), "its length has not come");
    assert_eq!(bench.come(0, &small[3..5]), Ok(vec![]));
    assert!(bench.framed.is_known(), "it is coming");
    assert_eq!(bench.come(0, &small[5..]), Ok(vec![10]));
    assert!(bench.framed.is_known(), "it came");
    bench.framed.consume(1, &mut bench.budget);
    assert!(bench.framed.is_known(), "and was answered");
}

#[test]
fn a_half_message_of_a_lost_connection_is_lost() {
    for (bytes, kept) in [
        (message(10), true),
        (message(10)[..13].to_vec(), false),
        (message(10)[..3].to_vec(), false),
        (Vec::new(), true),
    ] {
        let mut bench = Bench::new();
        bench.come(0, &bytes).unwrap();
        assert_eq!(bench.lose(0), kept, "{} bytes", bytes.len());
        let held = if bytes.len() == 14 {
            10 + MESSAGE_OVERHEAD
        } else {
            0
        };
        assert_eq!(bench.budget.used(), held);
    }
}

#[test]
fn a_message_is_traced_to_the_connection_that_brought_it() {
    let mut bench = Bench::new();
    bench.come(0, &message(1)).unwrap();
    bench.come(0, &message(1)).unwrap();
    bench.framed.connected(Attempt(5));
    bench.come(5, &message(1)).unwrap();
    let brought = |bench: &Bench, number| bench.framed.brought(number).map(|it| it.0);
    assert_eq!(brought(&bench, 1), Some(0));
    assert_eq!(brought(&bench, 2), Some(5));
    bench.lose(0);
    assert_eq!(brought(&bench, 1), None, "it is gone");
}

#[test]
fn check_sees_what_is_wrong() {
    let mut bench = Bench::new();
    bench.come(3, &message(1)).unwrap();
    let mut began = bench.framed.clone();
    began.began.insert(Attempt(4), 2);
    let mut late = bench.framed.clone();
    late.late.cost += 1;
    for wrong in [began, late] {
        assert_eq!(wrong.check().unwrap_err().id, "I21");
    }
    bench.come(3, &message(9)[..5]).unwrap();
    let (none, comes) = (None, Some((9, 1)));
    assert!(bench.framed.awaits(place(3), comes));
    assert!(!bench.framed.awaits(place(3), Some((8, 1))));
    assert!(!bench.framed.awaits(place(3), none));
    assert!(bench.framed.awaits(place(4), none));
    assert!(!bench.framed.awaits(place(4), comes));

    let large = message(LARGEST);
    for connection in [6, 7] {
        bench.come(connection, &large[..4]).unwrap();
    }
    assert!(bench.framed.waits_at(place(7)), "there is no room");
    let length = LARGEST as u64;
    for (waits, right) in [
        ((length, 0), true),
        ((length, 1), false),
        ((length + 1, 0), false),
    ] {
        assert_eq!(bench.framed.awaits(place(7), Some(waits)), right);
    }
}

#[test]
fn connections_go_on_under_their_new_names() {
    let mut bench = Bench::new();
    bench.come(3, &message(9)[..5]).unwrap();
    bench.framed.rename(|attempt| Attempt(attempt.0 - 2));
    let reading = bench.readings.remove(&3).unwrap();
    bench.readings.insert(1, reading);
    assert_eq!(bench.framed.brought(0), Some(Attempt(1)));
    assert_eq!(bench.come(1, &message(9)[5..]), Ok(vec![9]));
}
