//! Deliberately broken variants of the machines, for tests that must show that they find faults.
//!
//! Only with the feature `broken`, which nothing but tests may turn on; without it each question is
//! answered with no when the crate is compiled, and nothing of this is left. One variant is in force
//! for a whole process at a time: a test that sets one runs in a process of its own.

use core::sync::atomic::{AtomicUsize, Ordering};

macro_rules! variants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What can be broken. Each is a fault that somebody has made in a sender like this one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Variant {
            $($(#[$doc])* $name,)*
        }

        impl Variant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

variants! {
    /// A message counts as delivered once QUIC has taken it.
    DeliveredOnWrite,
    /// A receipt covers one message more than it says.
    ReceiptCoversOneMore,
    /// An abort calls what may have arrived failed.
    UnknownAsFailed,
    /// A message that has begun expires as one that has not.
    ExpiredInFlight,
    /// A message that has begun is cancelled at once, and settled again by its answer.
    CancelledTwice,
    /// The messages in flight are lost with their connection, without an outcome.
    FlightLostOnReconnect,
    /// A message that is put out of a full queue has no outcome.
    DisplacedInSilence,
    /// Patience ends although the receiver is there.
    PatienceWhileConnected,
    /// What cannot be proven lost is sent again under at-most-once.
    AtMostOnceRepeats,
    /// A receiver that has lost its memory is believed to prove what it has not received.
    RecordIgnored,
    /// What was proven lost stays so after it was sent again.
    ProofNeverEnds,
    /// Numbers that are settled are not passed over with SKIP.
    GapsNotSkipped,
    /// One message more is in flight than may be.
    FlightOffByOne,
    /// The queue takes messages beyond its limits.
    QueueUnbounded,
    /// The queue is emptied from its new end.
    NewestFirst,
    /// A lane of a higher class never lets a lower one go.
    LaneNeverYields,
    /// Events of any connection are taken for those of the current one.
    NoGenerationCheck,
    /// A connection that is given up is not closed.
    ConnectionKept,
    /// An attempt at a connection never takes too long.
    ConnectNeverGivenUp,
    /// Being connected counts as proof of health.
    BackoffResetOnConnect,
    /// Each wait is twice the one before.
    BackoffDoubles,
    /// A stop is not heard while a connection is being made.
    StopIgnoredWhileConnecting,
    /// A second stop may prolong the first.
    SecondStopProlongs,
    /// A drain has no end.
    DrainWithoutEnd,
    /// The last event comes before the last outcomes.
    StoppedTooSoon,
    /// Time goes back when the clock does.
    TimeGoesBack,
    /// A receiver calls a message taken once it holds it.
    TakenWhenHeld,
    /// A receiver begins each connection with a new memory under its old name.
    RecordForgotten,
    /// A receiver forgets with the connection what it has refused.
    RefusalsForgotten,
    /// An OPEN that is late takes its lane back from a newer connection.
    LateOpenTakesOver,
}

/// The place of the variant in force in [`Variant::ALL`], counted from 1; 0 for none.
static IN_FORCE: AtomicUsize = AtomicUsize::new(0);

/// Puts a variant in force from here on, or none.
pub fn put_in_force(variant: Option<Variant>) {
    IN_FORCE.store(variant.map_or(0, |it| it as usize + 1), Ordering::Relaxed);
}

pub(crate) fn is(variant: Variant) -> bool {
    IN_FORCE.load(Ordering::Relaxed) == variant as usize + 1
}
