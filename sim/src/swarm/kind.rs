//! What a record of a tape may be, and how often each is drawn.

use super::class::Class;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $weight:literal $($class:ident)?,)*) => {
        /// What a record is. Its place is the record's tag: new kinds come last, so that old tapes
        /// mean what they meant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind {
            $($(#[$doc])* $variant,)*
        }

        impl Kind {
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// How often it is drawn, against the others.
            pub(super) fn weight(self) -> u64 {
                match self {
                    $(Self::$variant => $weight,)*
                }
            }

            /// The class that it belongs to; none of what is in the ordinary course of things.
            pub(super) fn class(self) -> Option<Class> {
                match self {
                    $(Self::$variant => kinds!(@class $($class)?),)*
                }
            }
        }
    };
    (@class) => { None };
    (@class $class:ident) => { Some(Class::$class) };
}

kinds! {
    /// A message.
    Send = 220,
    /// All that is under way on a stream arrives.
    Deliver = 260,
    /// All that is under way on a connection, in one direction, arrives.
    DeliverAll = 80,
    /// A frame arrives, or half of one.
    Piece = 120,
    /// QUIC takes the rest of a write.
    Written = 80,
    /// The application accepts a message.
    Take = 240,
    /// It accepts some in a row.
    TakeSome = 20,
    /// An attempt is confirmed.
    Connect = 80,
    /// An end hears that the other one is gone.
    Notice = 60,
    /// The next timer fires.
    Fire = 30,
    /// A little time passes.
    Advance = 40,
    /// An end loses its connection.
    Lose = 14 Loss,
    /// Both do, one after the other.
    LoseBoth = 4 Loss,
    /// A handshake is complete at the accepting end alone.
    Accept = 14 Attempt,
    /// An attempt fails.
    Fail = 14 Attempt,
    /// It takes too long.
    Overdue = 6 Attempt,
    /// It fails for good.
    Refused = 16 Refusal,
    /// The accepting process is killed.
    Restart = 5 Restart,
    /// It is killed in the middle of a frame.
    RestartInFrame = 4 Restart,
    /// It is killed when its transport has everything and its application nothing.
    RestartUnread = 4 Restart,
    /// It is killed when its application has a message and the sender has not heard of it.
    RestartUntold = 4 Restart,
    /// It is killed while a connection is being made.
    RestartInHandshake = 4 Restart,
    /// A session without a connection is forgotten.
    Forget = 10 Forget,
    /// The accepting end stops in good order.
    Leave = 10 Leave,
    /// A stream is reset.
    Reset = 10 Cut,
    /// A stream is no longer read.
    Halt = 10 Cut,
    /// A lane is no longer read by the application, or is again.
    Stall = 20 Stall,
    /// The peer's addresses change.
    Addresses = 16 Addresses,
    /// Both clocks leap ahead.
    Leap = 5 Clock,
    /// Time passes and no timer fires.
    Pause = 10 Clock,
    /// A clock goes back.
    Back = 12 Clock,
    /// A timer fires late.
    Late = 10 Timers,
    /// A timer fires that nobody needs.
    Early = 10 Timers,
    /// A timer fires twice.
    Twice = 6 Timers,
    /// An event that names what is not there.
    Stale = 28 Stale,
    /// The application refuses a message.
    Refuse = 28 Refuse,
    /// A reason to dial.
    Wake = 12 Wake,
    /// More messages at once.
    Burst = 8 Burst,
    /// A message that has an end.
    SendExpiring = 60 Expiry,
    /// A message is taken back.
    Cancel = 40 Cancel,
    /// The sender is stopped. Where a tape has it, it is put there and not drawn.
    Stop = 0 Stop,
    /// A message is taken back in the very step in which something arrives.
    CancelWith = 30 Cancel,
    /// A reason to dial comes with it.
    WakeWith = 4 Wake,
    /// Other addresses do.
    AddressesWith = 4 Addresses,
    /// The accepting process stands still.
    Freeze = 8 Freeze,
}
