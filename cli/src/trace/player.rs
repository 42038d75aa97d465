//! A trace, replayed from a file step by step: what all commands but `diff` stand on.

use std::collections::BTreeMap;
use std::path::Path;

use peer_sender_core::trace::{
    About, Divergence, Header, MachineConfig, MachineId, Played, Record, Replay, ReplayError,
    Summary,
};

use super::astray::Astray;
use super::input::Input;
use crate::failure::Failure;

/// Replays a trace.
pub(super) struct Player {
    input: Input,
    replay: Replay,
    machines: BTreeMap<MachineId, Known>,
    astray: Astray,
    start: Option<u64>,
    latest: u64,
    steps: u64,
}

/// What is known of a machine beside its state.
struct Known {
    zero: u64,
    /// The latest time that it was told, in nanoseconds since 1970.
    latest: u64,
}

/// What comes next in a trace.
pub(super) enum Told<'a> {
    /// A machine was made, or from here on it is known how it stood.
    Made {
        machine: MachineId,
        about: About,
        /// None of a machine that was made before the trace begins.
        config: Option<Box<MachineConfig>>,
        /// Zeros where the configuration is not known.
        seed: [u8; 32],
    },
    Step(Box<Step<'a>>),
    /// A step that could not be done again: nothing before it tells how its machine stood, or not
    /// since it went astray.
    Passed {
        astray: bool,
    },
    /// Nothing more is told of the machine.
    Gone {
        machine: MachineId,
    },
    Mark {
        at: u64,
        text: String,
    },
    /// Part of something that is not whole yet.
    Nothing,
    /// The machine takes no further part: this step went another way than in the trace.
    Diverged(Box<Divergence>),
    /// The machine takes no further part: the trace says what cannot be.
    Impossible {
        machine: MachineId,
        problem: String,
    },
}

/// A step, placed in the trace.
pub(super) struct Step<'a> {
    /// Its number among all steps of the trace, from 0.
    pub(super) number: u64,
    /// When it was, in nanoseconds since 1970. Of a clock that went back, the latest time that its
    /// machine has seen, as the machine itself takes it.
    pub(super) at: u64,
    /// When the time of its machine was zero.
    pub(super) zero: u64,
    pub(super) played: Played<'a>,
}

impl Step<'_> {
    /// A time of its machine, in nanoseconds since 1970.
    pub(super) fn moment(&self, time: peer_sender_core::Time) -> u64 {
        self.zero.saturating_add(time.as_nanos())
    }
}

impl Player {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self {
            input: Input::open(path)?,
            replay: Replay::new(),
            machines: BTreeMap::new(),
            astray: Astray::default(),
            start: None,
            latest: 0,
            steps: 0,
        })
    }

    /// Opens it once more: what is worth a warning was said before.
    pub(super) fn open_again(path: &Path) -> Result<Self, Failure> {
        let mut player = Self::open(path)?;
        player.input.is_known();
        Ok(player)
    }

    /// When the first step was that could be done again; 1970 before.
    pub(super) fn start(&self) -> u64 {
        self.started().unwrap_or(0)
    }

    /// The same; none before.
    pub(super) fn started(&self) -> Option<u64> {
        self.start
    }

    pub(super) fn header(&self) -> Option<&Header> {
        self.input.header()
    }

    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    pub(super) fn summary(&self) -> Summary {
        self.replay.summary()
    }

    pub(super) fn replay(&self) -> &Replay {
        &self.replay
    }

    /// When the time of a machine was zero.
    pub(super) fn zero(&self, machine: MachineId) -> u64 {
        self.machines.get(&machine).map_or(0, |known| known.zero)
    }

    /// The latest time that any machine of the trace was told.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }

    /// What comes next; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Told<'_>>, Failure> {
        let Some(record) = self.input.next()? else {
            return Ok(None);
        };
        let mut told = None;
        let mut step_of = None;
        match &record {
            Record::Made {
                machine,
                about,
                config,
                seed,
            } => {
                self.know(*machine, about);
                told = Some(Told::Made {
                    machine: *machine,
                    about: about.clone(),
                    config: Some(Box::new(config.clone())),
                    seed: *seed,
                });
            }
            Record::Image { machine, about, .. } => {
                let (machine, about) = (*machine, about.clone());
                if !self.machines.contains_key(&machine) {
                    self.know(machine, &about);
                    told = Some(Told::Made {
                        machine,
                        about,
                        config: None,
                        seed: [0; 32],
                    });
                }
            }
            Record::Gone { machine } => {
                self.machines.remove(machine);
                told = Some(Told::Gone { machine: *machine });
            }
            Record::Mark { unix_nanos, text } => {
                told = Some(Told::Mark {
                    at: *unix_nanos,
                    text: text.clone(),
                });
            }
            Record::Step { machine, now, .. } => step_of = Some((*machine, *now)),
            Record::Events { .. } | Record::Header(_) => {}
        }
        let number = self.steps;
        self.steps += u64::from(step_of.is_some());
        let machines = &mut self.machines;
        let start = &mut self.start;
        let played = match self.replay.record(record) {
            Ok(played) => played,
            Err(error) => {
                self.astray.note(&error);
                return Ok(Some(match error {
                    ReplayError::Diverged(divergence) => Told::Diverged(divergence),
                    ReplayError::Impossible { machine, problem } => impossible(machine, problem),
                    ReplayError::Config { machine, error } => impossible(machine, error),
                    ReplayError::Image { machine, error } => impossible(machine, error),
                }));
            }
        };
        if let Some(told) = told {
            return Ok(Some(told));
        }
        let Some((machine, now)) = step_of else {
            return Ok(Some(Told::Nothing));
        };
        let (Some(played), Some(known)) = (played, machines.get_mut(&machine)) else {
            let astray = self.astray.contains(machine);
            return Ok(Some(Told::Passed { astray }));
        };
        let at = known.zero.saturating_add(now.as_nanos()).max(known.latest);
        known.latest = at;
        self.latest = self.latest.max(at);
        start.get_or_insert(at);
        Ok(Some(Told::Step(Box::new(Step {
            number,
            at,
            zero: known.zero,
            played,
        }))))
    }

    fn know(&mut self, machine: MachineId, about: &About) {
        let zero = about.zero_unix_nanos;
        self.machines
            .entry(machine)
            .or_insert(Known { zero, latest: zero });
    }
}

fn impossible(machine: MachineId, problem: impl ToString) -> Told<'static> {
    let problem = problem.to_string();
    Told::Impossible { machine, problem }
}
