//! Steps of both machines, and a trace of them where somebody wants one.

use peer_sender_core::trace::{About, Call, MachineConfig, Recorder, RecorderConfig, StepRecorder};
use peer_sender_core::{Action, ConfigError, Event, SessionNews, Time};

use super::{KEY, World, seed};
use crate::op::End;
use crate::settings::Settings;

/// A trace, and the places of both machines in it.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    recorder: Recorder,
    sender: StepRecorder,
    sessions: StepRecorder,
}

impl Recording {
    fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let mut recorder = Recorder::new(RecorderConfig {
            actions: true,
            ..RecorderConfig::default()
        });
        let config = MachineConfig::Sender(Box::new(settings.sender()?));
        let sender = recorder.made(about("sender"), config, seed(0));
        let sessions = sessions(&mut recorder, settings, 1)?;
        Ok(Self {
            recorder,
            sender,
            sessions,
        })
    }

    fn of(&mut self, end: End) -> &mut StepRecorder {
        match end {
            End::Dialler => &mut self.sender,
            End::Acceptor => &mut self.sessions,
        }
    }

    /// What came of a step.
    fn end(&mut self, end: End, call: (Time, Call), actions: &[Action], news: &[SessionNews]) {
        let steps = self.of(end);
        actions.iter().for_each(|it| steps.action(it));
        news.iter().for_each(|it| steps.news(it));
        steps.end(call.0, call.1);
        let Self {
            recorder,
            sender,
            sessions,
        } = self;
        recorder.add(match end {
            End::Dialler => sender,
            End::Acceptor => sessions,
        });
    }
}

fn sessions(
    recorder: &mut Recorder,
    settings: &Settings,
    life: u8,
) -> Result<StepRecorder, ConfigError> {
    let config = MachineConfig::Sessions(Box::new(settings.receiver()?));
    Ok(recorder.made(about("sessions"), config, seed(life)))
}

fn about(name: &str) -> About {
    /// 2026-01-01, when the worlds of nodes begin as well.
    const BEGIN_UNIX_NANOS: u64 = 1_767_225_600_000_000_000;
    About {
        name: name.to_owned(),
        key: Some(KEY),
        zero_unix_nanos: BEGIN_UNIX_NANOS,
    }
}

/// Events on their way to a machine, written down as it takes them.
fn heard<I: IntoIterator<Item = Event>>(
    events: I,
    mut steps: Option<&mut StepRecorder>,
) -> impl Iterator<Item = Event> {
    if let Some(steps) = &mut steps {
        steps.begin();
    }
    events.into_iter().inspect(move |event| {
        if let Some(steps) = &mut steps {
            steps.event(event);
        }
    })
}

impl World {
    /// Writes a trace of both machines from the start, with the actions of each step. To be called
    /// before anything has happened.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range.
    pub(crate) fn record(&mut self) -> Result<(), ConfigError> {
        self.recording = Some(Box::new(Recording::new(&self.settings)?));
        Ok(())
    }

    /// The trace, if there is one.
    pub fn trace(&self) -> Option<Vec<u8>> {
        let mut recorder = self.recording.as_ref()?.recorder.clone();
        let mut trace = Vec::new();
        recorder.take(&mut trace);
        Some(trace)
    }

    /// The accepting process has begun a new life.
    pub(super) fn record_life(&mut self) -> Result<(), ConfigError> {
        let Some(Recording {
            recorder,
            sessions: steps,
            ..
        }) = self.recording.as_deref_mut()
        else {
            return Ok(());
        };
        recorder.gone(steps.machine());
        *steps = sessions(recorder, &self.settings, self.lives)?;
        Ok(())
    }

    /// The sender is told something.
    pub(super) fn step_of_sender(
        &mut self,
        now: Time,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
        let steps = self.recording.as_mut().map(|it| &mut it.sender);
        let events = heard(events, steps);
        self.sender.handle(now, events, actions);
        if let Some(recording) = &mut self.recording {
            recording.end(End::Dialler, (now, Call::Handle), actions, &[]);
        }
    }

    /// A function of the accepting end's table is called.
    pub(super) fn step_of_sessions(
        &mut self,
        now: Time,
        call: Call,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) -> Vec<SessionNews> {
        {
            let steps = self.recording.as_mut().map(|it| &mut it.sessions);
            let (table, events) = (&mut self.sessions, heard(events, steps));
            match call {
                Call::Accepted { attempt, key } => table.accepted(now, attempt, key, actions),
                Call::AcceptedSharing { attempt, dialler } => {
                    table.accepted(now, attempt, dialler, actions);
                }
                Call::Connection { attempt } => {
                    table.handle_connection(now, attempt, events, actions);
                }
                Call::Session { session } => table.handle_session(now, session, events, actions),
                Call::Stop { mode } => table.stop(now, mode, actions),
                Call::Timeout => table.handle_timeout(now, actions),
                // No table has it.
                Call::Handle => {}
            }
        }
        let news: Vec<_> = std::iter::from_fn(|| self.sessions.poll_news()).collect();
        if let Some(recording) = &mut self.recording {
            recording.end(End::Acceptor, (now, call), actions, &news);
        }
        news
    }
}
