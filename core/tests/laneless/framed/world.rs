//! One run: a sender, a listener that replies, and what chance does to the connections between them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::table::{self, Cause, Standing};
use peer_sender_core::{
    Action, Attempt, CloseCode, Config, Event, FRAMED_TRUSTED_AFTER, IncomingMessage, Lane,
    LinkError, MessageId, MessageOptions, PeerEvent, PeerKey, PeerSenderMachine, Protocol,
    ReceiverConfig, Redelivery, RefuseCode, SendLimits, SendPolicy, SessionHandle, SessionNews,
    Sessions, SessionsConfig, Side, StopMode, StopReason, StreamId, Time, TransferId,
};

use super::pipe::Pipe;
use crate::ends::End;
use crate::oracle::Oracle;
use crate::rng::Rng;
use crate::runs::Count;
use crate::twin::{Sender, Table};

const LARGEST: usize = 50_000;
const ALL: usize = usize::MAX / 2;

pub(crate) struct World {
    rng: Rng,
    now: Time,
    sender: Sender,
    listener: Table,
    link: Option<Link>,
    dialling: Option<Attempt>,
    accepted: u64,
    messages: u64,
    /// Sessions, with the number below which all is answered, and the next one's number.
    unanswered: BTreeMap<SessionHandle, (u64, u64)>,
    /// The sender's own application.
    replies: (u64, u64),
    oracle: Oracle,
    stopped: bool,
    listener_stops: bool,
}

