//! From here on everything works: the good must follow.

use std::time::Duration;

use super::{Trouble, World};
use crate::op::{Amount, End, Op};
use crate::oracle::{Fate, Kind, Message, violated};
use crate::settings::Settings;
use crate::transport::Stand;

/// More rounds than any world needs, without and with messages.
const ROUNDS_MAX: usize = 2_000;
const ROUNDS_PER_MESSAGE_MAX: usize = 20;

/// For how long the application reads nothing.
const PAUSE: Duration = Duration::from_secs(600);

impl World {
    /// L1 and L2: connects whatever is dialled, delivers all that is written, lets the application
    /// accept all that it holds and fires the sender's timers, until nothing is left to do. Then
    /// every message must have its outcome, the one that it deserves, and so must a fresh one; L9:
    /// also behind one that the receiver can never take; L5: on each lane, whatever became of its
    /// streams. Before the application goes on it reads nothing for a while: L6 and L8.
    pub(super) fn heal(&mut self) -> Result<(), Trouble> {
        if self.sender.state().addresses().is_empty() {
            return Ok(());
        }
        self.catch_up()?;
        let before = self.oracle.messages.clone();
        self.read_nothing()?;
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
        let lanes = u8::try_from(self.settings.lanes).unwrap_or(u8::MAX);
        (0..lanes).try_for_each(|lane| self.send_a_fresh_one(lane))
    }

    /// Timers that are overdue are told first, as after a leap of the clock: a sender that gives its
    /// peer up then has nothing to do with what is sent from here on.
    fn catch_up(&mut self) -> Result<(), Trouble> {
        let end = End::Dialler;
        match self.deadline(end) {
            Some(due) if due <= self.now() => self.apply(&Op::Fire { end: Some(end) }),
            _ => Ok(()),
        }
    }

    fn send_a_fresh_one(&mut self, lane: u8) -> Result<(), Trouble> {
        if !self.is_running() {
            return Ok(());
        }
        let (bytes, ttl) = (1, None);
        self.apply(&Op::Send { lane, bytes, ttl })?;
        self.settle_all()?;
        let fate = self.oracle.messages.last().map(|it| it.fate);
        let expired = fate == Some(Fate::Settled(Kind::Expired)) && self.settings.ttl.is_some();
        if fate != Some(Fate::Settled(Kind::Delivered)) && !expired {
            let rule = if lane == 0 { "L2" } else { "L5" };
            violated(rule, format!("a fresh message on lane {lane} is {fate:?}"))?;
        }
        Ok(())
    }

    /// Everything works but that the application reads nothing. L8: what it accepted before is known
    /// to the sender all the same. L6: however long that lasts, the connection stands.
    fn read_nothing(&mut self) -> Result<(), Trouble> {
        for _ in 0..self.rounds_max() {
            let sender = self.sender.state();
            let op = match self.next_of_a_good_network() {
                Some(op) => op,
                None if sender.link().connection().is_some() => break,
                None if self.is_done() || self.deadline(End::Dialler).is_none() => break,
                None => Op::Fire {
                    end: Some(End::Dialler),
                },
            };
            self.apply(&op)?;
        }
        if let Some((id, _)) = self.oracle.accepted_in_vain() {
            violated("L8", format!("no receipt gets through for #{id}"))?;
        }
        let attempt = self.sender.state().link().attempt();
        let waits = !self.held.is_empty() && self.sender.stats().in_flight > 0;
        if waits && self.is_running() && !self.leaving && !self.oracle.expires_ever() {
            self.apply(&Op::Advance { by: PAUSE })?;
            for end in [End::Dialler, End::Acceptor] {
                self.apply(&Op::Tick { end })?;
            }
            if self.sender.state().link().attempt() != attempt {
                violated("L6", "a reader that pauses costs a connection")?;
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
                let too_large = u64::from(was.bytes) > settings.receiver_message_bytes_max;
                let hidden = |it: &Message| it.excused || *it.unproven && too_large;
                stopped || given_up || self.oracle.message(id).is_some_and(hidden)
            }
        }
    }

    fn settle_all(&mut self) -> Result<(), Trouble> {
        for _ in 0..self.rounds_max() {
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

    fn rounds_max(&self) -> usize {
        ROUNDS_MAX + ROUNDS_PER_MESSAGE_MAX * (self.oracle.live_count() + self.held.len())
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
        match lanes.next() {
            Some(lane) => Some(Op::Take { lane }),
            None => self.next_of_a_good_network(),
        }
    }

    /// The same while the application reads nothing.
    fn next_of_a_good_network(&self) -> Option<Op> {
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
