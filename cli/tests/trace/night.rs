//! A sender and its peer in virtual time, recorded: what a node would have written down of a night.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::trace::{
    About, Call, Image, MachineConfig, Recorder, RecorderConfig, StepRecorder,
};
use peer_sender_core::{
    Action, Attempt, Config, ConfigBuilder, Event, IncomingMessage, Lane, LinkError, MessageId,
    MessageOptions, PeerKey, PeerSenderMachine, SessionHandle, SessionNews, Sessions,
    SessionsConfig, Side, StopMode, StreamId, Time,
};

/// 2026-01-01 at 22:15 (UTC).
const ZERO: u64 = (1_767_225_600 + 22 * 3_600 + 15 * 60) * 1_000_000_000;
/// From one end to the other.
const ONE_WAY: Duration = Duration::from_millis(10);
pub(crate) const KEY: PeerKey = PeerKey([0xb0; 32]);
const OURS: PeerKey = PeerKey([0xa0; 32]);

/// What becomes of an attempt at a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dialled {
    Answered,
    Silent,
    Fails(LinkError),
}

/// How the receiving application takes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum App {
    AtOnce,
    Never,
    /// One after the other.
    Each(Duration),
}

/// What happens next.
enum Fact {
    Sender(Event),
    Accepted {
        attempt: Attempt,
    },
    Peer {
        attempt: Attempt,
        event: Event,
    },
    Takes {
        session: SessionHandle,
        lane: Lane,
        below: u64,
    },
}

/// A recorded night.
pub(crate) struct Night {
    recorder: Rc<RefCell<Recorder>>,
    /// Of the sender: the same, unless only the peer's node is recorded.
    ours: Rc<RefCell<Recorder>>,
    pub(crate) now: Time,
    pub(crate) dialled: Dialled,
    pub(crate) app: App,
    sender: (StepRecorder, PeerSenderMachine),
    peer: Option<(StepRecorder, Sessions)>,
    peers_made: u8,
    facts: BTreeMap<(Time, u64), Fact>,
    seq: u64,
    next_id: u64,
    /// Our connection, and how the peer calls it.
    connection: Option<(Attempt, Attempt)>,
    accepted: u64,
    opened: BTreeSet<(Attempt, StreamId)>,
    /// When the application takes the next message.
    free_at: Time,
}

/// The configuration that nights are made with: no randomness, short waits.
pub(crate) fn config() -> ConfigBuilder {
    Config::builder("192.0.2.1:4433".parse().unwrap()).connect_timeout(Duration::from_secs(2))
}

impl Night {
    pub(crate) fn new(name: &str, config: ConfigBuilder) -> Self {
        let recording = RecorderConfig::default();
        Self::recorded(name, config, Recorder::new(recording))
    }

    pub(crate) fn recorded(name: &str, config: ConfigBuilder, recorder: Recorder) -> Self {
        Self::on(name, config, Rc::new(RefCell::new(recorder)))
    }

    /// As the peer's node has recorded it: the trace has no sender.
    pub(crate) fn of_peer(name: &str, config: ConfigBuilder) -> Self {
        let mut night = Self::new(name, config);
        let recorder = Rc::new(RefCell::new(Recorder::new(RecorderConfig::default())));
        night.ours = std::mem::replace(&mut night.recorder, recorder);
        night.start_peer();
        night
    }

    /// Another sender in the same trace.
    pub(crate) fn beside(&self, name: &str, config: ConfigBuilder) -> Self {
        Self::on(name, config, Rc::clone(&self.recorder))
    }

