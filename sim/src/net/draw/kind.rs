//! What records are about.

/// What a record is about, by its first byte. New ones are added at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::net) enum Kind {
    Send,
    SendInTime,
    Reply,
    Cancel,
    Loss,
    Burst,
    Duplicate,
    Reorder,
    Delay,
    Tail,
    Corrupt,
    Replay,
    Ecn,
    Bandwidth,
    Mtu,
    Cut,
    CutOff,
    Rebind,
    Move,
    NoAddress,
    Crash,
    OtherKey,
    Freeze,
    Reader,
    Refuse,
    Distrust,
    Stop,
    Tick,
    Late,
    Jump,
    Batch,
    CutAccepted,
    Changed,
    FirstPackets,
    Random,
    Replays,
    Versions,
    Resets,
    CutFamily,
}

impl Kind {
    pub(in crate::net) const ALL: [Self; 39] = [
        Self::Send,
        Self::SendInTime,
        Self::Reply,
        Self::Cancel,
        Self::Loss,
        Self::Burst,
        Self::Duplicate,
        Self::Reorder,
        Self::Delay,
        Self::Tail,
        Self::Corrupt,
        Self::Replay,
        Self::Ecn,
        Self::Bandwidth,
        Self::Mtu,
        Self::Cut,
        Self::CutOff,
        Self::Rebind,
        Self::Move,
        Self::NoAddress,
        Self::Crash,
        Self::OtherKey,
        Self::Freeze,
        Self::Reader,
        Self::Refuse,
        Self::Distrust,
        Self::Stop,
        Self::Tick,
        Self::Late,
        Self::Jump,
        Self::Batch,
        Self::CutAccepted,
        Self::Changed,
        Self::FirstPackets,
        Self::Random,
        Self::Replays,
        Self::Versions,
        Self::Resets,
        Self::CutFamily,
    ];

    /// Those that there are on a tape of this version.
    pub(in crate::net) fn of_version(version: u8) -> &'static [Self] {
        const OF_VERSION_1: usize = 33;
        let count = match version {
            1 => OF_VERSION_1,
            _ => Self::ALL.len(),
        };
        Self::ALL.get(..count).unwrap_or(&Self::ALL)
    }
}
