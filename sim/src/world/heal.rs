//! From here on everything works: the good must follow.

use super::{Trouble, World};
use crate::op::{Amount, End, Op};
use crate::oracle::{Fate, Kind, Message, violated};
use crate::settings::Settings;
use crate::transport::Stand;

/// More rounds than any world needs, without and with messages.
const ROUNDS_MAX: usize = 2_000;
const ROUNDS_PER_MESSAGE_MAX: usize = 20;

impl World {
    /// L1 and L2: connects whatever is dialled, delivers all that is written, lets the application
    /// accept all that it holds and fires the sender's timers, until nothing is left to do. Then
    /// every message must have its outcome, the one that it deserves, and so must a fresh one; L9:
    /// also behind one that the receiver can never take.
    pub(super) fn heal(&mut self) -> Result<(), Trouble> {
        if self.sender.state().addresses().is_empty() {
            return Ok(());
        }
        let before = self.oracle.messages.clone();
        self.settle_all()?;
        for (id, was) in (0..).zip(&before) {
            let now = self.oracle.message(id).map(|it| it.fate);
            let (Fate::Live, Some(Fate::Settled(kind))) = (was.fate, now) else {
                continue;
            };
            if !self.is_just(id, was, kind) {
                let never = u64::from(was.bytes) > self.settings.receiver_message_bytes_max;
                let rule = if never { "L9" } else { "L1" };
                violated(rule, format!("#{id} ends as {kind:?} where all is well"))?;
            }
        }
        if self.oracle.stop_at.is_none() && !self.oracle.closed {
            self.apply(&Op::Send {
                lane: 0,
                bytes: 1,
                ttl: None,
            })?;
            self.settle_all()?;
            let fate = self.oracle.messages.last().map(|it| it.fate);
            let expired = fate == Some(Fate::Settled(Kind::Expired)) && self.settings.ttl.is_some();
            if fate != Some(Fate::Settled(Kind::Delivered)) && !expired {
                violated("L2", format!("a fresh message is {fate:?}"))?;
            }
        }
        Ok(())
    }

    /// Whether the outcome is what a message that stood so deserves in a world that is well.
    fn is_just(&self, id: u64, was: &Message, kind: Kind) -> bool {
        let settings: &Settings = &self.settings;
        let stopped = self.oracle.stop_at.is_some() || self.oracle.closed;
        match kind {
            Kind::Delivered => true,
            Kind::Refused => {
                was.refused.is_some() || u64::from(was.bytes) > settings.receiver_message_bytes_max
            }
            Kind::Cancelled => was.cancelled.is_some(),
            Kind::Expired => was.expires_at.is_some(),
            Kind::Failed => stopped,
            // Why it may be unknown was judged where it was told.
            Kind::Unknown => {
                let given_up = was.cancelled.is_some() || was.expires_at.is_some();
                let excused = self.oracle.message(id).is_some_and(|it| it.excused);
                let too_large = u64::from(was.bytes) > settings.receiver_message_bytes_max;
                stopped || given_up || excused || too_large
            }
        }
    }

    fn settle_all(&mut self) -> Result<(), Trouble> {
        let messages = self.oracle.live_count() + self.held.len();
        for _ in 0..ROUNDS_MAX + ROUNDS_PER_MESSAGE_MAX * messages {
            let op = match self.next_of_a_good_world() {
                Some(op) => op,
                None if self.is_done() => return Ok(()),
                None if self.deadline(End::Dialler).is_some() => Op::Fire {
                    end: Some(End::Dialler),
                },
                None => return Ok(violated("L3", "messages wait, and nothing is under way")?),
            };
            self.apply(&op)?;
        }
        Ok(violated("L1", "it goes round in circles")?)
    }

    fn is_done(&self) -> bool {
        match self.oracle.stop_at {
            Some(_) => self.oracle.closed,
            None => self.oracle.is_settled(),
        }
    }

    /// What a world in which everything works does next; none if only time can help.
    fn next_of_a_good_world(&self) -> Option<Op> {
        let mut lanes = self.held.iter().map(|it| it.lane);
        if let Some(lane) = lanes.next() {
            return Some(Op::Take { lane });
        }
        for connection in &self.connections {
            let conn = connection.conn;
            for from in [End::Dialler, End::Acceptor] {
                for stream in &connection.streams {
                    if stream.way(from).is_taking() && connection.stand(from) == Stand::Up {
                        let stream = u8::try_from(stream.index).ok()?;
                        return Some(Op::Written { conn, from, stream });
                    }
                }
                if connection.stand(from.other()) == Stand::Up && connection.carries(from) {
                    return Some(Op::Deliver {
                        conn,
                        from,
                        stream: None,
                        amount: Amount::All,
                    });
                }
            }
            if connection.dialler == Stand::Waiting {
                return Some(Op::Confirm { conn });
            }
            for end in [End::Dialler, End::Acceptor] {
                if connection.stand(end) == Stand::Up && connection.stand(end.other()) != Stand::Up
                {
                    let why = connection.why_lost(end);
                    return Some(Op::Lose { conn, end, why });
                }
            }
        }
        match (self.leaving, self.sessions.is_empty()) {
            (true, true) => Some(Op::Restart),
            (true, false) => self.deadline(End::Acceptor).map(|_| Op::Fire {
                end: Some(End::Acceptor),
            }),
            (false, _) => None,
        }
    }
}
