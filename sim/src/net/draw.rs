//! A scenario from a tape: the one decoder, for seeds, fuzzers and whoever else has bytes.
//!
//! The first record is the settings. Each further one is something that happens, some time after the
//! one before; if it is something that lasts, its end is in the scenario as well. All zeros are mild.

use std::time::Duration;

use super::op::{Burst, Op, Place, Reader};
use super::path::PathChange;
use super::scenario::Scenario;
use super::settings::Settings;
use super::share::Share;
use crate::tape::{Choices, Tape};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The most bytes that are handed over at once.
const BURST_BYTES_MAX: u64 = 512 << 10;

/// The most bytes that are handed over in all, so that no scenario takes long.
const BYTES_MAX: u64 = 8 << 20;

/// The most records behind the settings.
const RECORDS_MAX: usize = 400;

/// What a record is about, by its first byte. New ones are added at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
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
}

impl Kind {
    pub(super) const ALL: [Self; 33] = [
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
    ];
}

impl Scenario {
    /// The scenario that a tape stands for. Its connections are protected by seeded TLS; whoever
    /// wants it otherwise changes [`Settings::crypto`].
    pub fn from_tape(tape: Tape<'_>) -> Self {
        let mut tape = tape;
        let settings = tape.next().map(|mut it| draw_settings(&mut it));
        let mut drawing = Drawing {
            settings: settings.unwrap_or_default(),
            now: SECOND,
            ops: Vec::new(),
            left: BYTES_MAX,
        };
        for mut choices in tape.take(RECORDS_MAX) {
            drawing.record(&mut choices);
        }
        let Drawing {
            mut settings,
            now,
            mut ops,
            ..
        } = drawing;
        ops.sort_by_key(|(at, _)| *at);
        settings.end = now + 5 * SECOND;
        Self { settings, ops }
    }
}

fn draw_settings(choices: &mut Choices<'_>) -> Settings {
    let seed = (0..8).fold(0, |seed, _| (seed << 8) | u64::from(choices.byte()));
    let mut settings = Settings {
        seed,
        ..Settings::default()
    };
    // Listeners stand first.
    let listeners = 1 + choices.below(2) as u8;
    let diallers = 1 + choices.below(3) as u8;
    settings.nodes = listeners + diallers;
    settings.listeners = (0..listeners).collect();
    settings.dials = (listeners..settings.nodes)
        .flat_map(|from| (0..listeners).map(move |to| (from, to)))
        .collect();
    if listeners > 1 && choices.chance(128) {
        settings.dials.push((1, 0));
    }
    settings.lanes = 1 + choices.below(8) as u8;
    settings.plain = choices.chance(48);
    if settings.plain {
        settings.lanes = 1;
    }
    if choices.chance(64) {
        settings.queue_messages_max = choices.log_uniform(1, 256) as u32;
    }
    if choices.chance(96) {
        settings.flight_messages_max = choices.log_uniform(1, 256) as u32;
    }
    settings.message_bytes_max = 64 << 10;
    if choices.chance(64) {
        settings.taken_bytes_max = choices.log_uniform(1 << 10, 64 << 10) as u32;
    }
    if choices.chance(96) {
        let least = u64::from(settings.taken_bytes_max.max(64 << 10));
        settings.inbound_bytes_max = choices.log_uniform(least, 4 << 20) as u32;
    }
    settings.inbound_bytes_max = settings.inbound_bytes_max.max(settings.taken_bytes_max);
    settings.backoff_max = choices.time(100 * MS, 30 * SECOND);
    settings.refusal_backoff_max = choices.time(5 * SECOND, MINUTE);
    if choices.chance(64) {
        settings.idle_timeout = choices.time(SECOND, MINUTE);
    }
    settings.disconnect_after = match choices.below(4) {
        0 => None,
        1 => Some(choices.time(SECOND, MINUTE)),
        _ => Some(5 * MINUTE),
    };
    settings.jitter = choices.chance(128);
    settings.at_most_once = choices.chance(64);
    settings.drop_oldest = choices.chance(64);
    settings.reports = choices.chance(128);
    settings.segments = 1 + choices.below(16) as u8;
    settings.socket = choices.log_uniform(4, 1_024) as u32;
    settings
}

struct Drawing {
    settings: Settings,
    now: Duration,
    ops: Vec<(Duration, Op)>,
    /// Bytes that may yet be handed over.
    left: u64,
}

