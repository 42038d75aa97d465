//! One run: a sender, a listener, and what chance does to the connections between them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::table::{self, Cause, Standing};
use peer_sender_core::{
    Action, Attempt, CloseCode, Config, Event, Lane, LinkError, MessageId, MessageOptions,
    PeerEvent, PeerKey, PeerSenderMachine, Protocol, ReceiverConfig, Redelivery, SessionHandle,
    SessionNews, Sessions, SessionsConfig, Side, StopMode, StopReason, StreamId, Time,
};

use super::wire::{Connection, Stream};
use crate::ends::End;
use crate::oracle::Oracle;
use crate::rng::Rng;
use crate::runs::Count;
use crate::twin::{Sender, Table};

const LARGEST: usize = 50_000;

pub(crate) struct World {
    rng: Rng,
    now: Time,
    sender: Sender,
    listener: Table,
    link: Option<Connection>,
    dialling: Option<Attempt>,
    accepted: u64,
    messages: u64,
    /// Messages of each session that are not answered: its number below which all are.
    unanswered: BTreeMap<SessionHandle, (u64, u64)>,
    oracle: Oracle,
    stopped: bool,
    listener_stops: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng(seed.wrapping_mul(2).wrapping_add(1));
        let redelivery = match rng.chance(50) {
            true => Redelivery::AtLeastOnce,
            false => Redelivery::AtMostOnce,
        };
        let config = Config::builder(([192, 0, 2, 1], 4_433).into())
            .protocol(Protocol::Plain)
            .streams_max(1 + rng.below(12) as u16)
            .queue_messages_max(20)
            .flight_bytes_max(1 + rng.below(200_000) as usize)
            .redelivery(redelivery)
            .patience(Duration::from_secs(rng.below(20)))
            .ttl(rng.chance(30).then_some(Duration::from_secs(3)))
            .health_after(Duration::from_secs(1))
            .backoff_max(Duration::from_secs(1));
        let receiver = ReceiverConfig::new(LARGEST, 120_000).unwrap();
        let listener = SessionsConfig {
            receiver: receiver.with_protocol(Protocol::Plain).unwrap(),
            key_bytes_max: 150_000,
            node_bytes_max: 150_000,
            sessions_per_key_max: 10_000,
            sessions_max: 10_000,
            ..SessionsConfig::default()
        };
        let sender = PeerSenderMachine::new(config.build().unwrap(), [1; 32]);
        let listener = Sessions::new(listener, [2; 32]);
        // With images at hand, some have machines that are made again from theirs.
        let followed = seed.is_multiple_of(4) && cfg!(feature = "trace");
        Self {
            now: Time::from_secs(1),
            sender: Sender::new(sender, Protocol::Plain, followed),
            listener: Table::new(listener, Protocol::Plain, followed),
            link: None,
            dialling: None,
            accepted: 0,
            messages: 0,
            unanswered: BTreeMap::new(),
            oracle: Oracle::new(Protocol::Plain, redelivery, LARGEST),
            stopped: false,
            listener_stops: false,
            rng,
        }
    }

    pub(crate) fn run(mut self) -> Count {
        for _ in 0..400 {
            self.happen(true);
        }
        // No more faults: what is left is finished.
        let stops_first = self.rng.chance(20);
        if stops_first {
            self.stop_listener();
            (0..100).for_each(|_| self.happen(false));
        }
        let mode = match stops_first || self.rng.chance(20) {
            false => StopMode::Drain(Duration::from_secs(1_000_000)),
            true => StopMode::Abort,
        };
        self.step([Event::Stop { mode }]);
        for _ in 0..20_000 {
            if self.stopped {
                break;
            }
            self.happen(false);
        }
        assert!(self.sender.is_closed(), "stuck: {:?}", self.sender.state());
        self.lose_at_listener();
        for _ in 0..1_000 {
            self.answer(u64::MAX);
        }
        assert!(self.listener.is_empty(), "a session is kept for nothing");
        let parted = (Standing::Draining, Cause::Done, Standing::Idle);
        let row = table::find(parted.0, parted.1, parted.2).unwrap();
        if self.sender.visits()[row] > 0 {
            self.oracle.count.one("closed before the end");
        }
        self.oracle.ends(false);
        self.oracle.count
    }

    /// The listener ends in good order: what has come is given out first.
    fn stop_listener(&mut self) {
        // A node hears what has come before it stops, at least that something has.
        let mut begun = Vec::new();
        let streams = self.link.iter_mut().flat_map(|link| &mut link.streams);
        for (&index, stream) in streams.filter(|(_, stream)| stream.arrived > 0) {
            let opener = Side::Remote;
            begun.extend(read_on(stream, StreamId { opener, index }, 1));
        }
        self.tell_listener(begun);
        let mode = StopMode::Drain(Duration::from_secs(1_000_000));
        let mut actions = Vec::new();
        self.listener.stop(self.now, mode, &mut actions);
        self.listener_stops = true;
        self.of_listener(actions);
        self.oracle.count.one("stopped at the listener");
    }

    /// The listener has closed the connection: it reads whatever has arrived, whether there is room or
    /// not, and hears of the loss.
    fn left_by_listener(&mut self) {
        let Some(link) = &mut self.link else {
            return;
        };
        let attempt = link.dialled;
        link.streams.values_mut().for_each(|it| it.paused = false);
        self.lose_at_listener();
        let (code, reason) = (CloseCode::GoingAway, String::new());
        let error = LinkError::Closed { code, reason };
        self.step([Event::ConnectionLost { attempt, error }]);
    }

    fn happen(&mut self, faults: bool) {
        match self.rng.below(100) {
            0..20 if faults => self.hand_over(),
            0..20 => self.wait(),
            20..23 if faults => {
                let id = MessageId(self.rng.below(self.messages));
                self.step([Event::Cancel { id }]);
            }
            23..40 => self.dialled(faults),
            40..85 => self.advance(),
            85..95 => {
                let many = self.rng.below(4);
                self.answer(many);
            }
            95..97 if faults => self.lose(),
            97 if faults => self.move_away(),
            _ => self.wait(),
        }
        self.sender.check().unwrap();
        self.listener.check().unwrap();
    }

    fn hand_over(&mut self) {
        let id = self.messages;
        self.messages += 1;
        let size = match self.rng.below(10) {
            0 => LARGEST + self.rng.below(20_000) as usize,
            1..4 => 8 + self.rng.below(LARGEST as u64 - 8) as usize,
            _ => 8 + self.rng.below(100) as usize,
        };
        let mut payload = id.to_be_bytes().to_vec();
        payload.resize(size, id as u8);
        let payload = Bytes::from(payload);
        self.oracle.accepted(End::Dialler, id, payload.clone());
        let options = MessageOptions::default();
        let (id, lane) = (MessageId(id), Lane(0));
        self.step([Event::MessageQueued {
            id,
            lane,
            payload,
            options,
        }]);
    }

    fn wait(&mut self) {
        let wait = self.rng.below(500);
        self.now = self.now + Duration::from_millis(wait);
        self.step([Event::TimerFired]);
        let mut actions = Vec::new();
        self.listener.handle_timeout(self.now, &mut actions);
        self.of_listener(actions);
    }

    /// What comes of a dial.
    fn dialled(&mut self, faults: bool) {
        let Some(attempt) = self.dialling.take() else {
            return;
        };
        if faults && self.rng.chance(20) {
            let error = LinkError::Unreachable;
            self.step([Event::ConnectFailed { attempt, error }]);
            return;
        }
        self.lose_at_listener();
        let name = Attempt(self.accepted);
        self.accepted += 1;
        self.link = Some(Connection {
            dialled: attempt,
            accepted: Some(name),
            streams: BTreeMap::new(),
            credit: self.rng.below(8),
        });
        let mut actions = Vec::new();
        self.listener
            .accepted(self.now, name, PeerKey([7; 32]), &mut actions);
        self.step([Event::Connected { attempt }]);
        self.of_listener(actions);
    }

    /// Some streams get on.
    fn advance(&mut self) {
        let Some(link) = &mut self.link else {
            return;
        };
        link.credit += self.rng.below(3);
        let (attempt, credit) = (link.dialled, link.credit);
        let accepted = link.accepted.unwrap();
        let (mut told, mut read) = (Vec::new(), Vec::new());
        for (&index, stream) in &mut link.streams {
            let place = |opener| StreamId { opener, index };
            if index >= credit || self.rng.chance(40) {
                continue;
            }
            let bytes = self.rng.below(40_000) as usize;
            match self.rng.below(4) {
                0 if stream.take(bytes) => told.push(Event::TransferFinished {
                    transfer: stream.transfer,
                }),
                1 => {
                    let before = stream.arrived_fin;
                    stream.arrive(bytes);
                    if stream.arrived_fin && !before {
                        self.oracle.arrived(stream.message);
                    }
                }
                2 if !stream.paused && stream.arrived > 0 => {
                    read.extend(read_on(stream, place(Side::Remote), bytes));
                    if stream.reset && stream.tell_reset() {
                        read.push((stream.message, Read::Reset(place(Side::Remote))));
                    }
                }
                3 if !stream.over && !stream.reset => {
                    let stream_id = place(Side::Local);
                    if let Some(code) = stream.stopped {
                        stream.over = true;
                        told.push(Event::StreamStopped {
                            attempt,
                            stream: stream_id,
                            code,
                        });
                    } else if stream.arrived_fin {
                        stream.over = true;
                        self.oracle.acknowledged(stream.message, accepted);
                        told.push(Event::StreamAcknowledged {
                            attempt,
                            stream: stream_id,
                        });
                    }
                }
                _ => {}
            }
        }
        self.tell_listener(read);
        self.step(told);
    }

    /// The listener's machine hears of a connection, and its news are followed.
    fn tell_listener(&mut self, read: Vec<(u64, Read)>) {
        let Some(name) = self.link.as_ref().and_then(|link| link.accepted) else {
            return;
        };
        let mut events = Vec::new();
        for (message, happened) in read {
            match happened {
                Read::Opened(stream) => events.push(Event::StreamOpened {
                    attempt: name,
                    stream,
                }),
                Read::Bytes(stream, bytes, fin) => {
                    if fin {
                        self.oracle.read(message);
                    }
                    events.push(Event::BytesReceived {
                        attempt: name,
                        stream,
                        bytes,
                        fin,
                    });
                }
                Read::Reset(stream) => events.push(Event::StreamReset {
                    attempt: name,
                    stream,
                    code: 0,
                }),
            }
        }
        let mut actions = Vec::new();
        self.listener
            .handle_connection(self.now, name, events, &mut actions);
        self.of_listener(actions);
    }

    fn of_listener(&mut self, actions: Vec<Action>) {
        let mut closed = false;
        for action in actions {
            match action {
                Action::PauseReading { stream, .. } => self.pause(stream.index, true),
                Action::ResumeReading { stream, .. } => self.pause(stream.index, false),
                Action::StopSending { stream, code, .. } => {
                    if let Some(it) = self.stream(stream.index) {
                        it.stopped = Some(code.to_wire());
                        let message = it.message;
                        self.oracle.stopped(message, code.to_wire());
                    }
                }
                Action::Close { .. } if self.listener_stops => closed = true,
                other => panic!("a listener never does {other:?}"),
            }
        }
        while let Some(news) = self.listener.poll_news() {
            match news {
                SessionNews::Delivered { session, messages } => {
                    for message in messages {
                        let (_, next) = self.unanswered.entry(session).or_default();
                        assert_eq!(message.number, *next, "a running count");
                        *next += 1;
                        self.oracle.got(Some(session), &message.payload);
                    }
                }
                SessionNews::Forgotten { session } => drop(self.unanswered.remove(&session)),
                other => panic!("no news: {other:?}"),
            }
        }
        if closed {
            self.left_by_listener();
        }
    }

    fn pause(&mut self, index: u64, paused: bool) {
        if let Some(stream) = self.stream(index) {
            stream.paused = paused;
        }
        self.oracle.count.one("paused");
    }

    fn stream(&mut self, index: u64) -> Option<&mut Stream> {
        self.link.as_mut()?.streams.get_mut(&index)
    }

    /// The application answers some of what it has.
    fn answer(&mut self, many: u64) {
        let sessions: Vec<SessionHandle> = self.unanswered.keys().copied().collect();
        for session in sessions {
            let Some((below, next)) = self.unanswered.get_mut(&session) else {
                continue;
            };
            *below = below.saturating_add(many).min(*next);
            let (lane, below) = (Lane(0), *below);
            let mut actions = Vec::new();
            let consumed = [Event::Consumed { lane, below }];
            self.listener
                .handle_session(self.now, session, consumed, &mut actions);
            self.of_listener(actions);
        }
    }

    /// The connection is lost: each end is told what its transport knows, then that.
    fn lose(&mut self) {
        let Some(link) = &self.link else {
            return;
        };
        self.oracle.count.one("lost");
        let (attempt, error) = (link.dialled, LinkError::IdleTimeout);
        self.lose_at_listener();
        self.step([Event::ConnectionLost { attempt, error }]);
    }

    /// The sender is told that the peer has moved, without having heard what QUIC took last.
    fn move_away(&mut self) {
        let mut untold = Vec::new();
        if let Some(link) = &mut self.link {
            for stream in link.streams.values_mut() {
                let before = stream.arrived_fin;
                if stream.take(usize::MAX / 2) {
                    let transfer = stream.transfer;
                    untold.push(Event::TransferFinished { transfer });
                }
                stream.arrive(usize::MAX / 2);
                if stream.arrived_fin && !before {
                    self.oracle.arrived(stream.message);
                }
            }
        }
        self.oracle.count.one("moved");
        let port = 4_433 + self.rng.below(2) as u16;
        let addresses = vec![([192, 0, 2, 1], port).into()];
        self.step([Event::AddressesChanged { addresses }]);
        // It had not moved after all, or this comes too late.
        self.step(untold);
    }

    /// The listener reads whatever has arrived as it has room for it, and then hears of the loss.
    fn lose_at_listener(&mut self) {
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 1_000, "L6: what came whole waits for ever");
            let Some(link) = &mut self.link else {
                return;
            };
            let mut read = Vec::new();
            for (&index, stream) in &mut link.streams {
                let id = StreamId {
                    opener: Side::Remote,
                    index,
                };
                if !stream.paused && (stream.opened || stream.arrived > 0) {
                    read.extend(read_on(stream, id, usize::MAX / 2));
                    if stream.tell_reset() {
                        read.push((stream.message, Read::Reset(id)));
                    }
                }
            }
            let paused = link.streams.values().any(|it| it.paused && !it.read_fin);
            self.tell_listener(read);
            if !paused {
                break;
            }
            self.answer(u64::MAX);
        }
        if let Some(name) = self.link.take().and_then(|link| link.accepted) {
            let error = LinkError::IdleTimeout;
            let lost = Event::ConnectionLost {
                attempt: name,
                error,
            };
            let mut actions = Vec::new();
            self.listener
                .handle_connection(self.now, name, [lost], &mut actions);
            self.of_listener(actions);
        }
    }

    fn step(&mut self, events: impl IntoIterator<Item = Event>) {
        let mut actions = Vec::new();
        self.sender.handle(self.now, events, &mut actions);
        let mut lost = None;
        for action in actions {
            match action {
                Action::Connect { attempt, .. } => {
                    self.lose_at_listener();
                    self.dialling = Some(attempt);
                }
                Action::Write {
                    transfer,
                    attempt,
                    stream,
                    chunks,
                    fin,
                    ..
                } => {
                    let payload = Bytes::from(chunks.concat());
                    let id = u64::from_be_bytes(payload[..8].try_into().unwrap());
                    assert!(fin, "each message ends its stream");
                    self.oracle.written(End::Dialler, id, &payload);
                    let link = self.link.as_mut().unwrap();
                    assert_eq!(attempt, link.dialled);
                    assert_eq!(stream.index, link.streams.len() as u64);
                    let stream = Stream::new(id, payload, transfer);
                    link.streams.insert(stream_index(link), stream);
                }
                Action::ResetStream { stream, .. } => {
                    self.oracle.count.one("reset");
                    if let Some(it) = self.stream(stream.index) {
                        it.reset = true;
                    }
                }
                Action::Settle { id, outcome } => self.oracle.settled(End::Dialler, id, &outcome),
                Action::Reject { id, .. } => self.oracle.rejected(End::Dialler, id),
                Action::Close { .. } => {
                    self.dialling = None;
                    lost = self.link.as_ref().map(|link| link.dialled);
                    self.lose_at_listener();
                }
                Action::Emit(PeerEvent::SenderStopped { reason }) => {
                    self.stopped = true;
                    if reason == StopReason::Drained {
                        self.oracle.count.one("drained");
                    }
                }
                Action::Emit(_)
                | Action::Room { .. }
                | Action::HandBack(_)
                | Action::ScheduleBackoff { .. } => {}
                other => panic!("a sender never does {other:?}"),
            }
        }
        if let Some(attempt) = lost {
            let reason = String::new();
            let error = LinkError::Local { reason };
            self.step([Event::ConnectionLost { attempt, error }]);
        }
    }
}

/// What the listener's machine is told of a stream.
enum Read {
    Opened(StreamId),
    Bytes(StreamId, Bytes, bool),
    Reset(StreamId),
}

fn read_on(stream: &mut Stream, id: StreamId, bytes: usize) -> Vec<(u64, Read)> {
    let mut read = Vec::new();
    if !stream.opened {
        stream.opened = true;
        read.push((stream.message, Read::Opened(id)));
    }
    if let Some((bytes, fin)) = stream.read(bytes) {
        read.push((stream.message, Read::Bytes(id, bytes, fin)));
    }
    read
}

fn stream_index(link: &Connection) -> u64 {
    link.streams.len() as u64
}
