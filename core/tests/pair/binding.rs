//! Sessions of the accepting end: which connection belongs to which, which of them carries the
//! replies, and what is told of each.

use peer_sender_core::{CloseCode, Event, LinkError, SessionHandle, SessionNews, Side};

use crate::frames::Piece;
use crate::log;
use crate::oracle::{Ending, Oracle, Verdict};
use crate::receiving::Stepped;
use crate::transport::{Conn, End, Stand, StreamKey};
use crate::world::World;

impl World {
    /// Tells the judges what the accepting end is about to be told of a connection.
    pub(crate) fn announce_to_acceptor(&mut self, conn: Conn, events: &[Event]) {
        let session = self.connections[conn.0].session;
        let carries = session.is_some_and(|it| self.carriers.get(&it) == Some(&conn));
        let now = self.receiver_clock.latest;
        for event in events {
            match event {
                Event::BytesReceived {
                    stream, bytes, fin, ..
                } if stream.opener == Side::Local => {
                    if carries && let Some(oracle) = self.reply_oracle(conn) {
                        let name = (conn, stream.index);
                        oracle.sender_reads(name, bytes);
                        if *fin {
                            oracle.stream_over(name, now);
                        }
                    }
                }
                Event::StreamReset { stream, .. } | Event::StreamStopped { stream, .. }
                    if stream.opener == Side::Local && carries =>
                {
                    if let Some(oracle) = self.reply_oracle(conn) {
                        oracle.stream_over((conn, stream.index), now);
                    }
                }
                Event::TransferFinished { transfer } => {
                    if let Some(oracle) = self.reply_oracle(conn) {
                        oracle.classes.write_finished(*transfer);
                    }
                }
                Event::BytesReceived { stream, bytes, .. } => {
                    let key = StreamKey::of(End::Acceptor, *stream);
                    self.connection(conn).note_open(key, bytes);
                }
                Event::ConnectionLost { error, .. } if carries => {
                    let refused = matches!(
                        error,
                        LinkError::Closed {
                            code: CloseCode::Protocol,
                            ..
                        }
                    );
                    if let Some(oracle) = self.reply_oracle(conn) {
                        if refused {
                            oracle.note_refused_session(conn);
                        }
                        oracle.connection_over(conn, now);
                    }
                }
                _ => {}
            }
        }
    }

    /// Notes which session the connection belongs to, once its first OPEN was read; it never
    /// changes.
    pub(crate) fn bind_if_opened(&mut self, conn: Conn, news: &[SessionNews]) {
        let connection = &self.connections[conn.0];
        let Some(session) = connection.opened.filter(|_| connection.session.is_none()) else {
            return;
        };
        let name = (connection.key(), session);
        let next = SessionHandle(self.next_handle);
        let made = self.sessions.key(next).is_some() || news.iter().any(|it| of(it) == next);
        if made {
            self.next_handle += 1;
            self.names.insert(name, next);
        }
        let Some(handle) = self.names.get(&name).copied() else {
            return;
        };
        self.bind(conn, handle);
    }

    fn bind(&mut self, conn: Conn, handle: SessionHandle) {
        let incarnation = self.incarnation;
        let connection = self.connection(conn);
        connection.session = Some(handle);
        let strange = connection.dialler.is_none();
        let up = connection.acceptor_end == Stand::Up;
        let attempt = connection.acceptor;
        let name = (incarnation, handle);
        if strange {
            self.strange_handles.insert(name);
        }
        assert_eq!(
            self.strange_handles.contains(&name),
            strange,
            "I5 somebody else's session"
        );
        if up {
            self.unbound_since.remove(&name);
        }
        let carrier = self.carriers.get(&handle);
        if carrier.is_none_or(|older| self.connections[older.0].acceptor < attempt) {
            let older = self.carriers.insert(handle, conn);
            let now = self.receiver_clock.latest;
            if let (Some(older), Some(oracle)) = (older, self.replies.get_mut(&name)) {
                oracle.connection_over(older, now);
            }
        }
        if !strange {
            let limits = self.plan.sessions.receiver.replies().clone();
            let most = self.plan.limits.message_bytes_max;
            let oracle = || Oracle::new(limits, most);
            self.replies.entry(name).or_insert_with(oracle);
        }
    }

    /// A connection of the accepting end is gone: notes since when its session has none.
    pub(crate) fn unbind(&mut self, conn: Conn) {
        let incarnation = self.incarnation;
        let now = self.receiver_clock.latest;
        let Some(handle) = self.connection(conn).session else {
            return;
        };
        if self.carriers.get(&handle) == Some(&conn) {
            self.carriers.remove(&handle);
        }
        let others = self.connections.iter().any(|connection| {
            connection.acceptor_end == Stand::Up
                && connection.incarnation == incarnation
                && connection.session == Some(handle)
        });
        if !others {
            self.unbound_since.insert((incarnation, handle), now);
        }
    }

