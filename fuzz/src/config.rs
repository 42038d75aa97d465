//! Any calls whatever on the builder of a sender's configuration. What it refuses is a field that
//! is out of its documented range; what it accepts makes a machine that works within its bound.
//!
//! Each record is a call.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::wire::{Frame, Resume};
use peer_sender_core::{
    Action, Config, ConfigBuilder, Epoch, Event, LANES_MAX, Lane, MessageId, MessageOptions,
    PeerSenderMachine, Priority, Protocol, Redelivery, StopMode, Time, WhenFull,
};
use peer_sender_sim::tape::{Choices, Tape};

use crate::draw::one_of;
use crate::{judge, memory};

/// What the calls ask for, as far as it has a range.
#[derive(Clone, Debug)]
struct Asked {
    addresses: Vec<SocketAddr>,
    plain: bool,
    lanes: u8,
    /// The numbers, by the names of their setters.
    counts: BTreeMap<&'static str, usize>,
    times: BTreeMap<&'static str, Option<Duration>>,
    attempts_max: Option<u32>,
    priorities: BTreeMap<u8, Priority>,
}

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(tape) = Tape::read(bytes) else {
        return false;
    };
    let address = SocketAddr::from(([192, 0, 2, 1], 4_433));
    let mut builder = Config::builder(address);
    let mut asked = Asked::defaults(address);
    for mut choices in tape {
        builder = call(builder, &mut asked, &mut choices);
    }
    let wrong = asked.out_of_range();
    match builder.build() {
        Err(error) => {
            let named = wrong.contains(error.field);
            assert!(named, "C1 {error}, of {wrong:?} in {asked:?}");
            assert!(
                !error.problem.is_empty(),
                "C1 {} for no reason",
                error.field
            );
        }
        Ok(config) => {
            assert!(wrong.is_empty(), "C1 {wrong:?} accepted of {asked:?}");
            works(config, &asked);
        }
    }
    true
}

impl Asked {
    fn defaults(address: SocketAddr) -> Self {
        let ms = Duration::from_millis;
        Self {
            addresses: vec![address],
            plain: false,
            lanes: LANES_MAX,
            counts: BTreeMap::from([
                ("message_bytes_max", 16 << 20),
                ("queue_messages_max", 8_192),
                ("queue_bytes_max", 16 << 20),
                ("flight_messages_max", 8_192),
                ("flight_bytes_max", 4 << 20),
                ("streams_max", 128),
                ("inbound_bytes_max", 32 << 20),
            ]),
            times: BTreeMap::from([
                ("connect_timeout", Some(ms(5_000))),
                ("backoff_min", Some(ms(100))),
                ("backoff_max", Some(ms(3_600_000))),
                ("refusal_backoff_min", Some(ms(5_000))),
                ("refusal_backoff_max", Some(ms(300_000))),
                ("health_after", Some(ms(10_000))),
                ("give_up_after", None),
                ("disconnect_after", Some(ms(300_000))),
                ("slow_after", Some(ms(10_000))),
                ("ttl", None),
            ]),
            attempts_max: None,
            priorities: BTreeMap::new(),
        }
    }

    fn count(&self, name: &str) -> usize {
        self.counts.get(name).copied().unwrap_or_default()
    }

    fn time(&self, name: &str) -> Option<Duration> {
        self.times.get(name).copied().flatten()
    }

    /// The fields that are out of the ranges that their documentation states.
    fn out_of_range(&self) -> BTreeSet<&'static str> {
        let mut wrong = BTreeSet::new();
        let mut unless = |field, holds: bool| {
            if !holds {
                wrong.insert(field);
            }
        };
        let dialled = |it: &SocketAddr| it.port() != 0 && !it.ip().is_unspecified();
        unless("address", self.addresses.iter().all(dialled));
        // The default is as many lanes as the protocol has.
        let lanes = match (self.plain, self.lanes) {
            (true, LANES_MAX) => 1,
            (_, lanes) => lanes,
        };
        unless("lanes", (1..=LANES_MAX).contains(&lanes));
        unless("lanes", !self.plain || lanes == 1);
        let misplaced = |(lane, class): (&u8, &Priority)| {
            *lane >= LANES_MAX || *lane >= lanes && *class != Priority::Normal
        };
        unless("priority", !self.priorities.iter().any(misplaced));
        let message = self.count("message_bytes_max");
        unless("message_bytes_max", (1..=1 << 30).contains(&message));
        for field in ["queue_bytes_max", "inbound_bytes_max"] {
            unless(field, self.count(field) >= message);
        }
        for field in [
            "queue_messages_max",
            "flight_messages_max",
            "flight_bytes_max",
            "streams_max",
        ] {
            unless(field, self.count(field) >= 1);
        }
        for field in [
            "connect_timeout",
            "health_after",
            "give_up_after",
            "slow_after",
            "ttl",
        ] {
            unless(field, self.time(field) != Some(Duration::ZERO));
        }
        let shortest = Some(Duration::from_millis(1));
        for (min, max) in [
            ("backoff_min", "backoff_max"),
            ("refusal_backoff_min", "refusal_backoff_max"),
        ] {
            unless(min, self.time(min) >= shortest);
            unless(max, self.time(max) >= self.time(min));
        }
        let rests = self.time("disconnect_after");
        unless(
            "disconnect_after",
            rests.is_none_or(|it| it >= Duration::from_secs(1)),
        );
        unless("attempts_max", self.attempts_max != Some(0));
        wrong
    }
}

