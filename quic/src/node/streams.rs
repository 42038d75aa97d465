//! The streams of one connection: what is still to be written, and what may be read.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use peer_sender_core::{Attempt, CloseCode, Event, Priority, Protocol, Side, StreamId, TransferId};
use quinn_proto::{Connection, Dir, ReadError, StreamEvent, VarInt, WriteError};

use super::acknowledged::Acknowledged;

/// Names of streams follow the machines: by opener and place among its streams of the direction
/// that the protocol uses.
#[derive(Debug)]
pub(super) struct Streams {
    protocol: Protocol,
    dir: Dir,
    open: BTreeMap<StreamId, Stream>,
    /// Streams that may have something to read, each at most once, in turn.
    readable: VecDeque<StreamId>,
    /// How many streams of our own QUIC has opened.
    opened: u64,
    /// Halves of streams that the other end has cut and that were not counted yet.
    cut: u32,
    /// Where the protocol has one stream of ours for all messages: which of its writes are
    /// acknowledged.
    acknowledged: Acknowledged,
    /// Nothing more comes, and what has come is read whether or not its machine has room for it.
    lost: bool,
}

#[derive(Debug)]
struct Stream {
    sending: Sending,
    reading: Reading,
    paused: bool,
    /// Whether it stands in `readable`.
    queued: bool,
}

#[derive(Debug)]
enum Sending {
    Idle,
    /// QUIC has not taken all of this write.
    Writing(Write),
    /// All was written, FIN included, and waits for its acknowledgement.
    Finishing,
    /// Acknowledged, or cut by either end.
    Over,
}

#[derive(Debug)]
struct Write {
    transfer: TransferId,
    /// What QUIC has not taken.
    chunks: VecDeque<Bytes>,
    fin: bool,
    priority: Priority,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Nothing is there until QUIC says so.
    Blocked,
    Ready,
    /// Read to its end, or cut by either end.
    Over,
}

impl Stream {
    /// One half of a unidirectional stream is over before it begins.
    fn new(dir: Dir, opener: Side) -> Self {
        Self {
            sending: match (dir, opener) {
                (Dir::Uni, Side::Remote) => Sending::Over,
                (Dir::Uni, Side::Local) | (Dir::Bi, _) => Sending::Idle,
            },
            reading: match (dir, opener) {
                (Dir::Uni, Side::Local) => Reading::Over,
                (Dir::Uni, Side::Remote) | (Dir::Bi, _) => Reading::Blocked,
            },
            paused: false,
            queued: false,
        }
    }
}

