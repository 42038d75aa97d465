//! One step: what a fact says, and everything that follows from how things stand then.

use std::collections::BTreeSet;

use peer_sender_core::{
    CloseCode, FailReason, LANES_MAX, LinkError, Outcome, Priority, RejectReason, StopMode,
    StopReason, UnknownReason, WakeReason,
};

use super::stream::{Flow, Heard, Stream};
use super::{
    Ending, Fact, Lane, Link, Message, Model, Phase, Piece, Said, Settled, Standing, Step, Why,
};

/// What a fact said of the connection.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Why the connection is of no use, and whether it has to be closed.
    pub(super) failed: Option<(Why, bool)>,
    pub(super) woken: Option<WakeReason>,
}

impl News {
    pub(super) fn fail(&mut self, error: LinkError, open: bool) {
        self.failed.get_or_insert((Why::Exactly(error), open));
    }
}

impl Model {
    pub(super) fn step(&mut self, fact: Fact) {
        self.now = self.now.max(self.clock);
        self.said.clear();
        self.reasons.clear();
        let fact = match fact {
            Fact::Stale(stale) => Fact::Stale(self.stale(stale)),
            fact => fact,
        };
        let mut news = News::default();
        self.told(&fact, &mut news);
        if !self.is_closed() {
            self.follow(news);
        }
        self.step = Some(Step {
            clock: self.clock,
            fact,
            twice: false,
            said: std::mem::take(&mut self.said),
            reasons: self.reasons.clone(),
        });
    }

    fn told(&mut self, fact: &Fact, news: &mut News) {
        match fact {
            Fact::Queue(message) => self.queue(message),
            Fact::Cancel { id } => {
                let mut settled = Settled::new();
                self.lanes
                    .values_mut()
                    .any(|lane| lane.cancel(*id, self.now, &mut settled));
                self.settle(settled);
            }
            Fact::Connected => {
                if let Link::Connecting { .. } = self.link {
                    let (now, attempt) = (self.now, self.attempts - 1);
                    self.link = Link::Up(Standing {
                        since: now,
                        answered: false,
                        active: now,
                    });
                    self.said.push(Said::Connected { attempt });
                }
            }
            Fact::Lost(trouble) => {
                if self.attempt().is_some() {
                    news.fail(trouble.error(), false);
                }
            }
            Fact::Back { lane, .. } => self.hear(*lane, news),
            Fact::Cut { lane, code, .. } => {
                if let Some(stream) = self.streams.iter_mut().find(|it| it.lane == *lane) {
                    let heard = stream.is_resumed() && !stream.over;
                    stream.over = true;
                    if heard {
                        self.fall_silent(*lane);
                    }
                    news.fail(LinkError::StreamCut { code: *code }, true);
                }
            }
            Fact::Taken { lane } => {
                let stream = self.streams.iter_mut().find(|it| it.lane == *lane);
                if let Some(stream) = stream.filter(|it| it.writing) {
                    stream.writing = false;
                    self.touch();
                }
            }
            Fact::Wake(reason) => news.woken = Some(*reason),
            Fact::Addresses(addresses) => self.moved(addresses, news),
            Fact::Stop(mode) => self.stop(*mode),
            Fact::Timer | Fact::Stale(_) => {}
        }
    }

    fn queue(&mut self, message: &Message) {
        let shape = &self.shape;
        if self.phase != Phase::Running {
            self.reasons.push(RejectReason::Stopped);
        }
        if self.last_id.is_some_and(|last| message.id <= last) {
            self.reasons.push(RejectReason::IdNotIncreasing);
        }
        if message.lane >= shape.lanes {
            let lane = message.lane;
            self.reasons.push(RejectReason::UnknownLane { lane });
        } else {
            let lane = self.lanes.entry(message.lane).or_default();
            self.reasons.extend(lane.refuses(message.bytes, shape));
        }
        self.last_id = self.last_id.max(Some(message.id));
        if !self.reasons.is_empty() {
            self.said.push(Said::Reject { id: message.id });
            return;
        }
        self.accepted += 1;
        let of_peer = self.shape.ttl.map(|ttl| self.now + ttl);
        let mut message = message.clone();
        message.expires_at = message.expires_at.into_iter().chain(of_peer).min();
        let mut settled = Settled::new();
        let lane = self.lanes.entry(message.lane).or_default();
        lane.accept(message, &self.shape, &mut settled);
        self.settle(settled);
        self.touch();
    }

