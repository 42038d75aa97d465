//! Other senders at the same receiver, with keys and sessions of their own. They compete for the
//! table's places, and they are less correct than ours: they open what is open, go back, leave
//! numbers out, and send what is too large.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use peer_sender_core::{CloseCode, Epoch, LinkError, SessionHandle, SessionId, TransferId};

use crate::frames::{self, Piece, Reader};
use crate::rng::Rng;
use crate::transport::{Conn, Connection, End, Stream, StreamKey};
use crate::world::World;

/// The sessions of each key among the strangers.
const SESSIONS: u64 = 2;
/// Above this the receiver's limit is not worth trying.
const TOO_LARGE_BYTES_MAX: usize = 4_000;

#[derive(Debug, Default)]
pub(crate) struct Strangers {
    links: BTreeMap<Conn, Script>,
    /// What each session's record must know by now: every number below it has come, or was
    /// passed over.
    next: BTreeMap<(u32, SessionHandle), u64>,
    /// The same before this step, for what was answered before the step's messages.
    next_before: BTreeMap<(u32, SessionHandle), u64>,
    resumed: BTreeSet<(u32, SessionHandle)>,
}

/// What a stranger says on one connection.
#[derive(Debug)]
struct Script {
    name: u64,
    fresh: bool,
    base: u64,
    too_large: Option<u64>,
    back: Reader,
}

impl Strangers {
    /// How many have come.
    pub(crate) fn count(&self) -> usize {
        self.links.len()
    }

    pub(crate) fn step_begins(&mut self) {
        self.next_before.clone_from(&self.next);
    }

    /// The application is handed a stranger's message.
    pub(crate) fn handed(
        &mut self,
        conn: Conn,
        log: (u32, SessionHandle),
        number: u64,
        payload: &Bytes,
    ) {
        let name = self.links[&conn].name;
        assert_eq!(
            *payload,
            content(name, number),
            "I5 number {number} of a stranger"
        );
        let next = self.next.entry(log).or_default();
        assert!(
            number >= *next,
            "I6 number {number} of a stranger is handed over again"
        );
        *next = number + 1;
    }

    /// The receiver answers a stranger. The lane, epoch and record that it names, if it does.
    pub(crate) fn answered(
        &mut self,
        conn: Conn,
        log: (u32, SessionHandle),
        bytes: &[u8],
    ) -> Option<(u64, Epoch, u64)> {
        let mut named = None;
        let known = self.resumed.contains(&log);
        let before = self.next_before.get(&log).copied().unwrap_or(0);
        let script = self.links.get_mut(&conn).expect("a stranger's connection");
        for piece in script.back.read(bytes) {
            if let Piece::Resume {
                taken,
                next,
                record,
                epoch,
                ..
            } = piece
            {
                named = Some((0, epoch, record));
                assert!(!known || !script.fresh, "W a fresh OPEN of a known session");
                assert!(next >= script.base, "W the base does not raise next");
                assert!(taken <= next, "W RESUME out of order");
                assert!(next >= before, "W RESUME goes back");
                self.resumed.insert(log);
                let known = self.next.entry(log).or_default();
                *known = (*known).max(script.base);
            }
        }
        named
    }

    /// The receiver closes a stranger's connection.
    pub(crate) fn closed(&mut self, conn: Conn, log: (u32, SessionHandle), code: CloseCode) {
        let Some(script) = self.links.get(&conn) else {
            return;
        };
        if let (CloseCode::MessageTooLarge, Some(number)) = (code, script.too_large) {
            let next = self.next.entry(log).or_default();
            *next = (*next).max(number + 1);
        }
    }
}

impl World {
    /// A stranger connects and says its piece.
    pub(crate) fn stranger(&mut self, same_key: bool, same_session: bool) {
        if self.is_down {
            return;
        }
        let ours = self.oracle.session.filter(|_| same_session);
        let name = match ours {
            Some(_) => 2 * SESSIONS,
            None => self.rng.below(SESSIONS) + if same_key { 0 } else { SESSIONS },
        };
        let session = ours.unwrap_or(SessionId([0xf0 + name as u8; 16]));
        let conn = Conn(self.connections.len());
        let limit = self.plan.receiver_message_bytes_max;
        let (script, bytes) = draw(name, session, limit, &mut self.rng);
        let mut connection = Connection::new(None, self.incarnation);
        connection.foreign = !same_key;
        let mut stream = Stream::new(1 << 20);
        let fin = self.rng.chance(200);
        stream
            .way_mut(End::Dialler)
            .write(TransferId(0), vec![bytes.into()], fin);
        let key = StreamKey {
            opener: End::Dialler,
            index: 0,
        };
        connection.streams.insert(key, stream);
        self.connections.push(connection);
        self.strangers.links.insert(conn, script);
        self.accept(conn);
        self.pump(conn, key, End::Dialler);
        let stays = self.delay() + self.rng.wait(std::time::Duration::from_secs(20));
        let error = LinkError::Closed {
            code: CloseCode::Done,
            reason: String::new(),
        };
        self.lose(stays, conn, End::Acceptor, error);
    }
}

fn draw(name: u64, session: SessionId, limit: usize, rng: &mut Rng) -> (Script, Vec<u8>) {
    let fresh = rng.chance(400);
    let base = rng.scale(7);
    let mut bytes = frames::open(session, fresh, base);
    let mut number = base;
    for _ in 0..rng.below(4) {
        if rng.chance(150) {
            bytes.extend(frames::skip(1));
        } else if content(name, number).len() <= limit {
            bytes.extend(frames::message(&content(name, number)));
        } else {
            break;
        }
        number += 1;
    }
    let mut too_large = None;
    if limit <= TOO_LARGE_BYTES_MAX && rng.chance(250) {
        too_large = Some(number);
        bytes.extend(frames::message(&vec![0; limit + 1]));
    }
    (
        Script {
            name,
            fresh,
            base,
            too_large,
            back: Reader::default(),
        },
        bytes,
    )
}

fn content(name: u64, number: u64) -> Vec<u8> {
    format!("{name} says {number}").into_bytes()
}
