//! The accepting end: its table of sessions, its process, and the application behind it.

use peer_sender_core::trace::Call;
use peer_sender_core::{
    Action, Attempt, CloseCode, Event, Lane, RefuseCode, SessionHandle, SessionNews, Sessions,
    StopMode, Timer,
};

use super::{Held, Trouble, World, impossible, seed};
use crate::op::End;
use crate::oracle::{SessionPlace, Violation, violated};
use crate::print;
use crate::transport::Stand;

impl World {
    /// The application answers the first message of a lane that it holds.
    pub(super) fn answer(&mut self, lane: u8, refused: Option<u64>) -> Result<(), Trouble> {
        let Some(at) = self.held.iter().position(|it| it.lane == lane) else {
            return impossible("the application holds no message of the lane");
        };
        let Held {
            session,
            number,
            id,
            ..
        } = self.held.remove(at);
        let known = self.sessions.key(session).is_some();
        self.oracle.answered(id, refused, known);
        let lane = Lane(lane);
        let refusal = refused.map(|code| Event::Refused {
            lane,
            number,
            code: RefuseCode::from_wire(code),
        });
        let below = number + 1;
        let consumed = Event::Consumed { lane, below };
        let events = refusal.into_iter().chain([consumed]);
        Ok(self.step_receiver(Call::Session { session }, events)?)
    }

    /// The process is killed, and starts anew: nothing of it is left but what it has sent.
    pub(super) fn restart(&mut self) -> Result<(), Trouble> {
        self.lives = self.lives.wrapping_add(1);
        let Ok(config) = self.settings.receiver() else {
            return impossible("its configuration is wrong");
        };
        self.sessions = Sessions::new(config, seed(self.lives));
        if self.record_life().is_err() {
            return impossible("its configuration is wrong");
        }
        self.sessions_known.clear();
        self.leaving = false;
        self.held.clear();
        for connection in &mut self.connections {
            if connection.acceptor == Stand::Up {
                connection.leave(End::Acceptor);
            }
        }
        self.memory_is_lost();
        Ok(())
    }

    pub(super) fn forget(&mut self) -> Result<(), Trouble> {
        match self.sessions.next_deadline() {
            Some(deadline) if deadline.timer == Timer::SessionTtl => {
                let clock = &mut self.receiver_clock;
                clock.now = clock.now.max(deadline.at);
                self.tick(End::Acceptor)
            }
            _ => impossible("no session is without a connection"),
        }
    }

    pub(super) fn leave(&mut self, mode: StopMode) -> Result<(), Trouble> {
        self.leaving = true;
        Ok(self.step_receiver(Call::Stop { mode }, [])?)
    }

    pub(super) fn tick(&mut self, end: End) -> Result<(), Trouble> {
        match end {
            End::Dialler => self.step_sender([Event::TimerFired])?,
            End::Acceptor => {
                self.step_receiver(Call::Timeout, [])?;
                let (now, next) = (self.receiver_clock.now, self.sessions.next_deadline());
                if next.is_some_and(|next| next.at < now) {
                    violated("I15", "a timer of the receiver lies in the past")?;
                }
            }
        }
        Ok(())
    }

    /// Tells the accepting end what happened on one connection.
    pub(super) fn tell_receiver(
        &mut self,
        attempt: Attempt,
        events: Vec<Event>,
    ) -> Result<(), Violation> {
        self.telling = Some(attempt);
        let came = self.step_receiver(Call::Connection { attempt }, events);
        self.telling = None;
        came
    }

    /// Which session of the sender a session of the table is: that of a connection which belongs to
    /// it, or which has just brought its first message and is closed for what came behind that.
    fn session_of(&mut self, session: SessionHandle) -> Option<SessionPlace> {
        let known = self.sessions_known.iter().rev();
        if let Some((_, place)) = known.into_iter().find(|(it, _)| *it == session) {
            return Some(*place);
        }
        let mut carrying = self.connections.iter().rev();
        let place = carrying.find_map(|it| {
            let attempt = it.accepted_as?;
            let belongs = self.sessions.session_of(attempt) == Some(session);
            it.session
                .filter(|_| belongs || self.telling == Some(attempt))
        })?;
        self.sessions_known.push((session, place));
        Some(place)
    }

