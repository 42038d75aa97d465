//! A sender and the accepting node that it sends to, with as much of a network between them as a
//! trace needs to be worth reading.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::trace::{About, Call, Image, MachineConfig, Recorder, StepRecorder};
use peer_sender_core::{
    Action, Attempt, Event, Lane, LinkError, MessageId, MessageOptions, PeerKey, PeerSenderMachine,
    RefuseCode, SessionHandle, SessionNews, Sessions, SessionsConfig, Side, StopMode, StreamId,
    Time,
};

use crate::night::{EVENING, Plan};

const DELAY: Duration = Duration::from_millis(2);

/// A machine of the pair is told something.
enum Happening {
    Sender(Event),
    Table(Attempt, Event),
    Accepted(Attempt),
    Consumed(SessionHandle, Lane, u64),
    Send,
    Lose(LinkError),
    Restart,
    Stop,
    Timer,
}

pub(crate) struct Pair<'a> {
    recorder: &'a RefCell<Recorder>,
    plan: &'a Plan,
    seed: u8,
    now: Time,
    happenings: BTreeMap<(Time, u64), Happening>,
    count: u64,
    sender: PeerSenderMachine,
    sender_steps: StepRecorder,
    table: Sessions,
    table_steps: StepRecorder,
    /// Streams that the other end knows.
    opened: BTreeSet<(Attempt, u64)>,
    /// The connection that stands.
    up: Option<Attempt>,
    sent: u64,
}

fn about(name: &str, key: u8) -> About {
    About {
        name: name.to_owned(),
        key: Some(PeerKey([key; 32])),
        zero_unix_nanos: EVENING,
    }
}

fn new_table(recorder: &RefCell<Recorder>, plan: &Plan, seed: u8) -> (Sessions, StepRecorder) {
    let config = SessionsConfig::default();
    let made = MachineConfig::Sessions(Box::new(config.clone()));
    let name = format!("node of {}", plan.name);
    let steps = recorder
        .borrow_mut()
        .made(about(&name, seed), made, [seed; 32]);
    (Sessions::new(config, [seed; 32]), steps)
}

/// Writes down how a machine stands, if it is time to.
fn save(recorder: &RefCell<Recorder>, steps: &StepRecorder, machine: &impl Image) {
    let mut recorder = recorder.borrow_mut();
    if recorder.wants_image(steps.machine()) {
        let mut image = Vec::new();
        machine.save(&mut image);
        recorder.image(steps.machine(), &image);
    }
}

impl<'a> Pair<'a> {
    pub(crate) fn new(recorder: &'a RefCell<Recorder>, plan: &'a Plan, seed: u8) -> Self {
        let made = MachineConfig::Sender(Box::new(plan.config.clone()));
        let sender_steps = recorder
            .borrow_mut()
            .made(about(&plan.name, seed), made, [seed; 32]);
        let (table, table_steps) = new_table(recorder, plan, 100 + seed);
        let mut pair = Self {
            recorder,
            plan,
            seed,
            now: Time::ZERO,
            happenings: BTreeMap::new(),
            count: 0,
            sender: PeerSenderMachine::new(plan.config.clone(), [seed; 32]),
            sender_steps,
            table,
            table_steps,
            opened: BTreeSet::new(),
            up: None,
            sent: 0,
        };
        pair.at(Time::ZERO, Happening::Send);
        for (from, _, error) in &plan.faults {
            pair.at(*from, Happening::Lose(error.clone()));
        }
        for &time in &plan.restarts {
            pair.at(time, Happening::Restart);
        }
        pair.at(plan.until, Happening::Stop);
        pair
    }

    fn at(&mut self, time: Time, happening: Happening) {
        self.count += 1;
        self.happenings.insert((time, self.count), happening);
    }

    fn due(&self) -> Option<Time> {
        let due = [self.sender.next_deadline(), self.table.next_deadline()];
        due.into_iter().flatten().map(|due| due.at).min()
    }

