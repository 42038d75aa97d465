//! A scenario from a tape: the one decoder, for seeds, fuzzers and whoever else has bytes.
//!
//! The first record is the settings, the second what surrounds the nodes. Each further one is something that happens, some time after the
//! one before; if it is something that lasts, its end is in the scenario as well. All zeros are mild.

mod kind;
mod node;
mod path;
mod settings;

use std::time::Duration;

pub(super) use self::kind::Kind;
pub(super) use self::settings::{BOTH_FAMILIES, SHARED, TIGHT};
use self::settings::{draw_settings, draw_surroundings};

use super::op::{Burst, Junk, Op, Place};
use super::scenario::Scenario;
use super::settings::Settings;
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

impl Scenario {
    /// The scenario that a tape stands for. Its connections are protected by seeded TLS; whoever
    /// wants it otherwise changes [`Settings::crypto`].
    pub fn from_tape(tape: Tape<'_>) -> Self {
        let mut tape = tape;
        let settings = tape.next().map(|mut it| draw_settings(&mut it));
        let mut settings = settings.unwrap_or_default();
        if tape.version() > 1
            && let Some(mut choices) = tape.next()
        {
            draw_surroundings(&mut settings, &mut choices);
        }
        let mut drawing = Drawing {
            kinds: Kind::of_version(tape.version()),
            settings,
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

struct Drawing {
    kinds: &'static [Kind],
    settings: Settings,
    now: Duration,
    ops: Vec<(Duration, Op)>,
    /// Bytes that may yet be handed over.
    left: u64,
}

impl Drawing {
    fn record(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.one_of(self.kinds).copied().unwrap_or(Kind::Send);
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
            | Kind::Cut
            | Kind::CutFamily => {
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
            Kind::FirstPackets => self.stranger(Junk::FirstPackets, choices),
            Kind::Random => self.stranger(Junk::Random, choices),
            Kind::Replays => {
                self.meanwhile(choices);
                self.stranger(Junk::Replays, choices);
            }
            Kind::Versions => {
                self.meanwhile(choices);
                self.stranger(Junk::Versions, choices);
            }
            Kind::Resets => self.stranger(Junk::Resets, choices),
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

    /// One of the nodes of a peer.
    fn node_of(&self, place: Place, choices: &mut Choices<'_>) -> Place {
        if self.settings.shares.is_empty() {
            return place;
        }
        let nodes = self.settings.nodes_of(place);
        choices.one_of(&nodes).copied().unwrap_or(place)
    }

    fn add(&mut self, op: Op) {
        self.ops.push((self.now, op));
    }

    fn add_in(&mut self, wait: Duration, op: Op) {
        self.ops.push((self.now + wait, op));
    }
}
