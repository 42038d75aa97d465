use alloc::vec;

use super::*;
use crate::outbound::WRITE_BYTES_MAX;
use crate::outbound::message::Message;
use crate::wire::MESSAGE_HEAD_MAX;

struct Bench {
    stream: FramedStream,
    lane: OutboundLane,
    limits: SendLimits,
    next_id: u64,
    transfers: u64,
}

impl Bench {
    /// A connection that stands from time 0 on.
    fn with(set: impl FnOnce(&mut SendLimits)) -> Self {
        let mut limits = SendLimits::default();
        set(&mut limits);
        Self {
            stream: FramedStream::new(Time::ZERO),
            lane: OutboundLane::new(Time::ZERO),
            limits,
            next_id: 10,
            transfers: 7,
        }
    }

    fn new() -> Self {
        Self::with(|_| ())
    }

    /// Messages of these sizes wait.
    fn queue(&mut self, sizes: impl IntoIterator<Item = usize>) {
        for size in sizes {
            let message = Message {
                id: MessageId(self.next_id),
                payload: vec![7; size].into(),
                accepted_at: Time::ZERO,
                expires_at: None,
            };
            self.next_id += 1;
            self.lane.push(message, &self.limits);
        }
    }

    /// The chunks of the next write, which QUIC takes at once.
    fn chunks(&mut self, flow: Flow) -> Vec<Bytes> {
        let (stream, lane) = (&mut self.stream, &mut self.lane);
        let write = stream.write(lane, &self.limits, flow, &mut self.transfers);
        assert_eq!(stream.check(), Ok(()));
        assert_eq!(lane.check(&self.limits), Ok(()));
        let Some((transfer, chunks, _)) = write else {
            return Vec::new();
        };
        assert!(stream.written(transfer));
        chunks
    }

    /// The sizes of the messages in the next write.
    fn write(&mut self, flow: Flow) -> Vec<usize> {
        let mut bytes = &self.chunks(flow).concat()[..];
        let mut sizes = Vec::new();
        while let Some((length, rest)) = bytes.split_first_chunk() {
            let size = u32::from_be_bytes(*length) as usize;
            sizes.push(size);
            bytes = &rest[size..];
        }
        assert_eq!(bytes, b"");
        sizes
    }

    /// The connection is lost, and another one stands.
    fn reconnect(&mut self) {
        let lost = core::mem::replace(&mut self.stream, FramedStream::new(Time::ZERO));
        lost.end(&mut self.lane, Redelivery::AtLeastOnce);
    }

    /// Everything goes on under the names that it has by its order.
    fn rename(&mut self, now: Time) {
        let ids: Vec<_> = self.lane.ids().map(|id| *id).collect();
        for (rank, id) in (0..).zip(self.lane.ids()) {
            *id = MessageId(rank);
        }
        self.stream.rename(now, &ids);
        assert_eq!(self.stream.check(), Ok(()));
    }

    /// The other end has a write; whether it was awaited.
    fn acknowledge(&mut self, transfer: u64, now: Time) -> bool {
        let transfer = TransferId(transfer);
        self.stream.acknowledged(transfer, now, &mut self.lane)
    }
}

#[test]
fn a_write_is_as_full_as_it_may_be_and_no_fuller() {
    let first = 200_000;
    let second = WRITE_BYTES_MAX - (LENGTH_BYTES + first) - MESSAGE_HEAD_MAX;
    for (second, together) in [(second, true), (second + 1, false)] {
        let mut bench = Bench::new();
        bench.queue([first, second]);
        let again = |bench: &mut Bench| {
            bench.reconnect();
            bench.write(Flow::Running)
        };
        let written = bench.write(Flow::Running);
        if together {
            assert_eq!(written, [first, second]);
            assert_eq!(again(&mut bench), [first, second]);
        } else {
            assert_eq!(written, [first]);
            assert_eq!(bench.write(Flow::Running), [second]);
            assert_eq!(again(&mut bench), [first]);
            assert_eq!(bench.write(Flow::Running), [second]);
        }
        assert_eq!(bench.write(Flow::Running), []);
    }
}