fn call(builder: ConfigBuilder, asked: &mut Asked, choices: &mut Choices<'_>) -> ConfigBuilder {
    let setter = choices.below(28);
    let mut size = |name, choices: &mut Choices<'_>| {
        let size = size(choices);
        asked.counts.insert(name, size);
        size
    };
    match setter {
        0 => return builder.message_bytes_max(size("message_bytes_max", choices)),
        1 => return builder.queue_messages_max(size("queue_messages_max", choices)),
        2 => return builder.queue_bytes_max(size("queue_bytes_max", choices)),
        3 => return builder.flight_messages_max(size("flight_messages_max", choices)),
        4 => return builder.flight_bytes_max(size("flight_bytes_max", choices)),
        5 => return builder.inbound_bytes_max(size("inbound_bytes_max", choices)),
        _ => {}
    }
    let mut time = |name, choices: &mut Choices<'_>| {
        let time = time(choices);
        asked.times.insert(name, Some(time));
        time
    };
    match setter {
        6 => return builder.connect_timeout(time("connect_timeout", choices)),
        7 => return builder.backoff_min(time("backoff_min", choices)),
        8 => return builder.backoff_max(time("backoff_max", choices)),
        9 => return builder.refusal_backoff_min(time("refusal_backoff_min", choices)),
        10 => return builder.refusal_backoff_max(time("refusal_backoff_max", choices)),
        11 => return builder.health_after(time("health_after", choices)),
        12 => return builder.patience(time("patience", choices)),
        _ => {}
    }
    let mut maybe = |name, choices: &mut Choices<'_>| {
        let time = choices.chance(200).then(|| self::time(choices));
        asked.times.insert(name, time);
        time
    };
    match setter {
        13 => builder.give_up_after(maybe("give_up_after", choices)),
        14 => builder.disconnect_after(maybe("disconnect_after", choices)),
        15 => builder.slow_after(maybe("slow_after", choices)),
        16 => builder.ttl(maybe("ttl", choices)),
        17 => {
            asked.lanes = match choices.below(4) {
                3 => choices.byte(),
                _ => choices.below(10) as u8,
            };
            builder.lanes(asked.lanes)
        }
        18 => {
            let streams = choices.below(1 << 16) as u16;
            asked.counts.insert("streams_max", usize::from(streams));
            builder.streams_max(streams)
        }
        19 => {
            let most = choices.chance(200).then(|| choices.below(4) as u32);
            asked.attempts_max = most;
            builder.attempts_max(most)
        }
        20 => builder.jitter(choices.chance(128)),
        21 => builder.redelivery(one_of(
            choices,
            &[Redelivery::AtLeastOnce, Redelivery::AtMostOnce],
        )),
        22 => builder.when_full(one_of(choices, &[WhenFull::Reject, WhenFull::DropOldest])),
        23 | 24 => {
            let lane = choices.below(12) as u8;
            let class = one_of(choices, &[Priority::Normal, Priority::High, Priority::Low]);
            asked.priorities.insert(lane, class);
            builder.priority(Lane(lane), class)
        }
        25 => {
            asked.plain = choices.chance(128);
            builder.protocol(match asked.plain {
                true => Protocol::Plain,
                false => Protocol::Lanes,
            })
        }
        26 => {
            asked.addresses = (0..choices.below(4)).map(|_| address(choices)).collect();
            builder.addresses(asked.addresses.clone())
        }
        _ => {
            let (wan, longest) = match choices.chance(128) {
                true => (true, 30),
                false => (false, 2),
            };
            let longest = Some(Duration::from_secs(longest));
            asked.times.insert("backoff_max", longest);
            match wan {
                true => builder.wan(),
                false => builder.lan(),
            }
        }
    }
}

