//! I25: what is restored of a damaged image is refused, or is a machine that nothing breaks.

use std::fmt::Debug;
use std::time::Duration;

use peer_sender_core::trace::Image;
use peer_sender_core::wire::{Frame, Open, Resume, encode_message_head};
use peer_sender_core::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::case::SEED;
use crate::draw::shapes;
use crate::soup::{Told, event, tell, time, told};

/// How many bytes of an image are changed before it is restored, and how often.
const DAMAGES: usize = 40;

#[derive(Clone, Copy, Debug)]
enum Damage {
    Set(u8),
    Flip(u8),
    Add(u8),
    Insert(u8),
    Remove,
    /// Bytes from there on are those from here on.
    Copy(usize),
    End,
}

type Damages = Vec<Vec<(usize, Damage)>>;

fn damages() -> BoxedStrategy<Damages> {
    let byte = || prop_oneof![2 => 0..4_u8, 1 => any::<u8>()];
    let damage = prop_oneof![
        6 => byte().prop_map(Damage::Set),
        4 => (0..8_u8).prop_map(|bit| Damage::Flip(1 << bit)),
        4 => select(vec![1, 2, 254, 255]).prop_map(Damage::Add),
        2 => byte().prop_map(Damage::Insert),
        2 => Just(Damage::Remove),
        1 => any::<usize>().prop_map(Damage::Copy),
        1 => Just(Damage::End),
    ];
    vec(vec((any::<usize>(), damage), 1..4), DAMAGES).boxed()
}

fn damaged(image: &[u8], damages: &[(usize, Damage)]) -> Vec<u8> {
    let mut image = image.to_vec();
    for &(place, damage) in damages {
        let at = 2 + place % (image.len() - 2).max(1);
        if at >= image.len() {
            break;
        }
        match damage {
            Damage::Set(byte) => image[at] = byte,
            Damage::Flip(bits) => image[at] ^= bits,
            Damage::Add(more) => image[at] = image[at].wrapping_add(more),
            Damage::Insert(byte) => image.insert(at, byte),
            Damage::Remove => drop(image.remove(at)),
            Damage::Copy(from) => {
                let from = from % image.len();
                let bytes = image[from..].iter().copied().take(8).collect::<Vec<u8>>();
                let end = image.len().min(at + bytes.len());
                image.splice(at..end, bytes);
            }
            Damage::End => image.truncate(at),
        }
    }
    image
}

/// The image of a machine, which is restored as it was.
fn image_of<M: Image + Debug>(machine: &M) -> Result<Vec<u8>, TestCaseError> {
    let mut image = Vec::new();
    machine.save(&mut image);
    let restored = M::restore(&image);
    let restored = restored.map_err(|error| TestCaseError::fail(format!("{error} {machine:?}")))?;
    let mut again = Vec::new();
    restored.save(&mut again);
    prop_assert_eq!(&again, &image);
    Ok(image)
}

/// A machine whose image was damaged goes on from where it stands.
fn of_damaged<M: Image + Debug>(image: &[u8]) -> Option<M> {
    let machine = M::restore(image).ok()?;
    // Whatever it is, it has an image of its own.
    let mut again = Vec::new();
    machine.save(&mut again);
    M::restore(&again).unwrap();
    Some(machine)
}

fn lanes_of_peer(index: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    Frame::Open(Open {
        fresh: true,
        session: SessionId([7; 16]),
        lane: index,
        base: 0,
    })
    .encode(&mut bytes);
    encode_message_head(6, &mut bytes);
    bytes.extend(b"answer");
    encode_message_head(40, &mut bytes);
    bytes.extend(b"half");
    bytes
}

fn received(opener: Side, index: u64, bytes: Vec<u8>) -> Event {
    Event::BytesReceived {
        attempt: Attempt(0),
        stream: StreamId { opener, index },
        bytes: bytes.into(),
        fin: false,
    }
}

fn opened(index: u64) -> Event {
    let opener = Side::Remote;
    Event::StreamOpened {
        attempt: Attempt(0),
        stream: StreamId { opener, index },
    }
}

/// A connection that carries messages both ways.
fn conversation(plain: bool) -> Vec<Event> {
    let mut events = vec![Event::Connected {
        attempt: Attempt(0),
    }];
    for id in 0..4 {
        events.push(Event::MessageQueued {
            id: MessageId(id),
            lane: Lane(0),
            payload: vec![1; 10].into(),
            options: MessageOptions {
                expires_at: (id == 2).then_some(Time::from_secs(1)),
            },
        });
    }
    for index in 0..2 {
        let bytes = match plain {
            false => lanes_of_peer(index),
            true => vec![1; 20],
        };
        events.extend([opened(index), received(Side::Remote, index, bytes)]);
    }
    events
}