    /// One step of the accepting end, and what follows from it at once.
    pub(super) fn step_receiver(
        &mut self,
        call: Call,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<(), Violation> {
        self.receiver_handles(call, events)?;
        while self.takes_at_once() {
            let taken = self.take_writes(End::Acceptor);
            if taken.is_empty() {
                break;
            }
            for (attempt, transfer) in taken {
                let finished = Event::TransferFinished { transfer };
                self.receiver_handles(Call::Connection { attempt }, [finished])?;
            }
        }
        Ok(())
    }

    fn receiver_handles(
        &mut self,
        call: Call,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<(), Violation> {
        let now = self.receiver_clock.now;
        let mut actions = std::mem::take(&mut self.actions);
        let news = self.step_of_sessions(now, call, events, &mut actions);
        self.receiver_clock.stepped = now;
        self.steps += 1;
        for news in news {
            self.hears(news)?;
        }
        for action in actions.drain(..) {
            self.receiver_does(action)?;
        }
        self.actions = actions;
        Ok(())
    }

    /// What the application hears.
    fn hears(&mut self, news: SessionNews) -> Result<(), Violation> {
        match news {
            SessionNews::Delivered { session, messages } => {
                let Some(place) = self.session_of(session) else {
                    return violated("I5", "a session that nobody opened hands out messages");
                };
                for message in messages {
                    self.digests(End::Acceptor, self.receiver_clock.now, &message);
                    let (lane, number) = (message.lane.0, message.number);
                    let id = self
                        .oracle
                        .handed((place, lane, number), &message.payload)?;
                    self.note(|| print::handed(id, lane, number, message.payload.len()));
                    self.held.push(Held {
                        session,
                        lane,
                        number,
                        id,
                    });
                }
            }
            SessionNews::Forgotten { .. } => {
                self.note(|| "receiver forgets the session".into());
                self.memory_is_lost();
            }
            SessionNews::Settled { .. }
            | SessionNews::HandedBack { .. }
            | SessionNews::Rejected { .. }
            | SessionNews::Room { .. } => {
                return violated("I1", "the receiver tells of replies that nobody sent");
            }
        }
        Ok(())
    }

    fn receiver_does(&mut self, action: Action) -> Result<(), Violation> {
        let end = End::Acceptor;
        self.digests(end, self.receiver_clock.now, &action);
        self.note_unless_write(end, &action);
        match action {
            Action::Write {
                transfer,
                attempt,
                stream,
                chunks,
                fin,
                priority: _,
            } => {
                let place = self.place(end, attempt)?;
                self.write((place, end), stream, (transfer, chunks, fin))
            }
            Action::Close { attempt, code, .. } => {
                let place = self.place(end, attempt)?;
                self.close(place, end, code)
            }
            Action::PauseReading { attempt, stream } => {
                let place = self.place(end, attempt)?;
                self.pause(place, end, stream, true)
            }
            // Lanes ask for none.
            Action::Probe { .. } => Ok(()),
            Action::ResumeReading { attempt, stream } => {
                let place = self.place(end, attempt)?;
                self.pause(place, end, stream, false)
            }
            Action::ResetStream {
                attempt,
                stream,
                code,
            } => {
                let place = self.place(end, attempt)?;
                if code == CloseCode::Superseded && self.accepted <= attempt.0 + 1 {
                    return violated("I10", "the newest connection is superseded");
                }
                self.sever((place, end), stream, code, end)
            }
            Action::StopSending {
                attempt,
                stream,
                code,
            } => {
                let place = self.place(end, attempt)?;
                self.sever((place, end), stream, code, end.other())
            }
            Action::Connect { .. }
            | Action::ScheduleBackoff { .. }
            | Action::Emit(_)
            | Action::Deliver(_)
            | Action::Settle { .. }
            | Action::HandBack(_)
            | Action::Reject { .. }
            | Action::Room { .. }
            | Action::ForgetDelivered => {
                violated("A", format!("the accepting end asks for {action:?}"))
            }
        }
    }

    fn memory_is_lost(&mut self) {
        self.oracle.memory_lost();
        for connection in &mut self.connections {
            connection.outlived |= !connection.is_over();
        }
    }
}
