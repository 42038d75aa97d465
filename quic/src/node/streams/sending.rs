//! What is still to be written to the streams of a connection.

use std::collections::VecDeque;

use bytes::Bytes;
use peer_sender_core::{CloseCode, Event, Priority, Protocol, Side, StreamId, TransferId};
use quinn_proto::{Connection, VarInt, WriteError};

use super::ids::{machine_id, quic_code, quic_id};
use super::{Stream, Streams};

#[derive(Debug)]
pub(super) enum Sending {
    Idle,
    /// QUIC has not taken all of this write.
    Writing(Write),
    /// All was written, FIN included, and waits for its acknowledgement.
    Finishing,
    /// Acknowledged, or cut by either end.
    Over,
}

#[derive(Debug)]
pub(super) struct Write {
    transfer: TransferId,
    /// What QUIC has not taken.
    chunks: VecDeque<Bytes>,
    fin: bool,
    priority: Priority,
}

impl Streams {
    /// Whether a write waits until the other end lets us open its stream.
    pub(in crate::node) fn awaits_credit(&self) -> bool {
        self.waiting().next().is_some()
    }

    /// Whether the other end's transport has everything that QUIC was given, of this protocol's
    /// that tell.
    pub(in crate::node) fn all_is_acknowledged(&self) -> bool {
        let mut streams = self.open.values();
        let is_over = |stream: &Stream| match stream.sending {
            Sending::Idle | Sending::Over => true,
            Sending::Writing(_) | Sending::Finishing => false,
        };
        streams.all(is_over) && self.acknowledged.is_empty()
    }

    /// Writes as much as QUIC takes and keeps the rest.
    pub(in crate::node) fn write(
        &mut self,
        connection: &mut Connection,
        id: StreamId,
        write: (TransferId, Vec<Bytes>, bool, Priority),
        events: &mut Vec<Event>,
    ) {
        let (transfer, chunks, fin, priority) = write;
        let new = Stream::new(self.dir, id.opener);
        let stream = self.open.entry(id).or_insert(new);
        // A stream that was cut or finished takes nothing more, and its machine has been told.
        if let Sending::Idle = stream.sending {
            let mut chunks = VecDeque::from(chunks);
            if self.protocol == Protocol::Framed {
                self.acknowledged.watch(transfer, &mut chunks);
            }
            stream.sending = Sending::Writing(Write {
                transfer,
                chunks,
                fin,
                priority,
            });
            self.flush(connection, id, events);
        }
    }

    /// Sends no more (RESET_STREAM, RFC 9000 section 19.4).
    pub(in crate::node) fn reset(
        &mut self,
        connection: &mut Connection,
        id: StreamId,
        code: CloseCode,
    ) {
        if let Some(stream) = self.open.get_mut(&id) {
            stream.sending = Sending::Over;
            self.acknowledged.stop();
            // It fails only for a stream that QUIC has closed already.
            let _ = connection
                .send_stream(quic_id(connection, self.dir, id))
                .reset(quic_code(code));
            self.forget_if_over(id);
        }
    }

    /// Opens what had no credit (MAX_STREAMS, RFC 9000 section 4.6) when it was first written.
    pub(super) fn open_waiting(&mut self, connection: &mut Connection, events: &mut Vec<Event>) {
        loop {
            let next = self.waiting().next();
            if !next.is_some_and(|id| self.open_up_to(connection, id.index, events)) {
                return;
            }
        }
    }

    /// Our own streams that QUIC has not opened.
    fn waiting(&self) -> impl Iterator<Item = StreamId> {
        let unopened = StreamId {
            opener: Side::Local,
            index: self.opened,
        };
        let from_there = self.open.range(unopened..).map(|(&id, _)| id);
        from_there.take_while(|id| id.opener == Side::Local)
    }

    /// Opens our own streams, this one included, and hands QUIC what each was waiting with. False if the
    /// other end does not let us yet. One that was given up before it could be opened is reset, so that
    /// it takes up no credit.
    fn open_up_to(
        &mut self,
        connection: &mut Connection,
        index: u64,
        events: &mut Vec<Event>,
    ) -> bool {
        while self.opened <= index {
            let Some(quic_id) = connection.streams().open(self.dir) else {
                return false;
            };
            self.opened += 1;
            let id = machine_id(connection, quic_id);
            match self.open.contains_key(&id) {
                true => self.hand_over(connection, id, events),
                // It fails only for a stream that is closed already.
                false => {
                    let _ = connection.send_stream(quic_id).reset(VarInt::from_u32(0));
                }
            }
        }
        true
    }

    /// Hands QUIC what it takes of the stream's write, once the stream may be opened.
    pub(super) fn flush(
        &mut self,
        connection: &mut Connection,
        id: StreamId,
        events: &mut Vec<Event>,
    ) {
        match id.opener == Side::Local && self.opened <= id.index {
            true => {
                self.open_up_to(connection, id.index, events);
            }
            false => self.hand_over(connection, id, events),
        }
    }

    /// Hands QUIC what it takes of the write of a stream that is open there.
    fn hand_over(&mut self, connection: &mut Connection, id: StreamId, events: &mut Vec<Event>) {
        let Some(Stream { sending, .. }) = self.open.get_mut(&id) else {
            return;
        };
        let Sending::Writing(write) = sending else {
            return;
        };
        let quic_id = quic_id(connection, self.dir, id);
        let mut stream = connection.send_stream(quic_id);
        // It fails only for a stream that is closed, which the writing below finds out.
        let _ = stream.set_priority(quic_priority(write.priority));
        while !write.chunks.is_empty() {
            match stream.write_chunks(write.chunks.make_contiguous()) {
                Ok(written) => drop(write.chunks.drain(..written.chunks)),
                // QUIC tells when it takes more only after it was asked in vain.
                Err(WriteError::Blocked) => return,
                // The event that says why is on its way, or the machine cut the stream itself.
                Err(WriteError::Stopped(_) | WriteError::ClosedStream) => {
                    self.acknowledged.tell(events);
                    self.acknowledged.stop();
                    *sending = Sending::Over;
                    return;
                }
            }
        }
        events.push(Event::TransferFinished {
            transfer: write.transfer,
        });
        *sending = match write.fin {
            false => Sending::Idle,
            true => match stream.finish() {
                Ok(()) => Sending::Finishing,
                Err(_) => Sending::Over,
            },
        };
    }
}

/// Of streams that have something to send, QUIC serves those of the highest number, in turn.
fn quic_priority(priority: Priority) -> i32 {
    match priority {
        Priority::Low => -1,
        Priority::Normal => 0,
        Priority::High => 1,
    }
}
