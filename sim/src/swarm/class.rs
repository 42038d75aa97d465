//! The classes of what a run may draw: those of the catalogue of faults, and what users do that is
//! out of the ordinary. In each seed about half of them are off, since what is always on hides what
//! others would show.

macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)*) => {
        /// One class.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Class {
            $($(#[$doc])* $variant,)*
        }

        impl Class {
            /// Every class, in the order in which they are told.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = [$($name,)*].len();

            /// What it is called.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

classes! {
    /// An end loses its connection for no reason; the other one hears of it at another time.
    Loss "loss",
    /// An attempt at a connection fails, is accepted and not confirmed, or takes too long.
    Attempt "attempt",
    /// The peer refuses our identity, or our version: permanent errors.
    Refusal "refusal",
    /// The accepting process is killed at some point, and starts anew.
    Restart "restart",
    /// The accepting end forgets a session that has no connection.
    Forget "forget",
    /// The accepting end stops in good order, and comes back.
    Leave "leave",
    /// A stream is reset, or no longer read, by nobody's machine.
    Cut "cut",
    /// The application reads nothing of some lanes for a while.
    Stall "stall",
    /// The peer's addresses change: to none, to many, again and again.
    Addresses "addresses",
    /// A clock leaps ahead, stands still or goes back.
    Clock "clock",
    /// Timers fire late, early or twice.
    Timers "timers",
    /// Events that name what the machine does not have.
    Stale "stale",
    /// The receiver takes smaller messages than the sender, or the application refuses some.
    Refuse "refuse",
    /// Something says that dialling makes sense now.
    Wake "wake",
    /// More messages at once than the queue holds; empty ones, largest ones, and one byte more.
    Burst "burst",
    /// Messages have an end.
    Expiry "expiry",
    /// Messages are taken back.
    Cancel "cancel",
    /// The sender gives its peer up after some failures.
    GiveUp "give-up",
    /// The sender is stopped in the middle.
    Stop "stop",
    /// The accepting process stands still for a while, and nothing arrives there.
    Freeze "freeze",
}

impl Class {
    /// Whether it is a fault of the world around, and not something that the sender's user asks for.
    pub fn is_fault(self) -> bool {
        match self {
            Self::Loss
            | Self::Attempt
            | Self::Refusal
            | Self::Restart
            | Self::Forget
            | Self::Leave
            | Self::Cut
            | Self::Stall
            | Self::Addresses
            | Self::Clock
            | Self::Timers
            | Self::Stale
            | Self::Refuse
            | Self::Freeze => true,
            Self::Wake | Self::Burst | Self::Expiry | Self::Cancel | Self::GiveUp | Self::Stop => {
                false
            }
        }
    }
}

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Classes(u32);

impl Classes {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self((1 << Class::COUNT) - 1);

    /// Those whose place in [`Class::ALL`] is a bit of this; bits beyond are left out.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// As [`from_bits`](Self::from_bits).
    pub fn bits(self) -> u32 {
        self.0
    }

    /// With one more.
    #[must_use]
    pub fn with(self, class: Class) -> Self {
        Self(self.0 | 1 << class as u32)
    }

    /// Whether it is one of them.
    pub fn has(self, class: Class) -> bool {
        self.0 & 1 << class as u32 != 0
    }
}
