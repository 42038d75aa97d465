//! Events that come too late, twice, or about what never was; and a clock that goes back. None of
//! them may change anything but a counter.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::trace::Call;
use peer_sender_core::{Attempt, Event, LinkError, MessageId, Side, StreamId, Time, TransferId};

use super::{Trouble, World, impossible};
use crate::op::{Conn, End, Stale};
use crate::oracle::violated;

impl World {
    /// I10: an event that names nothing which the end has.
    pub(super) fn stale(&mut self, end: End, kind: Stale, number: u64) -> Result<(), Trouble> {
        if !self.is_stale(end, kind, number) {
            return impossible("that end has what the event names");
        }
        let event = event(kind, number);
        match end {
            End::Dialler => self.sender_ignores(event),
            End::Acceptor => self.receiver_ignores(Attempt(number), event),
        }
    }

    /// Whether the event names nothing that the end has.
    pub(crate) fn is_stale(&self, end: End, kind: Stale, number: u64) -> bool {
        match (end, kind) {
            (End::Acceptor, Stale::Transfer | Stale::Cancel) => false,
            (End::Acceptor, _) => !self.sessions.is_open(Attempt(number)),
            (End::Dialler, Stale::Cancel) => !self.oracle.is_live(number),
            (End::Dialler, Stale::Transfer) => {
                let mut streams = self.connections.iter().flat_map(|it| &it.streams);
                !streams.any(|it| it.up.transfer && it.up.name.0.0 == number)
            }
            (End::Dialler, Stale::Connected) if self.has_up(number) => true,
            (End::Dialler, _) => {
                let current = self.sender.state().link().attempt();
                current != Some(Attempt(number))
            }
        }
    }

    fn has_up(&self, number: u64) -> bool {
        u32::try_from(number).is_ok_and(|it| self.is_up(Conn(it), End::Dialler))
    }

    fn sender_ignores(&mut self, event: Event) -> Result<(), Trouble> {
        let state = self.sender.state().clone();
        let mut stats = self.sender.stats();
        let mut actions = Vec::new();
        let now = self.sender_clock.stepped;
        self.step_of_sender(now, [event.clone()], &mut actions);
        stats.stale_events += 1;
        if !actions.is_empty() || *self.sender.state() != state {
            violated("I10", format!("{event:?} is stale, and has an effect"))?;
        }
        if self.sender.stats() != stats {
            violated("I10", format!("{event:?} is stale, and counted otherwise"))?;
        }
        Ok(())
    }

    fn receiver_ignores(&mut self, attempt: Attempt, event: Event) -> Result<(), Trouble> {
        let state = self.sessions.canonical();
        let mut stats = self.sessions.stats();
        let mut actions = Vec::new();
        let now = self.receiver_clock.stepped;
        let call = Call::Connection { attempt };
        let news = self.step_of_sessions(now, call, [event.clone()], &mut actions);
        stats.stale_events += 1;
        if !actions.is_empty() || self.sessions.canonical() != state {
            violated("I10", format!("{event:?} is stale, and has an effect"))?;
        }
        if self.sessions.stats() != stats || !news.is_empty() {
            violated("I10", format!("{event:?} is stale, and counted otherwise"))?;
        }
        Ok(())
    }

    /// I14: a reading before the latest one counts as the latest one.
    pub(super) fn go_back(&mut self, end: End, by: Duration) -> Result<(), Trouble> {
        let earlier = |now: Time| {
            let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
            Time::from_nanos(now.as_nanos().saturating_sub(by))
        };
        let stepped = self.clock(end).stepped;
        if self.deadline(end).is_some_and(|at| at <= stepped) {
            // What it does at any reading is no effect of this one.
            return Ok(());
        }
        let mut actions = Vec::new();
        let unmoved = match end {
            End::Dialler => {
                let state = self.sender.state().clone();
                let reading = earlier(self.sender_clock.stepped);
                self.step_of_sender(reading, [Event::TimerFired], &mut actions);
                *self.sender.state() == state
            }
            End::Acceptor => {
                let state = self.sessions.canonical();
                let reading = earlier(self.receiver_clock.stepped);
                let news = self.step_of_sessions(reading, Call::Timeout, [], &mut actions);
                self.sessions.canonical() == state && news.is_empty()
            }
        };
        if !unmoved || !actions.is_empty() {
            violated("I14", "a clock that goes back moves the machine")?;
        }
        Ok(())
    }
}

fn event(kind: Stale, number: u64) -> Event {
    let attempt = Attempt(number);
    let stream = |opener| StreamId { opener, index: 0 };
    let error = LinkError::IdleTimeout;
    match kind {
        Stale::Connected => Event::Connected { attempt },
        Stale::Failed => Event::ConnectFailed { attempt, error },
        Stale::Lost => Event::ConnectionLost { attempt, error },
        Stale::Opened => Event::StreamOpened {
            attempt,
            stream: stream(Side::Remote),
        },
        Stale::Bytes => Event::BytesReceived {
            attempt,
            stream: stream(Side::Remote),
            bytes: Bytes::from_static(b"late"),
            fin: true,
        },
        Stale::Answer => Event::BytesReceived {
            attempt,
            stream: stream(Side::Local),
            bytes: Bytes::from_static(b"late"),
            fin: true,
        },
        Stale::Reset => Event::StreamReset {
            attempt,
            stream: stream(Side::Local),
            code: 7,
        },
        Stale::Stopped => Event::StreamStopped {
            attempt,
            stream: stream(Side::Local),
            code: 7,
        },
        Stale::Transfer => Event::TransferFinished {
            transfer: TransferId(number),
        },
        Stale::Cancel => Event::Cancel {
            id: MessageId(number),
        },
    }
}
