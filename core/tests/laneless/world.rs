//! One run: a sender, a listener, and what chance does to both and to the connections between them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::table::{self, Cause, Standing};
use peer_sender_core::{
    Attempt, Config, Event, Lane, MessageId, MessageOptions, PeerSenderMachine, ReceiverConfig,
    Redelivery, SendLimits, SendPolicy, SessionHandle, Sessions, SessionsConfig, StopMode, Time,
};

use crate::connections::Link;
use crate::ends::End;
use crate::machines::Given;
use crate::oracle::Oracle;
use crate::pipes::Pipes;
use crate::rng::Rng;
use crate::runs::Count;
use crate::twin::{Sender, Table};

/// The largest message that a listener takes.
pub(crate) const LARGEST: usize = 50_000;

const LONG: Duration = Duration::from_secs(1_000_000);

pub(crate) struct World<P> {
    pub(crate) rng: Rng,
    pub(crate) now: Time,
    pub(crate) sender: Sender,
    pub(crate) listener: Table,
    pub(crate) link: Option<Link<P>>,
    pub(crate) dialling: Option<Attempt>,
    /// How many connections the listener has let in.
    pub(crate) accepted: u64,
    /// How many messages both ends were handed.
    messages: u64,
    /// What each session gave out, and the sender.
    pub(crate) given: BTreeMap<Option<SessionHandle>, Given>,
    pub(crate) oracle: Oracle,
    pub(crate) stopped: bool,
    pub(crate) listener_stops: bool,
}

impl<P: Pipes> World<P> {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng(seed.wrapping_mul(2).wrapping_add(1));
        let redelivery = match rng.chance(50) {
            true => Redelivery::AtLeastOnce,
            false => Redelivery::AtMostOnce,
        };
        // With images at hand, some have machines that are made again from theirs.
        let followed = seed.is_multiple_of(4) && cfg!(feature = "trace");
        let sender = PeerSenderMachine::new(dialling::<P>(&mut rng, redelivery), [1; 32]);
        let listener = Sessions::new(listening::<P>(&mut rng), [2; 32]);
        Self {
            now: Time::from_secs(1),
            sender: Sender::new(sender, P::PROTOCOL, followed),
            listener: Table::new(listener, P::PROTOCOL, followed),
            link: None,
            dialling: None,
            accepted: 0,
            messages: 0,
            given: BTreeMap::new(),
            oracle: Oracle::new(P::PROTOCOL, redelivery, LARGEST),
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
            false => StopMode::Drain(LONG),
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
        self.end(aborts)
    }

    /// The sender has ended: the applications take what is left.
    fn end(mut self, aborted: bool) -> Count {
        self.forget_link();
        for _ in 0..1_000 {
            self.answer_messages(u64::MAX, false);
            self.answer_replies(u64::MAX, false);
        }
        assert!(self.listener.is_empty(), "a session is kept for nothing");
        let parted = (Standing::Draining, Cause::Done, Standing::Idle);
        let row = table::find(parted.0, parted.1, parted.2).unwrap();
        if self.sender.visits()[row] > 0 {
            self.oracle.count.one("closed before the end");
        }
        self.oracle.ends(aborted);
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
            23..32 => self.dialled(faults),
            32..40 if faults => self.reply(),
            32..87 => self.advance(),
            87..95 => {
                let many = self.rng.below(3);
                self.answer_messages(many, faults);
                if !faults || self.rng.chance(30) {
                    self.answer_replies(many, faults);
                }
            }
            95 | 96 if faults => self.lose(),
            97 if faults => self.move_away(),
            _ => self.wait(),
        }
        self.sender.check().unwrap();
        self.listener.check().unwrap();
    }

    fn hand_over(&mut self) {
        let message = self.message(End::Dialler);
        self.step([message]);
    }

    /// The listener's application replies to some session.
    fn reply(&mut self) {
        let sessions = self.sessions();
        let some = self.rng.below(sessions.len() as u64) as usize;
        if let Some(&session) = sessions.get(some) {
            let message = self.message(End::Listener);
            self.step_session(session, [message]);
        }
    }

    /// The next message of an end: its name, and as much else as chance says.
    fn message(&mut self, from: End) -> Event {
        let id = self.messages;
        self.messages += 1;
        let size = match self.rng.below(10) {
            0 => P::MESSAGE_MAX - self.rng.below(20_000) as usize,
            1..4 => 8 + self.rng.below(LARGEST as u64 - 8) as usize,
            _ => 8 + self.rng.below(100) as usize,
        };
        let mut payload = id.to_be_bytes().to_vec();
        payload.resize(size, id as u8);
        let payload = Bytes::from(payload);
        self.oracle.accepted(from, id, payload.clone());
        Event::MessageQueued {
            id: MessageId(id),
            lane: Lane(0),
            payload,
            options: MessageOptions::default(),
        }
    }

    fn wait(&mut self) {
        let wait = self.rng.below(500);
        self.now = self.now + Duration::from_millis(wait);
        self.step([Event::TimerFired]);
        let mut actions = Vec::new();
        self.listener.handle_timeout(self.now, &mut actions);
        self.of_listener(actions);
    }

    /// The sender is told that the peer has moved, perhaps without having heard what QUIC took last.
    fn move_away(&mut self) {
        self.oracle.count.one("moved");
        let port = 4_433 + self.rng.below(2) as u16;
        let addresses = vec![([192, 0, 2, 1], port).into()];
        if self.rng.chance(50) {
            self.arrive();
        }
        self.step([Event::AddressesChanged { addresses }]);
        // It had not moved after all, or this comes too late.
        self.tell_dialler();
    }

    /// The listener ends in good order: what has come is given out first.
    fn stop_listener(&mut self) {
        // A node hears what has come before it stops, at least that something has.
        self.begin();
        let mut actions = Vec::new();
        let mode = StopMode::Drain(LONG);
        self.listener.stop(self.now, mode, &mut actions);
        self.listener_stops = true;
        self.of_listener(actions);
        self.oracle.count.one("stopped at the listener");
    }
}

fn dialling<P: Pipes>(rng: &mut Rng, redelivery: Redelivery) -> Config {
    let config = Config::builder(([192, 0, 2, 1], 4_433).into())
        .protocol(P::PROTOCOL)
        .streams_max(1 + rng.below(12) as u16)
        .queue_messages_max(20)
        .flight_bytes_max(1 + rng.below(200_000) as usize)
        .inbound_bytes_max(P::MESSAGE_MAX + 10_000)
        .message_bytes_max(P::MESSAGE_MAX)
        .redelivery(redelivery)
        .patience(Duration::from_secs(rng.below(20)))
        .ttl(rng.chance(30).then_some(Duration::from_secs(3)))
        .health_after(Duration::from_secs(1))
        .backoff_max(Duration::from_secs(1));
    config.build().unwrap()
}

fn listening<P: Pipes>(rng: &mut Rng) -> SessionsConfig {
    let replies = SendLimits {
        policy: SendPolicy {
            patience: Duration::from_secs(rng.below(20)),
            ..SendPolicy::default()
        },
        ..SendLimits::default()
    };
    let receiver = ReceiverConfig::new(LARGEST, 120_000).unwrap();
    let receiver = receiver.with_replies(replies).unwrap();
    SessionsConfig {
        receiver: receiver.with_protocol(P::PROTOCOL).unwrap(),
        key_bytes_max: 150_000,
        node_bytes_max: 150_000,
        sessions_per_key_max: 10_000,
        sessions_max: 10_000,
        ..SessionsConfig::default()
    }
}
