use alloc::vec;

use super::*;
use crate::inbound::LATE_BYTES_MAX;
use crate::{PLAIN_STREAM_WINDOW, PLAIN_STREAMS, Side, StreamId};

/// The largest message; with its overhead two of them fill the budget.
const LARGEST: usize = 100_000 - MESSAGE_OVERHEAD;

/// The least for which room must be set aside before its end has come.
const MUCH: usize = UNRESERVED_BYTES_MAX + 1;

struct Bench {
    plain: PlainInbound,
    budget: Budget,
    largest: usize,
    readings: BTreeMap<u64, Reading>,
}

impl Bench {
    fn new() -> Self {
        Self {
            plain: PlainInbound::new(),
            budget: Budget::new(200_000, 1),
            largest: LARGEST,
            readings: BTreeMap::new(),
        }
    }

    /// So many bytes come on a stream; what it gives.
    fn come(&mut self, index: u64, bytes: usize, fin: bool) -> Taken {
        let reading = self.readings.entry(index).or_default();
        reading.push(Bytes::from(vec![index as u8; bytes]), fin);
        self.take(index, 0)
    }

    /// The same, all at once, while an older one waits for so much room.
    fn come_behind(&mut self, ahead: usize, index: u64, bytes: usize) -> Taken {
        let reading = self.readings.entry(index).or_default();
        reading.push(Bytes::from(vec![index as u8; bytes]), true);
        self.take(index, ahead)
    }

    fn take(&mut self, index: u64, ahead: usize) -> Taken {
        let reading = self.readings.get_mut(&index).unwrap();
        let limits = (self.largest, &mut self.budget);
        let taken = self.plain.take(place(index), reading, ahead, limits);
        self.plain.check().unwrap();
        assert_eq!(self.plain.cost(), self.budget.used());
        taken
    }

    /// What was kept of streams, each with so many bytes and its end, of a connection that is lost.
    fn keep(&mut self, indices: impl Iterator<Item = u64>, bytes: usize) -> usize {
        let kept = indices.take_while(|&index| {
            assert_eq!(self.come(index, bytes, true), Taken::Waits);
            let kept = self.plain.keep(place(index));
            self.plain.lose(place(index), &mut self.budget);
            self.readings.clear();
            kept
        });
        kept.count()
    }

    fn used(&self) -> usize {
        self.budget.used()
    }
}

fn place(index: u64) -> Place {
    let stream = StreamId {
        opener: Side::Remote,
        index,
    };
    Place {
        attempt: Attempt(0),
        stream,
    }
}

fn whole(number: u64, index: u64, bytes: usize) -> Taken {
    let payload = Bytes::from(vec![index as u8; bytes]);
    Taken::Whole { number, payload }
}

#[test]
fn a_message_is_whole_at_its_end_and_numbered_then() {
    let mut bench = Bench::new();
    assert_eq!(bench.come(0, 10, false), Taken::Part);
    assert_eq!(bench.come(1, 20, true), whole(0, 1, 20));
    assert_eq!(bench.come(0, 10, false), Taken::Part);
    assert_eq!(bench.come(0, 0, true), whole(1, 0, 20));
    assert_eq!(bench.come(2, 0, true), whole(2, 2, 0), "an empty one too");
    assert_eq!(bench.used(), 40 + 3 * MESSAGE_OVERHEAD);
    bench.plain.consume(2, &mut bench.budget);
    assert!(
        !bench.plain.refuse(1, &mut bench.budget),
        "answered already"
    );
    assert!(bench.plain.refuse(2, &mut bench.budget));
    assert_eq!((bench.used(), bench.plain.holds()), (0, false));
}

#[test]
fn what_has_not_ended_has_room_for_the_largest_and_what_has_for_itself() {
    let mut bench = Bench::new();
    assert_eq!(bench.come(0, MUCH, false), Taken::Part);
    assert_eq!(bench.used(), 100_000);
    assert_eq!(bench.come(1, MUCH, false), Taken::Part);
    assert_eq!(bench.used(), 200_000);
    assert_eq!(bench.come(2, 1, true), Taken::Waits);
    assert_eq!(bench.come(0, LARGEST - MUCH, true), whole(0, 0, LARGEST));
    assert_eq!(bench.take(2, 0), Taken::Waits, "the room is all in use");
    assert_eq!(bench.come(1, 1, true), whole(1, 1, MUCH + 1));
    assert_eq!(bench.take(2, 0), whole(2, 2, 1));
}