#[test]
fn the_flight_bounds_what_is_new_and_not_what_is_written_again() {
    type Set = fn(&mut SendLimits);
    let sets: [(Set, &[usize]); 5] = [
        (|it| it.flight_messages_max = 2, &[10, 10]),
        (|it| it.flight_bytes_max = 20, &[10, 10]),
        (|it| it.flight_bytes_max = 19, &[10]),
        (|it| it.flight_bytes_max = 1, &[10]),
        (|_| (), &[10, 10, 10]),
    ];
    for (set, expected) in sets {
        let mut bench = Bench::with(set);
        bench.queue([10; 3]);
        assert_eq!(bench.write(Flow::Parting), [], "nothing begins");
        assert_eq!(bench.write(Flow::Last), expected);
        assert_eq!(bench.write(Flow::Last), [], "the flight is full");
        bench.reconnect();
        assert_eq!(bench.write(Flow::Parting), expected, "what has begun");
    }
}

#[test]
fn small_messages_are_copied_into_one_buffer_made_for_them() {
    let capacity = |bench: &mut Bench| {
        let chunks = bench.chunks(Flow::Running);
        assert_eq!(chunks.len(), 1);
        let chunk = chunks.into_iter().next().unwrap();
        let (bytes, buffer) = (chunk.len(), chunk.try_into_mut().unwrap());
        (bytes, buffer.capacity())
    };
    let each = 10 + LENGTH_BYTES;
    type Set = fn(&mut SendLimits);
    // What is written, and what was foreseen: every message that may still begin, as far as there
    // is room for its bytes.
    let sets: [(Set, usize, usize); 4] = [
        (|_| (), 100 * each, 100 * each),
        (
            |it| it.flight_messages_max = 90,
            90 * each,
            100 * 10 + 90 * LENGTH_BYTES,
        ),
        (
            |it| it.flight_bytes_max = 905,
            90 * each,
            905 + 100 * LENGTH_BYTES,
        ),
        // Of the largest that goes alone its own bytes.
        (|it| it.flight_bytes_max = 9, each, 2 * each),
    ];
    for (set, written, foreseen) in sets {
        let mut bench = Bench::with(set);
        bench.queue([10; 100]);
        assert_eq!(capacity(&mut bench), (written, foreseen));
        bench.reconnect();
        assert_eq!(capacity(&mut bench), (written, written), "again");
    }
    let mut alone = Bench::with(|it| it.flight_bytes_max = 9);
    alone.queue([4_000]);
    let bytes = 4_000 + LENGTH_BYTES;
    assert_eq!(capacity(&mut alone), (bytes, bytes));
}

#[test]
fn messages_and_writes_go_on_under_their_new_names() {
    let (early, stood) = (Time::from_millis(100), Time::from_millis(500));
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.queue([10; 2]);
        assert_eq!(bench.write(Flow::Running), [10; 2]);
    }
    assert!(bench.acknowledge(7, early));
    bench.rename(early);
    assert_eq!(
        bench.stream.last_write(),
        Some((MessageId(4), MessageId(5)))
    );
    assert!(bench.stream.carries(MessageId(5)) && !bench.stream.carries(MessageId(6)));
    // Times count from the moment of the renaming.
    let due = Time::ZERO + stood.saturating_since(early);
    assert_eq!(bench.stream.trust_due(), Some(due));
    bench.stream.time_passes(due);
    assert!(bench.stream.asks());
    let settled = |bench: &mut Bench| {
        let settled = bench.lane.take_decided();
        settled.map(|(id, _)| id.0).collect::<Vec<_>>()
    };
    assert!(bench.stream.answered(&mut bench.lane));
    assert_eq!(settled(&mut bench), [0, 1]);
    assert!(!bench.acknowledge(1, due), "it is not the oldest");
    assert!(bench.acknowledge(0, due));
    assert_eq!(settled(&mut bench), [2, 3]);
    assert!(bench.acknowledge(1, due));
    assert_eq!(settled(&mut bench), [4, 5]);
    assert!(bench.stream.is_empty());
}

#[test]
fn a_write_that_quic_has_not_taken_keeps_its_place_under_its_new_name() {
    let mut bench = Bench::new();
    bench.queue([10; 2]);
    bench.write(Flow::Running);
    bench.queue([10]);
    let (lane, limits) = (&mut bench.lane, &bench.limits);
    let write = bench
        .stream
        .write(lane, limits, Flow::Running, &mut bench.transfers);
    assert_eq!(write.unwrap().0, TransferId(8));
    bench.rename(Time::ZERO);
    assert!(!bench.stream.written(TransferId(0)));
    assert!(bench.stream.written(TransferId(1)) && !bench.stream.is_writing());
}
