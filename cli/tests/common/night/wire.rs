//! What the two machines of a night are told, and what comes of what they ask for.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::trace::{Call, Image, Recorder, StepRecorder};
use peer_sender_core::{
    Action, Attempt, Event, IncomingMessage, LinkError, RefuseCode, SessionHandle, SessionNews,
    Side, StreamId,
};

use super::{App, Dialled, Fact, Night, OURS};

impl Night {
    pub(super) fn happens(&mut self, fact: Fact) {
        match fact {
            Fact::Sender(event) => self.step(vec![event]),
            Fact::Accepted { attempt } => {
                let call = Call::Accepted { attempt, key: OURS };
                self.peer_step(call, Vec::new());
            }
            Fact::Peer { attempt, event } => {
                self.peer_step(Call::Connection { attempt }, vec![event]);
            }
            Fact::Takes {
                session,
                lane,
                below,
            } => {
                let number = below - 1;
                let code = RefuseCode::Application;
                let refused = self
                    .setting
                    .refused
                    .is_some_and(|of| below.is_multiple_of(of));
                let refused = refused.then_some(Event::Refused { lane, number, code });
                let events = refused.into_iter().chain([Event::Consumed { lane, below }]);
                self.peer_step(Call::Session { session }, events.collect());
            }
        }
    }

    pub(super) fn step(&mut self, events: Vec<Event>) {
        let mut actions = Vec::new();
        let (steps, machine) = &mut self.sender;
        image(&self.ours, steps, machine);
        steps.begin();
        events.iter().for_each(|event| steps.event(event));
        machine.handle(self.now, events, &mut actions);
        actions.iter().for_each(|action| steps.action(action));
        steps.end(self.now, Call::Handle);
        self.ours.borrow_mut().add(steps);
        for action in actions {
            self.sender_acts(action);
        }
    }

    pub(super) fn peer_step(&mut self, call: Call, events: Vec<Event>) {
        let Some((steps, table)) = &mut self.peer else {
            return;
        };
        let mut actions = Vec::new();
        image(&self.recorder, steps, table);
        steps.begin();
        events.iter().for_each(|event| steps.event(event));
        let now = self.now;
        match call {
            Call::Accepted { attempt, key } => table.accepted(now, attempt, key, &mut actions),
            Call::AcceptedSharing { attempt, dialler } => {
                table.accepted(now, attempt, dialler, &mut actions);
            }
            Call::Connection { attempt } => {
                table.handle_connection(now, attempt, events, &mut actions);
            }
            Call::Session { session } => table.handle_session(now, session, events, &mut actions),
            _ => table.handle_timeout(now, &mut actions),
        }
        actions.iter().for_each(|action| steps.action(action));
        let news: Vec<_> = std::iter::from_fn(|| table.poll_news()).collect();
        news.iter().for_each(|news| steps.news(news));
        steps.end(now, call);
        self.recorder.borrow_mut().add(steps);
        for action in actions {
            self.peer_acts(action);
        }
        for news in news {
            if let SessionNews::Delivered { session, messages } = news {
                self.take(session, &messages);
            }
        }
    }

