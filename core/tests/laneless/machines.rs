//! The machines of a run: each is told something, and what it asks for and gives out is done.

use peer_sender_core::{
    Action, CloseCode, Event, IncomingMessage, Lane, PeerEvent, Protocol, RefuseCode,
    SessionHandle, SessionNews, StopReason,
};

use crate::ends::End;
use crate::pipes::Pipes;
use crate::world::World;

/// What an application was given.
#[derive(Clone, Copy, Default)]
pub(crate) struct Given {
    /// The number below which all is answered.
    below: u64,
    /// The number of the next one.
    next: u64,
}

impl Given {
    /// Answers so many more.
    fn answer(&mut self, many: u64) -> Event {
        self.below = self.below.saturating_add(many).min(self.next);
        let (lane, below) = (Lane(0), self.below);
        Event::Consumed { lane, below }
    }
}

impl<P: Pipes> World<P> {
    pub(crate) fn step(&mut self, events: impl IntoIterator<Item = Event>) {
        let mut actions = Vec::new();
        self.sender.handle(self.now, events, &mut actions);
        let mut left = Vec::new();
        for action in actions {
            match action {
                Action::Connect { attempt, .. } => {
                    self.forget_link();
                    self.dialling = Some(attempt);
                }
                Action::Deliver(message) => self.got(None, &message),
                Action::Settle { id, outcome } => {
                    self.oracle.settled(End::Dialler, id, &outcome);
                }
                Action::Reject { id, .. } => self.oracle.rejected(End::Dialler, id),
                Action::Close { code, .. } => left.extend(self.closed_by_sender(code)),
                Action::Emit(PeerEvent::SenderStopped { reason }) => {
                    self.stopped = true;
                    if reason == StopReason::Drained {
                        self.oracle.count.one("drained");
                    }
                }
                Action::Emit(_)
                | Action::Room { .. }
                | Action::HandBack(_)
                | Action::ScheduleBackoff { .. } => {}
                other => self.act(End::Dialler, other),
            }
        }
        if !left.is_empty() {
            self.step(left);
        }
    }

    pub(crate) fn step_session(
        &mut self,
        session: SessionHandle,
        events: impl IntoIterator<Item = Event>,
    ) {
        let mut actions = Vec::new();
        self.listener
            .handle_session(self.now, session, events, &mut actions);
        self.of_listener(actions);
    }

    pub(crate) fn of_listener(&mut self, actions: Vec<Action>) {
        let mut closed = None;
        for action in actions {
            match action {
                Action::Close { attempt, code, .. } => {
                    self.may_close(code);
                    closed = Some((attempt, code));
                }
                other => self.act(End::Listener, other),
            }
        }
        while let Some(news) = self.listener.poll_news() {
            self.hear(news);
        }
        if let Some((attempt, code)) = closed {
            self.closed_by_listener(attempt, code);
        }
    }

    /// A listener closes what brought a message that cannot be read, and all when it ends.
    fn may_close(&mut self, code: CloseCode) {
        match code {
            CloseCode::Protocol if P::PROTOCOL == Protocol::Framed => {
                self.oracle.count.one("closed as malformed");
            }
            CloseCode::Done | CloseCode::GoingAway if self.listener_stops => {}
            _ => panic!("neither malformed nor the end: {code:?}"),
        }
    }

    fn hear(&mut self, news: SessionNews) {
        match news {
            SessionNews::Delivered { session, messages } => {
                for message in messages {
                    self.got(Some(session), &message);
                }
            }
            SessionNews::Settled { settled, .. } => {
                for (id, outcome) in settled {
                    self.oracle.settled(End::Listener, id, &outcome);
                }
            }
            SessionNews::Rejected { id, .. } => self.oracle.rejected(End::Listener, id),
            SessionNews::HandedBack { .. } | SessionNews::Room { .. } => {}
            SessionNews::Forgotten { session } => drop(self.sessions.remove(&session)),
        }
    }

    /// The application of a session, or that of the sender, is given a message.
    fn got(&mut self, session: Option<SessionHandle>, message: &IncomingMessage) {
        let given = match session {
            Some(session) => self.sessions.entry(session).or_default(),
            None => &mut self.replies,
        };
        assert_eq!(message.number, given.next, "a running count");
        given.next += 1;
        self.oracle.got(session, &message.payload);
        if self.link.is_none() {
            self.oracle.count.one("given out late");
        }
    }

    /// The listener's application answers some of what it has of each session.
    pub(crate) fn answer_messages(&mut self, many: u64, faults: bool) {
        let sessions: Vec<SessionHandle> = self.sessions.keys().copied().collect();
        for session in sessions {
            let Some(given) = self.sessions.get_mut(&session) else {
                continue;
            };
            let number = given.below;
            let consumed = given.answer(many);
            let mut events = Vec::new();
            if faults && number < given.below && self.rng.chance(2) {
                let (lane, code) = (Lane(0), RefuseCode::Malformed);
                events.push(Event::Refused { lane, number, code });
                self.oracle.count.one("malformed");
            }
            events.push(consumed);
            self.step_session(session, events);
        }
    }

    /// The dialler's application answers some of what it has.
    pub(crate) fn answer_replies(&mut self, many: u64) {
        let consumed = self.replies.answer(many);
        self.step([consumed]);
    }
}