#[test]
fn a_little_takes_no_room_before_its_end() {
    let mut bench = Bench::new();
    for index in 0..128 {
        assert_eq!(bench.come(index, 0, false), Taken::Part);
        assert_eq!(bench.come(index, MUCH - 1, false), Taken::Part);
    }
    assert_eq!(bench.used(), 0);
    assert_eq!(bench.come(7, 1, true), whole(0, 7, MUCH));
    assert_eq!(bench.used(), MUCH + MESSAGE_OVERHEAD);
}

#[test]
fn what_is_too_large_is_dropped_at_once() {
    let mut bench = Bench::new();
    assert_eq!(bench.come(0, LARGEST, false), Taken::Part);
    assert_eq!(bench.come(0, 1, false), Taken::TooLarge);
    assert_eq!(bench.come(1, LARGEST + 1, true), Taken::TooLarge);
    assert_eq!(bench.used(), 0);
}

#[test]
fn what_is_cut_short_gives_its_room_back() {
    let mut bench = Bench::new();
    bench.come(0, MUCH, false);
    bench.come(1, MUCH, false);
    assert_eq!(bench.come(2, MUCH, false), Taken::Waits);
    bench.plain.lose(place(1), &mut bench.budget);
    bench.plain.lose(place(1), &mut bench.budget);
    assert_eq!(bench.used(), 100_000);
    bench.plain.lose_all(Attempt(0), &mut bench.budget);
    assert_eq!((bench.used(), bench.plain.waiting().count()), (0, 0));
}

#[test]
fn nobody_fills_the_room_that_an_older_one_waits_for() {
    let mut bench = Bench::new();
    bench.come(0, MUCH, false);
    let half = 50_000 - MESSAGE_OVERHEAD;
    assert_eq!(bench.come(1, half, true), whole(0, 1, half));
    assert_eq!(bench.come(2, MUCH, false), Taken::Waits);
    let need = bench.plain.need(place(2)).unwrap();
    assert_eq!(need, 100_000);
    bench.come(3, half, true);
    assert_eq!(bench.used(), 200_000, "without that, it fits");
    assert!(bench.plain.refuse(1, &mut bench.budget));

    // Beside what is held, what waits would still fit once stream 0 has ended.
    assert_eq!(bench.come_behind(need, 4, 40_000), whole(2, 4, 40_000));
    assert_eq!(bench.come_behind(need, 5, 10_000), Taken::Waits);
}

#[test]
fn each_byte_is_put_where_it_stays_at_once() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        assert_eq!(bench.come(0, 1, false), Taken::Part);
        assert_eq!(bench.readings[&0].in_hand(), 0);
    }
    assert_eq!(bench.come(0, MUCH, false), Taken::Part);
    assert_eq!(bench.come(1, MUCH, false), Taken::Part);
    assert_eq!(bench.come(2, MUCH, false), Taken::Waits);
    assert_eq!(bench.come(2, 1, true), Taken::Waits);
    assert_eq!(bench.readings[&2].in_hand(), 0);
    assert_eq!(bench.come(0, 0, true), whole(0, 0, MUCH + 100));
    assert_eq!(bench.take(2, 0), whole(1, 2, MUCH + 1));
}

#[test]
fn all_that_one_connection_may_have_brought_is_kept_and_no_more() {
    let window = PLAIN_STREAM_WINDOW as usize;
    let mut bench = Bench::new();
    bench.largest = 2 * window;
    // What is held leaves no room.
    assert_eq!(bench.come(0, 190_000, true), whole(0, 0, 190_000));
    assert_eq!(bench.keep(1..1_000, 2 * window), usize::from(PLAIN_STREAMS));
    assert_eq!(bench.plain.late(), u64::from(PLAIN_STREAMS));
}

#[test]
fn what_is_kept_is_bounded_in_number_too() {
    let mut bench = Bench::new();
    bench.budget = Budget::new(100, 1);
    bench.largest = 100;
    assert!(matches!(bench.come(0, 1, true), Taken::Whole { .. }));
    assert_eq!(bench.keep(1..101, 0), 100);
    assert_eq!(bench.plain.late.cost, 100 * MESSAGE_OVERHEAD);
}