fn resumed() -> Event {
    let mut bytes = Vec::new();
    Frame::Resume(Resume {
        epoch: Epoch([3; 16]),
        record: 0,
        taken: 0,
        next: 0,
        message_bytes_max: 1_000,
    })
    .encode(&mut bytes);
    Frame::Receipt { taken: 1 }.encode(&mut bytes);
    received(Side::Local, 0, bytes)
}

type Steps<T> = Vec<(Duration, T)>;

fn steps() -> BoxedStrategy<Steps<Vec<Event>>> {
    vec((time(), vec(event(), 0..6)), 1..12).boxed()
}

#[test]
fn nothing_breaks_a_sender_of_a_damaged_image() {
    let before = (shapes(), any::<bool>(), any::<bool>(), steps());
    let strategy = (before, damages(), steps());

    let count = std::cell::Cell::new(0_u64);
    let result = crate::runner(crate::cases(400)).run(&strategy, |(before, damages, after)| {
        let (shape, plain, talks, before) = before;
        let config = match plain {
            true => shape.config().with_protocol(Protocol::Plain),
            false => Ok(shape.config()),
        };
        let config = config.unwrap_or_else(|_| shape.config());
        let plain = config.protocol() == Protocol::Plain;
        let mut machine = PeerSenderMachine::new(config, SEED);
        let mut now = Time::ZERO;
        if talks {
            for events in [vec![], conversation(plain), vec![resumed()]] {
                machine.handle(now, events, &mut Vec::new());
            }
        }
        let mut images = vec![image_of(&machine)?];
        for (after, events) in before {
            now = now + after;
            machine.handle(now, events, &mut Vec::new());
            images.push(image_of(&machine)?);
        }
        for (place, damages) in damages.iter().enumerate() {
            let image = damaged(&images[place % images.len()], damages);
            let Some(mut machine) = of_damaged::<PeerSenderMachine>(&image) else {
                continue;
            };
            count.set(count.get() + 1);
            let mut now = now;
            for (wait, events) in &after {
                now = now + *wait;
                machine.handle(now, events.clone(), &mut Vec::new());
                machine.canonical();
                machine.canonical_joint();
                machine.snapshot();
                machine.capacity(Lane(0));
            }
        }
        Ok(())
    });
    crate::ended(result);
    let accepted = count.get();
    println!("{accepted} machines of damaged images");
    assert!(accepted > 100, "of damaged images {accepted} were accepted");
}

#[test]
fn nothing_breaks_a_table_of_a_damaged_image() {
    let limits = (
        select(vec![60_usize, 1_000]),
        1..4_usize,
        1..3_usize,
        time(),
    );
    let steps = || vec((time(), told()), 1..20);
    let before = (limits, any::<bool>(), any::<bool>(), steps());
    let strategy = (before, damages(), steps());
    let count = std::cell::Cell::new(0_u64);
    let result = crate::runner(crate::cases(400)).run(&strategy, |(before, damages, after)| {
        let (limits, plain, talks, before) = before;
        let (bytes, sessions_max, sessions_per_key_max, session_ttl) = limits;
        let protocol = match plain {
            true => Protocol::Plain,
            false => Protocol::Lanes,
        };
        let receiver = ReceiverConfig::new(50, bytes).unwrap();
        let config = SessionsConfig {
            receiver: receiver.with_protocol(protocol).unwrap(),
            key_bytes_max: bytes,
            node_bytes_max: 2 * bytes,
            sessions_max,
            sessions_per_key_max,
            session_ttl,
        };
        let mut table = Sessions::new(config, SEED);
        let mut now = Time::ZERO;
        let attempt = Attempt(0);
        let talk = [
            Told::Accepted(attempt.0, 1),
            Told::Connection(attempt.0, conversation(plain)),
            Told::Session(0, conversation(plain)),
            Told::Connection(attempt.0, vec![resumed()]),
        ];
        let talk = talk.into_iter().filter(|_| talks);
        let talk = talk.map(|told| (Duration::ZERO, told));
        let mut images = vec![image_of(&table)?];
        for (wait, told) in talk.chain(before) {
            now = now + wait;
            tell(&mut table, now, told, &mut Vec::new());
            while table.poll_news().is_some() {}
            images.push(image_of(&table)?);
        }
        for (place, damages) in damages.iter().enumerate() {
            let image = damaged(&images[place % images.len()], damages);
            let Some(mut table) = of_damaged::<Sessions>(&image) else {
                continue;
            };
            count.set(count.get() + 1);
            let mut now = now;
            for (wait, told) in &after {
                now = now + *wait;
                tell(&mut table, now, told.clone(), &mut Vec::new());
                while table.poll_news().is_some() {}
                table.canonical();
                table.stats();
            }
        }
        Ok(())
    });
    crate::ended(result);
    let accepted = count.get();
    println!("{accepted} tables of damaged images");
    assert!(accepted > 100, "of damaged images {accepted} were accepted");
}
