//! A sender and its peer in virtual time, recorded: what a node would have written down of a night.

#![allow(dead_code, reason = "each test file uses its own part of this")]

mod wire;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::trace::{About, Call, MachineConfig, Recorder, RecorderConfig, StepRecorder};
use peer_sender_core::{
    Action, Attempt, Config, ConfigBuilder, Event, Lane, LinkError, MessageId, MessageOptions,
    PeerKey, PeerSenderMachine, SessionHandle, Sessions, SessionsConfig, StopMode, StreamId, Time,
};

/// 2026-01-01 at 22:15 (UTC), when nights begin unless they are told otherwise.
const EVENING: u64 = (1_767_225_600 + 22 * 3_600 + 15 * 60) * 1_000_000_000;
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

/// Who takes part in a night, and in which.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// What the sender is called in the trace, and the node of its peer.
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) config: Config,
    /// When it begins, in nanoseconds since 1970.
    pub(crate) evening: u64,
    /// From one end to the other.
    pub(crate) one_way: Duration,
    /// Of every so many messages of a lane, the application refuses the last.
    pub(crate) refused: Option<u64>,
}

/// A recorded night.
pub(crate) struct Night {
    recorder: Rc<RefCell<Recorder>>,
    /// Of the sender: the same, unless only the peer's node is recorded.
    ours: Rc<RefCell<Recorder>>,
    pub(crate) now: Time,
    pub(crate) dialled: Dialled,
    pub(crate) app: App,
    /// How long QUIC takes over a write of the sender.
    pub(crate) taking: Duration,
    setting: Setting,
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
        let setting = Setting {
            name: name.to_owned(),
            node: "listener".to_owned(),
            config: config.build().unwrap(),
            evening: EVENING,
            one_way: Duration::from_millis(10),
            refused: None,
        };
        Self::set(setting, recorder)
    }

    pub(crate) fn set(setting: Setting, recorder: Rc<RefCell<Recorder>>) -> Self {
        let config = setting.config.clone();
        let seed = [setting.name.len() as u8; 32];
        let kind = MachineConfig::Sender(Box::new(config.clone()));
        let about = about(&setting.name, setting.evening);
        let steps = recorder.borrow_mut().made(about, kind, seed);
        let mut night = Self {
            ours: Rc::clone(&recorder),
            recorder,
            now: Time::ZERO,
            dialled: Dialled::Answered,
            app: App::AtOnce,
            taking: Duration::from_micros(100),
            setting,
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
        let about = about(&self.setting.node, self.setting.evening);
        let steps = recorder.made(about, kind, seed);
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
        self.facts
            .retain(|_, fact| matches!(fact, Fact::Takes { .. }));
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
        self.hand_over((0..count).map(|_| (lane, bytes)), ttl);
    }

    /// Hands messages over at once, each with its lane and size.
    pub(crate) fn hand_over(
        &mut self,
        messages: impl Iterator<Item = (u8, usize)>,
        ttl: Option<Duration>,
    ) {
        let ids = self.next_id..;
        let expires_at = ttl.map(|ttl| self.now + ttl);
        let events = ids
            .zip(messages)
            .map(|(id, (lane, bytes))| Event::MessageQueued {
                id: MessageId(id),
                lane: Lane(lane),
                payload: Bytes::from(vec![id as u8; bytes]),
                options: MessageOptions { expires_at },
            });
        let events: Vec<_> = events.collect();
        self.next_id += events.len() as u64;
        self.step(events);
    }

    /// How many messages were handed over.
    pub(crate) fn sent(&self) -> u64 {
        self.next_id
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
        let at = self.setting.evening + self.now.as_nanos();
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
}

fn about(name: &str, evening: u64) -> About {
    About {
        name: name.to_owned(),
        key: Some(KEY),
        zero_unix_nanos: evening,
    }
}
