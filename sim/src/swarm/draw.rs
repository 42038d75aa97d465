//! What a record becomes, as the world stands.

use std::time::Duration;

use peer_sender_core::{StopMode, Timer, WakeReason};

use super::class::Class;
use super::kind::Kind;
use super::play::Player;
use crate::op::{Amount, Conn, End, Op, Stale, Why};
use crate::oracle::Violation;
use crate::tape::Choices;
use crate::transport::{Connection, Stand};

const ENDS: [End; 2] = [End::Dialler, End::Acceptor];
const BURST_MAX: u64 = 40;
const ADDRESSES_MAX: u64 = 5;
const DAY: Duration = Duration::from_secs(24 * 3_600);
const SECOND: Duration = Duration::from_secs(1);

impl Player {
    /// Lets happen what a record stands for, if it can.
    pub(super) fn draw(&mut self, it: &mut Choices<'_>) -> Result<(), Violation> {
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
                self.happens(Op::Stop { mode })
            }
        }
    }

    fn send(&mut self, it: &mut Choices<'_>, ttl: Option<Duration>) -> Result<bool, Violation> {
        let lanes = self.world.settings().lanes;
        let lane = it.below(lanes) as u8;
        let bytes = it.log_uniform(0, self.bytes_max) as u32;
        self.happens(Op::Send { lane, bytes, ttl })
    }

    fn burst(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let most = self.world.settings().message_bytes_max;
        let lane = it.below(self.world.settings().lanes + 1) as u8;
        let count = 1 + it.below(BURST_MAX);
        let bytes = match it.below(4) {
            0 => 0,
            1 => most,
            2 => most + 1,
            _ => it.log_uniform(0, self.bytes_max),
        } as u32;
        for _ in 0..count {
            let ttl = None;
            self.happens(Op::Send { lane, bytes, ttl })?;
        }
        Ok(true)
    }

    /// One of the streams on which something can arrive, as it is chosen among them.
    fn carrying(&self, it: &mut Choices<'_>, amount: Amount) -> Option<(Conn, End, u8)> {
        let all = || {
            let connections = self.world.connections().iter();
            connections.flat_map(move |connection| {
                ENDS.into_iter().flat_map(move |from| {
                    let reads = connection.stand(from.other()) == Stand::Up
                        && (from == End::Acceptor || self.frozen == 0);
                    let streams = connection.streams.iter().filter(move |_| reads);
                    let carry = streams.filter(move |stream| {
                        let way = stream.way(from);
                        match amount {
                            Amount::All => stream.carries(from),
                            Amount::Frame | Amount::Half => way.is_carrying() && !way.paused,
                        }
                    });
                    carry.map(move |stream| (connection.conn, from, stream.index as u8))
                })
            })
        };
        let place = it.below(all().count() as u64) as usize;
        all().nth(place)
    }

    fn deliver(&mut self, it: &mut Choices<'_>, amount: Amount) -> Result<bool, Violation> {
        let Some((conn, from, stream)) = self.carrying(it, amount) else {
            return Ok(false);
        };
        let stream = Some(stream);
        self.happens(Op::Deliver {
            conn,
            from,
            stream,
            amount,
        })
    }

    fn deliver_all(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let Some((conn, from, _)) = self.carrying(it, Amount::All) else {
            return Ok(false);
        };
        self.happens(Op::Deliver {
            conn,
            from,
            stream: None,
            amount: Amount::All,
        })
    }

    fn written(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let all = || {
            let connections = self.world.connections().iter();
            connections.flat_map(|connection| {
                ENDS.into_iter().flat_map(move |from| {
                    let up = connection.stand(from) == Stand::Up;
                    let streams = connection.streams.iter();
                    let taking = streams.filter(move |it| up && it.way(from).is_taking());
                    taking.map(move |stream| (connection.conn, from, stream.index as u8))
                })
            })
        };
        let place = it.below(all().count() as u64) as usize;
        let Some((conn, from, stream)) = all().nth(place) else {
            return Ok(false);
        };
        self.happens(Op::Written { conn, from, stream })
    }

    /// The lane of a message that the application holds, and reads.
    fn held_lane(&self, it: &mut Choices<'_>) -> Option<u8> {
        let held = self.world.held_count();
        let lane = self.world.held_lane(it.below(held as u64) as usize)?;
        (self.deaf & 1 << lane == 0 && self.frozen == 0).then_some(lane)
    }

    fn take(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        match self.held_lane(it) {
            Some(lane) => self.happens(Op::Take { lane }),
            None => Ok(false),
        }
    }

    fn refuse(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let Some(lane) = self.held_lane(it) else {
            return Ok(false);
        };
        // 1 is what a receiver itself says of what is too large.
        let code = 2 + it.log_uniform(0, 1_000);
        self.happens(Op::Refuse { lane, code })
    }

    /// In the very step in which something arrives at the sender.
    fn with(&mut self, op: Op, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let op = Box::new(op);
        let asked = self.happens(Op::With { op })?;
        let down = |it: &Connection, end| end == End::Dialler && it.carries(End::Acceptor);
        let arrives = match self.standing(it, down) {
            Some((conn, _)) => self.happens(Op::Deliver {
                conn,
                from: End::Acceptor,
                stream: None,
                amount: Amount::All,
            })?,
            None => false,
        };
        if !arrives {
            let end = End::Dialler;
            self.happens(Op::Tick { end })?;
        }
        Ok(asked)
    }

    /// The attempt that is under way, if it stands so.
    fn waiting(&self, stands: impl Fn(&Connection) -> bool) -> Option<Conn> {
        let mut all = self.world.connections().iter();
        let found = all.find(|it| it.dialler == Stand::Waiting && stands(it));
        found.map(|it| it.conn)
    }

    fn connect(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        if let Some(conn) = self.waiting(|_| self.frozen == 0) {
            return self.happens(Op::Confirm { conn });
        }
        let nowhere = self.world.sender().state().addresses().is_empty();
        if nowhere && it.chance(64) {
            let places = vec![it.below(ADDRESSES_MAX) as u8];
            return self.happens(Op::Addresses { places });
        }
        Ok(false)
    }

    fn fail(&mut self, it: &mut Choices<'_>, whys: &[Why]) -> Result<bool, Violation> {
        match self.waiting(|_| true) {
            Some(conn) => {
                let why = pick(it, whys);
                self.happens(Op::Fail { conn, why })
            }
            None => Ok(false),
        }
    }

    fn overdue(&mut self) -> Result<bool, Violation> {
        let end = Some(End::Dialler);
        match self.world.sender().next_deadline().map(|it| it.timer) {
            Some(Timer::Connect | Timer::Resume) => self.happens(Op::Fire { end }),
            _ => Ok(false),
        }
    }

    /// A connection, and an end that has it, which stands so.
    fn standing(
        &self,
        it: &mut Choices<'_>,
        stands: impl Fn(&Connection, End) -> bool + Copy,
    ) -> Option<(Conn, End)> {
        let all = || {
            let connections = self.world.connections().iter();
            connections.flat_map(move |connection| {
                let ends = ENDS.into_iter();
                let ends = ends.filter(move |end| {
                    connection.stand(*end) == Stand::Up && stands(connection, *end)
                });
                ends.map(move |end| (connection.conn, end))
            })
        };
        let place = it.below(all().count() as u64) as usize;
        all().nth(place)
    }

    fn lose(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let Some((conn, end)) = self.standing(it, |_, _| true) else {
            return Ok(false);
        };
        let why = match it.below(4) {
            0 => Why::Reset,
            1 => Why::Closed(close_code(it)),
            _ => Why::Timeout,
        };
        self.happens(Op::Lose { conn, end, why })
    }

    fn lose_both(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let both = |it: &Connection, end: End| it.stand(end.other()) == Stand::Up;
        let Some((conn, end)) = self.standing(it, both) else {
            return Ok(false);
        };
        let why = Why::Timeout;
        let lost = self.happens(Op::Lose { conn, end, why })?;
        let end = end.other();
        self.happens(Op::Lose { conn, end, why })?;
        Ok(lost)
    }

    fn notice(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        if self.world.is_leaving() && (self.world.sessions().is_empty() || it.chance(24)) {
            return self.happens(Op::Restart);
        }
        let alone = |it: &Connection, end: End| it.stand(end.other()) == Stand::Gone;
        let Some((conn, end)) = self.standing(it, alone) else {
            return Ok(false);
        };
        let mut all = self.world.connections().iter();
        let why = all.find(|it| it.conn == conn).map(|it| it.why_lost(end));
        let why = why.unwrap_or(Why::Reset);
        self.happens(Op::Lose { conn, end, why })
    }

    fn restart_in_handshake(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let Some(conn) = self.waiting(|_| true) else {
            return Ok(false);
        };
        if it.chance(128) {
            self.happens(Op::Accept { conn })?;
        }
        let killed = self.happens(Op::Restart)?;
        if it.chance(128) {
            self.happens(Op::Confirm { conn })?;
        }
        Ok(killed)
    }

    /// The accepting end loses what connections it has, and then forgets.
    fn forget(&mut self) -> Result<bool, Violation> {
        let end = End::Acceptor;
        loop {
            let mut all = self.world.connections().iter();
            let up = all.find(|it| it.acceptor == Stand::Up);
            let Some((conn, why)) = up.map(|it| (it.conn, it.why_lost(end))) else {
                break;
            };
            let why = match why {
                Why::PeerClosed => why,
                _ => Why::Timeout,
            };
            if !self.happens(Op::Lose { conn, end, why })? {
                break;
            }
        }
        self.happens(Op::Forget)
    }

    fn cut(&mut self, kind: Kind, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let Some((conn, _)) = self.standing(it, |it, _| !it.streams.is_empty()) else {
            return Ok(false);
        };
        let mut all = self.world.connections().iter();
        let streams = all
            .find(|it| it.conn == conn)
            .map_or(0, |it| it.streams.len());
        let stream = it.below(streams as u64) as u8;
        let from = pick(it, &ENDS);
        let code = it.log_uniform(0, 1_000);
        if it.chance(128) {
            self.happens(Op::Deliver {
                conn,
                from,
                stream: Some(stream),
                amount: Amount::Half,
            })?;
        }
        self.happens(match kind {
            Kind::Reset => Op::Reset {
                conn,
                from,
                stream,
                code,
            },
            _ => Op::Halt {
                conn,
                from,
                stream,
                code,
            },
        })
    }

    fn addresses(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let times = match it.chance(32) {
            true => 2 + it.below(8),
            false => 1,
        };
        for _ in 0..times {
            let places = self.places(it);
            self.happens(Op::Addresses { places })?;
        }
        Ok(true)
    }

    fn places(&self, it: &mut Choices<'_>) -> Vec<u8> {
        let count = match it.below(4) {
            0 => 0,
            1 => it.below(ADDRESSES_MAX),
            _ => 1,
        };
        let first = it.below(ADDRESSES_MAX);
        let places = (0..count).map(|step| ((first + step) % ADDRESSES_MAX) as u8);
        places.collect()
    }

    /// Whether an end's next timer, or that of either, may fire: where what follows is a fault, only
    /// if that fault is on.
    fn may_fire(&self, end: Option<End>) -> bool {
        let sender = || match self.world.sender().next_deadline().map(|it| it.timer) {
            Some(Timer::Connect | Timer::Resume) => {
                self.classes.has(Class::Attempt) || self.frozen > 0
            }
            _ => true,
        };
        let receiver = || match self.world.sessions().next_deadline().map(|it| it.timer) {
            Some(Timer::SessionTtl) if !self.classes.has(Class::Forget) => false,
            _ => self.frozen == 0,
        };
        match end {
            None => sender() && receiver(),
            Some(End::Dialler) => sender(),
            Some(End::Acceptor) => receiver(),
        }
    }

    fn fire(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let ends = [None, Some(End::Dialler), Some(End::Acceptor)];
        let end = pick(it, &ends);
        if self.may_fire(end) {
            return self.happens(Op::Fire { end });
        }
        let end = Some(End::Dialler);
        Ok(self.may_fire(end) && self.happens(Op::Fire { end })?)
    }

    fn late(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let end = pick(it, &ENDS);
        let Some(left) = self
            .world
            .time_left(end)
            .filter(|_| self.may_fire(Some(end)))
        else {
            return Ok(false);
        };
        let by = left + it.time(Duration::ZERO, 10 * SECOND);
        self.happens(Op::Advance { by })?;
        self.happens(Op::Tick { end })
    }

    fn stale(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let end = pick(it, &ENDS);
        let kind = pick(it, &Stale::ALL);
        let number = match it.below(3) {
            0 => self.world.dialled().saturating_sub(it.below(3)),
            1 => it.log_uniform(0, 1_000),
            _ => u64::MAX - it.below(2),
        };
        let fits = self.world.is_stale(end, kind, number);
        Ok(fits && self.happens(Op::Stale { end, kind, number })?)
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
