//! Tables of sessions compared across histories.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Owner, SessionHandle, Sessions};
use crate::receiver::ReceiverCanonical;
use crate::receiver::unbound::Unbound;
use crate::{Dialler, Epoch, SessionId};

/// A table's state without its history: times are relative to now, sessions are named by their
/// age and connections by the order in which they were accepted. Tables of one configuration and
/// seed with equal canonical states answer the same further events alike, up to those names, if
/// connections to come are named above all before them.
///
/// What other ends know of it, or may be told, is kept as it is: the epoch, keys, sessions,
/// records, numbers. So it may be compared together with their states
/// ([`canonical_joint`](crate::PeerSenderMachine::canonical_joint)). Counters, and news that nobody
/// has polled yet, take no part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionsCanonical {
    epoch: Epoch,
    stopping: bool,
    /// Of the next session's records; its replies are named along with them.
    next_record: u64,
    /// Connections, oldest first.
    connections: Vec<Carries>,
    /// Sessions, oldest first.
    sessions: Vec<Remembered>,
    /// Sessions that wait for room, longest first, and for how many bytes.
    waiting: Vec<(usize, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Carries {
    Nobody(Unbound),
    /// A session, by its place.
    Session(usize),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Remembered {
    name: (Dialler, SessionId),
    machine: ReceiverCanonical,
    /// For how long it has had no connection.
    idle_for: Option<Duration>,
}

impl SessionsCanonical {
    pub(super) fn of(table: &Sessions) -> Self {
        let place = |handle: &SessionHandle| table.sessions.range(..handle).count();
        let connections = table.connections.values().map(|owner| match owner {
            Owner::Nobody(unbound) => Carries::Nobody(unbound.clone()),
            Owner::Session(handle) => Carries::Session(place(handle)),
        });
        let sessions = table.sessions.values().map(|session| Remembered {
            name: session.name,
            machine: ReceiverCanonical::in_table(&session.machine, table.now),
            idle_for: session
                .idle_since
                .map(|since| table.now.saturating_since(since)),
        });
        let waiting = table.room.waiting();
        Self {
            epoch: table.epoch,
            stopping: table.stopping,
            next_record: table.next_record,
            connections: connections.collect(),
            sessions: sessions.collect(),
            waiting: waiting.map(|(who, need)| (place(&who), need)).collect(),
        }
    }
}
