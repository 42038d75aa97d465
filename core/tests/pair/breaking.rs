//! Faults that strike a connection, or a process, while it stands.

use std::time::Duration;

use peer_sender_core::{Event, LinkError};

use crate::faults::{Fault, IDLE};
use crate::happening::{Happening, Notice};
use crate::transport::{Conn, End, Path, StreamKey};
use crate::world::World;

impl World {
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
            Fault::Stranger {
                same_key,
                same_session,
            } => self.stranger(same_key, same_session),
            Fault::Move => self.change_addresses(),
            Fault::Wake(reason) => self.tell_sender(Event::Wake { reason }),
            Fault::Jump { dialler: true, by } => self.sender_clock.jump(by),
            Fault::Jump { dialler: false, by } => self.receiver_clock.jump(by),
        }
    }

    /// The peer has other addresses from now on, in another order, or none.
    fn change_addresses(&mut self) {
        let mut left = self.plan.addresses.clone();
        if self.rng.chance(400) {
            let present = self.recovery.address();
            left.retain(|address| Some(*address) != present);
        }
        let mut addresses = Vec::new();
        while !left.is_empty() && self.rng.chance(700) {
            let place = self.rng.below(left.len() as u64) as usize;
            addresses.push(left.swap_remove(place));
        }
        self.tell_sender(Event::AddressesChanged { addresses });
    }

    pub(crate) fn tell_sender(&mut self, event: Event) {
        self.sender_inbox.push((None, Notice::Event(event)));
    }

    /// Connections break after so many bytes, so that every border is met.
    pub(crate) fn break_if_due(&mut self, conn: Conn) {
        let connection = &self.connections[conn.0];
        if self.healed || connection.path != Path::Whole {
            return;
        }
        let up = connection.taken(End::Dialler);
        if connection
            .cut_after
            .is_some_and(|(from, after)| connection.taken(from) > after)
        {
            self.cut(conn);
        } else if connection.lingers_after.is_some_and(|after| up > after) {
            self.linger(conn);
        }
    }

    /// The path dies, or its way up alone: a part of what is on the way still arrives, and each
    /// end notices by itself.
    fn cut(&mut self, conn: Conn) {
        let down_only = self.rng.chance(self.plan.down_only);
        let connection = &mut self.connections[conn.0];
        if connection.path != Path::Whole {
            return;
        }
        connection.path = if down_only {
            Path::DownOnly
        } else {
            Path::Dead
        };
        for stream in connection.streams.values_mut() {
            stream.way_mut(End::Dialler).lose_tail(&mut self.rng);
            if !down_only {
                stream.way_mut(End::Acceptor).lose_tail(&mut self.rng);
            }
        }
        // What still comes down should have the time to.
        let least = if down_only {
            self.plan.delay_max * 3
        } else {
            Duration::ZERO
        };
        for end in [End::Dialler, End::Acceptor] {
            let after = least + self.rng.wait(self.plan.notice_max);
            self.lose(after, conn, end, LinkError::IdleTimeout);
        }
    }

    /// The sender gives the connection up at once, while what it sent arrives much later: the
    /// receiver then has two of its connections.
    fn linger(&mut self, conn: Conn) {
        let connection = &mut self.connections[conn.0];
        if connection.path != Path::Whole {
            return;
        }
        connection.path = Path::Dead;
        let held_back = self.rng.wait(Duration::from_secs(8));
        let until = self.now + held_back;
        let from = End::Dialler;
        let streams: Vec<StreamKey> = connection.streams.keys().copied().collect();
        for stream in connection.streams.values_mut() {
            stream.way_mut(from).hold_until(until);
            stream.way_mut(from.other()).lose_tail(&mut self.rng);
        }
        for stream in streams {
            self.schedule_at(until, Happening::Arrival { conn, stream, from });
        }
        self.schedule_loss(conn, End::Dialler, Duration::from_millis(20));
        let after = held_back + self.rng.wait(IDLE);
        self.lose(after, conn, End::Acceptor, LinkError::IdleTimeout);
    }

    /// The end will notice that the connection is gone, within this time.
    pub(crate) fn schedule_loss(&mut self, conn: Conn, end: End, within: Duration) {
        let reset = self.rng.chance(300);
        let error = if reset {
            LinkError::Reset
        } else {
            LinkError::IdleTimeout
        };
        let late = self.rng.chance(300);
        let after = if late { within } else { self.rng.wait(within) };
        self.lose(after, conn, end, error);
    }

    pub(crate) fn lose(&mut self, after: Duration, conn: Conn, end: End, error: LinkError) {
        self.schedule(after, Happening::Lost { conn, end, error });
    }
}