    /// The judges of the replies of this life's sessions.
    pub(crate) fn replies_of_this_life(
        &mut self,
    ) -> impl Iterator<Item = (SessionHandle, &mut Oracle)> {
        let life = self.incarnation;
        let ours = self
            .replies
            .iter_mut()
            .filter(move |(name, _)| name.0 == life);
        ours.map(|((_, handle), oracle)| (*handle, oracle))
    }

    /// Takes what a step says of sessions: messages first, then outcomes, then who is forgotten.
    pub(crate) fn hear_news(&mut self, stepped: Stepped, news: Vec<SessionNews>) {
        let now = self.receiver_clock.latest;
        let life = self.incarnation;
        for one in &news {
            log::line(self.now, || format!("R <- {one:?}"));
            if let SessionNews::Forgotten { session } = one
                && let Some(oracle) = self.replies.get_mut(&(life, *session))
            {
                oracle.ending = Some(Ending::SessionForgotten);
            }
        }
        let mut verdicts = Vec::new();
        let mut forgotten = Vec::new();
        let mut handed_back = Vec::new();
        for one in news {
            match one {
                SessionNews::Delivered { session, messages } => {
                    assert!(!messages.is_empty(), "A a batch of no messages");
                    for message in messages {
                        self.deliver(session, message);
                    }
                }
                SessionNews::Settled { session, settled } => {
                    let each = settled.into_iter();
                    let each = each.map(|(id, outcome)| Verdict::Settled(id, outcome));
                    verdicts.extend(each.map(|verdict| (session, verdict)));
                }
                SessionNews::Rejected {
                    session,
                    id,
                    rejected,
                    ..
                } => {
                    let verdict = Verdict::Rejected(id, rejected.reason, rejected.payload);
                    verdicts.push((session, verdict));
                }
                SessionNews::Room {
                    session,
                    lane,
                    capacity,
                } => {
                    let oracle = self.replies.get_mut(&(life, session));
                    let oracle = oracle.expect("A room for replies that nobody sent");
                    oracle.rooms.push((lane, capacity));
                }
                SessionNews::HandedBack { session, unsent } => {
                    handed_back.extend(unsent.into_iter().map(|it| (session, it)));
                }
                SessionNews::Forgotten { session } => forgotten.push(session),
            }
        }
        let carried: Vec<_> = self.carriers.keys().copied().collect();
        for (handle, oracle) in self.replies_of_this_life() {
            // Nobody can connect to an end that stops: what no connection carries is over.
            oracle.ends_early = !carried.contains(&handle);
            let ours = verdicts.extract_if(.., |(session, _)| *session == handle);
            let ours = ours.map(|(_, verdict)| verdict).collect();
            oracle.answered(now, ours, stepped.includes(handle));
        }
        assert!(verdicts.is_empty(), "I5 {verdicts:?} of no replies");
        for (session, unsent) in handed_back {
            let oracle = self.replies.get_mut(&(life, session));
            let oracle = oracle.expect("A replies that nobody sent");
            oracle.handed_back(unsent);
        }
        for (handle, oracle) in self.replies_of_this_life() {
            oracle.check_handed_back();
            if stepped.includes(handle) {
                oracle.check_moments(now);
            }
        }
        for session in forgotten {
            self.forgets(session);
        }
    }

    fn forgets(&mut self, handle: SessionHandle) {
        let now = self.receiver_clock.latest;
        let name = (self.incarnation, handle);
        let unbound = self.unbound_since.get(&name);
        let ttl = self.plan.sessions.session_ttl;
        let aged = unbound.is_some_and(|since| now.saturating_since(*since) >= ttl);
        let crowded = self.strangers.count() > 0 || self.oracle.sessions_seen > 1;
        let need = aged || crowded || self.is_down;
        assert!(
            need,
            "I6 {handle:?} is forgotten without need at {now}, idle since {unbound:?}"
        );
        let receiver = self.receiver_of(handle);
        self.oracle.forgot(receiver);
        self.names.retain(|_, known| *known != handle);
        if let Some(oracle) = self.replies.get_mut(&name) {
            let open = oracle.live();
            assert!(open.is_empty(), "I1 {handle:?} is forgotten with {open:?}");
            oracle.closed = true;
        }
    }
}

fn of(news: &SessionNews) -> SessionHandle {
    match news {
        SessionNews::Delivered { session, .. }
        | SessionNews::Settled { session, .. }
        | SessionNews::HandedBack { session, .. }
        | SessionNews::Rejected { session, .. }
        | SessionNews::Room { session, .. }
        | SessionNews::Forgotten { session } => *session,
    }
}

impl crate::transport::Connection {
    /// The acceptor reads the beginning of one of the dialler's streams.
    fn note_open(&mut self, stream: StreamKey, bytes: &[u8]) {
        if self.opened.is_some() {
            return;
        }
        for piece in self.read.entry(stream).or_default().read(bytes) {
            if let Piece::Open { session, .. } = piece {
                self.opened.get_or_insert(session);
            }
        }
    }
}
