//! Traces: what machines were told, recorded as it happened and replayed exactly.
//!
//! A [`Recorder`] stands beside machines and writes down each step: the time, the events, and a
//! digest of the actions. A [`TraceReader`] reads the records back, and a [`Replay`] has fresh
//! machines go through them, and compares. `docs/trace-format.md` specifies the bytes.
//!
//! No secret enters a trace but what users put into their messages, and of these only what
//! [`Payloads`] asks for.

mod action;
mod alternative;
mod content;
mod event;
mod form;
mod hold;
pub(crate) mod image;
mod reader;
mod record;
mod recorder;
mod replay;
mod ring;
mod runs;
mod steps;
mod watch;
pub(crate) mod word;

pub use self::action::{TraceAction, TraceMessage, TraceUnsent};
pub use self::alternative::{Alternative, is_outward};
pub use self::content::{Content, Payloads};
pub use self::event::TraceEvent;
pub use self::image::{Image, ImageError, RESTORED_BYTES_MAX};
pub use self::reader::{Damage, TraceError, TraceReader};
pub use self::record::{
    About, Call, FORMAT, Header, MAGIC, MachineConfig, MachineId, RECORD_BYTES_MAX, Record,
    StepResult, frame,
};
pub use self::recorder::{Recorder, RecorderConfig};
pub use self::replay::{Divergence, MachineState, Played, Replay, ReplayError, Summary};
pub use self::runs::Piece;
pub(crate) use self::runs::{Run, Runs};
pub use self::steps::StepRecorder;
pub use self::watch::{Notice, Noticed, Watch};
