//! What the table of sessions does with a step.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Owner, RECORDS_PER_SESSION, Session, SessionHandle, SessionNews, Sessions};
use crate::inbound::Place;
use crate::receiver::PeerReceiverMachine;
use crate::receiver::unbound::{Progress, Unbound};
use crate::{
    Action, Attempt, CloseCode, Dialler, Event, PeerKey, Protocol, ProtocolError, RejectReason,
    Rejected, SessionId,
};

impl Sessions {
    /// One step on a connection that is not bound yet.
    pub(super) fn bind(
        &mut self,
        attempt: Attempt,
        mut unbound: Unbound,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) -> Option<SessionHandle> {
        let mut events = events.into_iter();
        while let Some(event) = events.next() {
            match unbound.handle(event) {
                Progress::Waits => {}
                Progress::Stale => self.past.stale_events += 1,
                Progress::Cut(stream) => {
                    actions.extend(Place { attempt, stream }.cut(CloseCode::Done));
                }
                Progress::Lost => return None,
                Progress::Broken(error) => {
                    self.past.protocol_errors += 1;
                    if !are_the_last(events, attempt) {
                        actions.push(broken(attempt, error));
                    }
                    return None;
                }
                Progress::Opened(id, event) => {
                    let Some(session) = self.session_for(unbound.dialler, id) else {
                        if !are_the_last(events, attempt) {
                            actions.push(no_room(attempt));
                        }
                        return None;
                    };
                    self.connections.insert(attempt, Owner::Session(session));
                    let before = unbound.into_events(attempt);
                    self.step(session, before.chain([event]).chain(events), actions);
                    return self.sessions.contains_key(&session).then_some(session);
                }
            }
        }
        self.connections.insert(attempt, Owner::Nobody(unbound));
        None
    }

    /// A connection that is a session by itself.
    pub(super) fn bind_by_itself(
        &mut self,
        attempt: Attempt,
        dialler: Dialler,
        actions: &mut Vec<Action>,
    ) {
        match self.session_for(dialler, SessionId::of_connection(attempt)) {
            Some(session) => {
                self.connections.insert(attempt, Owner::Session(session));
                self.step(session, [Event::Connected { attempt }], actions);
            }
            None => actions.push(no_room(attempt)),
        }
    }

    /// The session of this name, made if it is new and there is room.
    fn session_for(&mut self, dialler: Dialler, id: SessionId) -> Option<SessionHandle> {
        let name = (dialler, id);
        if let Some(&handle) = self.by_name.get(&name) {
            return Some(handle);
        }
        self.make_room(dialler.share)?;
        let handle = SessionHandle(self.next_handle);
        let receiver = self.config.receiver.clone();
        let replies = SessionId::nth(&self.seed, self.next_handle);
        let machine = match receiver.protocol {
            Protocol::Lanes => {
                PeerReceiverMachine::new(receiver, id, self.epoch, self.next_record, replies)
            }
            Protocol::Plain => PeerReceiverMachine::plain(receiver),
            Protocol::Framed => PeerReceiverMachine::framed(receiver),
        };
        self.next_handle += 1;
        self.next_record += RECORDS_PER_SESSION;
        self.by_name.insert(name, handle);
        // Idle until its first step is done, like any session without a connection.
        self.idle.insert((self.now, handle));
        let idle_since = Some(self.now);
        self.sessions.insert(
            handle,
            Session {
                name,
                machine,
                idle_since,
                deadline: None,
            },
        );
        Some(handle)
    }

    /// Forgets a session without a connection if one more would be too many; none if there is
    /// none to forget. Nothing is forgotten with it that its sender was told to have arrived.
    fn make_room(&mut self, share: PeerKey) -> Option<()> {
        let named = |byte| {
            let key = PeerKey([byte; 32]);
            (Dialler { share, key }, SessionId([byte; 16]))
        };
        let sharing = self.by_name.range(named(0)..=named(0xff));
        let sharing = sharing.map(|(_, &handle)| handle);
        if sharing.clone().count() >= self.config.sessions_per_key_max {
            let idle_since = |handle| Some((self.sessions.get(&handle)?.idle_since?, handle));
            let idle = sharing.filter_map(idle_since);
            let (_, oldest) = idle.filter(|&(_, it)| self.is_spare(it)).min()?;
            self.forget(oldest);
        }
        if self.sessions.len() >= self.config.sessions_max {
            let mut idle = self.idle.iter();
            let &(_, oldest) = idle.find(|&&(_, it)| self.is_spare(it))?;
            self.forget(oldest);
        }
        (self.sessions.len() < self.config.sessions_max).then_some(())
    }

    fn is_spare(&self, session: SessionHandle) -> bool {
        let session = self.sessions.get(&session);
        session.is_some_and(|it| !it.machine.keeps_late())
    }

    /// One step of a session's machine, and what follows from it for the table.
    pub(super) fn step(
        &mut self,
        handle: SessionHandle,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
        let Some(session) = self.sessions.get_mut(&handle) else {
            return;
        };
        let share = session.name.0.share;
        let (before, _) = session.machine.held();
        session.machine.allow(self.room.allowance(handle, share));
        let mut lost = Vec::new();
        let events = events.into_iter().inspect(|event| {
            if let Event::ConnectionLost { attempt, .. } = event {
                lost.push(*attempt);
            }
        });
        // One that was left before may be forgotten in this step without another word.
        let left = session.machine.left();
        session.machine.handle(self.now, events, &mut self.scratch);
        let (after, starved) = session.machine.held();
        // In this order: one that gave room back and was refused more has its turn again at once.
        self.room.wait(handle, share, starved);
        self.room.change(share, before, after);
        let first = actions.len();
        self.sort_out(handle, actions);
        let closed = actions.iter().skip(first).filter_map(|action| {
            if let Action::Close { attempt, .. } = action {
                Some(*attempt)
            } else {
                None
            }
        });
        let Some(session) = self.sessions.get_mut(&handle) else {
            return;
        };
        for attempt in closed.chain(left).chain(lost.iter().copied()) {
            let owned = self.connections.get(&attempt);
            let ours = matches!(owned, Some(Owner::Session(owner)) if *owner == handle);
            if ours && !session.machine.has(attempt) {
                self.connections.remove(&attempt);
            }
        }
        self.note_times(handle, !lost.is_empty());
    }