/// A connection that stands at both ends.
struct Link {
    dialled: Attempt,
    accepted: Attempt,
    since: Time,
    forth: Pipe,
    back: Pipe,
    /// Which end waits for the answer to a probe.
    probes: [bool; 2],
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng(seed.wrapping_mul(2).wrapping_add(1));
        let redelivery = match rng.chance(50) {
            true => Redelivery::AtLeastOnce,
            false => Redelivery::AtMostOnce,
        };
        let config = Config::builder(([192, 0, 2, 1], 4_433).into())
            .protocol(Protocol::Framed)
            .queue_messages_max(20)
            .flight_bytes_max(1 + rng.below(200_000) as usize)
            .inbound_bytes_max(60_000)
            .redelivery(redelivery)
            .patience(Duration::from_secs(rng.below(20)))
            .ttl(rng.chance(30).then_some(Duration::from_secs(3)))
            .health_after(Duration::from_secs(1))
            .message_bytes_max(LARGEST)
            .backoff_max(Duration::from_secs(1));
        let receiver = ReceiverConfig::new(LARGEST, 120_000).unwrap();
        let replies = SendLimits {
            policy: SendPolicy {
                patience: Duration::from_secs(rng.below(20)),
                ..SendPolicy::default()
            },
            ..SendLimits::default()
        };
        let receiver = receiver.with_replies(replies).unwrap();
        let listener = SessionsConfig {
            receiver: receiver.with_protocol(Protocol::Framed).unwrap(),
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
            sender: Sender::new(sender, Protocol::Framed, followed),
            listener: Table::new(listener, Protocol::Framed, followed),
            link: None,
            dialling: None,
            accepted: 0,
            messages: 0,
            unanswered: BTreeMap::new(),
            replies: (0, 0),
            oracle: Oracle::new(Protocol::Framed, redelivery, LARGEST),
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
        let aborts = stops_first || self.rng.chance(20);
        let mode = match aborts {
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
        self.lose_at_listener(LinkError::IdleTimeout);
        for _ in 0..1_000 {
            self.answer(u64::MAX, false);
        }
        assert!(self.listener.is_empty(), "a session is kept for nothing");
        let parted = (Standing::Draining, Cause::Done, Standing::Idle);
        let row = table::find(parted.0, parted.1, parted.2).unwrap();
        if self.sender.visits()[row] > 0 {
            self.oracle.count.one("closed before the end");
        }
        self.oracle.ends(aborts);
        self.oracle.count
    }

    fn happen(&mut self, faults: bool) {
        match self.rng.below(100) {
            0..20 if faults => self.hand_over(),
            0..20 => self.wait(),
            20..23 if faults => {
                let id = MessageId(self.rng.below(self.messages));
                self.step([Event::Cancel { id }]);
            }
            23..28 => self.dialled(faults),
            28 | 29 => self.answer_probe(),
            30..40 if faults => self.reply(),
            30..85 => self.advance(),
            85..95 => {
                let many = self.rng.below(4);
                self.answer(many, faults);
            }
            95 if faults => self.lose(),
            96 if faults => self.move_away(),
            _ => self.wait(),
        }
        self.sender.check().unwrap();
        self.listener.check().unwrap();
    }

    /// The listener ends in good order: what has come is given out first.
    fn stop_listener(&mut self) {
        self.listener_stops = true;
        // A node hears what has come before it stops, at least that something has.
        if let Some(link) = &mut self.link {
            let events = read_on(&mut link.forth, &mut self.oracle, 1, link.accepted);
            self.tell_listener(events);
        }
        let mode = StopMode::Drain(Duration::from_secs(1_000_000));
        let mut actions = Vec::new();
        self.listener.stop(self.now, mode, &mut actions);
        self.of_listener(actions);
        self.oracle.count.one("stopped at the listener");
    }

    fn payload(&mut self, id: u64) -> Bytes {
        let size = match self.rng.below(10) {
            0..3 => 8 + self.rng.below(LARGEST as u64 - 8) as usize,
            _ => 8 + self.rng.below(100) as usize,
        };
        let mut payload = id.to_be_bytes().to_vec();
        payload.resize(size, id as u8);
        Bytes::from(payload)
    }

    fn hand_over(&mut self) {
        let id = self.messages;
        self.messages += 1;
        let payload = self.payload(id);
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

    /// The listener's application replies to some session.
    fn reply(&mut self) {
        let sessions: Vec<SessionHandle> = self.unanswered.keys().copied().collect();
        let Some(&session) = sessions.get(self.rng.below(sessions.len() as u64) as usize) else {
            return;
        };
        let id = self.messages;
        self.messages += 1;
        let payload = self.payload(id);
        self.oracle.accepted(End::Listener, id, payload.clone());
        let options = MessageOptions::default();
        let (id, lane) = (MessageId(id), Lane(0));
        let queued = Event::MessageQueued {
            id,
            lane,
            payload,
            options,
        };
        self.step_session(session, [queued]);
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
        self.lose_at_listener(LinkError::IdleTimeout);
        let accepted = Attempt(self.accepted);
        self.accepted += 1;
        self.link = Some(Link {
            dialled: attempt,
            accepted,
            since: self.now,
            forth: Pipe::default(),
            back: Pipe::default(),
            probes: [false; 2],
        });
        let mut actions = Vec::new();
        self.listener
            .accepted(self.now, accepted, PeerKey([7; 32]), &mut actions);
        self.of_listener(actions);
        self.step([Event::Connected { attempt }]);
    }

    /// Something happens on the connection.
    fn advance(&mut self) {
        let bytes = self.rng.below(40_000) as usize;
        let back = self.rng.chance(30);
        let what = self.rng.below(4);
        let Some(link) = &mut self.link else {
            return;
        };
        let name = link.accepted;
        let pipe = match back {
            false => &mut link.forth,
            true => &mut link.back,
        };
        let mut told: Vec<Event> = Vec::new();
        match what {
            0 => {
                let taken = pipe.take(bytes);
                told.extend(taken.map(|transfer| Event::TransferFinished { transfer }));
            }
            1 => {
                for id in pipe.arrive(bytes) {
                    self.oracle.arrived(id);
                }
            }
            2 => {
                let (writes, messages) = pipe.acknowledge(bytes);
                let acknowledged = |transfer| Event::TransferAcknowledged { transfer };
                told.extend(writes.into_iter().map(acknowledged));
                for id in messages {
                    self.oracle.acknowledged(id, name);
                }
            }
            _ if pipe.paused => {}
            _ => {
                let events = read_on(
                    pipe,
                    &mut self.oracle,
                    bytes,
                    if back { link.dialled } else { link.accepted },
                );
                match back {
                    false => self.tell_listener(events),
                    true => self.step(events),
                }
                return;
            }
        }
        match back {
            false => self.step(told),
            true => self.tell_listener(told),
        }
    }

    /// The other end of a connection is still there, and says so.
    fn answer_probe(&mut self) {
        let Some(link) = &mut self.link else {
            return;
        };
        let (name, dialled) = (link.accepted, link.dialled);
        let [forth, back] = std::mem::take(&mut link.probes);
        if forth {
            self.oracle.trusted(End::Dialler, name);
            self.step([Event::ProbeAnswered { attempt: dialled }]);
        }
        if back {
            self.oracle.trusted(End::Listener, name);
            self.tell_listener(vec![Event::ProbeAnswered { attempt: name }]);
        }
    }

    fn probed(&mut self, back: bool, attempt: Attempt) {
        let link = self.link.as_mut().unwrap();
        let name = if back { link.accepted } else { link.dialled };
        assert_eq!(attempt, name);
        let stood = self.now.saturating_since(link.since);
        assert!(stood >= FRAMED_TRUSTED_AFTER, "asked too soon");
        link.probes[usize::from(back)] = true;
        self.oracle.count.one("probed");
    }

    /// The listener's machine hears of the connection, and its news are followed.
    fn tell_listener(&mut self, events: Vec<Event>) {
        let Some(name) = self.link.as_ref().map(|link| link.accepted) else {
            return;
        };
        let mut actions = Vec::new();
        self.listener
            .handle_connection(self.now, name, events, &mut actions);
        self.of_listener(actions);
    }

    fn step_session(&mut self, session: SessionHandle, events: impl IntoIterator<Item = Event>) {
        let mut actions = Vec::new();
        self.listener
            .handle_session(self.now, session, events, &mut actions);
        self.of_listener(actions);
    }

    fn of_listener(&mut self, actions: Vec<Action>) {
        let mut closed = None;
        for action in actions {
            match action {
                Action::PauseReading { .. } => self.pause(false, true),
                Action::Probe { attempt } => self.probed(true, attempt),
                Action::ResumeReading { .. } => self.pause(false, false),
                Action::Write {
                    transfer,
                    attempt,
                    stream,
                    chunks,
                    fin,
                    ..
                } => {
                    self.written(true, transfer, attempt, stream, &chunks, fin);
                    self.oracle.count.one("replied");
                }
                Action::Close { attempt, code, .. } => {
                    let link = self.link.as_ref();
                    assert_eq!(link.map(|it| it.accepted), Some(attempt));
                    let stops = matches!(code, CloseCode::Done | CloseCode::GoingAway);
                    let fine = code == CloseCode::Protocol || self.listener_stops && stops;
                    assert!(fine, "neither malformed nor the end: {code:?}");
                    closed = Some(code);
                }
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
                        self.got(Some(session), &message);
                    }
                }
                SessionNews::Settled { settled, .. } => {
                    for (id, outcome) in settled {
                        self.oracle.settled(End::Listener, id, &outcome);
                    }
                }
                SessionNews::Rejected { id, .. } => self.oracle.rejected(End::Listener, id),
                SessionNews::HandedBack { .. } | SessionNews::Room { .. } => {}
                SessionNews::Forgotten { session } => drop(self.unanswered.remove(&session)),
            }
        }
        if let Some(code) = closed {
            self.oracle.count.one("closed by the listener");
            self.closed_by_listener(code);
        }
    }

