//! Having fresh machines go through a trace.

mod machine;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use self::machine::Failed;
pub use self::machine::MachineState;
use super::action::TraceAction;
use super::content::Zeros;
use super::event::TraceEvent;
use super::form::Form;
use super::hold::Hold;
use super::image::ImageError;
use super::record::{About, Call, MachineId, Record, StepResult};
use crate::{Action, ConfigError, SessionNews, Time};

/// The most machines that a trace may have at once.
const MACHINES_MAX: usize = 1 << 20;

const HOLDS_TOO_MUCH: &str = "it holds more of received messages than a replay may hold";

/// The most events of steps whose end has not come.
const PARTS_EVENTS_MAX: usize = 1 << 20;

/// The most bytes of images whose end has not come.
const IMAGE_BYTES_MAX: usize = 256 << 20;

/// Has fresh machines go through the records of a trace, and compares what comes of each step with
/// what came of it when it was recorded.
///
/// A machine takes part from the record on that says how it was made, or how it stood: steps that
/// come before are passed over, as at the start of what a flight recorder has kept.
#[derive(Debug, Default)]
pub struct Replay {
    machines: BTreeMap<MachineId, Machine>,
    /// Those that went another way: what they come to is no longer what was recorded.
    astray: BTreeSet<MachineId>,
    /// Events of steps whose last part has not come.
    parts: BTreeMap<MachineId, Vec<TraceEvent>>,
    /// Images whose last part has not come.
    images: BTreeMap<MachineId, Vec<u8>>,
    zeros: Zeros,
    hold: Hold,
    actions: Vec<Action>,
    news: Vec<SessionNews>,
    scratch: Form,
    summary: Summary,
}

/// A machine that takes part.
#[derive(Clone, Debug)]
struct Machine {
    about: About,
    state: MachineState,
}

/// What a replay went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Machines that took part.
    pub machines: u64,
    /// Steps that were done again, each with the same result.
    pub steps: u64,
    /// Events in them.
    pub events: u64,
    /// Actions that came of them.
    pub actions: u64,
    /// Steps that were passed over, because nothing before them tells how their machine stood.
    pub passed: u64,
}

/// A step that was done again.
#[derive(Debug)]
pub struct Played<'a> {
    /// The machine's name in the trace.
    pub machine: MachineId,
    /// The machine as it stands after the step.
    pub state: &'a MachineState,
    /// What it is.
    pub about: &'a About,
    /// The time that it was told.
    pub now: Time,
    /// The function that was called.
    pub call: Call,
    /// The events.
    pub events: Vec<TraceEvent>,
    /// What came of it, payloads as zeros where the trace does not have them.
    pub actions: &'a [Action],
    /// News of sessions, behind the actions.
    pub news: &'a [SessionNews],
}

/// Why a replay cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// The same step has led to something else.
    #[error(transparent)]
    Diverged(Box<Divergence>),
    /// No machine may have such a configuration.
    #[error("machine {}: {error}", machine.0)]
    Config {
        /// The machine.
        machine: MachineId,
        /// What is wrong with its configuration.
        error: ConfigError,
    },
    /// A machine cannot be made again from how it stood.
    #[error("machine {}: {error}", machine.0)]
    Image {
        /// The machine.
        machine: MachineId,
        /// What is wrong with its image.
        error: ImageError,
    },
    /// A record says what cannot be.
    #[error("machine {}: {problem}", machine.0)]
    Impossible {
        /// The machine that it is about.
        machine: MachineId,
        /// What cannot be.
        problem: &'static str,
    },
}

/// A step that has led to something else than when it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "machine {} ({}) went another way in step {step}, at {} ns: {} actions came of its {} events",
    machine.0, about.name, now.as_nanos(), got.len(), events.len()
)]
pub struct Divergence {
    /// The machine.
    pub machine: MachineId,
    /// What it is.
    pub about: About,
    /// How many steps were done again before this one, by all machines.
    pub step: u64,
    /// The time that it was told.
    pub now: Time,
    /// The function that was called.
    pub call: Call,
    /// The events.
    pub events: Vec<TraceEvent>,
    /// What the trace says.
    pub expected: StepResult,
    /// What came of it now.
    pub got: Vec<TraceAction>,
}

impl Replay {
    /// At the start of a trace.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it went through until now.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// A machine as it stands now, if it takes part.
    pub fn machine(&self, machine: MachineId) -> Option<(&About, &MachineState)> {
        let machine = self.machines.get(&machine)?;
        Some((&machine.about, &machine.state))
    }

    /// All machines as they stand now.
    pub fn machines(&self) -> impl Iterator<Item = (MachineId, &About, &MachineState)> {
        let machines = self.machines.iter();
        machines.map(|(&id, machine)| (id, &machine.about, &machine.state))
    }

