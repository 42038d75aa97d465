//! The accepting process's lives: what its application is handed and answers, how it ends, and
//! how the next one begins.

use std::time::Duration;

use peer_sender_core::{IncomingMessage, SessionHandle, Sessions, StopMode, Time};

use crate::application::Application;
use crate::clock::Clock;
use crate::faults::IDLE;
use crate::log::{self, brief_event};
use crate::transport::{Conn, End, Path, Stand};
use crate::world::{Happening, World};

impl World {
    pub(crate) fn deliver(&mut self, handle: SessionHandle, message: IncomingMessage) {
        let IncomingMessage {
            number, payload, ..
        } = message;
        let name = (self.incarnation, handle);
        let bound = self.connections.iter().position(|connection| {
            connection.incarnation == name.0 && connection.session == Some(handle)
        });
        let conn = Conn(bound.expect("I5 a session without a connection"));
        let id = if self.strange_handles.contains(&name) {
            self.strangers.handed(conn, name, number, &payload);
            None
        } else {
            let session = self.oracle.witnesses[&conn].session.expect("OPEN came");
            Some(self.oracle.handed(name, session, number, &payload))
        };
        self.application.hand(handle, number, id, payload.len());
        let due = self.answer_due();
        let incarnation = self.incarnation;
        self.schedule_at(
            due,
            Happening::Answer {
                incarnation,
                handle,
                number,
            },
        );
    }

    fn answer_due(&mut self) -> Time {
        if self.healed {
            return self.now + Duration::from_micros(50);
        }
        let due = self.now + self.rng.wait(self.plan.answer_max);
        if self.plan.stalls && self.rng.chance(300) {
            return self.plan.heals_at + self.rng.wait(Duration::from_secs(20));
        }
        due
    }

    pub(crate) fn answer(&mut self, incarnation: u32, handle: SessionHandle, number: u64) {
        if incarnation != self.incarnation {
            return;
        }
        let order = self.plan.out_of_order;
        // In order: the oldest that is held is answered in this one's stead.
        let number = match self
            .application
            .unanswered()
            .iter()
            .find(|(of, _)| *of == handle)
        {
            Some((_, oldest)) if !order => *oldest,
            _ => number,
        };
        let answered = self
            .application
            .answer(handle, number, &self.plan, incarnation);
        let Some((id, answer)) = answered else { return };
        if let Some(id) = id {
            log::line(self.now, || {
                format!("R application: {answer:?} of message {id}")
            });
            self.oracle.decided((incarnation, handle), id, answer);
        }
        let later = self.rng.wait(self.plan.answer_max / 8);
        self.schedule(
            later,
            Happening::Tell {
                incarnation,
                handle,
            },
        );
    }

    /// The driver passes the application's answers on.
    pub(crate) fn tell(&mut self, incarnation: u32, handle: SessionHandle) {
        if incarnation != self.incarnation {
            return;
        }
        let events = self.application.news(handle);
        if events.is_empty() {
            return;
        }
        for event in &events {
            log::line(self.now, || {
                format!("R -> {handle:?} {}", brief_event(event))
            });
        }
        let reading = self.read_receiver_clock();
        let known = self.sessions.key(handle).is_some();
        let mut actions = Vec::new();
        self.sessions
            .handle_session(reading, handle, events, &mut actions);
        assert!(
            known || actions.is_empty(),
            "I10 {actions:?} for a forgotten session"
        );
        self.execute_for_receiver(actions);
    }

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
            StopMode::Abort => None,
        };
        self.sessions.stop(reading, mode, &mut actions);
        self.execute_for_receiver(actions);
        let grace = match mode {
            StopMode::Drain(within) => within + self.plan.timer_late_max,
            StopMode::Abort => {
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
        self.begin_life();
        self.is_down = false;
    }

    fn begin_life(&mut self) {
        self.incarnation += 1;
        self.taken_over += self.sessions.stats().taken_over;
        let seed = self.rng.array();
        self.sessions = Sessions::new(self.plan.sessions.clone(), seed);
        self.application = Application::default();
        self.receiver_inbox.clear();
        self.receiver_stop_at = None;
        // A process has a clock of its own.
        self.receiver_clock = Clock::default();
    }

    /// The faults end; what they have broken is still to be noticed.
    pub(crate) fn heal(&mut self) {
        log::line(self.now, || "---- the faults end".into());
        self.healed = true;
        let incarnation = self.incarnation;
        for (handle, number) in self.application.unanswered() {
            let soon = self.rng.wait(Duration::from_millis(100));
            self.schedule(
                soon,
                Happening::Answer {
                    incarnation,
                    handle,
                    number,
                },
            );
        }
    }
}
