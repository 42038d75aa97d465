//! What a case may be made of, for whoever draws one.

use peer_sender_core::{CloseCode, WakeReason};

use crate::model::{Link, Model};
use crate::op::{Lie, Op, Stale, Trouble, Wait};

pub const FLIGHTS: &[usize] = &[1, 10, 300, 80_000];
pub const RECEIVES: &[usize] = &[20, 100_000];
/// Sizes about every limit that there is: none, few, what the receiver takes, what the flight
/// takes, what may be written before RESUME, and the largest message.
pub const SIZES: &[usize] = &[
    0, 1, 7, 8, 10, 11, 20, 21, 150, 300, 301, 65_536, 65_537, 80_000, 80_001, 99_999, 100_000,
    100_001,
];

pub const TRANSIENT: &[Trouble] = &[
    Trouble::Silence,
    Trouble::Reset,
    Trouble::Unreachable,
    Trouble::Busy,
];
pub const PERMANENT: &[Trouble] = &[
    Trouble::WrongIdentity,
    Trouble::CertificateRefused,
    Trouble::IdentityRefused,
    Trouble::AlpnMismatch,
    Trouble::VersionMismatch,
];
pub const CODES: &[CloseCode] = &[
    CloseCode::Done,
    CloseCode::Protocol,
    CloseCode::GoingAway,
    CloseCode::IdentityRefused,
    CloseCode::ExcessiveLoad,
    CloseCode::Other(77),
];
pub const WAKES: &[WakeReason] = &[
    WakeReason::NewAddress,
    WakeReason::InboundContact,
    WakeReason::Operator,
    WakeReason::NetworkChange,
];
pub const LIES: &[Lie] = &[
    Lie::ReceiptAhead,
    Lie::ReceiptFalse,
    Lie::ReceiptBack,
    Lie::RefuseAhead,
    Lie::RefuseCovered,
    Lie::RefuseFalse,
    Lie::ResumeLow,
    Lie::ResumeBelow,
    Lie::ResumeAhead,
    Lie::ResumeCrossed,
    Lie::ResumeOther,
    Lie::WrongWay,
    Lie::UnknownFrame,
    Lie::LeftOver,
    Lie::Truncated,
    Lie::Extension,
    Lie::Extension,
];
pub const STALES: &[Stale] = &[
    Stale::ConnectedOld,
    Stale::ConnectedFuture,
    Stale::ConnectedTwice,
    Stale::LostOld,
    Stale::FailedFuture,
    Stale::BytesOld,
    Stale::BytesUnopened,
    Stale::CutOld,
    Stale::TakenFuture,
    Stale::TakenTwice,
    Stale::StreamOpenedOld,
    Stale::ConsumedUnknown,
    Stale::RefusedUnknown,
];

/// What a world in which all goes well does next.
pub fn onward(model: &Model) -> Op {
    let (frames, count, cut) = (100, 100, false);
    if let Link::Connecting { .. } = model.link {
        return Op::Confirm;
    }
    for stream in &model.streams {
        let lane = stream.lane;
        let Some(wire) = model.wires.get(&lane) else {
            continue;
        };
        if stream.writing {
            return Op::Taken { lane };
        }
        if !wire.forth.is_empty() && wire.closes.is_none() {
            return Op::Arrive { lane, frames };
        }
        if model.receiver.holds(wire) > 0 {
            return Op::Accept { lane, count };
        }
        if !wire.back.is_empty() {
            return Op::Answer { lane, frames, cut };
        }
        if wire.closes.is_some() {
            return Op::Lose(Trouble::Reset);
        }
    }
    Op::Wait(Wait::Due)
}
