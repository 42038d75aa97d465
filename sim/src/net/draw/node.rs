//! What happens to nodes, drawn.

use std::time::Duration;

use super::{Drawing, Kind, MINUTE, MS, SECOND};
use crate::net::op::{Junk, Op, Place, Reader};
use crate::net::path::PathChange;
use crate::net::share::Share;
use crate::tape::Choices;

impl Drawing {
    /// What happens to a node.
    pub(super) fn node(&mut self, kind: Kind, choices: &mut Choices<'_>) {
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
            Kind::CutAccepted => {
                let to = self.node_of(to, choices);
                self.add(Op::CutAccepted(to));
            }
            _ => self.add(Op::Changed(node)),
        }
    }

    /// What somebody sends who is no node.
    pub(super) fn stranger(&mut self, what: Junk, choices: &mut Choices<'_>) {
        let node = choices.below(u64::from(self.settings.nodes)) as Place;
        let (_, listener) = self.pair(choices);
        // There is more to be had from those who listen.
        let to = match choices.below(4) {
            0 => node,
            _ => listener,
        };
        let count = choices.log_uniform(1, 250) as u32;
        let every = choices.time(Duration::ZERO, 200 * MS);
        self.add(Op::Stranger {
            to,
            what,
            count,
            every,
        });
    }
}