impl Drawing {
    fn record(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.one_of(&Kind::ALL).copied().unwrap_or(Kind::Send);
        // In the same moment, within some round trips, or at leisure.
        self.now += match choices.below(3) {
            0 => choices.time(Duration::ZERO, 15 * SECOND),
            1 => Duration::from_micros(choices.below(80_000)),
            _ => Duration::from_millis(choices.below(8_000)),
        };
        match kind {
            Kind::Send | Kind::SendInTime => {
                let (from, to) = self.pair(choices);
                let mut burst = self.burst(from, to, choices);
                if kind == Kind::SendInTime {
                    burst.ttl = Some(choices.time(Duration::ZERO, MINUTE));
                }
                self.add(Op::Send(burst));
            }
            Kind::Reply => {
                let (to, from) = self.pair(choices);
                let burst = self.burst(from, to, choices);
                self.add(Op::Reply(burst));
            }
            Kind::Cancel => {
                let (from, to) = self.pair(choices);
                let skip = choices.log_uniform(0, 64) as u32;
                let count = choices.log_uniform(1, 64) as u32;
                self.add(Op::Cancel {
                    from,
                    to,
                    skip,
                    count,
                });
            }
            Kind::Loss
            | Kind::Burst
            | Kind::Duplicate
            | Kind::Reorder
            | Kind::Delay
            | Kind::Tail
            | Kind::Corrupt
            | Kind::Replay
            | Kind::Ecn
            | Kind::Bandwidth
            | Kind::Mtu
            | Kind::Cut => {
                self.meanwhile(choices);
                self.path(kind, choices);
            }
            Kind::CutOff
            | Kind::Rebind
            | Kind::Move
            | Kind::NoAddress
            | Kind::Crash
            | Kind::OtherKey
            | Kind::Freeze
            | Kind::Reader
            | Kind::Refuse
            | Kind::Distrust
            | Kind::Stop
            | Kind::Tick
            | Kind::Late
            | Kind::Jump
            | Kind::Batch
            | Kind::CutAccepted
            | Kind::Changed => {
                self.meanwhile(choices);
                self.node(kind, choices);
            }
        }
    }

    /// Most of what befalls a node or a path makes no difference unless something is under way.
    fn meanwhile(&mut self, choices: &mut Choices<'_>) {
        if choices.chance(128) {
            let (from, to) = self.pair(choices);
            let burst = self.burst(from, to, choices);
            self.add(Op::Send(burst));
            self.now += Duration::from_micros(choices.below(60_000));
        }
    }

    /// What changes about a path, and how it was before.
    fn path(&mut self, kind: Kind, choices: &mut Choices<'_>) {
        let (dialler, listener) = self.pair(choices);
        let (from, to) = match choices.below(4) {
            0 => (None, None),
            1 => (Some(dialler), Some(listener)),
            2 => (Some(listener), Some(dialler)),
            _ => (None, Some(listener)),
        };
        let mut share = |most: u64| Share::new(choices.log_uniform(1, most));
        let none = Share::NONE;
        let (change, back) = match kind {
            Kind::Loss => {
                let loss = match share(20) == Share::new(1) {
                    // Almost nothing comes through.
                    true => Share::new(9_000 + choices.below(1_001)),
                    false => share(3_000),
                };
                (PathChange::Loss(loss), PathChange::Loss(none))
            }
            Kind::Burst => {
                let (begins, ends) = (share(500), share(5_000));
                let back = PathChange::Burst(none, Share::ALL);
                (PathChange::Burst(begins, ends), back)
            }
            Kind::Duplicate => (
                PathChange::Duplicate(share(5_000)),
                PathChange::Duplicate(none),
            ),
            Kind::Reorder => (PathChange::Reorder(share(5_000)), PathChange::Reorder(none)),
            Kind::Corrupt => (PathChange::Corrupt(share(500)), PathChange::Corrupt(none)),
            Kind::Replay => (PathChange::Replay(share(2_000)), PathChange::Replay(none)),
            Kind::Ecn => (PathChange::Ecn(share(10_000)), PathChange::Ecn(none)),
            Kind::Tail => {
                let tail = share(200);
                let most = choices.time(100 * MS, MINUTE);
                (
                    PathChange::Tail(tail, most),
                    PathChange::Tail(none, Duration::ZERO),
                )
            }
            Kind::Bandwidth => {
                let bits = choices.log_uniform(8_000, 10_000_000_000);
                let queue = choices.log_uniform(1, 1_000) as u32;
                (
                    PathChange::Bandwidth(bits, queue),
                    PathChange::Bandwidth(0, 100),
                )
            }
            Kind::Mtu => {
                let bytes = 1_200 + choices.below(300) as u16;
                (PathChange::Mtu(bytes), PathChange::Mtu(u16::MAX))
            }
            Kind::Cut => (PathChange::Cut, PathChange::Join),
            _ => {
                let delay = choices.time(MS / 10, 500 * MS);
                let jitter = choices.time(Duration::ZERO, 100 * MS);
                let path = |change| Op::Path { from, to, change };
                self.add(path(PathChange::Jitter(jitter)));
                (PathChange::Delay(delay), PathChange::Delay(10 * MS))
            }
        };
        let lasts = match kind {
            Kind::Cut => choices.time(10 * MS, 2 * MINUTE),
            _ => choices.time(SECOND, 5 * MINUTE),
        };
        self.add(Op::Path { from, to, change });
        let change = back;
        self.add_in(lasts, Op::Path { from, to, change });
    }

