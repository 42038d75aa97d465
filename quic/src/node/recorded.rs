//! Machines whose steps are recorded, where the node has a trace.

use std::collections::VecDeque;
use std::ops::Deref;

use peer_sender_core::trace::{About, Call, Image, MachineConfig, StepRecorder};
use peer_sender_core::{
    Action, Attempt, Config, Dialler, Event, PeerSenderMachine, SessionHandle, SessionNews,
    Sessions, SessionsConfig, Time, Transfer,
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

    /// A step begins. Writes the machine's state down first if it is time to, so that the trace can be
    /// replayed from here on. The trace is not held until the step is over, so that it can be dumped
    /// even when the step panics.
    fn begin(&mut self, machine: &impl Image) -> &mut StepRecorder {
        if self.trace.recorder().wants_image(self.steps.machine()) {
            let mut image = Vec::new();
            machine.save(&mut image);
            self.trace.recorder().image(self.steps.machine(), &image);
        }
        self.steps.begin();
        &mut self.steps
    }

    /// The step is over, and this came of it.
    fn end<'a>(
        &mut self,
        (now, call): (Time, Call),
        actions: impl Iterator<Item = &'a Action>,
        news: impl Iterator<Item = &'a SessionNews>,
    ) {
        actions.for_each(|action| self.steps.action(action));
        news.for_each(|news| self.steps.news(news));
        self.steps.end(now, call);
        self.ended = !self.trace.recorder().add(&self.steps);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.trace.recorder().gone(self.steps.machine());
    }
}

/// Events on their way to a machine, recorded as it takes them.
struct Told<'a, I> {
    events: I,
    steps: Option<&'a mut StepRecorder>,
}

impl<I: Iterator<Item = Event>> Iterator for Told<'_, I> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let event = self.events.next();
        if let (Some(steps), Some(event)) = (&mut self.steps, &event) {
            steps.event(event);
        }
        event
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }
}

/// The recording, unless it has ended.
fn going(recording: &mut Option<Recording>) -> Option<&mut Recording> {
    recording.as_mut().filter(|it| !it.ended)
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
        let before = actions.len();
        let steps = going(&mut self.recording).map(|it| it.begin(&self.machine));
        let events = events.into_iter();
        self.machine.handle(now, Told { events, steps }, actions);
        if let Some(recording) = going(&mut self.recording) {
            let call = (now, Call::Handle);
            recording.end(call, actions.iter().skip(before), [].into_iter());
        }
    }

    /// [`PeerSenderMachine::time_transfers`].
    pub(super) fn time_transfers(&mut self, on: bool) {
        self.machine.time_transfers(on);
    }

    /// [`PeerSenderMachine::take_transfers`].
    pub(super) fn take_transfers(&mut self) -> Vec<Transfer> {
        self.machine.take_transfers()
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
        dialler: Dialler,
        actions: &mut Vec<Action>,
    ) {
        let call = Call::accepted(attempt, dialler);
        self.step((now, call), [], actions, |table, _, actions| {
            table.accepted(now, attempt, dialler, actions);
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
        let call = Call::Connection { attempt };
        self.step((now, call), events, actions, |table, events, actions| {
            table.handle_connection(now, attempt, events, actions)
        })
    }

    /// [`Sessions::handle_session`].
    pub(super) fn handle_session(
        &mut self,
        now: Time,
        session: SessionHandle,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
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

    fn step<I: IntoIterator<Item = Event>, R>(
        &mut self,
        told: (Time, Call),
        events: I,
        actions: &mut Vec<Action>,
        step: impl FnOnce(&mut Sessions, Told<'_, I::IntoIter>, &mut Vec<Action>) -> R,
    ) -> R {
        let (actions_before, news_before) = (actions.len(), self.news.len());
        let steps = going(&mut self.recording).map(|it| it.begin(&self.table));
        let events = events.into_iter();
        let result = step(&mut self.table, Told { events, steps }, actions);
        if let Some(recording) = going(&mut self.recording) {
            let table = &mut self.table;
            self.news.extend(std::iter::from_fn(|| table.poll_news()));
            let news = self.news.iter().skip(news_before);
            recording.end(told, actions.iter().skip(actions_before), news);
        }
        result
    }
}

impl Deref for RecordedSessions {
    type Target = Sessions;

    fn deref(&self) -> &Sessions {
        &self.table
    }
}
