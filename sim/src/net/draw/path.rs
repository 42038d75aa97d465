//! What changes about paths, drawn.

use std::time::Duration;

use super::{Drawing, Kind, MINUTE, MS, SECOND};
use crate::net::op::Op;
use crate::net::path::{Family, PathChange};
use crate::net::share::Share;
use crate::tape::Choices;

impl Drawing {
    /// What changes about a path, and how it was before.
    pub(super) fn path(&mut self, kind: Kind, choices: &mut Choices<'_>) {
        let (dialler, listener) = self.pair(choices);
        let listener = self.node_of(listener, choices);
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
            Kind::CutFamily => {
                let family = match choices.below(2) {
                    0 => Family::V6,
                    _ => Family::V4,
                };
                let change = PathChange::CutFamily(Some(family));
                (change, PathChange::CutFamily(None))
            }
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
}
