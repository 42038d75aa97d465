//! What a record becomes, as the world stands.

mod network;
mod times;
mod users;

use std::time::Duration;

use peer_sender_core::{StopMode, WakeReason};

use super::kind::Kind;
use super::play::Player;
use crate::op::{Amount, End, Op, Why};
use crate::oracle::Violation;
use crate::tape::Choices;
use crate::transport::Stand;

const ENDS: [End; 2] = [End::Dialler, End::Acceptor];
const ADDRESSES_MAX: u64 = 5;
const DAY: Duration = Duration::from_secs(24 * 3_600);
const SECOND: Duration = Duration::from_secs(1);

impl Player {
    /// Lets happen what a record stands for, if it can.
    pub(in crate::swarm) fn draw(&mut self, it: &mut Choices<'_>) -> Result<(), Violation> {
        let Some(kind) = Kind::ALL.get(usize::from(it.byte())) else {
            return Ok(());
        };
        self.frozen = self.frozen.saturating_sub(1);
        let happened = self.draw_kind(*kind, it)?;
        match kind.class() {
            Some(class) if happened => self.counts(class),
            None if !happened => self.go_on(it)?,
            Some(_) | None => {}
        }
        Ok(())
    }

    /// What is in the ordinary course of things and can happen: something always can.
    fn go_on(&mut self, it: &mut Choices<'_>) -> Result<(), Violation> {
        let sender = Some(End::Dialler);
        let happened = self.connect(it)?
            || self.notice(it)?
            || self.deliver(it, Amount::All)?
            || self.written(it)?
            || self.take(it)?
            || self.may_fire(sender) && self.happens(Op::Fire { end: sender })?
            || self.send(it, None)?;
        debug_assert!(happened, "a message can always be offered");
        Ok(())
    }

