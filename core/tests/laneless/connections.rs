//! The connections of a run: how one comes to be, what happens on it, and how both ends part from it.

use peer_sender_core::{Action, Attempt, CloseCode, Event, LinkError, PeerKey};

use crate::ends::{Both, End};
use crate::pipes::{Pipes, Tidings, connection_of};
use crate::rng::Rng;
use crate::world::World;

/// A connection that stands, at the listener at least.
pub(crate) struct Link<P> {
    names: Both<Attempt>,
    pipes: P,
    /// What has happened on it, and each machine was not told yet.
    untold: Both<Vec<Event>>,
    /// The dialler has parted from it.
    left: bool,
}

impl<P: Pipes> World<P> {
    /// What comes of a dial.
    pub(crate) fn dialled(&mut self, faults: bool) {
        let Some(attempt) = self.dialling.take() else {
            return;
        };
        if faults && self.rng.chance(20) {
            let error = LinkError::Unreachable;
            self.step([Event::ConnectFailed { attempt, error }]);
            return;
        }
        let accepted = Attempt(self.accepted);
        self.accepted += 1;
        let link = Link {
            names: Both {
                dialler: attempt,
                listener: accepted,
            },
            pipes: P::new(&mut self.rng, self.now),
            untold: Both::default(),
            left: false,
        };
        assert!(self.link.replace(link).is_none(), "two connections");
        let mut actions = Vec::new();
        let key = PeerKey([7; 32]);
        self.listener
            .accepted(self.now, accepted, key, &mut actions);
        self.step([Event::Connected { attempt }]);
        self.of_listener(actions);
    }

    /// Something happens on the connection, and both machines are told.
    pub(crate) fn advance(&mut self) {
        self.happens(P::advance);
        self.tell_listener();
        self.tell_dialler();
    }

    /// All that is written arrives. No machine is told yet what that means.
    pub(crate) fn arrive(&mut self) {
        self.happens(|pipes, _, tidings| pipes.arrive(tidings));
    }

    /// The listener's machine is told that something has come.
    pub(crate) fn begin(&mut self) {
        self.happens(|pipes, _, tidings| pipes.begin(tidings));
        self.tell_listener();
    }

    /// This happens on the connection, if there is one.
    fn happens<T: Default>(
        &mut self,
        it: impl FnOnce(&mut P, &mut Rng, &mut Tidings<'_>) -> T,
    ) -> T {
        let Some(link) = &mut self.link else {
            return T::default();
        };
        let mut tidings = Tidings {
            names: link.names,
            oracle: &mut self.oracle,
            told: &mut link.untold,
        };
        it(&mut link.pipes, &mut self.rng, &mut tidings)
    }

    pub(crate) fn tell_dialler(&mut self) {
        if let Some(link) = &mut self.link {
            let told = std::mem::take(&mut link.untold.dialler);
            self.step(told);
        }
    }

    fn tell_listener(&mut self) {
        if let Some(link) = &mut self.link {
            let told = std::mem::take(&mut link.untold.listener);
            let attempt = link.names.listener;
            self.step_connection(attempt, told);
        }
    }

    /// A machine asks for something of the connection.
    pub(crate) fn act(&mut self, end: End, action: Action) {
        let Some(name) = connection_of(&action) else {
            panic!("{end:?} never does {action:?}")
        };
        match &mut self.link {
            Some(link) => {
                assert_eq!(name, link.names[end]);
                link.pipes.act(end, action, self.now, &mut self.oracle);
            }
            None => {
                let writes = matches!(action, Action::Write { .. });
                assert!(!writes, "on a connection that is lost");
            }
        }
    }

    /// The connection is lost, and one end hears of it first.
    pub(crate) fn lose(&mut self) {
        if self.link.is_none() {
            return;
        }
        self.oracle.count.one("lost");
        let told = self.part_dialler(LinkError::IdleTimeout);
        if self.rng.chance(50) {
            self.step(told);
            self.part_listener(LinkError::IdleTimeout);
        } else {
            self.part_listener(LinkError::IdleTimeout);
            self.step(told);
        }
    }

    /// The dialler has parted from the connection, if there was one, and now the listener hears of it.
    pub(crate) fn forget_link(&mut self) {
        let left = self.link.as_ref().is_none_or(|link| link.left);
        assert!(left, "the dialler has a connection still");
        self.part_listener(LinkError::IdleTimeout);
    }

    /// The sender closes the connection. What it is still to be told.
    pub(crate) fn closed_by_sender(&mut self, code: CloseCode) -> Vec<Event> {
        self.may_close(End::Dialler, code);
        self.dialling = None;
        let reason = String::new();
        let told = self.part_dialler(LinkError::Local { reason });
        let reason = String::new();
        self.part_listener(LinkError::Closed { code, reason });
        told
    }

    pub(crate) fn closed_by_listener(&mut self, attempt: Attempt, code: CloseCode) {
        let name = self.link.as_ref().map(|link| link.names.listener);
        assert_eq!(name, Some(attempt));
        self.oracle.count.one("closed by the listener");
        let reason = String::new();
        let told = self.part_dialler(LinkError::Closed { code, reason });
        let reason = String::new();
        self.part_listener(LinkError::Local { reason });
        self.step(told);
    }

    /// The dialler reads whatever has arrived, and hears of the loss, unless it has already.
    fn part_dialler(&mut self, error: LinkError) -> Vec<Event> {
        let heeds = false;
        self.happens(|pipes, _, tidings| pipes.finish(End::Dialler, heeds, tidings));
        let Some(link) = self.link.as_mut().filter(|link| !link.left) else {
            return Vec::new();
        };
        link.left = true;
        let attempt = link.names.dialler;
        let mut told = std::mem::take(&mut link.untold.dialler);
        told.push(Event::ConnectionLost { attempt, error });
        told
    }

    /// The listener reads whatever has arrived, as it has room for it or at once, and hears of the loss.
    fn part_listener(&mut self, error: LinkError) {
        let closed = matches!(error, LinkError::Local { .. });
        let heeds = !closed && self.rng.chance(75);
        let mut rounds = 0;
        while self.happens(|pipes, _, tidings| pipes.finish(End::Listener, heeds, tidings)) {
            rounds += 1;
            assert!(rounds < 1_000, "L6: what came whole waits for ever");
            self.tell_listener();
            self.answer_messages(u64::MAX, false);
        }
        if let Some(link) = self.link.take() {
            let attempt = link.names.listener;
            let mut told = link.untold.listener;
            told.push(Event::ConnectionLost { attempt, error });
            self.step_connection(attempt, told);
        }
    }

    /// The listener's machine hears of a connection.
    fn step_connection(&mut self, attempt: Attempt, told: Vec<Event>) {
        let mut actions = Vec::new();
        self.listener
            .handle_connection(self.now, attempt, told, &mut actions);
        self.of_listener(actions);
    }
}