impl Streams {
    /// None yet, of this protocol.
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            dir: match protocol {
                Protocol::Lanes => Dir::Bi,
                Protocol::Plain | Protocol::Framed => Dir::Uni,
            },
            open: BTreeMap::new(),
            readable: VecDeque::new(),
            opened: 0,
            cut: 0,
            acknowledged: Acknowledged::default(),
            lost: false,
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.protocol);
    }

    /// Tells which writes the other end's transport has acknowledged, where no stream's end tells.
    pub(super) fn tell_acknowledged(&mut self, events: &mut Vec<Event>) {
        self.acknowledged.tell(events);
    }

    /// Whether a write waits until the other end lets us open its stream.
    pub(super) fn awaits_credit(&self) -> bool {
        self.waiting().next().is_some()
    }

    /// The connection is lost: what has come can still be read, and nothing more comes. A stream whose
    /// end has not come is cut short, once what there is of it was read. All of it is read at once: the
    /// machine cannot wait to be told of the loss.
    pub(super) fn lose(&mut self, attempt: Attempt, events: &mut Vec<Event>) {
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

    /// Whether the other end's transport has everything that QUIC was given, of this protocol's
    /// that tell.
    pub(super) fn all_is_acknowledged(&self) -> bool {
        let mut streams = self.open.values();
        let is_over = |stream: &Stream| match stream.sending {
            Sending::Idle | Sending::Over => true,
            Sending::Writing(_) | Sending::Finishing => false,
        };
        streams.all(is_over) && self.acknowledged.is_empty()
    }

    /// Whether something may be read now.
    pub(super) fn is_readable(&self) -> bool {
        self.readable.iter().any(|id| {
            self.open
                .get(id)
                .is_some_and(|s| s.reading == Reading::Ready && !s.paused)
        })
    }

    /// How many halves of streams the other end has cut since the last call.
    pub(super) fn take_cut(&mut self) -> u32 {
        std::mem::take(&mut self.cut)
    }

    /// How many it keeps books of.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Writes as much as QUIC takes and keeps the rest.
    pub(super) fn write(
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

    pub(super) fn pause(&mut self, id: StreamId) {
        if self.lost {
            return;
        }
        if let Some(stream) = self.open.get_mut(&id) {
            stream.paused = true;
        }
    }

    pub(super) fn resume(&mut self, id: StreamId) {
        if let Some(stream) = self.open.get_mut(&id) {
            stream.paused = false;
            if stream.reading == Reading::Ready && !stream.queued {
                stream.queued = true;
                self.readable.push_back(id);
            }
        }
    }

    /// Sends no more (RESET_STREAM, RFC 9000 section 19.4).
    pub(super) fn reset(&mut self, connection: &mut Connection, id: StreamId, code: CloseCode) {
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

    /// Reads no more (STOP_SENDING, RFC 9000 section 19.5).
    pub(super) fn stop(&mut self, connection: &mut Connection, id: StreamId, code: CloseCode) {
        if let Some(stream) = self.open.get_mut(&id) {
            stream.reading = Reading::Over;
            // It fails only for a stream that QUIC has closed already.
            let _ = connection
                .recv_stream(quic_id(connection, self.dir, id))
                .stop(quic_code(code));
            self.forget_if_over(id);
        }
    }

    /// Takes note of what QUIC reports.
    pub(super) fn note(
        &mut self,
        connection: &mut Connection,
        attempt: Attempt,
        event: StreamEvent,
        events: &mut Vec<Event>,
    ) {
        match event {
            StreamEvent::Opened { dir } if dir == self.dir => {
                self.accept(connection, attempt, events)
            }
            StreamEvent::Readable { id } => self.mark_readable(machine_id(connection, id)),
            StreamEvent::Writable { id } => {
                self.flush(connection, machine_id(connection, id), events);
            }
            StreamEvent::Finished { id } => {
                let stream = machine_id(connection, id);
                if let Some(state) = self.open.get_mut(&stream) {
                    state.sending = Sending::Over;
                    events.push(Event::StreamAcknowledged { attempt, stream });
                    self.forget_if_over(stream);
                }
            }
            StreamEvent::Stopped { id, error_code } => {
                let stream = machine_id(connection, id);
                if let Some(state) = self.open.get_mut(&stream) {
                    // A reset has QUIC drop what is not acknowledged.
                    self.acknowledged.tell(events);
                    self.acknowledged.stop();
                    // Of a message's own stream it is an answer, as frequent as we ask for it.
                    self.cut = self
                        .cut
                        .saturating_add(u32::from(self.protocol != Protocol::Plain));
                    state.sending = Sending::Over;
                    // RFC 9000 section 3.5: a stream that was stopped is to be reset, with the
                    // code that came. It fails only for a stream that is closed already.
                    let _ = connection.send_stream(id).reset(error_code);
                    let code = error_code.into_inner();
                    events.push(Event::StreamStopped {
                        attempt,
                        stream,
                        code,
                    });
                    self.forget_if_over(stream);
                }
            }
            StreamEvent::Available { dir } if dir == self.dir => {
                self.open_waiting(connection, events);
            }
            // The other end is allowed no streams of the other direction, and we open none.
            StreamEvent::Opened { .. } | StreamEvent::Available { .. } => {}
        }
    }

    /// Reads what is there, at most `budget` bytes, from each stream in turn.
    pub(super) fn read(
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

    fn accept(&mut self, connection: &mut Connection, attempt: Attempt, events: &mut Vec<Event>) {
        while let Some(id) = connection.streams().accept(self.dir) {
            let stream = machine_id(connection, id);
            let state = Stream::new(self.dir, stream.opener);
            self.open.insert(stream, state);
            events.push(Event::StreamOpened { attempt, stream });
            // QUIC reports the bytes that opened it only so.
            self.mark_readable(stream);
        }
    }

    fn mark_readable(&mut self, id: StreamId) {
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

    /// Opens what had no credit (MAX_STREAMS, RFC 9000 section 4.6) when it was first written.
    fn open_waiting(&mut self, connection: &mut Connection, events: &mut Vec<Event>) {
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
    fn flush(&mut self, connection: &mut Connection, id: StreamId, events: &mut Vec<Event>) {
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

    /// Both halves are over: nothing more is to be known of it. So a peer that opens and ends
    /// streams for ever takes up no memory.
    fn forget_if_over(&mut self, id: StreamId) {
        if let Entry::Occupied(stream) = self.open.entry(id)
            && let Stream {
                sending: Sending::Over,
                reading: Reading::Over,
                ..
            } = stream.get()
        {
            stream.remove();
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

fn quic_id(connection: &Connection, dir: Dir, id: StreamId) -> quinn_proto::StreamId {
    let opener = match id.opener {
        Side::Local => connection.side(),
        Side::Remote => !connection.side(),
    };
    quinn_proto::StreamId::new(opener, dir, id.index)
}

fn machine_id(connection: &Connection, id: quinn_proto::StreamId) -> StreamId {
    let opener = if id.initiator() == connection.side() {
        Side::Local
    } else {
        Side::Remote
    };
    StreamId {
        opener,
        index: id.index(),
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

/// An application code as QUIC carries it.
pub(super) fn quic_code(code: CloseCode) -> VarInt {
    VarInt::from_u64(code.to_wire()).unwrap_or(VarInt::MAX)
}
