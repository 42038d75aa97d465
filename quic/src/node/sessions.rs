//! Steps of the table of sessions, and what it asks for.

use peer_sender_core::{
    Action, Attempt, CloseCode, Event, IncomingMessage, LinkError, PeerKey, SessionHandle,
    SessionNews, StopMode, Time, WakeReason,
};

use super::net::SPIN_PAUSE;
use super::records::{Desk, Mail};
use super::timers::TimerOf;
use super::{NodeEvent, NodeMachine, PeerHandle, PeerId, Sender, Source, Target};

impl<P: PeerId> NodeMachine<P> {
    /// One step of what happened on a connection that was let in.
    pub(super) fn step_accepted(
        &mut self,
        now: Time,
        attempt: Attempt,
        facts: impl IntoIterator<Item = Event>,
    ) {
        let nameless = !self.config.protocol().has_lanes();
        let mut speaks = false;
        let facts = facts.into_iter().inspect(|fact| {
            // Where connections name no session, the first message shows that it is wanted.
            speaks |= nameless && matches!(fact, Event::StreamOpened { .. });
        });
        self.at_desk(now, |desk, mail| {
            desk.step_connection(now, attempt, facts, mail);
        });
        if let (true, Some(inbound)) = (speaks, &mut self.inbound) {
            inbound.speaks(attempt);
        }
    }

    /// One step of what users and the application have for a session.
    pub(super) fn step_session(
        &mut self,
        now: Time,
        session: SessionHandle,
        facts: impl IntoIterator<Item = Event>,
    ) {
        self.at_desk(now, |desk, mail| {
            desk.step(mail, |table, actions| {
                table.handle_session(now, session, facts, actions);
            });
        });
    }

    pub(super) fn wake_sessions(&mut self, now: Time) {
        if let Some(inbound) = &mut self.inbound {
            inbound.armed = None;
        }
        self.at_desk(now, |desk, mail| {
            desk.step(mail, |table, actions| table.handle_timeout(now, actions));
        });
    }

    /// Whether another node that shares the records has made work for this one.
    pub(super) fn is_called(&self) -> bool {
        let inbound = self.inbound.as_ref();
        inbound.is_some_and(|inbound| inbound.desk.is_called())
    }

    /// Does what another node has left for this one.
    pub(super) fn open_box(&mut self, now: Time) {
        self.at_desk(now, Desk::open);
    }

    /// Ends every session that is at home here, every accepted connection, and what is not one yet.
    pub(super) fn stop_inbound(&mut self, now: Time, mode: StopMode) {
        let handshaking = self
            .inbound
            .as_mut()
            .map(|inbound| inbound.take_handshaking());
        for id in handshaking.into_iter().flatten() {
            self.net.close(id, CloseCode::GoingAway, "the node stops");
        }
        let others = self.at_desk(now, |desk, mail| desk.stop(now, mode, mail));
        for attempt in others.into_iter().flatten() {
            let inbound = self.inbound.as_ref();
            let Some(id) = inbound.and_then(|inbound| inbound.accepted(attempt)) else {
                continue;
            };
            let (code, reason) = (CloseCode::GoingAway, "the receiver stops");
            self.net.close(id, code, reason);
            let reason = String::from(reason);
            self.lose(now, attempt, LinkError::ClosedHere { code, reason });
        }
    }

    /// Forgets every connection that somebody else dialled, without a word.
    pub(super) fn cut_inbound(&mut self, now: Time) {
        let Some(inbound) = &mut self.inbound else {
            return;
        };
        let (handshaking, accepted) = (inbound.take_handshaking(), inbound.take_accepted());
        for &id in handshaking.iter().chain(accepted.values()) {
            if let Some(link) = self.net.link_mut(id) {
                link.abandon();
            }
            self.net.detach(id);
        }
        for &attempt in accepted.keys() {
            let error = LinkError::Local {
                reason: String::from("the connection was cut"),
            };
            self.step_accepted(now, attempt, [Event::ConnectionLost { attempt, error }]);
        }
    }

    /// A connection is closed at the table's word. Without lanes what had come on it is still told, and
    /// its end.
    fn forget_closed(&mut self, attempt: Attempt) {
        if let Some(inbound) = &mut self.inbound {
            match self.config.protocol().has_lanes() {
                true => inbound.forget_accepted(attempt),
                false => inbound.speaks(attempt),
            }
        }
    }

    pub(super) fn forget_accepted(&mut self, attempt: Attempt) {
        if let Some(inbound) = &mut self.inbound {
            inbound.forget_accepted(attempt);
        }
    }

    /// One visit to the desk, with everything that follows from it.
    fn at_desk<T>(&mut self, now: Time, visit: impl FnOnce(&Desk, &mut Mail) -> T) -> Option<T> {
        let (result, mail) = self.visit_desk(visit)?;
        self.act_on(now, mail);
        Some(result)
    }

    /// What is in the box afterwards is to be [acted on](Self::act_on).
    pub(super) fn visit_desk<T>(
        &mut self,
        visit: impl FnOnce(&Desk, &mut Mail) -> T,
    ) -> Option<(T, Mail)> {
        let inbound = self.inbound.as_mut()?;
        let mut mail = std::mem::take(&mut inbound.mail);
        let result = visit(&inbound.desk, &mut mail);
        Some((result, mail))
    }