    fn sender_acts(&mut self, action: Action) {
        match action {
            Action::Connect { attempt, .. } => match self.dialled.clone() {
                Dialled::Silent => {}
                Dialled::Fails(error) => {
                    self.after(
                        self.setting.one_way,
                        Fact::Sender(Event::ConnectFailed { attempt, error }),
                    );
                }
                Dialled::Answered => {
                    let theirs = Attempt(self.accepted);
                    self.accepted += 1;
                    self.connection = Some((attempt, theirs));
                    self.after(self.setting.one_way, Fact::Accepted { attempt: theirs });
                    self.after(
                        2 * self.setting.one_way,
                        Fact::Sender(Event::Connected { attempt }),
                    );
                }
            },
            Action::Write {
                transfer,
                attempt,
                stream,
                chunks,
                fin,
                ..
            } => {
                let bytes = Bytes::from(chunks.concat());
                self.after(
                    self.taking,
                    Fact::Sender(Event::TransferFinished { transfer }),
                );
                let Some((ours, theirs)) = self.connection.filter(|it| it.0 == attempt) else {
                    return;
                };
                let new = self.opened.insert((ours, stream));
                let (attempt, stream) = (theirs, mirrored(stream));
                if new {
                    let event = Event::StreamOpened { attempt, stream };
                    self.after(self.setting.one_way, Fact::Peer { attempt, event });
                }
                let event = Event::BytesReceived {
                    attempt,
                    stream,
                    bytes,
                    fin,
                };
                self.after(self.setting.one_way, Fact::Peer { attempt, event });
            }
            Action::Close {
                attempt,
                code,
                reason,
            } => {
                if let Some((_, attempt)) = self.connection.take_if(|it| it.0 == attempt) {
                    let error = LinkError::Closed { code, reason };
                    let event = Event::ConnectionLost { attempt, error };
                    self.after(self.setting.one_way, Fact::Peer { attempt, event });
                }
            }
            Action::Deliver(reply) => {
                let (lane, below) = (reply.lane, reply.number + 1);
                let event = Event::Consumed { lane, below };
                self.after(Duration::from_micros(50), Fact::Sender(event));
            }
            _ => {}
        }
    }

    fn peer_acts(&mut self, action: Action) {
        match action {
            Action::Write {
                transfer,
                attempt,
                stream,
                chunks,
                fin,
                ..
            } => {
                let event = Event::TransferFinished { transfer };
                self.after(Duration::from_micros(100), Fact::Peer { attempt, event });
                let Some((attempt, _)) = self.connection.filter(|it| it.1 == attempt) else {
                    return;
                };
                let stream = mirrored(stream);
                if stream.opener == Side::Remote && self.opened.insert((attempt, stream)) {
                    let event = Event::StreamOpened { attempt, stream };
                    self.after(self.setting.one_way, Fact::Sender(event));
                }
                let event = Event::BytesReceived {
                    attempt,
                    stream,
                    bytes: Bytes::from(chunks.concat()),
                    fin,
                };
                self.after(self.setting.one_way, Fact::Sender(event));
            }
            Action::Close {
                attempt,
                code,
                reason,
            } => {
                if let Some((attempt, _)) = self.connection.take_if(|it| it.1 == attempt) {
                    let error = LinkError::Closed { code, reason };
                    let event = Event::ConnectionLost { attempt, error };
                    self.after(self.setting.one_way, Fact::Sender(event));
                }
            }
            _ => {}
        }
    }

    fn take(&mut self, session: SessionHandle, messages: &[IncomingMessage]) {
        for message in messages {
            let (lane, below) = (message.lane, message.number + 1);
            let takes = Fact::Takes {
                session,
                lane,
                below,
            };
            match self.app {
                App::Never => {}
                App::AtOnce => self.after(Duration::from_micros(50), takes),
                App::Each(time) => {
                    self.free_at = self.free_at.max(self.now) + time;
                    self.after(self.free_at.saturating_since(self.now), takes);
                }
            }
        }
    }

    fn after(&mut self, time: Duration, fact: Fact) {
        self.seq += 1;
        self.facts.insert((self.now + time, self.seq), fact);
    }
}

/// Writes a machine's state down if it is time to.
fn image(recorder: &RefCell<Recorder>, steps: &StepRecorder, machine: &impl Image) {
    let mut recorder = recorder.borrow_mut();
    if recorder.wants_image(steps.machine()) {
        let mut image = Vec::new();
        machine.save(&mut image);
        recorder.image(steps.machine(), &image);
    }
}

/// A stream as the other end calls it.
fn mirrored(stream: StreamId) -> StreamId {
    let opener = match stream.opener {
        Side::Local => Side::Remote,
        Side::Remote => Side::Local,
    };
    StreamId { opener, ..stream }
}