    fn on(name: &str, config: ConfigBuilder, recorder: Rc<RefCell<Recorder>>) -> Self {
        let config = config.build().unwrap();
        let seed = [name.len() as u8; 32];
        let kind = MachineConfig::Sender(Box::new(config.clone()));
        let steps = recorder.borrow_mut().made(about(name), kind, seed);
        let mut night = Self {
            ours: Rc::clone(&recorder),
            recorder,
            now: Time::ZERO,
            dialled: Dialled::Answered,
            app: App::AtOnce,
            sender: (steps, PeerSenderMachine::new(config, seed)),
            peer: None,
            peers_made: 0,
            facts: BTreeMap::new(),
            seq: 0,
            next_id: 0,
            connection: None,
            accepted: 0,
            opened: BTreeSet::new(),
            free_at: Time::ZERO,
        };
        night.start_peer();
        night
    }

    /// The peer's process begins, knowing nothing of what was before.
    fn start_peer(&mut self) {
        self.peers_made += 1;
        let seed = [0x80 + self.peers_made; 32];
        let config = SessionsConfig::default();
        let kind = MachineConfig::Sessions(Box::new(config.clone()));
        let mut recorder = self.recorder.borrow_mut();
        let steps = recorder.made(about("listener"), kind, seed);
        drop(recorder);
        self.peer = Some((steps, Sessions::new(config, seed)));
    }

    /// The peer's process dies, and another takes its place. Nothing tells us.
    pub(crate) fn restart_peer(&mut self) {
        if let Some((steps, _)) = self.peer.take() {
            self.recorder.borrow_mut().gone(steps.machine());
        }
        self.facts.retain(|_, fact| matches!(fact, Fact::Sender(_)));
        self.start_peer();
    }

    /// Our end loses the connection, if there is one. The peer hears of it.
    pub(crate) fn lose(&mut self, error: LinkError) {
        let Some((attempt, theirs)) = self.connection.take() else {
            return;
        };
        self.facts.clear();
        let event = Event::ConnectionLost {
            attempt: theirs,
            error: error.clone(),
        };
        self.peer_step(Call::Connection { attempt: theirs }, vec![event]);
        self.step(vec![Event::ConnectionLost { attempt, error }]);
    }

    /// Hands messages of this size over, at once.
    pub(crate) fn send(&mut self, count: u64, bytes: usize) {
        self.send_on(0, count, bytes, None);
    }

    pub(crate) fn send_on(&mut self, lane: u8, count: u64, bytes: usize, ttl: Option<Duration>) {
        let ids = self.next_id..self.next_id + count;
        self.next_id += count;
        let events = ids.map(|id| Event::MessageQueued {
            id: MessageId(id),
            lane: Lane(lane),
            payload: Bytes::from(vec![id as u8; bytes]),
            options: MessageOptions {
                expires_at: ttl.map(|ttl| self.now + ttl),
            },
        });
        let events = events.collect();
        self.step(events);
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.step(vec![event]);
    }

    /// The peer's application hands a reply over to its first session.
    pub(crate) fn reply(&mut self, id: u64, bytes: usize) {
        let event = Event::MessageQueued {
            id: MessageId(id),
            lane: Lane(0),
            payload: Bytes::from(vec![0; bytes]),
            options: MessageOptions::default(),
        };
        let session = SessionHandle(0);
        self.peer_step(Call::Session { session }, vec![event]);
    }

    pub(crate) fn mark(&mut self, text: &str) {
        let at = ZERO + self.now.as_nanos();
        self.recorder.borrow_mut().mark(at, text.to_owned());
    }

    pub(crate) fn stop(&mut self) {
        let mode = StopMode::Drain(Duration::from_secs(5));
        self.step(vec![Event::Stop { mode }]);
        self.run(Duration::from_secs(6));
    }

