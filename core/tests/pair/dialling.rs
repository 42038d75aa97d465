//! How a dialled connection turns out.

use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::{Attempt, CloseCode, Event, LinkError, PeerKey};

use crate::faults::IDLE;
use crate::happening::{Happening, Notice};
use crate::transport::{Conn, Connection, End, Path, Stand};
use crate::world::World;

pub(crate) const OUR_KEY: PeerKey = PeerKey([1; 32]);
pub(crate) const OTHER_KEY: PeerKey = PeerKey([2; 32]);
/// No OPEN has fewer bytes.
const OPEN_BYTES_MIN: u64 = 22;

impl World {
    pub(crate) fn dial(&mut self, attempt: Attempt, address: SocketAddr) {
        let alive = self.connections.iter().any(|connection| {
            connection.dialler.is_some() && connection.dialler_end != Stand::Gone
        });
        assert!(!alive, "I9 a second live connection");
        let conn = Conn(self.connections.len());
        let connection = Connection::new(Some(attempt), self.incarnation);
        self.connections.push(connection);
        let round_trip = self.delay() + self.delay();
        let draw = self.rng.below(1_000);
        let plan = &self.plan;
        let fails = plan.connect_fails;
        let silent = fails + plan.connect_silent;
        let refused = silent + plan.connect_refused;
        if !plan.is_reachable(address) {
            self.dial_nobody(conn, round_trip);
        } else if self.healed || draw >= refused {
            self.let_in(conn, round_trip);
            if !self.healed {
                self.doom(conn, round_trip);
            }
        } else if draw < fails {
            let error = self.any_failure();
            self.lose(round_trip, conn, End::Dialler, error);
        } else if draw >= silent {
            let error = self.any_refusal();
            self.lose(round_trip, conn, End::Dialler, error);
        } else if self.rng.chance(500) {
            // It is accepted, and the sender never hears of it.
            self.schedule(round_trip, Happening::Accepted { conn });
            self.connection(conn).path = Path::Dead;
        }
    }

    /// Where nobody listens, or somebody else does.
    fn dial_nobody(&mut self, conn: Conn, round_trip: Duration) {
        let error = match self.rng.below(4) {
            0 => self.any_refusal(),
            1 => return,
            _ => LinkError::Unreachable,
        };
        self.lose(round_trip, conn, End::Dialler, error);
    }

    fn any_failure(&mut self) -> LinkError {
        let reason = String::from("handshake");
        match self.rng.below(3) {
            0 => LinkError::Unreachable,
            1 => LinkError::Busy,
            _ => LinkError::Transport {
                code: 0x128,
                reason,
            },
        }
    }

    fn any_refusal(&mut self) -> LinkError {
        match self.rng.chance(500) {
            true => LinkError::IdentityRefused { ours: OUR_KEY },
            false => LinkError::WrongIdentity {
                expected: OUR_KEY,
                offered: OTHER_KEY,
            },
        }
    }

    fn let_in(&mut self, conn: Conn, round_trip: Duration) {
        if self.is_down {
            if self.rng.chance(500) {
                self.lose(round_trip, conn, End::Dialler, LinkError::Unreachable);
            }
            return;
        }
        self.schedule(round_trip, Happening::Accepted { conn });
        let confirmed = round_trip + self.delay();
        self.schedule(confirmed, Happening::Confirmed { conn });
    }

    /// Draws the end of a connection that is about to stand; it may be none, or several at once.
    fn doom(&mut self, conn: Conn, round_trip: Duration) {
        let bytes_max = self.plan.cut_bytes_max;
        if !self.oracle.is_opened() && self.rng.chance(self.plan.sessions_refused) {
            // In answer to a fresh OPEN, as if its session were known.
            let after = round_trip * 2 + self.rng.wait(self.plan.delay_min);
            self.close_by_node(conn, CloseCode::Protocol, after);
        } else if self.rng.chance(self.plan.confirmed_then_closed) {
            let code = CloseCode::from_wire(self.rng.pick(&[1, 2, 3, 6, 900]));
            let after = round_trip * 2 + self.rng.wait(Duration::from_millis(500));
            self.close_by_node(conn, code, after);
        }
        if self.rng.chance(self.plan.cut) {
            let end = if self.rng.chance(700) {
                End::Dialler
            } else {
                End::Acceptor
            };
            let open = self.rng.pick(&[0, OPEN_BYTES_MIN]);
            let after = open + self.rng.scale(bytes_max);
            self.connection(conn).cut_after = Some((end, after));
        } else if self.rng.chance(self.plan.linger) {
            let after = self.rng.scale(bytes_max);
            self.connection(conn).lingers_after = Some(after);
        }
        if self.rng.chance(self.plan.dies_unread) {
            self.connection(conn).unread = true;
            let after = round_trip * 3 + self.rng.wait(Duration::from_secs(2));
            self.lose(after, conn, End::Dialler, LinkError::Reset);
            let after = after + self.rng.wait(IDLE);
            self.lose(after, conn, End::Acceptor, LinkError::IdleTimeout);
        }
    }

    /// The accepting node closes a connection by itself, as a limit of its own may ask for.
    fn close_by_node(&mut self, conn: Conn, code: CloseCode, after: Duration) {
        let reason = String::from("by the node");
        let ours = LinkError::Local {
            reason: reason.clone(),
        };
        self.lose(
            after,
            conn,
            End::Dialler,
            LinkError::Closed { code, reason },
        );
        let before = after.saturating_sub(self.plan.delay_min);
        self.lose(before, conn, End::Acceptor, ours);
    }

    pub(crate) fn accept(&mut self, conn: Conn) {
        let incarnation = self.incarnation;
        let attempt = Attempt(self.next_accepted);
        let down = self.is_down;
        let connection = self.connection(conn);
        let missed = connection.acceptor_end != Stand::Waiting;
        if down || missed || connection.incarnation != incarnation {
            connection.path = Path::Dead;
            connection.acceptor_end = Stand::Gone;
            return;
        }
        connection.acceptor = Some(attempt);
        connection.acceptor_end = Stand::Up;
        let key = connection.key();
        let abandoned = connection.dialler.is_some() && connection.dialler_end == Stand::Gone;
        if abandoned || connection.path == Path::Dead {
            self.schedule_loss(conn, End::Acceptor, IDLE);
        }
        self.next_accepted += 1;
        self.accepted(attempt, key);
    }

    pub(crate) fn confirm(&mut self, conn: Conn) {
        let connection = self.connection(conn);
        if connection.is_cut(End::Acceptor) || connection.dialler_end != Stand::Waiting {
            return;
        }
        let attempt = connection.attempt(End::Dialler);
        self.notice(
            conn,
            End::Dialler,
            Notice::Event(Event::Connected { attempt }),
        );
    }
}