    /// An application is given a message: those of one session, or of the one sender, in order.
    fn got(&mut self, session: Option<SessionHandle>, message: &IncomingMessage) {
        self.oracle.got(session, &message.payload);
        let stands = self.link.is_some();
        self.oracle.count.one(if stands {
            "given out"
        } else {
            "given out late"
        });
    }

    fn written(
        &mut self,
        back: bool,
        transfer: TransferId,
        attempt: Attempt,
        stream: StreamId,
        chunks: &[Bytes],
        fin: bool,
    ) {
        let link = self.link.as_mut().unwrap();
        let (pipe, from, name) = match back {
            false => (&mut link.forth, End::Dialler, link.dialled),
            true => (&mut link.back, End::Listener, link.accepted),
        };
        assert_eq!(attempt, name);
        assert_eq!((stream.opener, stream.index), (Side::Local, 0));
        assert!(!fin, "the stream is never finished");
        for (id, payload) in pipe.write(transfer, chunks) {
            self.oracle.written(from, id, &payload);
        }
    }

    fn pause(&mut self, back: bool, paused: bool) {
        if let Some(link) = &mut self.link {
            match back {
                false => link.forth.paused = paused,
                true => link.back.paused = paused,
            }
        }
        self.oracle.count.one("paused");
    }

    /// The applications answer some of what they have.
    fn answer(&mut self, many: u64, faults: bool) {
        let sessions: Vec<SessionHandle> = self.unanswered.keys().copied().collect();
        for session in sessions {
            let Some((below, next)) = self.unanswered.get_mut(&session) else {
                continue;
            };
            let number = *below;
            *below = below.saturating_add(many).min(*next);
            let (lane, below) = (Lane(0), *below);
            let mut events = Vec::new();
            if faults && number < below && self.rng.chance(2) {
                let code = RefuseCode::Malformed;
                events.push(Event::Refused { lane, number, code });
                self.oracle.count.one("malformed");
            }
            events.push(Event::Consumed { lane, below });
            self.step_session(session, events);
        }
        if faults && self.rng.chance(70) {
            return;
        }
        let (below, next) = &mut self.replies;
        *below = below.saturating_add(many).min(*next);
        let (lane, below) = (Lane(0), *below);
        self.step([Event::Consumed { lane, below }]);
    }