#[test]
fn what_an_older_one_waits_for_is_kept_free_to_the_last_byte() {
    let fits = 100_000 - 2 * MESSAGE_OVERHEAD - 50_000;
    for (bytes, goes) in [(fits, true), (fits + 1, false)] {
        let mut bench = Bench::new();
        bench.come(0, 50_000, true);
        let taken = bench.come_behind(100_000, 1, bytes);
        let expected = if goes {
            whole(1, 1, bytes)
        } else {
            Taken::Waits
        };
        assert_eq!(taken, expected);
        assert_eq!(bench.plain.waits(), !goes);
    }
    // Nobody is ahead.
    let mut bench = Bench::new();
    bench.come(0, 50_000, true);
    assert_eq!(bench.come(1, fits + 1, true), whole(1, 1, fits + 1));
}

#[test]
fn what_was_kept_waits_and_needs_room_until_it_is_taken() {
    let mut bench = Bench::new();
    assert_eq!((bench.plain.late_need(), bench.plain.waits()), (0, false));
    assert_eq!(
        bench.come(0, 190_000 - LARGEST, true),
        whole(0, 0, 190_000 - LARGEST)
    );
    assert_eq!(
        bench.come(1, LARGEST - 1_000, true),
        whole(1, 1, LARGEST - 1_000)
    );
    assert_eq!(bench.keep(2..3, 20_000), 1);
    assert_eq!(bench.plain.late_need(), 20_000 + MESSAGE_OVERHEAD);
    assert!(bench.plain.waits() && bench.plain.holds());
    assert_eq!(bench.plain.take_late(&mut bench.budget), None);
    bench.plain.consume(2, &mut bench.budget);
    let payload = Bytes::from(vec![2; 20_000]);
    assert_eq!(bench.plain.take_late(&mut bench.budget), Some((2, payload)));
    assert_eq!((bench.plain.late_need(), bench.plain.waits()), (0, false));
    assert_eq!(bench.used(), 20_000 + MESSAGE_OVERHEAD);
}

#[test]
fn another_name_of_its_connection_is_the_name_of_what_comes_on_it() {
    let mut bench = Bench::new();
    bench.come(0, 10, false);
    bench.plain.rename(|attempt| Attempt(attempt.0 + 7));
    let names: Vec<u64> = bench.plain.places().map(|it| it.attempt.0).collect();
    assert_eq!(names, [7]);
    bench.plain.lose_all(Attempt(7), &mut bench.budget);
    assert_eq!(bench.plain.places().count(), 0);
}

#[test]
fn check_sees_what_is_wrong() {
    let mut bench = Bench::new();
    bench.come(0, 10, true);
    assert_eq!(bench.plain.check(), Ok(()));
    let mut held = bench.plain.clone();
    held.held_cost += 1;
    let mut late = bench.plain.clone();
    late.late.cost += 1;
    let mut kept = bench.plain.clone();
    let most = Bytes::from(alloc::vec![0; LATE_BYTES_MAX - MESSAGE_OVERHEAD]);
    assert!(kept.late.keep(most));
    assert_eq!(kept.check(), Ok(()));
    assert!(!kept.late.keep(Bytes::new()));
    let more = Bytes::from(alloc::vec![0; LATE_BYTES_MAX - MESSAGE_OVERHEAD + 1]);
    kept.late.messages = [more].into();
    kept.late.cost += 1;
    for wrong in [held, late, kept] {
        assert_eq!(wrong.check().unwrap_err().id, "I21");
    }
}

#[test]
fn room_is_set_aside_from_the_first_byte_beyond_16_kib_on() {
    let mut bench = Bench::new();
    assert_eq!(bench.come(0, 16 << 10, false), Taken::Part);
    assert_eq!(bench.used(), 0);
    assert_eq!(bench.come(0, 1, false), Taken::Part);
    assert_eq!(bench.used(), 100_000);
    let told = alloc::format!("{:?}", bench.plain.arriving[&place(0)]);
    assert_eq!(told, "16385 B, Reserved { cost: 100000 }");
}
