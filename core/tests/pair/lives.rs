//! The accepting process's lives: how each ends, and how the next one begins.

use std::time::Duration;

use peer_sender_core::{Event, Protocol, Sessions, StopMode};

use crate::clock::Clock;
use crate::faults::IDLE;
use crate::happening::Happening;
use crate::log;
use crate::receiving::Stepped;
use crate::transport::{End, Path, Stand};
use crate::twin::Table;
use crate::world::World;

impl World {
    /// The process dies at once: what it held, and what it knew, is lost.
    pub(crate) fn crash(&mut self, down: Duration) {
        if self.is_down {
            return;
        }
        for conn in self.accepted_conns() {
            self.connection(conn).acceptor_end = Stand::Gone;
            self.connection(conn).path = Path::Dead;
            let within = if self.rng.chance(500) {
                Duration::from_millis(50)
            } else {
                IDLE
            };
            self.schedule_loss(conn, End::Dialler, within);
        }
        self.is_down = true;
        self.begin_life();
        self.schedule(down, Happening::Restart);
    }

    pub(crate) fn go_away(&mut self, mode: StopMode, down: Duration) {
        if self.is_down {
            return;
        }
        self.is_down = true;
        let reading = self.read_receiver_clock();
        let mut actions = Vec::new();
        log::line(self.now, || format!("R -> stop {mode:?}"));
        self.receiver_stop_at = match mode {
            StopMode::Drain(within) => Some(self.receiver_clock.latest + within),
            StopMode::Abort | StopMode::Remove => None,
        };
        let now = self.receiver_clock.latest;
        for (_, oracle) in self.replies_of_this_life() {
            oracle.stops(now, mode);
        }
        self.sessions.stop(reading, mode, &mut actions);
        let news = self.take_news();
        self.execute_for_receiver(Stepped::WhoeverIsDue, news, actions);
        let grace = match mode {
            StopMode::Drain(within) => within + self.plan.timer_late_max,
            StopMode::Abort | StopMode::Remove => {
                assert_eq!(
                    self.accepted_conns(),
                    [],
                    "I28 a stopped node has connections"
                );
                Duration::ZERO
            }
        };
        // Readings that go back may hide the deadline from the machine for a moment.
        let margin = Duration::from_secs(6);
        self.schedule(grace + margin + down, Happening::Restart);
    }

    /// A new process takes the old one's place.
    pub(crate) fn restart(&mut self) {
        let left = self.accepted_conns();
        assert_eq!(left, [], "I28 a stopped node has connections");
        if self.receiver_stop_at.is_some() {
            let mut open = self.replies_of_this_life();
            let open = open.find(|(_, oracle)| !oracle.is_settled());
            assert!(open.is_none(), "I28 a stopped node has open replies");
        }
        self.begin_life();
        self.is_down = false;
    }

    fn begin_life(&mut self) {
        self.incarnation += 1;
        self.taken_over += self.sessions.stats().taken_over;
        let seed = self.rng.array();
        let sessions = Sessions::new(self.plan.sessions.clone(), seed);
        self.sessions = Table::new(sessions, Protocol::Lanes, self.plan.followed);
        self.application.forget(|half| half.end == End::Acceptor);
        self.carriers.clear();
        self.names.clear();
        self.next_handle = 0;
        self.receiver_inbox.clear();
        self.receiver_stop_at = None;
        // A process has a clock of its own.
        self.receiver_clock = Clock::default();
    }

    /// The faults end; what they have broken is still to be noticed.
    pub(crate) fn heal(&mut self) {
        log::line(self.now, || "---- the faults end".into());
        self.healed = true;
        let mut addresses = self.plan.addresses.clone();
        let turns = self.rng.below(addresses.len() as u64);
        addresses.rotate_left(turns as usize);
        self.tell_sender(Event::AddressesChanged { addresses });
        self.flush_sender();
        for delivery in self.application.unanswered() {
            if self.is_deaf(delivery) {
                continue;
            }
            let soon = self.rng.wait(Duration::from_millis(100));
            self.schedule(soon, Happening::Answer(delivery));
        }
    }
}
