//! What may be read from the streams of a connection.

use bytes::Bytes;
use peer_sender_core::{Attempt, CloseCode, Event, Side, StreamId};
use quinn_proto::{Connection, ReadError};

use super::ids::{machine_id, quic_code, quic_id};
use super::{Stream, Streams};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing is there until QUIC says so.
    Blocked,
    Ready,
    /// Read to its end, or cut by either end.
    Over,
}

impl Streams {
    /// The connection is lost: what has come can still be read, and nothing more comes. A stream whose
    /// end has not come is cut short, once what there is of it was read. All of it is read at once: the
    /// machine cannot wait to be told of the loss.
    pub(in crate::node) fn lose(&mut self, attempt: Attempt, events: &mut Vec<Event>) {
        self.lost = true;
        for (&stream, state) in &mut self.open {
            if stream.opener == Side::Remote && state.reading == Reading::Blocked {
                state.reading = Reading::Over;
                events.push(cut_short(attempt, stream));
            }
        }
        let paused = self.open.iter().filter(|(_, stream)| stream.paused);
        let paused: Vec<StreamId> = paused.map(|(&id, _)| id).collect();
        for id in paused {
            self.resume(id);
        }
    }

    /// Whether something may be read now.
    pub(in crate::node) fn is_readable(&self) -> bool {
        self.readable.iter().any(|id| {
            self.open
                .get(id)
                .is_some_and(|s| s.reading == Reading::Ready && !s.paused)
        })
    }

    pub(in crate::node) fn pause(&mut self, id: StreamId) {
        if self.lost {
            return;
        }
        if let Some(stream) = self.open.get_mut(&id) {
            stream.paused = true;
        }
    }

    pub(in crate::node) fn resume(&mut self, id: StreamId) {
        if let Some(stream) = self.open.get_mut(&id) {
            stream.paused = false;
            if stream.reading == Reading::Ready && !stream.queued {
                stream.queued = true;
                self.readable.push_back(id);
            }
        }
    }

    /// Reads no more (STOP_SENDING, RFC 9000 section 19.5).
    pub(in crate::node) fn stop(
        &mut self,
        connection: &mut Connection,
        id: StreamId,
        code: CloseCode,
    ) {
        if let Some(stream) = self.open.get_mut(&id) {
            stream.reading = Reading::Over;
            // It fails only for a stream that QUIC has closed already.
            let _ = connection
                .recv_stream(quic_id(connection, self.dir, id))
                .stop(quic_code(code));
            self.forget_if_over(id);
        }
    }

    /// Reads what is there, at most `budget` bytes, from each stream in turn.
    pub(in crate::node) fn read(
        &mut self,
        connection: &mut Connection,
        attempt: Attempt,
        mut budget: usize,
        events: &mut Vec<Event>,
    ) {
        while budget > 0 {
            let Some(id) = self.readable.pop_front() else {
                return;
            };
            let Some(stream) = self.open.get_mut(&id) else {
                continue;
            };
            stream.queued = false;
            if stream.paused || stream.reading != Reading::Ready {
                continue;
            }
            let quic_id = quic_id(connection, self.dir, id);
            let before = events.len();
            stream.reading = read_stream(connection, quic_id, (attempt, id), &mut budget, events);
            if self.lost && stream.reading == Reading::Blocked {
                stream.reading = Reading::Over;
                events.push(cut_short(attempt, id));
            }
            let of_stream = events.get(before..).unwrap_or_default();
            if let Some(Event::StreamReset { .. }) = of_stream.last() {
                self.cut = self.cut.saturating_add(1);
            }
            if stream.reading == Reading::Ready {
                stream.queued = true;
                self.readable.push_back(id);
            }
            self.forget_if_over(id);
        }
    }

    pub(super) fn accept(
        &mut self,
        connection: &mut Connection,
        attempt: Attempt,
        events: &mut Vec<Event>,
    ) {
        while let Some(id) = connection.streams().accept(self.dir) {
            let stream = machine_id(connection, id);
            let state = Stream::new(self.dir, stream.opener);
            self.open.insert(stream, state);
            events.push(Event::StreamOpened { attempt, stream });
            // QUIC reports the bytes that opened it only so.
            self.mark_readable(stream);
        }
    }

    pub(super) fn mark_readable(&mut self, id: StreamId) {
        let Some(stream) = self.open.get_mut(&id) else {
            return;
        };
        if stream.reading == Reading::Over {
            return;
        }
        stream.reading = Reading::Ready;
        if !stream.queued && !stream.paused {
            stream.queued = true;
            self.readable.push_back(id);
        }
    }
}

/// Reads a stream until it is blocked or over, or the budget is used up.
fn read_stream(
    connection: &mut Connection,
    quic_id: quinn_proto::StreamId,
    (attempt, stream): (Attempt, StreamId),
    budget: &mut usize,
    events: &mut Vec<Event>,
) -> Reading {
    let mut received = connection.recv_stream(quic_id);
    let Ok(mut chunks) = received.read(true) else {
        return Reading::Over;
    };
    let first = events.len();
    let reading = loop {
        if *budget == 0 {
            break Reading::Ready;
        }
        match chunks.next(*budget) {
            Ok(Some(chunk)) => {
                *budget = budget.saturating_sub(chunk.bytes.len());
                let bytes = chunk.bytes;
                events.push(Event::BytesReceived {
                    attempt,
                    stream,
                    bytes,
                    fin: false,
                });
            }
            Ok(None) => {
                end_stream(events, first, (attempt, stream));
                break Reading::Over;
            }
            Err(ReadError::Blocked) => break Reading::Blocked,
            Err(ReadError::Reset(code)) => {
                let code = code.into_inner();
                events.push(Event::StreamReset {
                    attempt,
                    stream,
                    code,
                });
                break Reading::Over;
            }
        }
    };
    // What is to be sent because of it goes out at the end of the turn in any case.
    let _ = chunks.finalize();
    reading
}

/// Nothing more comes of a stream, although its end has not come.
fn cut_short(attempt: Attempt, stream: StreamId) -> Event {
    Event::StreamReset {
        attempt,
        stream,
        code: 0,
    }
}

/// Marks the last bytes read as the end, or reports an end without bytes.
fn end_stream(events: &mut Vec<Event>, first: usize, (attempt, stream): (Attempt, StreamId)) {
    match events.get_mut(first..).and_then(|read| read.last_mut()) {
        Some(Event::BytesReceived { fin, .. }) => *fin = true,
        _ => {
            let bytes = Bytes::new();
            events.push(Event::BytesReceived {
                attempt,
                stream,
                bytes,
                fin: true,
            });
        }
    }
}
