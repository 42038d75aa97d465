//! Random runs of both machines, each from a seed or from any tape of bytes.
//!
//! A seed writes a [tape](crate::tape): [`tape_of`]. [`run_tape`] is the one place that reads one, so
//! that seeds, fuzzers and properties draw from the same things. Each record becomes an
//! [`Op`](crate::Op), or a few, *as the world stands*: a choice is one among the connections,
//! streams and messages that there are, and a record for which there is nothing is passed over. What
//! has happened so is a [`Scenario`](crate::Scenario), which [`replay`] runs again without the tape, with the same
//! digest.
//!
//! Every run ends with [`Op::Heal`](crate::Op::Heal), which checks that the good follows once faults
//! stop, and mostly with a stop. All checks of the oracle are made after each input; the full form
//! of both machines' checks, and of the oracle's own books, with each 64th.

mod class;
mod draw;
mod kind;
mod play;
mod profile;
mod report;
mod setup;
mod smaller;
mod stops;
mod write;

pub use self::class::{Class, Classes};
pub use self::play::{Broken, Run, replay, run_seed, run_tape};
pub use self::profile::{BadProfile, Profile};
pub use self::report::Report;
pub use self::smaller::smallest;
pub use self::stops::stop_everywhere;
pub use self::write::tape_of;