    pub(super) fn act_on(&mut self, now: Time, mut mail: Mail) {
        let Some(inbound) = &mut self.inbound else {
            return;
        };
        let deadline = mail.deadline.map(|at| match at > now {
            true => at,
            false => now + SPIN_PAUSE,
        });
        self.net
            .timers
            .arm(TimerOf::Sessions, &mut inbound.armed, deadline);
        self.execute_of_sessions(&mut mail.actions);
        for (news, key) in mail.news.drain(..) {
            self.report_of_session(news, key);
        }
        if let Some(inbound) = &mut self.inbound {
            inbound.mail = mail;
        }
    }

    /// Does what the table asks for.
    fn execute_of_sessions(&mut self, actions: &mut Vec<Action>) {
        for action in actions.drain(..) {
            match action {
                Action::Close {
                    attempt,
                    code,
                    ref reason,
                } => {
                    self.report_closed(attempt, code, reason);
                    self.pass_to_accepted(attempt, action);
                    self.forget_closed(attempt);
                }
                // The first that it says is a RESUME, which answers the OPEN that names a session.
                Action::Write { attempt, .. } => {
                    if let Some(inbound) = &mut self.inbound {
                        inbound.speaks(attempt);
                    }
                    self.pass_to_accepted(attempt, action);
                }
                Action::PauseReading { attempt, .. }
                | Action::ResumeReading { attempt, .. }
                | Action::Probe { attempt }
                | Action::ResetStream { attempt, .. }
                | Action::StopSending { attempt, .. } => self.pass_to_accepted(attempt, action),
                // Only a machine that dials asks for these, or the table tells them as news.
                Action::Connect { .. }
                | Action::ScheduleBackoff { .. }
                | Action::Emit(_)
                | Action::Deliver(_)
                | Action::Settle { .. }
                | Action::HandBack(_)
                | Action::Room { .. }
                | Action::ForgetDelivered
                | Action::Reject { .. } => {}
            }
        }
    }

    fn report_of_session(&mut self, news: SessionNews, key: Option<PeerKey>) {
        let event = match news {
            SessionNews::Delivered { session, messages } => {
                return self.report_delivered(session, key, messages);
            }
            SessionNews::Settled { session, settled } => {
                let to = Target::Session(session);
                NodeEvent::Settled { to, settled }
            }
            SessionNews::HandedBack { session, unsent } => {
                let to = Target::Session(session);
                NodeEvent::HandedBack { to, unsent }
            }
            SessionNews::Rejected {
                session,
                id,
                lane,
                rejected,
            } => {
                let to = Target::Session(session);
                NodeEvent::Rejected {
                    to,
                    id,
                    lane,
                    rejected,
                }
            }
            SessionNews::Room {
                session,
                lane,
                capacity,
            } => {
                let to = Target::Session(session);
                NodeEvent::Room { to, lane, capacity }
            }
            SessionNews::Forgotten { session } => {
                let source = Source::Session(session);
                NodeEvent::Forgotten { source }
            }
        };
        self.events.push_back(event);
    }

    /// Executes an action on an accepted connection, unless that has ended.
    fn pass_to_accepted(&mut self, attempt: Attempt, action: Action) {
        let link = self
            .inbound
            .as_ref()
            .and_then(|inbound| inbound.accepted(attempt));
        if let Some(link) = link {
            self.net.execute(link, action);
        }
    }

    fn report_delivered(
        &mut self,
        session: SessionHandle,
        key: Option<PeerKey>,
        messages: Vec<IncomingMessage>,
    ) {
        let Some(key) = key else {
            return;
        };
        let from = Sender {
            key,
            peer: self.peer_with_key(key),
        };
        self.events.push_back(NodeEvent::Incoming {
            source: Source::Session(session),
            from,
            messages,
        });
    }

    /// Whoever holds this key is there: it makes sense to dial it now.
    pub(super) fn wake_peers_of(&mut self, now: Time, key: PeerKey) {
        let peers: Vec<PeerHandle> = self.peers_with_key(key).collect();
        for peer in peers {
            self.wake(now, peer, WakeReason::InboundContact);
        }
    }

    /// The caller's name for whoever holds this key; of several, the one that was added first.
    fn peer_with_key(&self, key: PeerKey) -> Option<P> {
        let handle = self.peers_with_key(key).next()?;
        self.peers.get(&handle).map(|peer| peer.id.clone())
    }

    /// The peers that must have this key, in the order in which they were added.
    fn peers_with_key(&self, key: PeerKey) -> impl Iterator<Item = PeerHandle> {
        let of_key = (key, PeerHandle(0))..=(key, PeerHandle(u64::MAX));
        self.keys.range(of_key).map(|&(_, handle)| handle)
    }

    /// Tells of a connection that is closed for what its other end did.
    fn report_closed(&mut self, attempt: Attempt, code: CloseCode, reason: &str) {
        let link = self
            .inbound
            .as_ref()
            .and_then(|inbound| inbound.accepted(attempt));
        let Some((id, remote)) = link.and_then(|id| Some((id, self.net.link(id)?.remote))) else {
            return;
        };
        let key = self.key_of(id);
        match code {
            CloseCode::Protocol => self.net.stats.protocol_errors += 1,
            CloseCode::MessageTooLarge | CloseCode::ExcessiveLoad => self.net.stats.refused += 1,
            CloseCode::Done
            | CloseCode::Internal
            | CloseCode::GoingAway
            | CloseCode::IdentityRefused
            | CloseCode::Superseded
            | CloseCode::Other(_) => return,
        }
        let reason = reason.to_owned();
        self.report_rejected(remote, key, LinkError::Closed { code, reason });
    }
}