    /// What happens to a node.
    fn node(&mut self, kind: Kind, choices: &mut Choices<'_>) {
        let node = choices.below(u64::from(self.settings.nodes)) as Place;
        let (from, to) = self.pair(choices);
        match kind {
            Kind::CutOff => {
                let lasts = choices.time(10 * MS, 10 * MINUTE);
                for (from, to) in [(Some(node), None), (None, Some(node))] {
                    let path = |change| Op::Path { from, to, change };
                    self.add(path(PathChange::Cut));
                    self.add_in(lasts, path(PathChange::Join));
                }
            }
            Kind::Rebind => {
                let address = choices.chance(128);
                self.add(Op::Rebind {
                    node: from,
                    address,
                });
            }
            Kind::Move => self.add(Op::Move(node)),
            Kind::NoAddress => {
                let known = |known| Op::Addresses { from, to, known };
                self.add(known(false));
                self.add_in(choices.time(Duration::ZERO, 30 * SECOND), known(true));
            }
            Kind::Crash | Kind::OtherKey => {
                let other_key = kind == Kind::OtherKey;
                self.add(Op::Crash(node));
                let down = choices.time(Duration::ZERO, 30 * SECOND);
                self.add_in(down, Op::Restart { node, other_key });
                if other_key {
                    let lasts = down + choices.time(SECOND, 30 * SECOND);
                    self.add_in(lasts, Op::Crash(node));
                    let other_key = false;
                    self.add_in(lasts, Op::Restart { node, other_key });
                }
            }
            Kind::Freeze => {
                self.add(Op::Freeze(node));
                self.add_in(choices.time(10 * MS, 10 * MINUTE), Op::Thaw(node));
            }
            Kind::Reader => {
                let reader = match choices.below(2) {
                    0 => Reader::Every(choices.time(MS, 5 * SECOND)),
                    _ => Reader::Stopped,
                };
                self.add(Op::Reader(node, reader));
                let lasts = choices.time(100 * MS, 5 * MINUTE);
                self.add_in(lasts, Op::Reader(node, Reader::Instant));
            }
            Kind::Refuse => {
                self.add(Op::Refuse(node, 1 + choices.below(20) as u32));
                self.add_in(choices.time(SECOND, MINUTE), Op::Refuse(node, 0));
            }
            Kind::Distrust => {
                self.add(Op::Trust(to, false));
                self.add_in(choices.time(10 * MS, MINUTE), Op::Trust(to, true));
            }
            Kind::Stop => {
                let drain = choices.chance(160);
                let drain = drain.then(|| choices.time(Duration::ZERO, 20 * SECOND));
                self.add(Op::Stop { from, to, drain });
                let lasts = drain.unwrap_or_default() + choices.time(MS, 10 * SECOND);
                self.add_in(lasts, Op::Dial { from, to });
            }
            Kind::Tick => {
                self.add(Op::Tick(node, choices.time(MS, 16 * MS)));
                let lasts = choices.time(SECOND, 2 * MINUTE);
                self.add_in(lasts, Op::Tick(node, Duration::ZERO));
            }
            Kind::Late => {
                self.add(Op::Late(node, choices.time(MS, 10 * SECOND)));
                let lasts = choices.time(SECOND, 2 * MINUTE);
                self.add_in(lasts, Op::Late(node, Duration::ZERO));
            }
            Kind::Jump => {
                let most = 30 * 24 * 60 * MINUTE;
                self.add(Op::Jump(node, choices.time(SECOND, most)));
            }
            Kind::Batch => {
                let share = Share::new(choices.log_uniform(10, 10_000));
                self.add(Op::Batch(node, share));
                let lasts = choices.time(SECOND, 2 * MINUTE);
                self.add_in(lasts, Op::Batch(node, Share::NONE));
            }
            Kind::CutAccepted => self.add(Op::CutAccepted(to)),
            _ => self.add(Op::Changed(node)),
        }
    }

    fn burst(&mut self, from: Place, to: Place, choices: &mut Choices<'_>) -> Burst {
        let lane = choices.below(u64::from(self.settings.lanes)) as u8;
        let most = u64::from(self.settings.message_bytes_max);
        let bytes = choices.log_uniform(0, most);
        let most = BURST_BYTES_MAX.min(self.left) / bytes.max(1);
        let count = choices.log_uniform(1, 64).min(most).max(1);
        self.left = self.left.saturating_sub(bytes * count);
        Burst {
            from,
            to,
            lane,
            count: count as u32,
            bytes: bytes as u32,
            ttl: None,
        }
    }

    /// Who dials whom.
    fn pair(&self, choices: &mut Choices<'_>) -> (Place, Place) {
        let pair = choices.one_of(&self.settings.dials);
        pair.copied().unwrap_or((1, 0))
    }

    fn add(&mut self, op: Op) {
        self.ops.push((self.now, op));
    }

    fn add_in(&mut self, wait: Duration, op: Op) {
        self.ops.push((self.now + wait, op));
    }
}
