//! How messages are put together into writes.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::bench::{EPOCH, config};
use crate::wire::{Frame, Resume};
use crate::*;

const WRITE: usize = 256 << 10;

/// A sender whose writes are taken at once.
struct Writer {
    machine: PeerSenderMachine,
    now: Time,
    attempt: Attempt,
    next_id: u64,
}

impl Writer {
    /// Its lane is open, and answered.
    fn up() -> Self {
        let mut writer = Self {
            machine: PeerSenderMachine::new(config(), [7; 32]),
            now: Time::from_secs(1),
            attempt: Attempt(0),
            next_id: 0,
        };
        writer.step([]);
        writer.connect();
        writer.queue([1]);
        writer.hear(&[resume(0), Frame::Receipt { taken: 1 }]);
        writer
    }

    /// What is written, each write in its chunks, until there is nothing to write.
    fn step(&mut self, events: impl IntoIterator<Item = Event>) -> Vec<Vec<Bytes>> {
        let mut events: Vec<Event> = events.into_iter().collect();
        let mut writes = Vec::new();
        loop {
            let mut actions = Vec::new();
            self.machine.handle(self.now, events, &mut actions);
            self.machine.check().unwrap();
            events = Vec::new();
            for action in actions {
                match action {
                    Action::Connect { attempt, .. } => self.attempt = attempt,
                    Action::Write {
                        transfer, chunks, ..
                    } => {
                        writes.push(chunks);
                        events.push(Event::TransferFinished { transfer });
                    }
                    _ => {}
                }
            }
            if events.is_empty() {
                return writes;
            }
        }
    }

    fn connect(&mut self) {
        let attempt = self.attempt;
        self.step([Event::Connected { attempt }]);
    }

    fn hear(&mut self, frames: &[Frame]) -> Vec<Vec<Bytes>> {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.encode(&mut bytes));
        let stream = StreamId {
            opener: Side::Local,
            index: 0,
        };
        self.step([Event::BytesReceived {
            attempt: self.attempt,
            stream,
            bytes: bytes.into(),
            fin: false,
        }])
    }

    fn queue(&mut self, sizes: impl IntoIterator<Item = usize>) -> Vec<Vec<Bytes>> {
        let first = self.next_id;
        let messages = (first..)
            .zip(sizes)
            .map(|(id, bytes)| Event::MessageQueued {
                id: MessageId(id),
                lane: Lane(0),
                payload: Bytes::from(vec![b'm'; bytes]),
                options: MessageOptions::default(),
            });
        let messages: Vec<_> = messages.collect();
        self.next_id += messages.len() as u64;
        self.step(messages)
    }

    /// Loses the connection; what is written on the next once its receiver says that it has only
    /// the first message.
    fn write_again(&mut self) -> Vec<Vec<Bytes>> {
        let (attempt, error) = (self.attempt, LinkError::IdleTimeout);
        self.step([Event::ConnectionLost { attempt, error }]);
        self.now = self.machine.next_deadline().unwrap().at;
        self.step([Event::TimerFired]);
        self.connect();
        self.hear(&[resume(1)])
    }
}

fn resume(next: u64) -> Frame {
    Frame::Resume(Resume {
        epoch: EPOCH,
        record: 0,
        taken: next,
        next,
        message_bytes_max: 1 << 20,
    })
}

fn bytes(write: &[Bytes]) -> usize {
    write.iter().map(Bytes::len).sum()
}

#[test]
fn small_messages_are_copied_into_one_buffer_made_for_them() {
    let mut writer = Writer::up();
    let writes = writer.queue([10; 100]);
    for writes in [writes, writer.write_again()] {
        let [write] = &writes[..] else {
            panic!("{} writes", writes.len())
        };
        let [chunk] = &write[..] else {
            panic!("{} chunks", write.len())
        };
        assert_eq!(chunk.len(), 100 * (2 + 10));
        let buffer = chunk.clone();
        drop(writes);
        // Up to three bytes are foreseen for each head.
        assert_eq!(buffer.try_into_mut().unwrap().capacity(), 100 * (3 + 10));
    }
}

#[test]
fn a_write_is_as_full_as_it_may_be_and_no_fuller() {
    let mut writer = Writer::up();
    let sizes = || {
        let small = core::iter::repeat_n(60, 3_000);
        small.clone().chain([10_000, 5_000]).chain(small)
    };
    let writes = writer.queue(sizes());
    for writes in [writes, writer.write_again()] {
        assert_eq!(writes.len(), 2);
        let sizes: Vec<_> = writes.iter().map(|write| bytes(write)).collect();
        assert!(sizes[0] <= WRITE && WRITE - sizes[0] < 100, "{sizes:?}");
        assert_eq!(sizes[0] + sizes[1], 6_000 * 62 + 15_000 + 2 * 3);
    }
    let stats = writer.machine.stats();
    assert_eq!((stats.written, stats.redelivered), (1 + 2 * 6_002, 6_002));
}

#[test]
fn beside_a_few_bytes_a_message_of_any_size_goes() {
    // With its head of three bytes.
    for (beside, writes) in [(68, 1), (69, 2)] {
        let mut writer = Writer::up();
        assert_eq!(writer.queue([beside, 2 * WRITE]).len(), writes);
    }
}