    /// Keeps what a step says of the session as news, and passes the rest on.
    fn sort_out(&mut self, session: SessionHandle, actions: &mut Vec<Action>) {
        let mut messages = Vec::new();
        let mut settled = Vec::new();
        let mut unsent = Vec::new();
        for action in self.scratch.drain(..) {
            match action {
                Action::Deliver(message) => messages.push(message),
                Action::Settle { id, outcome } => settled.push((id, outcome)),
                Action::HandBack(message) => unsent.push(message),
                Action::Reject {
                    id,
                    lane,
                    reason,
                    payload,
                } => self.news.push_back(SessionNews::Rejected {
                    session,
                    id,
                    lane,
                    rejected: Rejected { reason, payload },
                }),
                Action::Room { lane, capacity } => self.news.push_back(SessionNews::Room {
                    session,
                    lane,
                    capacity,
                }),
                Action::Connect { .. }
                | Action::Write { .. }
                | Action::ScheduleBackoff { .. }
                | Action::Emit(_)
                | Action::ForgetDelivered
                | Action::PauseReading { .. }
                | Action::ResumeReading { .. }
                | Action::Probe { .. }
                | Action::ResetStream { .. }
                | Action::StopSending { .. }
                | Action::Close { .. } => actions.push(action),
            }
        }
        if !settled.is_empty() {
            self.news
                .push_back(SessionNews::Settled { session, settled });
        }
        if !unsent.is_empty() {
            self.news
                .push_back(SessionNews::HandedBack { session, unsent });
        }
        if !messages.is_empty() {
            self.news
                .push_back(SessionNews::Delivered { session, messages });
        }
    }

    /// Hands messages for a session that is not there back.
    pub(super) fn reject(
        &mut self,
        session: SessionHandle,
        events: impl IntoIterator<Item = Event>,
    ) {
        for event in events {
            if let Event::MessageQueued {
                id, lane, payload, ..
            } = event
            {
                let reason = RejectReason::Stopped;
                self.news.push_back(SessionNews::Rejected {
                    session,
                    id,
                    lane,
                    rejected: Rejected { reason, payload },
                });
            }
        }
    }

    /// Lets those go on, in turn, who were refused room, once there is some.
    pub(super) fn share_room(&mut self, actions: &mut Vec<Action>) {
        while let Some(handle) = self.room.next_served() {
            self.step(handle, [Event::TimerFired], actions);
        }
    }

    /// Brings the indexes of times up to date with a session, or forgets it if it is done. A
    /// session that `lost` a connection in this step is idle from now on, not from the end of an
    /// earlier one.
    fn note_times(&mut self, handle: SessionHandle, lost: bool) {
        let Some(session) = self.sessions.get_mut(&handle) else {
            return;
        };
        if let Some(deadline) = session.deadline.take() {
            self.deadlines.remove(&(deadline, handle));
        }
        session.deadline = session.machine.next_deadline();
        if let Some(deadline) = session.deadline {
            self.deadlines.insert((deadline, handle));
        }
        if session.machine.connections() > 0 {
            if let Some(since) = session.idle_since.take() {
                self.idle.remove(&(since, handle));
            }
        } else if session.machine.is_closed() || !session.machine.remembers() {
            self.forget(handle);
        } else if lost || session.idle_since.is_none() {
            if let Some(since) = session.idle_since.replace(self.now) {
                self.idle.remove(&(since, handle));
            }
            self.idle.insert((self.now, handle));
        }
    }

    pub(super) fn forget(&mut self, handle: SessionHandle) {
        let Some(mut session) = self.sessions.remove(&handle) else {
            return;
        };
        let (held, _) = session.machine.held();
        session.machine.forget(&mut self.scratch);
        // It has no connection, so this is all news.
        let mut none = Vec::new();
        self.sort_out(handle, &mut none);
        self.room.change(session.name.0.share, held, 0);
        self.room.wait_no_more(handle);
        self.by_name.remove(&session.name);
        if let Some(since) = session.idle_since {
            self.idle.remove(&(since, handle));
        }
        if let Some(deadline) = session.deadline {
            self.deadlines.remove(&(deadline, handle));
        }
        self.past = self.past.plus(session.machine.stats());
        self.news
            .push_back(SessionNews::Forgotten { session: handle });
    }
}

/// Whether the connection is lost by these events of it, so that it needs no close.
fn are_the_last(mut events: impl Iterator<Item = Event>, of: Attempt) -> bool {
    events.any(|event| matches!(event, Event::ConnectionLost { attempt, .. } if attempt == of))
}

fn no_room(attempt: Attempt) -> Action {
    let reason = String::from("no room for another session");
    Action::Close {
        attempt,
        code: CloseCode::ExcessiveLoad,
        reason,
    }
}

fn broken(attempt: Attempt, error: ProtocolError) -> Action {
    Action::Close {
        attempt,
        code: CloseCode::Protocol,
        reason: error.to_string(),
    }
}
