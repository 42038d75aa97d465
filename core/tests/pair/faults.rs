//! What strikes at moments that a seed draws.

use std::time::Duration;

use peer_sender_core::{StopMode, Time, WakeReason};

use crate::rng::Rng;

/// The longest that an end takes to notice a dead path: QUIC's idle timeout.
pub(crate) const IDLE: Duration = Duration::from_secs(10);

/// What happens at a moment drawn beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The live connection's path dies.
    Cut,
    /// The dialler loses the live connection; what it sent comes late.
    Linger,
    /// The accepting process dies, and is back after this time.
    Crash(Duration),
    /// The accepting node stops in good order, and its process is back after this time.
    GoAway(StopMode, Duration),
    /// Somebody else connects, with this key (of two) and a session of that name (of two).
    Stranger { same_key: bool, same_session: bool },
    /// The peer's addresses change.
    Move,
    /// Something says that dialling makes sense now.
    Wake(WakeReason),
    /// One end's clock jumps ahead.
    Jump { dialler: bool, by: Duration },
}

/// The generator itself in about half of the calls: one fault class on.
pub(crate) fn on(rng: &mut Rng) -> Option<&mut Rng> {
    if rng.chance(500) { Some(rng) } else { None }
}

pub(crate) fn draw_faults(rng: &mut Rng, span: Duration) -> Vec<(Time, Fault)> {
    let mut faults = Vec::new();
    let mut some = |rng: &mut Rng, most: u64, fault: &mut dyn FnMut(&mut Rng) -> Fault| {
        for _ in 0..on(rng).map_or(0, |rng| rng.between(1, most)) {
            faults.push((rng.moment_before(span), fault(rng)));
        }
    };
    let down = Duration::from_secs(15);
    some(rng, 12, &mut |_| Fault::Cut);
    some(rng, 8, &mut |_| Fault::Linger);
    some(rng, 3, &mut |rng| Fault::Crash(rng.wait(down)));
    some(rng, 2, &mut |rng| {
        let drain = StopMode::Drain(rng.wait(Duration::from_secs(12)));
        let mode = if rng.chance(700) {
            drain
        } else {
            StopMode::Abort
        };
        Fault::GoAway(mode, rng.wait(down))
    });
    some(rng, 8, &mut |rng| {
        let same_key = rng.chance(500);
        Fault::Stranger {
            same_key,
            same_session: !same_key && rng.chance(500),
        }
    });
    some(rng, 6, &mut |rng| {
        Fault::Wake(rng.pick(&[
            WakeReason::NewAddress,
            WakeReason::InboundContact,
            WakeReason::Operator,
            WakeReason::NetworkChange,
        ]))
    });
    if rng.chance(300) {
        some(rng, 10, &mut |_| Fault::Move);
    }
    if rng.chance(150) {
        some(rng, 2, &mut |rng| Fault::Jump {
            dialler: rng.chance(500),
            by: rng.wait(Duration::from_secs(30 * 24 * 3_600)),
        });
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}

pub(crate) fn draw_stops(rng: &mut Rng, span: Duration) -> Vec<(Time, StopMode)> {
    if !rng.chance(400) {
        return Vec::new();
    }
    let mut stops: Vec<_> = (0..rng.between(1, 3))
        .map(|_| {
            let drain = StopMode::Drain(rng.wait(Duration::from_secs(20)));
            let mode = match rng.below(10) {
                0..6 => drain,
                6..8 => StopMode::Abort,
                _ => StopMode::Remove,
            };
            (rng.moment_before(span), mode)
        })
        .collect();
    stops.sort_by_key(|(at, _)| *at);
    stops
}