fn size(choices: &mut Choices<'_>) -> usize {
    let size = match choices.below(8) {
        0..3 => choices.below(300),
        3 => (1 << 30) - 1 + choices.below(3),
        4 => u64::MAX - choices.below(2),
        5 => (16 << 20) - 1 + choices.below(3),
        _ => choices.log_uniform(0, u64::MAX),
    };
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn time(choices: &mut Choices<'_>) -> Duration {
    match choices.below(8) {
        0 => Duration::ZERO,
        1 => Duration::MAX,
        2 => Duration::from_nanos(choices.below(2_000_000)),
        3 => Duration::from_millis(999 + choices.below(3)),
        _ => choices.time(Duration::ZERO, Duration::from_secs(1 << 33)),
    }
}

fn address(choices: &mut Choices<'_>) -> SocketAddr {
    let port = match choices.chance(16) {
        true => 0,
        false => 4_433,
    };
    match choices.below(16) {
        0 => SocketAddr::from(([0; 4], port)),
        1 => SocketAddr::from(([0_u16; 8], port)),
        2 => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], port)),
        last => SocketAddr::from(([192, 0, 2, last as u8], port)),
    }
}

/// A short life: as much is offered as fits, on every lane, some is written and answered, and the
/// machine ends with everything settled, within its bound all along.
fn works(config: Config, asked: &Asked) {
    const MESSAGES: usize = 40;
    const BYTES: usize = 4_096;
    let memory_max = config.memory_max();
    let actions_max = config.actions_per_step_max();
    let lanes = config.send_limits().lanes;
    let message = config.message_bytes_max().min(BYTES);
    let dials = !config.addresses().is_empty();
    assert_eq!(dials, !asked.addresses.is_empty(), "C1 addresses were lost");
    let payload = Bytes::from(vec![7; message]);
    let before = memory::allocated();
    let mut machine = PeerSenderMachine::new(config, [7; 32]);
    let mut books = judge::Books::default();
    let mut told = |machine: &mut PeerSenderMachine, at, events: Vec<Event>| {
        let mut actions = Vec::new();
        let offered = events.len();
        machine.handle(at, events.iter().cloned(), &mut actions);
        judge::sound("an accepted configuration", machine.check());
        judge::timer(machine.next_deadline().map(|it| it.at), at);
        assert!(actions.len() <= actions_max.saturating_add(offered), "I22");
        books.step(&events, &actions, &machine.stats());
        books.links(&events, &actions);
        actions
    };
    let messages = (0..MESSAGES).map(|place| Event::MessageQueued {
        id: MessageId(place as u64),
        lane: Lane((place % usize::from(lanes)) as u8),
        payload: payload.clone(),
        options: MessageOptions::default(),
    });
    let begun = told(&mut machine, Time::ZERO, messages.collect());
    let dial = begun.iter().find_map(|action| match action {
        Action::Connect { attempt, .. } => Some(*attempt),
        _ => None,
    });
    assert_eq!(dial.is_some(), dials, "C1 a sender with an address dials");
    if let Some(attempt) = dial {
        let mut answers = told(&mut machine, Time::ZERO, vec![Event::Connected { attempt }]);
        for _ in 0..MESSAGES {
            let mut events = Vec::new();
            for action in &answers {
                if let Action::Write {
                    transfer, stream, ..
                } = action
                {
                    let (transfer, stream) = (*transfer, *stream);
                    events.push(Event::TransferFinished { transfer });
                    events.push(Event::StreamAcknowledged { attempt, stream });
                    events.push(Event::BytesReceived {
                        attempt,
                        stream,
                        bytes: resume(),
                        fin: false,
                    });
                }
            }
            if events.is_empty() {
                break;
            }
            answers = told(&mut machine, Time::ZERO, events);
        }
    }
    if let Some(grown) = memory::grown_since(before) {
        assert!(grown <= memory_max, "I21 {grown} bytes, of {memory_max}");
    }
    let mode = StopMode::Abort;
    told(&mut machine, Time::ZERO, vec![Event::Stop { mode }]);
    assert!(machine.is_closed(), "I28 an abort takes one step");
}

/// A receiver that has just begun, and has nothing yet.
fn resume() -> Bytes {
    let mut bytes = Vec::new();
    Frame::Resume(Resume {
        epoch: Epoch([1; 16]),
        record: 1,
        taken: 0,
        next: 0,
        message_bytes_max: 1 << 30,
    })
    .encode(&mut bytes);
    Bytes::from(bytes)
}