    /// The connection is lost at both ends.
    fn lose(&mut self) {
        if self.link.is_none() {
            return;
        }
        self.oracle.count.one("lost");
        self.lose_at_dialler(LinkError::IdleTimeout);
        self.lose_at_listener(LinkError::IdleTimeout);
    }

    /// The sender is told that the peer has moved.
    fn move_away(&mut self) {
        self.oracle.count.one("moved");
        let port = 4_433 + self.rng.below(2) as u16;
        let addresses = vec![([192, 0, 2, 1], port).into()];
        self.step([Event::AddressesChanged { addresses }]);
    }

    fn closed_by_listener(&mut self, code: CloseCode) {
        let reason = String::new();
        self.lose_at_dialler(LinkError::Closed { code, reason });
        self.lose_at_listener(LinkError::IdleTimeout);
    }

    /// The dialler reads whatever has arrived, and hears of the loss.
    fn lose_at_dialler(&mut self, error: LinkError) {
        let Some(link) = &mut self.link else {
            return;
        };
        let attempt = link.dialled;
        let mut events = read_on(&mut link.back, &mut self.oracle, ALL, attempt);
        events.push(Event::ConnectionLost { attempt, error });
        self.step(events);
    }

    /// The listener reads whatever has arrived, and hears of the loss.
    fn lose_at_listener(&mut self, error: LinkError) {
        let Some(mut link) = self.link.take() else {
            return;
        };
        let attempt = link.accepted;
        let mut events = read_on(&mut link.forth, &mut self.oracle, ALL, attempt);
        events.push(Event::ConnectionLost { attempt, error });
        let mut actions = Vec::new();
        self.listener
            .handle_connection(self.now, attempt, events, &mut actions);
        let writes = |action: &Action| matches!(action, Action::Write { .. });
        assert!(!actions.iter().any(writes), "on a connection that is lost");
        self.of_listener(actions);
    }

    /// The sender closes the connection: it reads whatever has arrived, and hears of the loss.
    fn closed_by_sender(&mut self, code: CloseCode) -> Vec<Event> {
        assert_eq!(code, CloseCode::Done, "no node knows another");
        self.dialling = None;
        let error = LinkError::Local {
            reason: String::new(),
        };
        let left = self.link.as_mut().map(|link| {
            let attempt = link.dialled;
            let mut events = read_on(&mut link.back, &mut self.oracle, ALL, attempt);
            events.push(Event::ConnectionLost { attempt, error });
            events
        });
        let reason = String::new();
        self.lose_at_listener(LinkError::Closed { code, reason });
        left.unwrap_or_default()
    }

    fn step(&mut self, events: impl IntoIterator<Item = Event>) {
        let mut actions = Vec::new();
        self.sender.handle(self.now, events, &mut actions);
        let mut left = Vec::new();
        for action in actions {
            match action {
                Action::Connect { attempt, .. } => {
                    self.lose_at_listener(LinkError::IdleTimeout);
                    self.dialling = Some(attempt);
                }
                Action::Write {
                    transfer,
                    attempt,
                    stream,
                    chunks,
                    fin,
                    ..
                } => self.written(false, transfer, attempt, stream, &chunks, fin),
                Action::PauseReading { .. } => self.pause(true, true),
                Action::Probe { attempt } => self.probed(false, attempt),
                Action::ResumeReading { .. } => self.pause(true, false),
                Action::Deliver(message) => {
                    assert_eq!(message.number, self.replies.1, "a running count");
                    self.replies.1 += 1;
                    self.got(None, &message);
                }
                Action::Settle { id, outcome } => {
                    self.oracle.settled(End::Dialler, id, &outcome);
                }
                Action::Reject { id, .. } => self.oracle.rejected(End::Dialler, id),
                Action::Close { code, .. } => left.extend(self.closed_by_sender(code)),
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
        if !left.is_empty() {
            self.step(left);
        }
    }
}

/// What a machine is told of the other end's stream.
fn read_on(pipe: &mut Pipe, oracle: &mut Oracle, bytes: usize, attempt: Attempt) -> Vec<Event> {
    let stream = StreamId {
        opener: Side::Remote,
        index: 0,
    };
    let mut events = Vec::new();
    if let Some((bytes, whole)) = pipe.read(bytes) {
        whole.into_iter().for_each(|id| oracle.read(id));
        if !pipe.opened {
            pipe.opened = true;
            events.push(Event::StreamOpened { attempt, stream });
        }
        events.push(Event::BytesReceived {
            attempt,
            stream,
            bytes,
            fin: false,
        });
    }
    events
}