    /// The frames of a way back that this step's bytes complete.
    fn hear(&mut self, lane: u8, news: &mut News) {
        let heard = std::mem::take(&mut self.heard);
        let mut settled = Settled::new();
        let stream = self.streams.iter_mut().find(|it| it.lane == lane);
        if let (Some(stream), Some(books)) = (stream, self.lanes.get_mut(&lane)) {
            for back in &heard {
                if stream.over {
                    break;
                }
                match stream.hear(books, back, &self.shape, &mut settled) {
                    Heard::Fine => continue,
                    Heard::Broken => {
                        news.failed.get_or_insert((Why::Protocol, true));
                    }
                    Heard::GoingAway => news.fail(
                        LinkError::Closed {
                            code: CloseCode::GoingAway,
                            reason: String::new(),
                        },
                        true,
                    ),
                }
                break;
            }
            if stream.over && stream.is_resumed() {
                books.silent_since = self.now;
            }
            self.touch();
        }
        self.settle(settled);
    }

    /// The receiver of the lane will answer no more on this connection.
    pub(super) fn fall_silent(&mut self, lane: u8) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.silent_since = self.now;
        }
    }

    /// A second stop may only shorten the first.
    fn stop(&mut self, mode: StopMode) {
        let (end, asked) = match mode {
            StopMode::Drain(within) => (self.now + within, Ending::Drain),
            StopMode::Abort => (self.now, Ending::Abort),
            StopMode::Remove => (self.now, Ending::Remove),
        };
        self.phase = match self.phase {
            Phase::Running => Phase::Stopping {
                until: end,
                ending: asked,
            },
            Phase::Stopping { until, ending } => Phase::Stopping {
                until: until.min(end),
                ending: ending.max(asked),
            },
            Phase::Closed => Phase::Closed,
        };
    }

    /// Everything that follows, in the order in which one thing leads to another.
    fn follow(&mut self, mut news: News) {
        self.time_passes();
        self.overdue(&mut news);
        if let Some((why, open)) = news.failed.take() {
            self.failed(why, open);
        }
        self.rest();
        self.part();
        self.stopped();
        self.dial(news.woken);
        self.write();
        self.slow();
        for lane in self.lanes.values_mut() {
            let room_made = std::mem::take(&mut lane.room_made);
            lane.told_room = room_made && self.phase == Phase::Running;
        }
        for (&number, lane) in &self.lanes {
            if lane.told_room {
                let room = lane.capacity(&self.shape);
                self.said.push(Said::Room {
                    lane: number,
                    messages: room.messages,
                    bytes: room.bytes,
                });
            }
        }
    }

    pub(super) fn time_passes(&mut self) {
        let heard: Vec<bool> = self.lanes.keys().map(|lane| self.hears(*lane)).collect();
        let mut settled = Settled::new();
        for (lane, heard) in self.lanes.values_mut().zip(heard) {
            lane.time_passes(self.now, heard, &self.shape, &mut settled);
        }
        self.settle(settled);
    }

    /// A peer is slow once its oldest message is of that age, and until it is of half of it.
    fn slow(&mut self) {
        let (Some(after), false) = (self.shape.slow_after, self.is_closed()) else {
            return;
        };
        let oldest = self.oldest();
        let aged = |age| oldest.filter(|&since| since + age <= self.now);
        if self.slow && aged(after / 2).is_none() {
            self.slow = false;
            self.said.push(Said::SlowCleared);
        } else if !self.slow
            && let Some(since) = aged(after)
        {
            self.slow = true;
            self.said.push(Said::Slow { since });
        }
    }

    /// Every message gets its one outcome.
    pub(super) fn settle(&mut self, settled: Settled) {
        let answers =
            |outcome: &Outcome| matches!(outcome, Outcome::Delivered(_) | Outcome::Refused(_));
        let answered = settled.iter().any(|(_, outcome)| answers(outcome));
        if let Link::Up(standing) | Link::Draining(standing) | Link::Parting { standing, .. } =
            &mut self.link
        {
            standing.answered |= answered;
        }
        for (id, outcome) in settled {
            assert!(
                self.outcomes.insert(id, outcome.clone()).is_none(),
                "I1: the model settles {id} twice"
            );
            self.said.push(Said::Settle { id, outcome });
        }
    }

    /// Something was said on the connection.
    fn touch(&mut self) {
        if let Link::Up(standing) = &mut self.link {
            standing.active = self.now;
        }
    }

    /// The end of a stop: once all is settled and both ends have said all, or its time is over.
    fn stopped(&mut self) {
        let Phase::Stopping { until, ending } = self.phase else {
            return;
        };
        let overdue = until <= self.now;
        let said_all = self.streams.iter().all(|it| it.over);
        let reason = match (ending, self.is_settled()) {
            (Ending::Remove, _) => StopReason::Removed,
            (Ending::Drain | Ending::Abort, true) => StopReason::Drained,
            (Ending::Drain, false) => StopReason::DeadlineReached,
            (Ending::Abort, false) => StopReason::Aborted,
        };
        if self.is_settled() && (overdue || said_all) {
            self.finish(reason, CloseCode::Done);
        } else if overdue {
            self.finish(reason, CloseCode::GoingAway);
        }
    }

    pub(super) fn finish(&mut self, reason: StopReason, code: CloseCode) {
        let (failed, unknown) = match reason {
            StopReason::GaveUp => (FailReason::GaveUp, UnknownReason::GaveUp),
            StopReason::Removed => (FailReason::Removed, UnknownReason::Removed),
            _ => (FailReason::Stopped, UnknownReason::Stopped),
        };
        let live = self.lanes.values().flat_map(Lane::live);
        let live: Vec<_> = live.map(|it| (it.id, it.lane, Piece::from(it))).collect();
        let mut settled = Settled::new();
        for lane in self.lanes.values_mut() {
            lane.abandon(failed, unknown, &mut settled);
        }
        self.settle(settled);
        for (id, lane, payload) in live {
            if self.outcomes.get(&id) == Some(&Outcome::Failed(failed)) {
                self.said.push(Said::HandBack { id, lane, payload });
            }
        }
        if let Some(attempt) = self.attempt() {
            self.said.push(Said::Close { attempt, code });
        }
        self.disconnect();
        self.link = Link::Down;
        self.phase = Phase::Closed;
        self.said.push(Said::Stopped(reason));
    }

    /// Writes all that may be written.
    fn write(&mut self) {
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let flow = match self.link {
            Link::Up(_) if !stopping => Flow::All,
            Link::Up(_) | Link::Draining(_) => Flow::Last,
            Link::Parting { .. } => Flow::End,
            Link::Down | Link::Connecting { .. } | Link::Idle | Link::Backoff { .. } => return,
        };
        let attempt = self.attempts - 1;
        if let Link::Up(_) = self.link {
            self.open_lanes(flow == Flow::All, attempt);
        }
        let mut settled = Settled::new();
        let busy = self.lanes.iter().filter(|it| !it.1.is_settled());
        let classes = busy.map(|(lane, _)| self.shape.priority(*lane));
        let lowest = classes.min().unwrap_or(Priority::High);
        let (writing, queueing) = self.busy();
        for stream in &mut self.streams {
            let Some(lane) = self.lanes.get_mut(&stream.lane) else {
                continue;
            };
            let write = stream.compose(lane, self.session, flow, &self.shape, &mut settled);
            if write.is_empty() {
                continue;
            }
            stream.writing = true;
            let moving = queueing.difference(&lane.stand_still);
            let busy = writing.iter().chain(moving);
            let highest = busy.map(|busy| self.shape.priority(*busy)).max();
            let highest = highest.unwrap_or(Priority::Low);
            let class = lane.class(self.shape.priority(stream.lane), lowest, highest);
            for (number, lane) in &mut self.lanes {
                match *number == stream.lane {
                    true => lane.stand_still = (0..LANES_MAX).collect(),
                    false => _ = lane.stand_still.remove(&stream.lane),
                }
            }
            self.said.push(Said::Write {
                class,
                attempt,
                lane: stream.lane,
                pieces: write.iter().map(Piece::from).collect(),
            });
            if let Some(wire) = self.wires.get_mut(&stream.lane) {
                wire.forth.extend(write);
            }
        }
        self.settle(settled);
        let all_finished = !self.streams.is_empty() && self.streams.iter().all(|it| it.finished);
        if let (Link::Up(standing), true, true) = (self.link, stopping, all_finished) {
            self.link = Link::Draining(standing);
        }
    }

    /// The lanes whose last write QUIC has not taken, and those whose messages wait.
    fn busy(&self) -> (BTreeSet<u8>, BTreeSet<u8>) {
        let writing = self.streams.iter().filter(|stream| stream.writing);
        let writing = writing.map(|stream| stream.lane).collect();
        let queues = self.lanes.iter().filter(|(_, lane)| !lane.queue.is_empty());
        (writing, queues.map(|(number, _)| *number).collect())
    }

    /// Each lane with something to say gets a stream; one that was used before gets one in any
    /// case, if no other has, so that the receiver learns whose the connection is.
    fn open_lanes(&mut self, bind: bool, attempt: u64) {
        let due = self.now + self.shape.connect_timeout;
        for (&number, lane) in &mut self.lanes {
            let binds = bind && lane.opened && self.streams.is_empty();
            let carried = self.streams.iter().any(|it| it.lane == number);
            if !carried && (binds || !Lane::is_settled(lane)) {
                lane.begin_session();
                self.streams.push(Stream::new(number, lane, due));
                let wire = super::Wire::new(attempt, number);
                self.wires.insert(number, wire);
            }
        }
    }
}
