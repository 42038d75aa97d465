//! The streams of one connection: what is still to be written, and what may be read.

mod ids;
mod reading;
mod sending;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use peer_sender_core::{Attempt, Event, Protocol, Side, StreamId};
use quinn_proto::{Connection, Dir, StreamEvent};

use super::acknowledged::Acknowledged;
use ids::machine_id;
pub(super) use ids::quic_code;
use reading::Reading;
use sending::Sending;

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

    /// How many halves of streams the other end has cut since the last call.
    pub(super) fn take_cut(&mut self) -> u32 {
        std::mem::take(&mut self.cut)
    }

    /// How many it keeps books of.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.len()
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
