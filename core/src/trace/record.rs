//! The records of a trace, and how each is framed.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::action::TraceAction;
use super::content::Payloads;
use super::event::TraceEvent;
use crate::{Attempt, Config, Dialler, PeerKey, SessionHandle, SessionsConfig, StopMode, Time};

/// What every trace begins with: a byte above 127, a name, and line ends of each kind, so that a
/// file that was transferred as text is seen at once. The format's version follows in two bytes,
/// little endian.
pub const MAGIC: [u8; 8] = *b"\x89pst\r\n\x1a\n";

/// The version of the format that is written, and the highest that is read.
pub const FORMAT: u16 = 1;

/// The most bytes of a record.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// A length, and its checksum.
pub(super) const HEAD_BYTES: usize = 8;

/// The checksum of a record's body.
pub(super) const TAIL_BYTES: usize = 4;

/// A machine of a trace.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct MachineId(pub u64);

/// What a machine is, for those who read the trace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct About {
    /// What its user calls it: a peer's name, or the node's.
    pub name: String,
    /// The key of the peer that it sends to, if that is known, or that of the accepting node.
    pub key: Option<PeerKey>,
    /// When its [`Time::ZERO`] was, in nanoseconds since 1970 (UTC).
    pub zero_unix_nanos: u64,
}

/// What a machine was made with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MachineConfig {
    /// A [`PeerSenderMachine`](crate::PeerSenderMachine).
    Sender(Box<Config>),
    /// A table of [`Sessions`](crate::Sessions).
    Sessions(Box<SessionsConfig>),
}

/// Which function of a machine was called in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is that of the function")]
pub enum Call {
    /// [`PeerSenderMachine::handle`](crate::PeerSenderMachine::handle).
    Handle,
    /// [`Sessions::accepted`](crate::Sessions::accepted).
    Accepted { attempt: Attempt, key: PeerKey },
    /// [`Sessions::handle_connection`](crate::Sessions::handle_connection).
    Connection { attempt: Attempt },
    /// [`Sessions::handle_session`](crate::Sessions::handle_session).
    Session { session: SessionHandle },
    /// [`Sessions::stop`](crate::Sessions::stop).
    Stop { mode: StopMode },
    /// [`Sessions::handle_timeout`](crate::Sessions::handle_timeout).
    Timeout,
    /// [`Sessions::accepted`](crate::Sessions::accepted) of a [`Dialler`] whose share is another
    /// than its key.
    AcceptedSharing { attempt: Attempt, dialler: Dialler },
}

impl Call {
    /// [`Sessions::accepted`](crate::Sessions::accepted).
    pub fn accepted(attempt: Attempt, dialler: Dialler) -> Self {
        let key = dialler.key;
        match dialler == Dialler::from(key) {
            true => Self::Accepted { attempt, key },
            false => Self::AcceptedSharing { attempt, dialler },
        }
    }
}

/// What a trace says of itself: always its first record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Header {
    /// Who wrote it, with its version.
    pub program: String,
    /// What it keeps of payloads.
    pub payloads: Payloads,
}

/// One record of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Record {
    /// What the trace says of itself.
    Header(Header),
    /// A machine was made.
    Made {
        /// Its name in this trace; never used again for another.
        machine: MachineId,
        /// What it is.
        about: About,
        /// Its configuration.
        config: MachineConfig,
        /// Its seed.
        seed: [u8; 32],
    },
    /// The whole state of a machine between two steps, or a part of it: parts of one follow each
    /// other without anything of the same machine between them.
    Image {
        /// The machine.
        machine: MachineId,
        /// What it is.
        about: About,
        /// Whether no further part follows.
        last: bool,
        /// What [`Image::save`](super::Image::save) gave.
        bytes: Bytes,
    },
    /// Events of a step that is too long for one record: its next ones, before its `Step`.
    Events {
        /// The machine.
        machine: MachineId,
        /// The events.
        #[serde(deserialize_with = "super::event::few")]
        events: Vec<TraceEvent>,
    },
    /// A step.
    Step {
        /// The machine.
        machine: MachineId,
        /// The time that it was told.
        now: Time,
        /// The function.
        call: Call,
        /// The events, or the last of them.
        #[serde(deserialize_with = "super::event::few")]
        events: Vec<TraceEvent>,
        /// What came of it.
        result: StepResult,
    },
    /// The machine is gone: nothing more is told of it.
    Gone {
        /// The machine.
        machine: MachineId,
    },
    /// Something that is worth knowing when the trace is read.
    Mark {
        /// When, in nanoseconds since 1970 (UTC).
        unix_nanos: u64,
        /// What.
        text: String,
    },
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StepResult {
    /// XXH3 (64 bits) of all actions, each as it is encoded in a trace, one behind the other.
    Digest(#[serde(with = "postcard::fixint::le")] u64),
    /// The actions themselves.
    Actions(Vec<TraceAction>),
}

/// Appends the bytes that a record of this body has in a trace. False, and nothing is appended, if it
/// is longer than a record may be.
pub fn frame(body: &[u8], out: &mut Vec<u8>) -> bool {
    frame_what(out, |out| out.extend_from_slice(body))
}

/// [`frame`] of the body that this appends.
pub(super) fn frame_what(out: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>)) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    append(out);
    let (head, body) = out
        .get_mut(start..)
        .unwrap_or_default()
        .split_at_mut(HEAD_BYTES);
    if body.len() > RECORD_BYTES_MAX {
        out.truncate(start);
        return false;
    }
    let length = (body.len() as u32).to_le_bytes();
    let (bytes, sum) = head.split_at_mut(length.len());
    bytes.copy_from_slice(&length);
    sum.copy_from_slice(&checksum(&length));
    let sum = checksum(body);
    out.extend_from_slice(&sum);
    true
}

/// The low half of XXH3 (64 bits), little endian.
pub(super) fn checksum(bytes: &[u8]) -> [u8; 4] {
    (xxh3_64(bytes) as u32).to_le_bytes()
}