    fn draw_kind(&mut self, kind: Kind, it: &mut Choices<'_>) -> Result<bool, Violation> {
        match kind {
            Kind::Send => self.send(it, None),
            Kind::SendExpiring => {
                let ttl = match it.below(4) {
                    0 => Duration::ZERO,
                    _ => it.time(Duration::from_micros(1), 60 * SECOND),
                };
                self.send(it, Some(ttl))
            }
            Kind::Burst => self.burst(it),
            Kind::Deliver => self.deliver(it, Amount::All),
            Kind::Piece => {
                let amount = it.one_of(&[Amount::Half, Amount::Frame]).copied();
                self.deliver(it, amount.unwrap_or(Amount::Frame))
            }
            Kind::DeliverAll => self.deliver_all(it),
            Kind::Written => self.written(it),
            Kind::Take => self.take(it),
            Kind::TakeSome => {
                let mut any = false;
                for _ in 0..=it.below(16) {
                    any |= self.take(&mut it.clone())?;
                }
                Ok(any)
            }
            Kind::Refuse => self.refuse(it),
            Kind::Stall => {
                self.deaf ^= 1 << it.below(self.world.settings().lanes);
                Ok(true)
            }
            Kind::Connect => self.connect(it),
            Kind::Accept if self.frozen > 0 => Ok(false),
            Kind::Accept => match self.waiting(|it| it.acceptor == Stand::Waiting) {
                Some(conn) => self.happens(Op::Accept { conn }),
                None => Ok(false),
            },
            Kind::Fail => {
                let whys = [
                    Why::Unreachable,
                    Why::Timeout,
                    Why::Reset,
                    Why::Busy,
                    Why::Closed(close_code(it)),
                ];
                self.fail(it, &whys)
            }
            Kind::Refused => self.fail(it, &[Why::Refused, Why::Version, Why::Closed(4)]),
            Kind::Overdue => self.overdue(),
            Kind::Lose => self.lose(it),
            Kind::LoseBoth => self.lose_both(it),
            Kind::Notice => self.notice(it),
            Kind::Restart => self.happens(Op::Restart),
            Kind::RestartInFrame => {
                let half = self.deliver(it, Amount::Half)?;
                Ok(half && self.happens(Op::Restart)?)
            }
            Kind::RestartUnread => {
                let all = self.deliver_all(it)?;
                Ok(all && self.happens(Op::Restart)?)
            }
            Kind::RestartUntold => {
                let taken = self.take(it)?;
                Ok(taken && self.happens(Op::Restart)?)
            }
            Kind::RestartInHandshake => self.restart_in_handshake(it),
            Kind::Forget => self.forget(),
            Kind::Leave => {
                let mode = match it.chance(64) {
                    true => StopMode::Abort,
                    false => StopMode::Drain(it.time(Duration::ZERO, 20 * SECOND)),
                };
                Ok(!self.world.is_leaving() && self.happens(Op::Leave { mode })?)
            }
            Kind::Reset | Kind::Halt => self.cut(kind, it),
            Kind::Addresses => self.addresses(it),
            Kind::Fire => self.fire(it),
            Kind::Advance => {
                let by = it.time(Duration::from_micros(1), SECOND / 4);
                self.happens(Op::Advance { by })
            }
            Kind::Pause => {
                let by = it.time(Duration::from_millis(1), 10 * SECOND);
                self.happens(Op::Advance { by })
            }
            Kind::Leap => {
                let by = it.time(SECOND, 30 * DAY);
                self.leaps(by);
                let leapt = self.happens(Op::Advance { by })?;
                for end in ENDS {
                    if it.chance(128) {
                        self.happens(Op::Tick { end })?;
                    }
                }
                Ok(leapt)
            }
            Kind::Back => {
                let end = pick(it, &ENDS);
                let by = it.time(Duration::from_micros(1), DAY);
                self.happens(Op::Back { end, by })
            }
            Kind::Late => self.late(it),
            Kind::Early => {
                let end = pick(it, &ENDS);
                self.happens(Op::Tick { end })
            }
            Kind::Twice => {
                let end = Some(pick(it, &ENDS));
                let fired = self.may_fire(end) && self.happens(Op::Fire { end })?;
                for end in ENDS {
                    self.happens(Op::Tick { end })?;
                }
                Ok(fired)
            }
            Kind::Stale => self.stale(it),
            Kind::Wake | Kind::WakeWith => {
                let reasons = [
                    WakeReason::NewAddress,
                    WakeReason::InboundContact,
                    WakeReason::Operator,
                    WakeReason::NetworkChange,
                ];
                let reason = pick(it, &reasons);
                let op = Op::Wake { reason };
                match kind {
                    Kind::Wake => self.happens(op),
                    _ => self.with(op, it),
                }
            }
            Kind::Cancel | Kind::CancelWith => {
                let Some(id) = self.world.live_id(|live| it.below(live)) else {
                    return Ok(false);
                };
                let op = Op::Cancel { id };
                match kind {
                    Kind::Cancel => self.happens(op),
                    _ => self.with(op, it),
                }
            }
            Kind::AddressesWith => {
                let places = self.places(it);
                self.with(Op::Addresses { places }, it)
            }
            Kind::Freeze => {
                self.frozen = it.log_uniform(2, 100);
                Ok(true)
            }
            Kind::Stop => {
                let mode = match it.below(4) {
                    0 => StopMode::Abort,
                    1 => StopMode::Remove,
                    _ => StopMode::Drain(it.time(Duration::ZERO, 60 * SECOND)),
                };
                if it.chance(64) {
                    self.redial()?;
                }
                self.happens(Op::Stop { mode })
            }
        }
    }
}

/// A code that a connection is closed with. Not 1, by which a receiver would say falsely that it knows
/// the session: messages may come twice to whom that is told.
fn close_code(it: &mut Choices<'_>) -> u64 {
    pick(it, &[0, 2, 3, 4, 5, 6, 7, 8, 1_000])
}

/// One of these, of which there is at least one.
fn pick<T: Copy>(it: &mut Choices<'_>, things: &[T]) -> T {
    *it.one_of(things).unwrap_or(&things[0])
}