    /// When something happens next, until shortly after the stop.
    pub(crate) fn next(&self) -> Option<Time> {
        let happens = self.happenings.first_key_value().map(|(key, _)| key.0);
        let next = happens.into_iter().chain(self.due()).min();
        next.filter(|&next| next <= self.plan.until + Duration::from_secs(5))
    }

    pub(crate) fn turn(&mut self) {
        let due = self.due();
        let first = self.happenings.first_entry();
        match first.filter(|first| due.is_none_or(|due| first.key().0 <= due)) {
            Some(first) => {
                let ((time, _), happening) = first.remove_entry();
                self.now = time;
                self.happens(happening);
            }
            None => {
                self.now = due.unwrap_or(self.now);
                self.happens(Happening::Timer);
            }
        }
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Sender(event) => self.tell_sender(vec![event]),
            Happening::Table(attempt, event) => {
                self.tell_table(Call::Connection { attempt }, vec![event]);
            }
            Happening::Accepted(attempt) => {
                let key = PeerKey([self.seed; 32]);
                self.tell_table(Call::Accepted { attempt, key }, Vec::new());
            }
            Happening::Consumed(session, lane, number) => {
                let mut events = Vec::new();
                if number % 97 == 96 {
                    events.push(Event::Refused {
                        lane,
                        number,
                        code: RefuseCode::Application,
                    });
                }
                events.push(Event::Consumed {
                    lane,
                    below: number + 1,
                });
                self.tell_table(Call::Session { session }, events);
            }
            Happening::Send => self.send(),
            Happening::Lose(error) => self.lose(&error),
            Happening::Restart => {
                self.lose(&LinkError::Reset);
                let seed = self.seed + 150;
                (self.table, self.table_steps) = new_table(self.recorder, self.plan, seed);
            }
            Happening::Stop => {
                let mode = StopMode::Drain(Duration::from_secs(2));
                self.tell_sender(vec![Event::Stop { mode }]);
            }
            Happening::Timer => {
                if self
                    .sender
                    .next_deadline()
                    .is_some_and(|it| it.at <= self.now)
                {
                    self.tell_sender(vec![Event::TimerFired]);
                } else {
                    self.tell_table(Call::Timeout, Vec::new());
                }
            }
        }
    }

    fn send(&mut self) {
        let burst = if self.sent % 100 == 50 { 40 } else { 1 };
        let ids = self.sent..(self.sent + burst).min(self.plan.messages);
        let expires_at = self.plan.ttl.map(|ttl| self.now + ttl);
        let events = ids.clone().map(|id| Event::MessageQueued {
            id: MessageId(id),
            lane: Lane((id % 2) as u8),
            payload: Bytes::from(vec![b'x'; 40 + (id as usize * 37) % 900]),
            options: MessageOptions { expires_at },
        });
        self.tell_sender(events.collect());
        self.sent = ids.end;
        if self.sent < self.plan.messages {
            let next = self.now + self.plan.every;
            self.at(next, Happening::Send);
        }
    }

    fn lose(&mut self, error: &LinkError) {
        let Some(attempt) = self.up.take() else {
            return;
        };
        let error = error.clone();
        self.tell_sender(vec![Event::ConnectionLost { attempt, error }]);
        let error = LinkError::IdleTimeout;
        let lost = vec![Event::ConnectionLost { attempt, error }];
        self.tell_table(Call::Connection { attempt }, lost);
    }

    fn tell_sender(&mut self, events: Vec<Event>) {
        let mut actions = Vec::new();
        let steps = &mut self.sender_steps;
        save(self.recorder, steps, &self.sender);
        steps.begin();
        events.iter().for_each(|event| steps.event(event));
        self.sender.handle(self.now, events, &mut actions);
        actions.iter().for_each(|it| steps.action(it));
        steps.end(self.now, Call::Handle);
        self.recorder.borrow_mut().add(steps);
        for action in actions {
            self.sender_asks(action);
        }
    }

    fn sender_asks(&mut self, action: Action) {
        match action {
            Action::Connect { attempt, .. } => self.dial(attempt),
            Action::Write {
                transfer,
                attempt,
                stream,
                chunks,
                fin,
                ..
            } => {
                let finished = Happening::Sender(Event::TransferFinished { transfer });
                self.carry((attempt, stream, true), chunks.concat().into(), fin);
                self.at(self.now + DELAY / 4, finished);
            }
            Action::Close {
                attempt,
                code,
                reason,
            } => {
                self.up = self.up.filter(|&it| it != attempt);
                let error = LinkError::Closed { code, reason };
                let event = Event::ConnectionLost { attempt, error };
                self.at(self.now + DELAY, Happening::Table(attempt, event));
            }
            _ => {}
        }
    }

    fn dial(&mut self, attempt: Attempt) {
        let now = self.now;
        let fault = self
            .plan
            .faults
            .iter()
            .find(|it| (it.0..it.1).contains(&now));
        match fault {
            Some((_, _, LinkError::ConnectTimeout)) => {}
            Some((_, _, error)) => {
                let error = error.clone();
                let event = Event::ConnectFailed { attempt, error };
                self.at(now + DELAY * 4, Happening::Sender(event));
            }
            None => {
                self.up = Some(attempt);
                self.at(now + DELAY, Happening::Accepted(attempt));
                let event = Event::Connected { attempt };
                self.at(now + DELAY * 2, Happening::Sender(event));
            }
        }
    }

    /// What one end has written arrives at the other.
    fn carry(&mut self, (attempt, stream, up): (Attempt, StreamId, bool), bytes: Bytes, fin: bool) {
        let arrives = self.now + DELAY;
        let opener = match stream.opener {
            Side::Local => Side::Remote,
            Side::Remote => Side::Local,
        };
        let index = stream.index;
        let stream = StreamId { opener, index };
        let mut events = Vec::new();
        if up && self.opened.insert((attempt, index)) {
            events.push(Event::StreamOpened { attempt, stream });
        }
        events.push(Event::BytesReceived {
            attempt,
            stream,
            bytes,
            fin,
        });
        for event in events {
            let happening = match up {
                true => Happening::Table(attempt, event),
                false => Happening::Sender(event),
            };
            self.at(arrives, happening);
        }
    }

    fn tell_table(&mut self, call: Call, events: Vec<Event>) {
        let (now, mut actions) = (self.now, Vec::new());
        let steps = &mut self.table_steps;
        save(self.recorder, steps, &self.table);
        steps.begin();
        events.iter().for_each(|event| steps.event(event));
        match call {
            Call::Accepted { attempt, key } => self.table.accepted(now, attempt, key, &mut actions),
            Call::Connection { attempt } => {
                self.table
                    .handle_connection(now, attempt, events, &mut actions);
            }
            Call::Session { session } => {
                self.table
                    .handle_session(now, session, events, &mut actions);
            }
            _ => self.table.handle_timeout(now, &mut actions),
        }
        actions.iter().for_each(|it| steps.action(it));
        let news: Vec<_> = std::iter::from_fn(|| self.table.poll_news()).collect();
        news.iter().for_each(|it| steps.news(it));
        steps.end(now, call);
        self.recorder.borrow_mut().add(steps);
        for action in actions {
            self.table_asks(action);
        }
        for news in news {
            if let SessionNews::Delivered { session, messages } = news {
                for (place, message) in messages.into_iter().enumerate() {
                    let at = now + self.plan.consume * (place as u32 + 1);
                    self.at(
                        at,
                        Happening::Consumed(session, message.lane, message.number),
                    );
                }
            }
        }
    }

    fn table_asks(&mut self, action: Action) {
        if let Action::Write {
            transfer,
            attempt,
            stream,
            chunks,
            fin,
            ..
        } = action
        {
            self.carry((attempt, stream, false), chunks.concat().into(), fin);
            let event = Event::TransferFinished { transfer };
            self.at(self.now + DELAY / 4, Happening::Table(attempt, event));
        } else if let Action::Close {
            attempt,
            code,
            reason,
        } = action
        {
            self.up = self.up.filter(|&it| it != attempt);
            let error = LinkError::Closed { code, reason };
            let event = Event::ConnectionLost { attempt, error };
            self.at(self.now + DELAY, Happening::Sender(event));
        }
    }
}
