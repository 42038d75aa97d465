//! What connections carry, and how the machines end them.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{Attempt, CloseCode, Event, LinkError, StreamId, TransferId};

use crate::dialling::OUR_KEY;
use crate::faults::IDLE;
use crate::happening::{Happening, Notice};
use crate::transport::{Conn, Connection, End, Stand, Stream, StreamKey};
use crate::world::World;

impl World {
    /// Gives the transport what a machine writes.
    pub(crate) fn write(
        &mut self,
        (conn, from): (Conn, End),
        stream: StreamId,
        (transfer, chunks, fin): (TransferId, Vec<Bytes>, bool),
    ) {
        let window = self.plan.window;
        let connection = self.connection(conn);
        assert!(
            connection.is_up(from),
            "A a Write on a connection that is gone"
        );
        let key = StreamKey::of(from, stream);
        let next = key.opener == from && key.index == connection.opened_by(from);
        assert!(
            next || connection.streams.contains_key(&key),
            "A {stream:?} is not the next stream, and nobody opened it"
        );
        let pipe = connection
            .streams
            .entry(key)
            .or_insert_with(|| Stream::new(window));
        let pipe = pipe.way_mut(from);
        assert!(!pipe.severed, "A a Write on a stream that is cut");
        pipe.write(transfer, chunks, fin);
        self.pump(conn, key, from);
    }

    /// Lets the transport take what the window admits, and puts it on the way.
    pub(crate) fn pump(&mut self, conn: Conn, stream: StreamKey, from: End) {
        let segment_bytes_max = self.plan.segment_bytes_max;
        let connection = &mut self.connections[conn.0];
        let cut = connection.is_cut(from);
        let Some(pipe) = connection.streams.get_mut(&stream).map(|s| s.way_mut(from)) else {
            return;
        };
        let segments = pipe.take(segment_bytes_max, &mut self.rng);
        let finished = pipe.finished();
        for (bytes, fin) in segments.into_iter().filter(|_| !cut) {
            let arrives = self.now + self.delay();
            let pipe = self.connections[conn.0].streams.get_mut(&stream);
            let pipe = pipe.expect("it was there").way_mut(from);
            let arrives = pipe.carry(arrives, bytes, fin);
            self.schedule_at(arrives, Happening::Arrival { conn, stream, from });
        }
        if let Some(transfer) = finished {
            let after = self.rng.wait(self.plan.take_delay_max);
            self.schedule(
                after,
                Happening::Taken {
                    conn,
                    from,
                    transfer,
                },
            );
        }
        self.break_if_due(conn);
    }

    pub(crate) fn arrive(&mut self, conn: Conn, stream: StreamKey, from: End) {
        let now = self.now;
        let reader = from.other();
        let connection = self.connection(conn);
        let up = connection.is_up(reader);
        let cut = connection.is_cut(reader);
        let Some(entry) = connection.streams.get_mut(&stream) else {
            return;
        };
        let whole_before = entry.way(from).is_whole();
        if !entry.way_mut(from).arrive(now) || !up {
            return;
        }
        let announce = !std::mem::replace(&mut entry.announced, true);
        let whole = !whole_before && entry.way(from).is_whole();
        if announce && reader != stream.opener {
            self.notice(conn, reader, Notice::Opened { stream });
        }
        self.notice(conn, reader, Notice::Read { stream });
        if whole && !cut {
            let after = self.delay();
            self.schedule(after, Happening::Acknowledged { conn, stream, from });
        }
    }

    /// What the end's machine may read now, as events.
    pub(crate) fn read(
        &mut self,
        conn: Conn,
        reader: End,
        stream: StreamKey,
        all: bool,
    ) -> Vec<Event> {
        let connection = &mut self.connections[conn.0];
        if connection.stand(reader) != &Stand::Up {
            return Vec::new();
        }
        let cut = connection.is_cut(reader);
        let attempt = connection.attempt(reader);
        let id = stream.at(reader);
        let Some(entry) = connection.streams.get_mut(&stream) else {
            return Vec::new();
        };
        let mut events = Vec::new();
        if stream.opener != reader && !entry.told && entry.way(reader.other()).is_readable() {
            entry.told = true;
            events.push(Event::StreamOpened {
                attempt,
                stream: id,
            });
        }
        let pipe = entry.way_mut(reader.other());
        let mut read = 0;
        while (!pipe.paused || all)
            && let Some((bytes, fin)) = pipe.read(&mut self.rng, self.plan.split_reads)
        {
            read += bytes.len() as u64;
            events.push(Event::BytesReceived {
                attempt,
                stream: id,
                bytes,
                fin,
            });
        }
        if read > 0 && !cut {
            let after = self.delay();
            let from = reader.other();
            self.schedule(
                after,
                Happening::Credit {
                    conn,
                    stream,
                    from,
                    bytes: read,
                },
            );
        }
        events
    }

