//! Machines whose steps are recorded, where the node has a trace.

use std::collections::VecDeque;
use std::ops::Deref;

use peer_sender_core::trace::{About, Call, Image, MachineConfig, StepRecorder};
use peer_sender_core::{
    Action, Attempt, Config, Event, PeerKey, PeerSenderMachine, SessionHandle, SessionNews,
    Sessions, SessionsConfig, Time,
};

use crate::Trace;

/// A machine's place in a trace.
struct Recording {
    trace: Trace,
    steps: StepRecorder,
    /// The recording has.
    ended: bool,
}

impl Recording {
    fn new(trace: Trace, about: About, config: MachineConfig, seed: [u8; 32]) -> Self {
        let steps = trace.recorder().made(about, config, seed);
        Self {
            trace,
            steps,
            ended: false,
        }
    }

    /// Writes the machine's state down if it is time to, so that the trace can be replayed from here on.
    fn image(&mut self, machine: &impl Image) {
        if self.ended || !self.trace.recorder().wants_image(self.steps.machine()) {
            return;
        }
        let mut image = Vec::new();
        machine.save(&mut image);
        self.trace.recorder().image(self.steps.machine(), &image);
    }

    /// Records a step as it is done. The trace is not held in the meantime, so that it can be dumped
    /// even when the step panics.
    fn step(
        &mut self,
        (now, call): (Time, Call),
        events: impl Iterator<Item = Event>,
        actions: &mut Vec<Action>,
        step: impl FnOnce(&mut dyn Iterator<Item = Event>, &mut Vec<Action>) -> Vec<SessionNews>,
    ) -> Vec<SessionNews> {
        if self.ended {
            return step(&mut { events }, actions);
        }
        let steps = &mut self.steps;
        steps.begin();
        let before = actions.len();
        let news = step(&mut events.inspect(|event| steps.event(event)), actions);
        for action in actions.iter().skip(before) {
            steps.action(action);
        }
        for news in &news {
            steps.news(news);
        }
        steps.end(now, call);
        self.ended = !self.trace.recorder().add(steps);
        news
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.trace.recorder().gone(self.steps.machine());
    }
}

/// A peer's sender.
pub(super) struct RecordedSender {
    machine: PeerSenderMachine,
    recording: Option<Recording>,
}

impl RecordedSender {
    pub(super) fn new(config: Config, seed: [u8; 32], trace: Option<(Trace, About)>) -> Self {
        let recording = trace.map(|(trace, about)| {
            let config = MachineConfig::Sender(Box::new(config.clone()));
            Recording::new(trace, about, config, seed)
        });
        Self {
            machine: PeerSenderMachine::new(config, seed),
            recording,
        }
    }

    /// [`PeerSenderMachine::handle`].
    pub(super) fn handle(
        &mut self,
        now: Time,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
        let Some(recording) = &mut self.recording else {
            return self.machine.handle(now, events, actions);
        };
        let machine = &mut self.machine;
        recording.image(machine);
        recording.step(
            (now, Call::Handle),
            events.into_iter(),
            actions,
            |events, actions| {
                machine.handle(now, events, actions);
                Vec::new()
            },
        );
    }
}

impl Deref for RecordedSender {
    type Target = PeerSenderMachine;

    fn deref(&self) -> &PeerSenderMachine {
        &self.machine
    }
}

/// A table of sessions.
pub(super) struct RecordedSessions {
    table: Sessions,
    config: SessionsConfig,
    seed: [u8; 32],
    recording: Option<Recording>,
    /// News that were written down.
    news: VecDeque<SessionNews>,
}

impl RecordedSessions {
    pub(super) fn new(config: SessionsConfig, seed: [u8; 32]) -> Self {
        Self {
            table: Sessions::new(config.clone(), seed),
            config,
            seed,
            recording: None,
            news: VecDeque::new(),
        }
    }

    /// Records from here on, if nothing has happened yet and nobody else does.
    pub(super) fn record(&mut self, trace: Trace, about: About) {
        if self.recording.is_none() && self.table.is_new() {
            let config = MachineConfig::Sessions(Box::new(self.config.clone()));
            self.recording = Some(Recording::new(trace, about, config, self.seed));
        }
    }

    /// [`Sessions::accepted`].
    pub(super) fn accepted(
        &mut self,
        now: Time,
        attempt: Attempt,
        key: PeerKey,
        actions: &mut Vec<Action>,
    ) {
        let call = Call::Accepted { attempt, key };
        self.step((now, call), [], actions, |table, _, actions| {
            table.accepted(now, attempt, key, actions);
        });
    }

    /// [`Sessions::handle_connection`].
    pub(super) fn handle_connection(
        &mut self,
        now: Time,
        attempt: Attempt,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) -> Option<SessionHandle> {
        if self.recording.is_none() {
            return self.table.handle_connection(now, attempt, events, actions);
        }
        let mut session = None;
        let call = Call::Connection { attempt };
        self.step((now, call), events, actions, |table, events, actions| {
            session = table.handle_connection(now, attempt, events, actions);
        });
        session
    }

    /// [`Sessions::handle_session`].
    pub(super) fn handle_session(
        &mut self,
        now: Time,
        session: SessionHandle,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
        if self.recording.is_none() {
            return self.table.handle_session(now, session, events, actions);
        }
        let call = Call::Session { session };
        self.step((now, call), events, actions, |table, events, actions| {
            table.handle_session(now, session, events, actions);
        });
    }

    /// [`Sessions::handle_timeout`].
    pub(super) fn handle_timeout(&mut self, now: Time, actions: &mut Vec<Action>) {
        self.step((now, Call::Timeout), [], actions, |table, _, actions| {
            table.handle_timeout(now, actions);
        });
    }

    /// [`Sessions::poll_news`].
    pub(super) fn poll_news(&mut self) -> Option<SessionNews> {
        self.news.pop_front().or_else(|| self.table.poll_news())
    }

    fn step(
        &mut self,
        told: (Time, Call),
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
        step: impl FnOnce(&mut Sessions, &mut dyn Iterator<Item = Event>, &mut Vec<Action>),
    ) {
        let table = &mut self.table;
        let mut events = events.into_iter();
        let Some(recording) = &mut self.recording else {
            return step(table, &mut events, actions);
        };
        recording.image(table);
        let news = recording.step(told, events, actions, |events, actions| {
            step(table, events, actions);
            std::iter::from_fn(|| table.poll_news()).collect()
        });
        self.news.extend(news);
    }
}

impl Deref for RecordedSessions {
    type Target = Sessions;

    fn deref(&self) -> &Sessions {
        &self.table
    }
}