    /// Everything that happens within this time.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let fact = self.facts.first_key_value().map(|((at, _), _)| *at);
            let ours = self.sender.1.next_deadline().map(|it| it.at);
            let theirs = self.peer.as_ref().and_then(|it| it.1.next_deadline());
            let next = [fact, ours, theirs.map(|it| it.at)];
            let Some(next) = next.into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if fact.is_some_and(|at| at <= self.now) {
                let ((_, _), fact) = self.facts.pop_first().unwrap();
                self.happens(fact);
            } else if ours.is_some_and(|at| at <= self.now) {
                self.step(vec![Event::TimerFired]);
            } else {
                self.peer_step(Call::Timeout, Vec::new());
            }
        }
        self.now = end;
    }

    /// Writes a step down that led to something else than is written.
    pub(crate) fn forge(&mut self, event: Event) {
        let steps = &mut self.sender.0;
        steps.begin();
        steps.event(&event);
        steps.action(&Action::ForgetDelivered);
        steps.end(self.now, Call::Handle);
        self.recorder.borrow_mut().add(steps);
    }

    /// Goes on in a trace that does not tell how its machines were made.
    pub(crate) fn forget_machines(&mut self) {
        *self.recorder.borrow_mut() = Recorder::new(RecorderConfig::default());
    }

    /// What a flight recorder has of it.
    pub(crate) fn dump(self) -> Vec<u8> {
        self.recorder.borrow().dump().unwrap()
    }

    /// The whole trace, as a file.
    pub(crate) fn trace(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.recorder.borrow_mut().take(&mut bytes);
        bytes
    }

    fn happens(&mut self, fact: Fact) {
        match fact {
            Fact::Sender(event) => self.step(vec![event]),
            Fact::Accepted { attempt } => {
                let call = Call::Accepted { attempt, key: OURS };
                self.peer_step(call, Vec::new());
            }
            Fact::Peer { attempt, event } => {
                self.peer_step(Call::Connection { attempt }, vec![event]);
            }
            Fact::Takes {
                session,
                lane,
                below,
            } => {
                let event = Event::Consumed { lane, below };
                self.peer_step(Call::Session { session }, vec![event]);
            }
        }
    }

    fn step(&mut self, events: Vec<Event>) {
        let mut actions = Vec::new();
        let (steps, machine) = &mut self.sender;
        image(&self.ours, steps, machine);
        steps.begin();
        events.iter().for_each(|event| steps.event(event));
        machine.handle(self.now, events, &mut actions);
        actions.iter().for_each(|action| steps.action(action));
        steps.end(self.now, Call::Handle);
        self.ours.borrow_mut().add(steps);
        for action in actions {
            self.sender_acts(action);
        }
    }

    fn peer_step(&mut self, call: Call, events: Vec<Event>) {
        let Some((steps, table)) = &mut self.peer else {
            return;
        };
        let mut actions = Vec::new();
        image(&self.recorder, steps, table);
        steps.begin();
        events.iter().for_each(|event| steps.event(event));
        let now = self.now;
        match call {
            Call::Accepted { attempt, key } => table.accepted(now, attempt, key, &mut actions),
            Call::Connection { attempt } => {
                table.handle_connection(now, attempt, events, &mut actions);
            }
            Call::Session { session } => table.handle_session(now, session, events, &mut actions),
            _ => table.handle_timeout(now, &mut actions),
        }
        actions.iter().for_each(|action| steps.action(action));
        let news: Vec<_> = std::iter::from_fn(|| table.poll_news()).collect();
        news.iter().for_each(|news| steps.news(news));
        steps.end(now, call);
        self.recorder.borrow_mut().add(steps);
        for action in actions {
            self.peer_acts(action);
        }
        for news in news {
            if let SessionNews::Delivered { session, messages } = news {
                self.take(session, &messages);
            }
        }
    }

    fn sender_acts(&mut self, action: Action) {
        match action {
            Action::Connect { attempt, .. } => match self.dialled.clone() {
                Dialled::Silent => {}
                Dialled::Fails(error) => {
                    self.after(
                        ONE_WAY,
                        Fact::Sender(Event::ConnectFailed { attempt, error }),
                    );
                }
                Dialled::Answered => {
                    let theirs = Attempt(self.accepted);
                    self.accepted += 1;
                    self.connection = Some((attempt, theirs));
                    self.after(ONE_WAY, Fact::Accepted { attempt: theirs });
                    self.after(2 * ONE_WAY, Fact::Sender(Event::Connected { attempt }));
                }
            },
            Action::Write {
                transfer,
                attempt,
                stream,
                chunks,
                fin,
                ..
            } => {
                let bytes = Bytes::from(chunks.concat());
                self.after(
                    Duration::from_micros(100),
                    Fact::Sender(Event::TransferFinished { transfer }),
                );
                let Some((ours, theirs)) = self.connection.filter(|it| it.0 == attempt) else {
                    return;
                };
                let new = self.opened.insert((ours, stream));
                let (attempt, stream) = (theirs, mirrored(stream));
                if new {
                    let event = Event::StreamOpened { attempt, stream };
                    self.after(ONE_WAY, Fact::Peer { attempt, event });
                }
                let event = Event::BytesReceived {
                    attempt,
                    stream,
                    bytes,
                    fin,
                };
                self.after(ONE_WAY, Fact::Peer { attempt, event });
            }
            Action::Close { attempt, .. } => {
                if let Some((_, theirs)) = self.connection.take_if(|it| it.0 == attempt) {
                    let event = Event::ConnectionLost {
                        attempt: theirs,
                        error: LinkError::IdleTimeout,
                    };
                    let attempt = theirs;
                    self.after(ONE_WAY, Fact::Peer { attempt, event });
                }
            }
            Action::Deliver(reply) => {
                let (lane, below) = (reply.lane, reply.number + 1);
                let event = Event::Consumed { lane, below };
                self.after(Duration::from_micros(50), Fact::Sender(event));
            }
            _ => {}
        }
    }

    fn peer_acts(&mut self, action: Action) {
        if let Action::Write {
            transfer,
            attempt,
            stream,
            chunks,
            fin,
            ..
        } = action
        {
            let event = Event::TransferFinished { transfer };
            self.after(Duration::from_micros(100), Fact::Peer { attempt, event });
            if let Some((ours, _)) = self.connection.filter(|it| it.1 == attempt) {
                let (attempt, stream) = (ours, mirrored(stream));
                if stream.opener == Side::Remote && self.opened.insert((ours, stream)) {
                    let event = Event::StreamOpened { attempt, stream };
                    self.after(ONE_WAY, Fact::Sender(event));
                }
                let event = Event::BytesReceived {
                    attempt,
                    stream,
                    bytes: Bytes::from(chunks.concat()),
                    fin,
                };
                self.after(ONE_WAY, Fact::Sender(event));
            }
        }
    }

    fn take(&mut self, session: SessionHandle, messages: &[IncomingMessage]) {
        for message in messages {
            let (lane, below) = (message.lane, message.number + 1);
            let takes = Fact::Takes {
                session,
                lane,
                below,
            };
            match self.app {
                App::Never => {}
                App::AtOnce => self.after(Duration::from_micros(50), takes),
                App::Each(time) => {
                    self.free_at = self.free_at.max(self.now) + time;
                    self.after(self.free_at.saturating_since(self.now), takes);
                }
            }
        }
    }

    fn after(&mut self, time: Duration, fact: Fact) {
        self.seq += 1;
        self.facts.insert((self.now + time, self.seq), fact);
    }
}

/// Writes a machine's state down if it is time to.
fn image(recorder: &RefCell<Recorder>, steps: &StepRecorder, machine: &impl Image) {
    let mut recorder = recorder.borrow_mut();
    if recorder.wants_image(steps.machine()) {
        let mut image = Vec::new();
        machine.save(&mut image);
        recorder.image(steps.machine(), &image);
    }
}

fn about(name: &str) -> About {
    About {
        name: name.to_owned(),
        key: Some(KEY),
        zero_unix_nanos: ZERO,
    }
}

/// A stream as the other end calls it.
fn mirrored(stream: StreamId) -> StreamId {
    let opener = match stream.opener {
        Side::Local => Side::Remote,
        Side::Remote => Side::Local,
    };
    StreamId { opener, ..stream }
}
