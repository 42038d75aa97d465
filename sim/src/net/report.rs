//! What came of a run.

use std::collections::BTreeMap;
use std::time::Duration;

/// What may go wrong on purpose, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "their words are their names, below")]
pub enum Fault {
    Loss,
    Burst,
    Duplicate,
    Reorder,
    Tail,
    Corrupt,
    Replay,
    Ecn,
    Queue,
    Mtu,
    Cut,
    Rebound,
    Moved,
    NoAddress,
    Batch,
    Crash,
    OtherKey,
    Freeze,
    Overrun,
    SlowReader,
    Refusal,
    Distrust,
    ClockTick,
    ClockLate,
    ClockJump,
    ConnectionsCut,
    Cancel,
    Stop,
    Unreachable,
    FirstPacket,
    Random,
    Stray,
    Versions,
    Reset,
    Retry,
    NoRoom,
    FamilyCut,
    OtherNode,
}

impl Fault {
    /// Each of them.
    pub const ALL: [Self; 38] = [
        Self::Loss,
        Self::Burst,
        Self::Duplicate,
        Self::Reorder,
        Self::Tail,
        Self::Corrupt,
        Self::Replay,
        Self::Ecn,
        Self::Queue,
        Self::Mtu,
        Self::Cut,
        Self::Rebound,
        Self::Moved,
        Self::NoAddress,
        Self::Batch,
        Self::Crash,
        Self::OtherKey,
        Self::Freeze,
        Self::Overrun,
        Self::SlowReader,
        Self::Refusal,
        Self::Distrust,
        Self::ClockTick,
        Self::ClockLate,
        Self::ClockJump,
        Self::ConnectionsCut,
        Self::Cancel,
        Self::Stop,
        Self::Unreachable,
        Self::FirstPacket,
        Self::Random,
        Self::Stray,
        Self::Versions,
        Self::Reset,
        Self::Retry,
        Self::NoRoom,
        Self::FamilyCut,
        Self::OtherNode,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "datagrams lost",
            Self::Burst => "datagrams lost in bursts",
            Self::Duplicate => "datagrams doubled",
            Self::Reorder => "datagrams overtaken",
            Self::Tail => "datagrams very late",
            Self::Corrupt => "datagrams damaged",
            Self::Replay => "old datagrams again",
            Self::Ecn => "marks changed",
            Self::Queue => "datagrams beyond a queue",
            Self::Mtu => "datagrams too large for a path",
            Self::Cut => "datagrams into a cut path",
            Self::Rebound => "addresses given anew by a NAT",
            Self::Moved => "nodes moved",
            Self::NoAddress => "addresses taken away",
            Self::Batch => "batches cut short",
            Self::Crash => "crashes",
            Self::OtherKey => "restarts with another key",
            Self::Freeze => "nodes frozen",
            Self::Overrun => "datagrams beyond a socket's buffer",
            Self::SlowReader => "readers slowed or stopped",
            Self::Refusal => "messages refused",
            Self::Distrust => "trust withdrawn",
            Self::ClockTick => "clocks made coarse",
            Self::ClockLate => "timers made late",
            Self::ClockJump => "clocks that jumped",
            Self::ConnectionsCut => "accepted connections forgotten",
            Self::Cancel => "messages cancelled",
            Self::Stop => "peers stopped",
            Self::Unreachable => "ports reported unreachable",
            Self::FirstPacket => "first packets of strangers",
            Self::Random => "random datagrams",
            Self::Stray => "datagrams again from a stranger",
            Self::Versions => "datagrams like version negotiation",
            Self::Reset => "datagrams like stateless resets",
            Self::Retry => "addresses told to prove themselves",
            Self::NoRoom => "dialled in vain for want of room",
            Self::FamilyCut => "datagrams of a family that is cut",
            Self::OtherNode => "sessions that went on at another node",
        }
    }
}

/// How often each happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(BTreeMap<Fault, u64>);

impl Faults {
    pub(super) fn count(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    /// How often this one happened.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or(0)
    }

    /// How often any happened.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (&fault, count) in &other.0 {
            *self.0.entry(fault).or_default() += count;
        }
    }
}

/// What came of messages, of all that were accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named for its outcome")]
pub struct Outcomes {
    pub delivered: u64,
    pub refused: u64,
    pub expired: u64,
    pub cancelled: u64,
    pub failed: u64,
    pub unknown: u64,
    /// Written, where nobody tells more.
    pub written: u64,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages handed to nodes and accepted.
    pub messages: u64,
    /// Of these, those whose node crashed before their outcome: they have none.
    pub orphaned: u64,
    /// What became of the others.
    pub outcomes: Outcomes,
    /// Messages that were handed back at once.
    pub rejected: u64,
    /// Messages that an application was given, copies included.
    pub received: u64,
    /// Copies among them, which only a receiver that lost its memory sees.
    pub copies: u64,
    /// Connections that stood, as their diallers saw it.
    pub connected: u64,
    /// Connections, and attempts at one, that failed, as their diallers saw it.
    pub disconnected: u64,
    /// What went wrong on purpose.
    pub faults: Faults,
    /// Turns of a node: what came, or was due, at one moment.
    pub steps: u64,
    /// Datagrams that nodes sent.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How much time went by in the world.
    pub simulated: Duration,
    /// A digest of every datagram that a node sent: when, where to, and each of its bytes.
    pub digest: u64,
    /// The same without the bytes, but with how many they are.
    pub shape: u64,
}

impl Report {
    /// Adds another run's. Digests are combined, so that equal lists of runs have equal ones.
    pub fn add(&mut self, other: &Self) {
        let (mine, its) = (&mut self.outcomes, &other.outcomes);
        mine.delivered += its.delivered;
        mine.refused += its.refused;
        mine.expired += its.expired;
        mine.cancelled += its.cancelled;
        mine.failed += its.failed;
        mine.unknown += its.unknown;
        mine.written += its.written;
        self.messages += other.messages;
        self.orphaned += other.orphaned;
        self.rejected += other.rejected;
        self.received += other.received;
        self.copies += other.copies;
        self.connected += other.connected;
        self.disconnected += other.disconnected;
        self.faults.add(&other.faults);
        self.steps += other.steps;
        self.datagrams += other.datagrams;
        self.bytes += other.bytes;
        self.simulated += other.simulated;
        self.digest = mix(self.digest, other.digest);
        self.shape = mix(self.shape, other.shape);
    }
}

/// One round of SplitMix64 over both.
pub(super) fn mix(sum: u64, word: u64) -> u64 {
    let mut mixed = (sum ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

/// The sum with these bytes added.
pub(super) fn mix_bytes(sum: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let whole = words
        .iter()
        .fold(sum, |sum, &word| mix(sum, u64::from_le_bytes(word)));
    let last = rest
        .iter()
        .fold(0, |last, &byte| (last << 8) | u64::from(byte));
    mix(mix(whole, last), bytes.len() as u64)
}
