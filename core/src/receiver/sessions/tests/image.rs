//! What an image of a table holds, and which are refused.

use alloc::string::{String, ToString};

use super::*;
use crate::trace::image::COUNT_MAX;
use crate::trace::{Image, ImageError};
use crate::{MessageOptions, Protocol};

const CANARY: &[u8] = b"CANARY";

fn secret(bytes: usize) -> Vec<u8> {
    CANARY.iter().copied().cycle().take(bytes).collect()
}

fn image(table: &Sessions) -> Vec<u8> {
    let mut image = Vec::new();
    table.save(&mut image);
    image
}

/// That it is restored as it is, and tells no payload.
fn keeps_secrets(table: &Sessions) -> Sessions {
    let image = image(table);
    let told = |bytes: &[u8]| CANARY.windows(4).any(|of| of == bytes);
    assert!(!image.windows(4).any(told), "{table:?}");
    let restored = Sessions::restore(&image).unwrap();
    let mut again = Vec::new();
    restored.save(&mut again);
    assert_eq!(again, image);
    assert_eq!(restored.stats(), table.stats());
    assert_eq!(restored.next_deadline(), table.next_deadline());
    restored
}

/// Both, without undelivered news.
fn same(restored: &Sessions, table: &Sessions) {
    assert_eq!(alloc::format!("{restored:?}"), alloc::format!("{table:?}"));
}

fn reply(id: u64, bytes: usize) -> Event {
    Event::MessageQueued {
        id: MessageId(id),
        lane: Lane(0),
        payload: secret(bytes).into(),
        options: MessageOptions::default(),
    }
}

fn small(protocol: Protocol, of_one: usize, bytes: usize) -> SessionsConfig {
    let receiver = ReceiverConfig::new(20_000, of_one).unwrap();
    SessionsConfig {
        receiver: receiver.with_protocol(protocol).unwrap(),
        key_bytes_max: bytes,
        node_bytes_max: bytes,
        ..SessionsConfig::default()
    }
}

/// A table with a session that holds a message, has half of one, and sends replies; one that waits for
/// room; one without a connection; and connections that have named none.
fn busy() -> Table {
    let mut table = Table::with(small(Protocol::Lanes, 100_000, 20_000));
    let (first, _) = table.connect(1, key(1), id(1));
    let first = first.unwrap();
    let mut bytes = message(Vec::new(), &secret(100));
    encode_message_head(17_000, &mut bytes);
    bytes.extend(secret(16_000));
    table.events(1, [received(1, 0, &bytes)]);
    table.do_and_check(|it, now, actions| {
        it.handle_session(now, first, [reply(1, 50), reply(2, 5_000)], actions);
    });
    table.connect(2, sharing(2), id(2));
    let held = message(Vec::new(), &secret(1_000));
    table.events(2, [received(2, 0, &message(held, &secret(8_000)))]);
    table.connect(3, key(3), id(3));
    table.now = Time::from_secs(5);
    table.lose(3);
    table.accept(4, sharing(4));
    table.events(4, [opened(4, 0), received(4, 0, &open(id(4), 0)[..12])]);
    table.accept(5, key(4));
    while table.sessions.poll_news().is_some() {}
    assert_eq!(table.sessions.room.waiting().count(), 1);
    table
}

#[test]
fn no_payload_of_lanes_is_in_an_image() {
    let table = busy();
    let mut restored = keeps_secrets(&table.sessions);
    same(&restored, &table.sessions);
    // What waits for room gets it, once the message that is coming is lost.
    let mut straight = table.sessions.clone();
    for table in [&mut restored, &mut straight] {
        let lost = Event::ConnectionLost {
            attempt: Attempt(1),
            error: LinkError::IdleTimeout,
        };
        let mut actions = Vec::new();
        table.handle_connection(Time::from_secs(6), Attempt(1), [lost], &mut actions);
        table.check().unwrap();
        let resumed = |it: &Action| matches!(it, Action::ResumeReading { .. });
        assert!(actions.iter().any(resumed), "{actions:?}");
        while table.poll_news().is_some() {}
    }
    same(&restored, &straight);
}

#[test]
fn no_payload_of_the_plain_protocol_is_in_an_image() {
    let mut table = Table::with(small(Protocol::Plain, 20_000, 30_000));
    for attempt in 1..=2 {
        table.accept(attempt, key(1));
        let held = opened(attempt, 0);
        table.events(attempt, [held, ended(attempt, 0, 17_000)]);
        // There is no room for it while the other is held.
        table.events(attempt, [opened(attempt, 1), ended(attempt, 1, 18_000)]);
        table.events(
            attempt,
            [opened(attempt, 2), received(attempt, 2, &secret(100))],
        );
    }
    let session = table.sessions.session_of(Attempt(2)).unwrap();
    table.do_and_check(|it, now, actions| {
        it.handle_session(now, session, [reply(1, 50), reply(2, 5_000)], actions);
    });
    table.lose(1);
    while table.sessions.poll_news().is_some() {}
    let text = alloc::format!("{:?}", table.sessions);
    assert!(text.contains("late: 1 messages"), "{text}");
    let restored = keeps_secrets(&table.sessions);
    assert_eq!(
        restored.stats().held_bytes,
        table.sessions.stats().held_bytes
    );
    assert!(restored.stats().held_bytes > 0);
}

fn ended(attempt: u64, index: u64, bytes: usize) -> Event {
    Event::BytesReceived {
        attempt: Attempt(attempt),
        stream: stream(index),
        bytes: secret(bytes).into(),
        fin: true,
    }
}

fn first(table: &mut Sessions) -> &mut Session {
    table.sessions.first_entry().unwrap().into_mut()
}

#[test]
fn a_table_that_cannot_be_is_refused() {
    type Break = fn(&mut Sessions);
    let broken: [(&str, Break); 14] = [
        ("counters", |it| it.past.refused = COUNT_MAX + 1),
        ("counters", |it| it.next_handle = COUNT_MAX + 1),
        ("counters", |it| it.next_record = COUNT_MAX + 1),
        ("told apart", |it| {
            it.room.wait_at(COUNT_MAX + 1, COUNT_MAX + 2)
        }),
        ("not there", |it| it.room.wait_at(7, 7)),
        ("names", |it| first(it).name = (sharing(2), id(2))),
        ("I10", |it| it.newest = Some(Attempt(4))),
        ("I10", |it| it.next_handle = 2),
        ("I21", |it| it.config.sessions_max = 2),
        ("I15", |it| first(it).idle_since = Some(Time::ZERO)),
        ("another protocol", |it| {
            it.config.receiver.protocol = Protocol::Plain
        }),
        ("ttl", |it| {
            it.config.receiver.send.policy.ttl = Some(Duration::ZERO)
        }),
        ("inbound_bytes_max", |it| {
            it.config.receiver.receive.inbound_bytes_max = 0
        }),
        ("counted", |it| {
            it.config.receiver.receive.message_bytes_max = 10
        }),
    ];
    let table = busy();
    assert!(first(&mut table.sessions.clone()).idle_since.is_none());
    for (expected, break_it) in broken {
        let mut wrong = table.sessions.clone();
        break_it(&mut wrong);
        let error = Sessions::restore(&image(&wrong)).unwrap_err();
        let told: String = error.to_string();
        assert!(told.contains(expected), "{told}, not {expected}");
        let unsound = matches!(error, ImageError::Unsound(_));
        assert_eq!(
            unsound,
            expected.starts_with('I') || expected == "names",
            "{told}"
        );
    }
}
