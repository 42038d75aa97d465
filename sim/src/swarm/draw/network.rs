//! What happens to connections and streams, and to the accepting process.

use peer_sender_core::WakeReason;

use super::{ADDRESSES_MAX, ENDS, close_code, pick};
use crate::op::{Amount, Conn, End, Op, Why};
use crate::oracle::Violation;
use crate::swarm::kind::Kind;
use crate::swarm::play::Player;
use crate::tape::Choices;
use crate::transport::{Connection, Stand};

impl Player {
    /// One of the streams on which something can arrive, as it is chosen among them.
    pub(super) fn carrying(&self, it: &mut Choices<'_>, amount: Amount) -> Option<(Conn, End, u8)> {
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

    pub(super) fn deliver(
        &mut self,
        it: &mut Choices<'_>,
        amount: Amount,
    ) -> Result<bool, Violation> {
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

    pub(super) fn deliver_all(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
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

    pub(super) fn written(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
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

    /// The attempt that is under way, if it stands so.
    pub(super) fn waiting(&self, stands: impl Fn(&Connection) -> bool) -> Option<Conn> {
        let mut all = self.world.connections().iter();
        let found = all.find(|it| it.dialler == Stand::Waiting && stands(it));
        found.map(|it| it.conn)
    }

    pub(super) fn connect(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
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

    /// The sender loses what connection it has, and makes another.
    pub(super) fn redial(&mut self) -> Result<(), Violation> {
        let mut all = self.world.connections().iter();
        let up = all.find(|it| it.dialler == Stand::Up);
        if let Some(conn) = up.map(|it| it.conn) {
            let (end, why) = (End::Dialler, Why::Timeout);
            self.happens(Op::Lose { conn, end, why })?;
        }
        let reason = WakeReason::Operator;
        self.happens(Op::Wake { reason })?;
        Ok(())
    }

    pub(super) fn fail(&mut self, it: &mut Choices<'_>, whys: &[Why]) -> Result<bool, Violation> {
        match self.waiting(|_| true) {
            Some(conn) => {
                let why = pick(it, whys);
                self.happens(Op::Fail { conn, why })
            }
            None => Ok(false),
        }
    }

    /// A connection, and an end that has it, which stands so.
    pub(super) fn standing(
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

    pub(super) fn lose(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
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

    pub(super) fn lose_both(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
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

    pub(super) fn notice(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
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

    pub(super) fn restart_in_handshake(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
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
    pub(super) fn forget(&mut self) -> Result<bool, Violation> {
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

    pub(super) fn cut(&mut self, kind: Kind, it: &mut Choices<'_>) -> Result<bool, Violation> {
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
}
