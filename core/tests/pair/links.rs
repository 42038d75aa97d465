//! Connections as they come, carry and break.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{Attempt, CloseCode, Event, LinkError, PeerKey, Side, StreamId, TransferId};

use crate::faults::{Fault, IDLE};
use crate::transport::{Conn, Connection, End, Stand, Stream};
use crate::world::{Happening, Notice, World};

const OUR_KEY: PeerKey = PeerKey([1; 32]);
const OTHER_KEY: PeerKey = PeerKey([2; 32]);

impl World {
    pub(crate) fn dial(&mut self, attempt: Attempt) {
        let alive = self.connections.iter().any(|connection| {
            connection.dialler.is_some() && connection.dialler_end != Stand::Gone
        });
        assert!(!alive, "I9 a second live connection");
        let conn = Conn(self.connections.len());
        self.connections
            .push(Connection::new(Some(attempt), self.incarnation));
        let round_trip = self.delay() + self.delay();
        if self.healed {
            return self.let_in(conn, round_trip);
        }
        let draw = self.rng.below(1_000);
        let plan = &self.plan;
        let fails = plan.connect_fails;
        let silent = fails + plan.connect_silent;
        let refused = silent + plan.connect_refused;
        let closed = refused + plan.confirmed_then_closed;
        if draw < fails {
            let error = self.rng.pick(&[0, 1, 2]);
            let error = match error {
                0 => LinkError::Unreachable,
                1 => LinkError::Busy,
                _ => LinkError::Transport {
                    code: 0x128,
                    reason: "handshake".into(),
                },
            };
            self.schedule(
                round_trip,
                Happening::Lost {
                    conn,
                    end: End::Dialler,
                    error,
                },
            );
        } else if draw < silent {
            // Half of them are accepted, and the sender never hears of it.
            if self.rng.chance(500) {
                self.schedule(round_trip, Happening::Accepted { conn });
                self.connection(conn).cut = true;
            }
        } else if draw < refused {
            let error = match self.rng.chance(500) {
                true => LinkError::IdentityRefused { ours: OUR_KEY },
                false => LinkError::WrongIdentity {
                    expected: OUR_KEY,
                    offered: OTHER_KEY,
                },
            };
            self.schedule(
                round_trip,
                Happening::Lost {
                    conn,
                    end: End::Dialler,
                    error,
                },
            );
        } else {
            self.let_in(conn, round_trip);
            if draw < closed {
                let code = self.rng.pick(&[1, 1, 1, 2, 3, 6, 900]);
                let code = CloseCode::from_wire(code);
                let error = LinkError::Closed {
                    code,
                    reason: "by the node".into(),
                };
                let after = round_trip * 2 + self.rng.wait(Duration::from_millis(500));
                self.schedule(
                    after,
                    Happening::Lost {
                        conn,
                        end: End::Dialler,
                        error,
                    },
                );
                let ours = LinkError::Local {
                    reason: "closed by the node".into(),
                };
                let before = after.saturating_sub(self.plan.delay_min);
                let end = End::Acceptor;
                self.schedule(
                    before,
                    Happening::Lost {
                        conn,
                        end,
                        error: ours,
                    },
                );
            }
            let (bytes_max, cut) = (self.plan.cut_bytes_max, self.plan.cut);
            if self.rng.chance(cut) {
                let end = if self.rng.chance(700) {
                    End::Dialler
                } else {
                    End::Acceptor
                };
                let after = self.rng.scale(bytes_max);
                self.connection(conn).cut_after = Some((end, after));
            } else if self.rng.chance(self.plan.linger) {
                let after = self.rng.scale(bytes_max);
                self.connection(conn).lingers_after = Some(after);
            }
            if self.rng.chance(self.plan.dies_unread) {
                self.connection(conn).unread = true;
                let after = round_trip * 2 + self.rng.wait(Duration::from_secs(4));
                let error = LinkError::Reset;
                self.schedule(
                    after,
                    Happening::Lost {
                        conn,
                        end: End::Dialler,
                        error,
                    },
                );
                let error = LinkError::IdleTimeout;
                let after = after + self.rng.wait(IDLE);
                self.schedule(
                    after,
                    Happening::Lost {
                        conn,
                        end: End::Acceptor,
                        error,
                    },
                );
            }
        }
    }

    fn let_in(&mut self, conn: Conn, round_trip: Duration) {
        if self.is_down {
            if self.rng.chance(500) {
                let error = LinkError::Unreachable;
                self.schedule(
                    round_trip,
                    Happening::Lost {
                        conn,
                        end: End::Dialler,
                        error,
                    },
                );
            }
            return;
        }
        self.schedule(round_trip, Happening::Accepted { conn });
        let confirmed = round_trip + self.delay();
        self.schedule(confirmed, Happening::Confirmed { conn });
    }

