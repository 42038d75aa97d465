//! A list of things that happen, as a text that reads as documentation.
//!
//! ```text
//! # What was in flight when a connection is lost is sent again in its place.
//! set flight_messages_max 2
//!
//! send 0 5B
//! confirm a0
//!     sender   emit Connected a0
//!     sender   write t0 a0 lane 0: OPEN fresh base 0, MESSAGE #0 5B
//! lose a0 dialler timeout
//! ```
//!
//! A line that begins with `set` sets the world up, one with `#` is for the reader, any other is an
//! [`Op`]. An indented line is what came of the operation above it: not read, but written by
//! [`transcript`].

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use peer_sender_core::ConfigError;

use crate::op::Op;
use crate::settings::Settings;
use crate::text::{BadLine, Words};
use crate::world::{Trouble, World};

/// A configuration and what happens under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// How the world is set up.
    pub settings: Settings,
    /// What happens, in order.
    pub ops: Vec<Op>,
}

/// Why a text is no scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct BadScenario {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: BadLine,
}

/// Why a scenario did not run to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The text is no scenario.
    #[error(transparent)]
    Text(#[from] BadScenario),
    /// Its settings contradict each other.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// An operation did not end well.
    #[error("{op}: {trouble}")]
    Trouble {
        /// Its place among the operations.
        at: usize,
        /// The operation.
        op: Op,
        /// What came of it.
        trouble: Trouble,
    },
}

impl Scenario {
    /// Lets everything happen, checking both machines and their world after each operation.
    ///
    /// # Errors
    ///
    /// The first operation that did not end well.
    pub fn run(&self) -> Result<World, Failure> {
        self.run_with(|_, _| {})
    }

    /// The same, with a trace of both machines, however it ends.
    pub fn run_recorded(&self) -> (Result<(), Failure>, Vec<u8>) {
        let mut world = match World::recorded(&self.settings) {
            Ok(world) => world,
            Err(error) => return (Err(error.into()), Vec::new()),
        };
        let result = self.happen_in(&mut world, |_, _| {});
        (result, world.trace().unwrap_or_default())
    }

    /// [`run`](Self::run), showing each operation's place with the lines of what came of it.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); the lines up to there were shown.
    pub fn run_with(&self, show: impl FnMut(usize, Vec<String>)) -> Result<World, Failure> {
        let mut world = World::new(&self.settings)?;
        self.happen_in(&mut world, show)?;
        Ok(world)
    }

    fn happen_in(
        &self,
        world: &mut World,
        mut show: impl FnMut(usize, Vec<String>),
    ) -> Result<(), Failure> {
        world.keep_log();
        for (at, op) in self.ops.iter().enumerate() {
            let came = world.apply(op);
            show(at, world.take_log());
            let checked = came.and_then(|()| Ok(world.check()?));
            checked.map_err(|trouble| Failure::Trouble {
                at,
                op: op.clone(),
                trouble,
            })?;
        }
        Ok(())
    }
}

impl Display for Scenario {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let settings = self.settings.lines();
        settings.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        if !settings.is_empty() {
            writeln!(f)?;
        }
        self.ops.iter().try_for_each(|op| writeln!(f, "{op}"))
    }
}

impl FromStr for Scenario {
    type Err = BadScenario;

    fn from_str(text: &str) -> Result<Self, BadScenario> {
        let mut scenario = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let read = match Line::of(line) {
                Line::Words | Line::Came => Ok(()),
                Line::Set(setting) if scenario.ops.is_empty() => {
                    scenario.settings.read(&mut Words::of(setting))
                }
                Line::Set(_) => Err(BadLine("settings come before what happens".into())),
                Line::Op(op) => op.parse().map(|op| scenario.ops.push(op)),
            };
            read.map_err(|problem| BadScenario {
                line: number,
                problem,
            })?;
        }
        Ok(scenario)
    }
}

/// What a line of a scenario is for.
enum Line<'a> {
    /// The reader.
    Words,
    /// What came of the operation above.
    Came,
    Set(&'a str),
    Op(&'a str),
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        if line.trim().is_empty() || line.starts_with('#') {
            Self::Words
        } else if line.starts_with(char::is_whitespace) {
            Self::Came
        } else if let Some(setting) = line.strip_prefix("set ") {
            Self::Set(setting)
        } else {
            Self::Op(line)
        }
    }
}

/// The scenario's text with what comes of each operation now, whatever it said before. An
/// operation that did not end well has a last line that says so, and nothing comes of the rest.
///
/// # Errors
///
/// The text is no scenario, or its settings contradict each other.
pub fn transcript(text: &str) -> Result<String, Failure> {
    let scenario: Scenario = text.parse()?;
    let mut came: Vec<Vec<String>> = Vec::new();
    match scenario.run_with(|_, lines| came.push(lines)) {
        Ok(_) => {}
        Err(Failure::Trouble { trouble, .. }) => {
            if let Some(last) = came.last_mut() {
                last.push(format!("! {trouble}"));
            }
        }
        Err(other) => return Err(other),
    }
    let mut came = came.into_iter();
    let mut whole = String::new();
    for line in text.lines() {
        let lines = match Line::of(line) {
            Line::Came => continue,
            Line::Words | Line::Set(_) => Vec::new(),
            Line::Op(_) => came.next().unwrap_or_default(),
        };
        whole.push_str(line.trim_end());
        whole.push('\n');
        for line in lines {
            whole.push_str("    ");
            whole.push_str(&line);
            whole.push('\n');
        }
    }
    Ok(whole)
}