    /// Goes through one record. Returns the step if it was one, and its machine takes part.
    ///
    /// # Errors
    ///
    /// The step has led to something else, or the record says what cannot be. The machine that it
    /// is about takes no further part.
    pub fn record(&mut self, record: Record) -> Result<Option<Played<'_>>, ReplayError> {
        match record {
            Record::Made {
                machine,
                about,
                config,
                seed,
            } => {
                let state = match MachineState::new(config, seed) {
                    Ok(state) => state,
                    Err(error) => {
                        self.leave_out(machine);
                        return Err(ReplayError::Config { machine, error });
                    }
                };
                self.join(machine, Machine { about, state })?;
            }
            Record::Image {
                machine,
                about,
                last,
                bytes,
            } => self.image(machine, about, last, &bytes)?,
            Record::Header(_) | Record::Mark { .. } => {}
            Record::Events { machine, events } => {
                let waiting: usize = self.parts.values().map(Vec::len).sum();
                if waiting + events.len() > PARTS_EVENTS_MAX {
                    self.leave_out(machine);
                    let problem = "its step has more events than a step may have";
                    return Err(ReplayError::Impossible { machine, problem });
                }
                self.parts.entry(machine).or_default().extend(events);
            }
            Record::Gone { machine } => {
                self.machines.remove(&machine);
                self.astray.remove(&machine);
                self.hold.leave(machine);
                self.parts.remove(&machine);
                self.images.remove(&machine);
            }
            Record::Step {
                machine,
                now,
                call,
                events,
                result,
            } => return self.step(machine, now, call, events, result),
        }
        Ok(None)
    }

    /// A machine joins by its image, unless it takes part already.
    fn image(
        &mut self,
        machine: MachineId,
        about: About,
        last: bool,
        bytes: &[u8],
    ) -> Result<(), ReplayError> {
        if self.machines.contains_key(&machine) || self.astray.contains(&machine) {
            return Ok(());
        }
        let waiting: usize = self.images.values().map(Vec::len).sum();
        let image = self.images.entry(machine).or_default();
        image.extend_from_slice(bytes);
        if waiting + bytes.len() > IMAGE_BYTES_MAX {
            self.leave_out(machine);
            let problem = "its image is longer than any may be";
            return Err(ReplayError::Impossible { machine, problem });
        }
        if !last {
            return Ok(());
        }
        let image = self.images.remove(&machine).unwrap_or_default();
        match MachineState::restore(&image) {
            Ok(state) => self.join(machine, Machine { about, state }),
            Err(error) => {
                self.leave_out(machine);
                Err(ReplayError::Image { machine, error })
            }
        }
    }

    /// Forgets a machine, and whatever is told of it from here on.
    fn leave_out(&mut self, machine: MachineId) {
        self.machines.remove(&machine);
        self.hold.leave(machine);
        self.parts.remove(&machine);
        self.images.remove(&machine);
        if self.astray.len() < MACHINES_MAX {
            self.astray.insert(machine);
        }
    }

    fn join(&mut self, id: MachineId, machine: Machine) -> Result<(), ReplayError> {
        if self.machines.len() >= MACHINES_MAX {
            return Err(ReplayError::Impossible {
                machine: id,
                problem: "there are more machines than a trace may have",
            });
        }
        if self.machines.insert(id, machine).is_none() {
            self.summary.machines += 1;
        }
        Ok(())
    }

    fn step(
        &mut self,
        id: MachineId,
        now: Time,
        call: Call,
        last: Vec<TraceEvent>,
        expected: StepResult,
    ) -> Result<Option<Played<'_>>, ReplayError> {
        let events = match self.parts.remove(&id) {
            Some(mut events) => {
                events.extend(last);
                events
            }
            None => last,
        };
        if !self.machines.contains_key(&id) {
            self.summary.passed += 1;
            return Ok(None);
        }
        if let Err(error) = self.play(id, now, call, &events, expected) {
            self.leave_out(id);
            return Err(match error {
                Failed::Diverged(mut divergence) => {
                    divergence.events = events;
                    ReplayError::Diverged(divergence)
                }
                Failed::Impossible(problem) => ReplayError::Impossible {
                    machine: id,
                    problem,
                },
            });
        }
        self.summary.steps += 1;
        self.summary.events += events.len() as u64;
        self.summary.actions += (self.actions.len() + self.news.len()) as u64;
        let Some(machine) = self.machines.get(&id) else {
            return Ok(None);
        };
        Ok(Some(Played {
            machine: id,
            state: &machine.state,
            about: &machine.about,
            now,
            call,
            events,
            actions: &self.actions,
            news: &self.news,
        }))
    }

    fn play(
        &mut self,
        id: MachineId,
        now: Time,
        call: Call,
        events: &[TraceEvent],
        expected: StepResult,
    ) -> Result<(), Failed> {
        let Some(machine) = self.machines.get_mut(&id) else {
            return Ok(());
        };
        self.actions.clear();
        self.news.clear();
        if !self.hold.receive(id, events) {
            return Err(Failed::Impossible(HOLDS_TOO_MUCH));
        }
        let mut whole = true;
        let zeros = &mut self.zeros;
        let told = events.iter().map_while(|event| {
            let event = event.event(zeros);
            whole &= event.is_some();
            event
        });
        machine.state.step(now, call, told, &mut self.actions)?;
        if !whole {
            return Err(Failed::Impossible(
                "it was told of more payload than there may be",
            ));
        }
        if !self.hold.settle(id, &machine.state, events, &self.actions) {
            return Err(Failed::Impossible(HOLDS_TOO_MUCH));
        }
        if let MachineState::Sessions(sessions) = &mut machine.state {
            self.news
                .extend(core::iter::from_fn(|| sessions.poll_news()));
        }
        let actions = self.actions.iter().map(TraceAction::from);
        let got = actions.chain(self.news.iter().map(TraceAction::from));
        let same = match &expected {
            StepResult::Digest(digest) => {
                let out = &mut self.scratch;
                out.clear();
                self.actions
                    .iter()
                    .for_each(|it| TraceAction::encode(it, out));
                self.news
                    .iter()
                    .for_each(|it| TraceAction::encode_news(it, out));
                xxh3_64(out.filled()) == *digest
            }
            StepResult::Actions(actions) => {
                actions.len() == self.actions.len() + self.news.len()
                    && actions.iter().zip(got.clone()).all(|(it, got)| *it == got)
            }
        };
        if same {
            return Ok(());
        }
        Err(Failed::Diverged(Box::new(Divergence {
            machine: id,
            about: machine.about.clone(),
            step: self.summary.steps,
            now,
            call,
            events: Vec::new(),
            expected,
            got: got.collect(),
        })))
    }
}