    pub(crate) fn accept(&mut self, conn: Conn) {
        let incarnation = self.incarnation;
        let attempt = Attempt(self.next_accepted);
        let down = self.is_down;
        let connection = self.connection(conn);
        let missed = connection.acceptor_end != Stand::Waiting;
        if down || missed || connection.incarnation != incarnation {
            connection.cut = true;
            connection.acceptor_end = Stand::Gone;
            return;
        }
        connection.acceptor = Some(attempt);
        connection.acceptor_end = Stand::Up;
        let abandoned = connection.dialler.is_some() && connection.dialler_end == Stand::Gone;
        if abandoned || connection.cut {
            self.schedule_loss(conn, End::Acceptor, IDLE);
        }
        self.next_accepted += 1;
        let key = if self.connections[conn.0].foreign {
            OTHER_KEY
        } else {
            OUR_KEY
        };
        self.accepted(attempt, key);
    }

    pub(crate) fn confirm(&mut self, conn: Conn) {
        let connection = self.connection(conn);
        if connection.cut || connection.dialler_end != Stand::Waiting {
            return;
        }
        let attempt = connection.attempt(End::Dialler);
        self.notice(
            conn,
            End::Dialler,
            Notice::Event(Event::Connected { attempt }),
        );
    }

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
        let opener = if from == End::Dialler {
            Side::Local
        } else {
            Side::Remote
        };
        assert_eq!(stream.opener, opener, "A nobody opened {stream:?}");
        let streams = connection.streams.len() as u64;
        let ours = from == End::Dialler && stream.index == streams;
        assert!(
            ours || stream.index < streams,
            "A {stream:?} is not the next stream"
        );
        let pipe = connection
            .streams
            .entry(stream.index)
            .or_insert_with(|| Stream::new(window));
        let pipe = pipe.way_mut(from);
        assert!(!pipe.severed, "A a Write on a stream that is cut");
        pipe.write(transfer, chunks, fin);
        self.pump(conn, stream.index, from);
    }

    /// Lets the transport take what the window admits, and puts it on the way.
    pub(crate) fn pump(&mut self, conn: Conn, stream: u64, from: End) {
        let segment_bytes_max = self.plan.segment_bytes_max;
        let connection = &mut self.connections[conn.0];
        let cut = connection.cut;
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

    fn break_if_due(&mut self, conn: Conn) {
        if self.healed || self.connections[conn.0].cut {
            return;
        }
        let connection = &self.connections[conn.0];
        if connection
            .cut_after
            .is_some_and(|(from, after)| connection.taken(from) > after)
        {
            self.cut(conn);
        } else if connection
            .lingers_after
            .is_some_and(|after| connection.taken(End::Dialler) > after)
        {
            self.linger(conn);
        }
    }

    pub(crate) fn arrive(&mut self, conn: Conn, stream: u64, from: End) {
        let now = self.now;
        let reader = from.other();
        let connection = self.connection(conn);
        let up = connection.is_up(reader);
        let cut = connection.cut;
        let Some(entry) = connection.streams.get_mut(&stream) else {
            return;
        };
        let whole_before = entry.way(from).is_whole();
        if !entry.way_mut(from).arrive(now) || !up {
            return;
        }
        let announce = !std::mem::replace(&mut entry.announced, true);
        let whole = !whole_before && entry.way(from).is_whole();
        if announce && reader == End::Acceptor {
            self.notice(conn, reader, Notice::Opened { stream });
        }
        self.notice(conn, reader, Notice::Read { stream });
        if whole && !cut {
            let after = self.delay();
            self.schedule(after, Happening::Acknowledged { conn, stream, from });
        }
    }

    /// What the end's machine may read now, as events.
    pub(crate) fn read(&mut self, conn: Conn, reader: End, stream: u64, all: bool) -> Vec<Event> {
        let connection = &mut self.connections[conn.0];
        if connection.stand(reader) != &Stand::Up {
            return Vec::new();
        }
        let cut = connection.cut;
        let attempt = connection.attempt(reader);
        let id = stream_id(reader, stream);
        let Some(entry) = connection.streams.get_mut(&stream) else {
            return Vec::new();
        };
        let pipe = entry.way_mut(reader.other());
        let mut events = Vec::new();
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

    pub(crate) fn stream_event(
        &mut self,
        conn: Conn,
        end: End,
        stream: u64,
        event: impl FnOnce(Attempt, StreamId) -> Event,
    ) {
        let connection = self.connection(conn);
        if !connection.is_up(end) {
            return;
        }
        let event = event(connection.attempt(end), stream_id(end, stream));
        self.notice(conn, end, Notice::Event(event));
    }

    pub(crate) fn pause(&mut self, conn: Conn, reader: End, stream: StreamId, paused: bool) {
        let from = reader.other();
        let connection = self.connection(conn);
        assert!(
            connection.is_up(reader),
            "A reading of a connection that is gone"
        );
        let entry = connection
            .streams
            .get_mut(&stream.index)
            .expect("A nobody opened it");
        let pipe = entry.way_mut(from);
        assert_ne!(
            pipe.paused, paused,
            "A reading is paused, or goes on, already"
        );
        pipe.paused = paused;
        if !paused && pipe.is_readable() {
            let stream = stream.index;
            self.schedule(Duration::ZERO, Happening::Readable { conn, stream, from });
        }
    }

    /// RESET_STREAM by the writer, or STOP_SENDING by the reader.
    pub(crate) fn sever(&mut self, conn: Conn, by: End, stream: StreamId, code: CloseCode) {
        let (reset, from) = (true, by);
        self.sever_way(conn, by, stream.index, from, code.to_wire(), reset);
    }

    pub(crate) fn refuse_rest(&mut self, conn: Conn, by: End, stream: StreamId, code: CloseCode) {
        self.sever_way(conn, by, stream.index, by.other(), code.to_wire(), false);
    }

    fn sever_way(&mut self, conn: Conn, by: End, stream: u64, from: End, code: u64, reset: bool) {
        let connection = self.connection(conn);
        if !connection.is_up(by) {
            return;
        } // B1
        let cut = connection.cut;
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
        if stand == Stand::Gone && by == End::Acceptor {
            return;
        } // B2
        assert_ne!(stand, Stand::Gone, "A closes a connection that is gone");
        let cut = self.connection(conn).cut;
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
        self.schedule(
            after,
            Happening::Lost {
                conn,
                end: by.other(),
                error,
            },
        );
    }

    pub(crate) fn schedule_loss(&mut self, conn: Conn, end: End, within: Duration) {
        let error = match self.rng.chance(700) {
            true => LinkError::IdleTimeout,
            false => LinkError::Reset,
        };
        let after = if self.rng.chance(300) {
            within
        } else {
            self.rng.wait(within)
        };
        self.schedule(after, Happening::Lost { conn, end, error });
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        if self.healed {
            return;
        }
        let live = self
            .recovery
            .attempt()
            .and_then(|attempt| self.dialled(attempt));
        match fault {
            Fault::Cut => live.map_or((), |conn| self.cut(conn)),
            Fault::Linger => live.map_or((), |conn| self.linger(conn)),
            Fault::Crash(down) => self.crash(down),
            Fault::GoAway(mode, down) => self.go_away(mode, down),
            Fault::Rogue {
                same_key,
                same_session,
            } => self.rogue(same_key, same_session),
            Fault::Jump { dialler: true, by } => self.sender_clock.jump(by),
            Fault::Jump { dialler: false, by } => self.receiver_clock.jump(by),
        }
    }

    /// The path dies: a part of what is on the way still arrives, and each end notices by itself.
    fn cut(&mut self, conn: Conn) {
        let connection = &mut self.connections[conn.0];
        if std::mem::replace(&mut connection.cut, true) {
            return;
        }
        for stream in connection.streams.values_mut() {
            for from in [End::Dialler, End::Acceptor] {
                stream.way_mut(from).lose_tail(&mut self.rng);
            }
        }
        let within = self.plan.notice_max;
        self.schedule_loss(conn, End::Dialler, within);
        self.schedule_loss(conn, End::Acceptor, within);
    }

    /// The sender gives the connection up at once, while what it sent arrives much later: the
    /// receiver then has two of its connections.
    fn linger(&mut self, conn: Conn) {
        let connection = &mut self.connections[conn.0];
        if std::mem::replace(&mut connection.cut, true) {
            return;
        }
        let held_back = self.rng.wait(Duration::from_secs(8));
        let until = self.now + held_back;
        let mut arrivals = Vec::new();
        let connection = &mut self.connections[conn.0];
        for (stream, ways) in &mut connection.streams {
            ways.way_mut(End::Dialler).hold_until(until);
            ways.way_mut(End::Acceptor).lose_tail(&mut self.rng);
            arrivals.push(*stream);
        }
        let from = End::Dialler;
        for stream in arrivals {
            self.schedule_at(until, Happening::Arrival { conn, stream, from });
        }
        self.schedule_loss(conn, End::Dialler, Duration::from_millis(20));
        let within = held_back + self.rng.wait(IDLE);
        let error = LinkError::IdleTimeout;
        self.schedule(
            within,
            Happening::Lost {
                conn,
                end: End::Acceptor,
                error,
            },
        );
    }

    /// Every connection that the acceptor's end still has.
    pub(crate) fn accepted_conns(&self) -> Vec<Conn> {
        let up = |(place, connection): (usize, &Connection)| {
            (connection.acceptor_end == Stand::Up).then_some(Conn(place))
        };
        self.connections.iter().enumerate().filter_map(up).collect()
    }
}

fn stream_id(end: End, index: u64) -> StreamId {
    let opener = if end == End::Dialler {
        Side::Local
    } else {
        Side::Remote
    };
    StreamId { opener, index }
}