    /// The end that did not open a stream is told of it, once.
    pub(crate) fn tell_opened(&mut self, conn: Conn, end: End, stream: StreamKey) -> Vec<Event> {
        let connection = self.connection(conn);
        let attempt = connection.attempt(end);
        let entry = connection.streams.get_mut(&stream);
        let news = entry.is_some_and(|entry| !std::mem::replace(&mut entry.told, true));
        let stream = stream.at(end);
        let event = Event::StreamOpened { attempt, stream };
        if news { vec![event] } else { Vec::new() }
    }

    /// What all streams of a connection that is lost still hold for this end.
    pub(crate) fn read_rest(&mut self, conn: Conn, reader: End) -> Vec<Event> {
        let all = self.plan.reads_paused_at_loss;
        let streams: Vec<_> = self.connection(conn).streams.keys().copied().collect();
        let each = streams.into_iter();
        each.flat_map(|stream| self.read(conn, reader, stream, all))
            .collect()
    }

    pub(crate) fn stream_event(
        &mut self,
        conn: Conn,
        end: End,
        stream: StreamKey,
        event: impl FnOnce(Attempt, StreamId) -> Event,
    ) {
        let connection = self.connection(conn);
        if !connection.is_up(end) {
            return;
        }
        let event = event(connection.attempt(end), stream.at(end));
        self.notice(conn, end, Notice::Event(event));
    }

    pub(crate) fn pause(&mut self, conn: Conn, reader: End, stream: StreamId, paused: bool) {
        let from = reader.other();
        let stream = StreamKey::of(reader, stream);
        let connection = self.connection(conn);
        assert!(
            connection.is_up(reader),
            "A reading of a connection that is gone"
        );
        let entry = connection
            .streams
            .get_mut(&stream)
            .expect("A nobody opened it");
        let pipe = entry.way_mut(from);
        assert_ne!(
            pipe.paused, paused,
            "A reading is paused, or goes on, already"
        );
        pipe.paused = paused;
        if !paused && pipe.is_readable() {
            self.schedule(Duration::ZERO, Happening::Readable { conn, stream, from });
        }
    }

    /// RESET_STREAM by the writer, or STOP_SENDING by the reader.
    pub(crate) fn sever(&mut self, conn: Conn, by: End, stream: StreamId, code: CloseCode) {
        let (reset, from) = (true, by);
        self.sever_way(
            conn,
            by,
            StreamKey::of(by, stream),
            from,
            code.to_wire(),
            reset,
        );
    }

    pub(crate) fn refuse_rest(&mut self, conn: Conn, by: End, stream: StreamId, code: CloseCode) {
        self.sever_way(
            conn,
            by,
            StreamKey::of(by, stream),
            by.other(),
            code.to_wire(),
            false,
        );
    }

    fn sever_way(
        &mut self,
        conn: Conn,
        by: End,
        stream: StreamKey,
        from: End,
        code: u64,
        reset: bool,
    ) {
        let connection = self.connection(conn);
        assert!(
            connection.is_up(by),
            "A cuts a stream of a connection that is gone"
        );
        let cut = connection.is_cut(by);
        if let Some(entry) = connection.streams.get_mut(&stream) {
            entry.way_mut(from).sever();
        }
        if cut {
            return;
        }
        let after = self.delay();
        self.schedule(
            after,
            match reset {
                true => Happening::Reset {
                    conn,
                    stream,
                    from,
                    code,
                },
                false => Happening::Stopped {
                    conn,
                    stream,
                    from,
                    code,
                },
            },
        );
    }

    /// A machine closes its end: it hears no more of it, and the other end does, some time.
    pub(crate) fn close(&mut self, conn: Conn, by: End, code: CloseCode, reason: String) {
        let stand = std::mem::replace(self.connection(conn).stand(by), Stand::Gone);
        assert_ne!(stand, Stand::Gone, "A closes a connection that is gone");
        let cut = self.connection(conn).is_cut(by);
        let lost = cut || !self.healed && self.rng.chance(100);
        if by == End::Acceptor {
            self.unbind(conn);
        }
        if lost {
            return self.schedule_loss(conn, by.other(), IDLE);
        }
        let error = match code {
            CloseCode::IdentityRefused => LinkError::IdentityRefused { ours: OUR_KEY },
            code => LinkError::Closed { code, reason },
        };
        let after = self.delay();
        self.lose(after, conn, by.other(), error);
    }

    /// Every connection that the acceptor's end still has.
    pub(crate) fn accepted_conns(&self) -> Vec<Conn> {
        let up = |(place, connection): (usize, &Connection)| {
            (connection.acceptor_end == Stand::Up).then_some(Conn(place))
        };
        self.connections.iter().enumerate().filter_map(up).collect()
    }
}
