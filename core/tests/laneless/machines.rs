//! The machines of a run: each is told something, and what it asks for and gives out is done.

use peer_sender_core::{
    Action, CloseCode, Event, IncomingMessage, Lane, PeerEvent, Protocol, RefuseCode,
    SessionHandle, SessionNews, StopReason,
};

use crate::ends::End;
use crate::pipes::Pipes;
use crate::world::World;

/// What an application was given.
#[derive(Default)]
pub(crate) struct Given {
    /// The number below which it has answered all.
    below: u64,
    /// The number of the next one.
    next: u64,
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
                    self.may_close(End::Listener, code);
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

    /// Each end closes what brought a message that cannot be read; a dialler what it has no use for, and a
    /// listener all when it ends.
    pub(crate) fn may_close(&mut self, end: End, code: CloseCode) {
        match (end, code) {
            (_, CloseCode::Protocol) if P::PROTOCOL == Protocol::Framed => {
                self.oracle.count.one("closed as malformed");
            }
            (End::Dialler, _) if P::CLOSES.contains(&code) => {}
            (End::Listener, CloseCode::Done | CloseCode::GoingAway) if self.listener_stops => {}
            _ => panic!("{end:?} closes with {code:?}"),
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
            SessionNews::Forgotten { session } => drop(self.given.remove(&Some(session))),
        }
    }

    /// The application of a session, or that of the sender, is given a message.
    fn got(&mut self, session: Option<SessionHandle>, message: &IncomingMessage) {
        let given = self.given.entry(session).or_default();
        assert_eq!(message.number, given.next, "a running count");
        given.next += 1;
        self.oracle.got(session, &message.payload);
        if self.link.is_none() {
            self.oracle.count.one("given out late");
        }
    }

    /// The listener's application answers so many more messages of each session.
    pub(crate) fn answer_messages(&mut self, many: u64, faults: bool) {
        for session in self.sessions() {
            self.answer(Some(session), many, faults);
        }
    }

    /// The dialler's application answers so many more replies.
    pub(crate) fn answer_replies(&mut self, many: u64, faults: bool) {
        self.answer(None, many, faults);
    }

    /// An application answers so many more messages. With faults it may be that it cannot read the first.
    fn answer(&mut self, session: Option<SessionHandle>, many: u64, faults: bool) {
        let Some(given) = self.given.get_mut(&session) else {
            return;
        };
        let (lane, number) = (Lane(0), given.below);
        let below = number.saturating_add(many).min(given.next);
        given.below = below;
        let mut events = Vec::new();
        if faults && number < below && self.rng.chance(5) {
            let code = RefuseCode::Malformed;
            events.push(Event::Refused { lane, number, code });
            self.oracle.count.one("malformed");
        }
        events.push(Event::Consumed { lane, below });
        match session {
            Some(session) => self.step_session(session, events),
            None => self.step(events),
        }
    }

    /// Sessions that have given something out.
    pub(crate) fn sessions(&self) -> Vec<SessionHandle> {
        self.given.keys().copied().flatten().collect()
    }
}
