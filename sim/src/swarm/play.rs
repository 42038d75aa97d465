//! A run: what a tape's records become, one after the other, with all checks.

use std::time::Duration;

use peer_sender_core::{ConfigError, StopMode, Time};

use super::class::Class;
use super::profile::Profile;
use super::report::Report;
use super::setup::{RunEnd, Setup};
use super::write::tape_of;
use crate::op::Op;
use crate::oracle::Violation;
use crate::scenario::Scenario;
use crate::settings::Settings;
use crate::tape::{BadTape, Choices, Tape};
use crate::world::{Trouble, World};

/// With each so many-th input the full form of all checks is made.
const FULL_CHECK_OF: u64 = 64;

/// Inputs of a sender that has ended: it has little to say.
const AFTERLIFE_INPUTS_MAX: u64 = 64;

/// A run that has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// All that happened. With a violation its last thing is what broke the invariant.
    pub scenario: Scenario,
    /// What it came to.
    pub report: Report,
    /// What does not hold, if anything.
    pub violation: Option<Violation>,
}

/// Why a run could not even begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The bytes are no tape.
    #[error(transparent)]
    Tape(#[from] BadTape),
    /// The settings contradict each other.
    #[error(transparent)]
    Settings(#[from] ConfigError),
}

/// Runs what a seed draws.
pub fn run_seed(seed: u64, profile: &Profile) -> Run {
    let run = run_tape(&tape_of(seed, profile));
    // A seed writes a tape of the present version, and each setup is one that can be built.
    run.unwrap_or_else(|broken| unreachable!("seed {seed}: {broken}"))
}

/// Runs what these bytes mean. Every tape of a known version is some run.
///
/// # Errors
///
/// The bytes are no tape.
pub fn run_tape(bytes: &[u8]) -> Result<Run, Broken> {
    let mut tape = Tape::read(bytes)?;
    let setup = Setup::read(&mut tape.next().unwrap_or_default());
    let mut player = Player::new(setup.settings.clone())?;
    player.plays_with(&setup);
    let violation = player.play(tape, setup.end).err();
    Ok(player.ends(violation))
}

/// Runs a scenario with the checks and the digest of a run. Its report does not know of which class
/// things were.
///
/// # Errors
///
/// Its settings contradict each other.
pub fn replay(scenario: &Scenario) -> Result<Run, Broken> {
    let mut player = Player::new(scenario.settings.clone())?;
    let mut ops = scenario.ops.iter();
    let violation = ops.find_map(|op| match player.happens(op.clone()) {
        Ok(true) => None,
        Ok(false) => Some(Violation {
            id: "A",
            what: format!("this cannot happen here: {op}").into(),
        }),
        Err(violation) => Some(violation),
    });
    Ok(player.ends(violation))
}

/// A world, and what has happened to it.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) world: World,
    pub(super) classes: super::Classes,
    pub(super) bytes_max: u64,
    /// Lanes that the application does not read, by bit.
    pub(super) deaf: u32,
    /// For how many records the accepting process stands still.
    pub(super) frozen: u64,
    pub(super) drawn: [u64; Class::COUNT],
    leapt: Duration,
    settings: Settings,
    ops: Vec<Op>,
    /// Inputs since the sender has ended.
    afterlife: u64,
}

impl Player {
    fn new(settings: Settings) -> Result<Self, ConfigError> {
        let mut world = World::empty(&settings)?;
        world.keep_digest();
        // It dials; what is wrong with that shows in the next step as well.
        let _first = world.begin();
        Ok(Self {
            world,
            classes: super::Classes::NONE,
            bytes_max: 0,
            deaf: 0,
            frozen: 0,
            drawn: [0; Class::COUNT],
            leapt: Duration::ZERO,
            settings,
            ops: Vec::new(),
            afterlife: 0,
        })
    }

    fn plays_with(&mut self, setup: &Setup) {
        self.classes = setup.classes;
        self.bytes_max = setup.bytes_max;
    }

    fn play<'a>(
        &mut self,
        records: impl Iterator<Item = Choices<'a>>,
        end: RunEnd,
    ) -> Result<(), Violation> {
        for mut record in records {
            self.draw(&mut record)?;
            if self.afterlife > AFTERLIFE_INPUTS_MAX {
                break;
            }
        }
        self.heal(end)
    }

    /// From here on all is well. What was left open is settled, and the sender ends.
    fn heal(&mut self, end: RunEnd) -> Result<(), Violation> {
        if self.world.sender().state().addresses().is_empty() && !self.world.sender().is_closed() {
            self.happens(Op::Addresses { places: vec![0] })?;
        }
        self.happens(Op::Heal)?;
        let modes = match end {
            RunEnd::Drain | RunEnd::DrainBusy => Some(StopMode::Drain(Duration::from_secs(3_600))),
            RunEnd::Abort => Some(StopMode::Abort),
            RunEnd::Remove => Some(StopMode::Remove),
            RunEnd::None => None,
        };
        let send = Op::Send {
            lane: 0,
            bytes: 1,
            ttl: None,
        };
        if end == RunEnd::DrainBusy {
            self.happens(send.clone())?;
        }
        if let Some(mode) = modes {
            self.happens(Op::Stop { mode })?;
            self.happens(Op::Heal)?;
            self.happens(send)?;
        }
        self.world.check()
    }

    /// Lets one thing happen; false if it cannot.
    pub(super) fn happens(&mut self, op: Op) -> Result<bool, Violation> {
        match self.world.apply(&op) {
            Ok(()) => {}
            Err(Trouble::Impossible(_)) => return Ok(false),
            Err(Trouble::Violated(violation)) => {
                self.ops.push(op);
                return Err(violation);
            }
        }
        self.ops.push(op);
        self.afterlife += u64::from(self.world.sender().is_closed());
        if (self.ops.len() as u64).is_multiple_of(FULL_CHECK_OF) {
            self.world.check()?;
        }
        Ok(true)
    }

    /// Notes that something of a class has happened.
    pub(super) fn counts(&mut self, class: Class) {
        self.drawn[class as usize] += 1;
    }

    pub(super) fn leaps(&mut self, by: Duration) {
        self.leapt += by;
    }

    fn ends(mut self, violation: Option<Violation>) -> Run {
        if self.world.gave_up() {
            self.counts(Class::GiveUp);
        }
        let stats = self.world.sender().stats();
        let passed = self.world.now().saturating_since(Time::ZERO);
        let report = Report {
            runs: 1,
            inputs: self.ops.len() as u64,
            steps: self.world.steps(),
            accepted: stats.accepted,
            rejected: stats.rejected,
            delivered: stats.delivered,
            refused: stats.refused,
            cancelled: stats.cancelled,
            expired: stats.expired,
            failed: stats.failed,
            unknown: stats.unknown,
            dialled: self.world.dialled(),
            drawn: self.drawn,
            simulated: passed.saturating_sub(self.leapt),
            leapt: self.leapt,
            violations: u64::from(violation.is_some()),
            digest: self.world.digest(),
        };
        Run {
            scenario: Scenario {
                settings: self.settings,
                ops: self.ops,
            },
            report,
            violation,
        }
    }
}
