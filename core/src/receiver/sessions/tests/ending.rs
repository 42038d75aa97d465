//! How the table and its books end.

use super::*;

#[test]
fn attempts_that_do_not_increase_are_ignored() {
    let mut table = Table::new();
    table.accept(5, key(1));
    table.accept(5, key(2));
    table.accept(4, key(2));
    assert_eq!(table.sessions.stats().stale_events, 2);
    assert_eq!(table.events(4, [opened(4, 0)]), (None, vec![]));
}

#[test]
fn a_drain_ends_each_connection_in_good_order_and_empties_the_table() {
    let mut table = Table::new();
    let (busy, first) = table.connect(1, key(1), id(1));
    let Some(Action::Write { transfer, .. }) = first.first() else {
        panic!()
    };
    table.events(
        1,
        [Event::TransferFinished {
            transfer: *transfer,
        }],
    );
    table.events(1, [received(1, 0, &message(vec![], b"held"))]);
    let (idle, _) = table.connect(2, key(2), id(1));
    table.lose(2);
    table.accept(3, key(3));
    let away = CloseCode::GoingAway;
    let actions = table.stop(StopMode::Drain(Duration::from_secs(10)));
    assert_eq!(closed(&actions), [(3, away)]);
    assert_eq!(table.forgotten(), [idle.unwrap()]);
    let due = Deadline {
        at: Time::from_secs(10),
        timer: Timer::Drain,
    };
    assert_eq!(table.sessions.next_deadline(), Some(due));
    assert_eq!(closed(&table.accept(4, key(4))), [(4, away)]);
    let actions = table.consume(busy.unwrap(), 1);
    assert!(
        matches!(&actions[..], [Action::Write { fin: true, .. }]),
        "{actions:?}"
    );
    let acknowledged = Event::StreamAcknowledged {
        attempt: Attempt(1),
        stream: stream(0),
    };
    let (_, actions) = table.events(1, [acknowledged]);
    assert_eq!(closed(&actions), [(1, away)]);
    assert_eq!(table.forgotten(), [busy.unwrap()]);
    assert!(table.sessions.is_empty());
    assert_eq!(table.sessions.next_deadline(), None);
}

#[test]
fn what_the_application_holds_leaves_the_books_with_its_session() {
    let mut table = Table::small(1, 1);
    let (first, _) = table.connect(1, key(1), id(1));
    table.events(1, [received(1, 0, &message(vec![], b"held"))]);
    assert!(table.sessions.stats().held_bytes > 0);
    table.lose(1);
    table.connect(2, key(2), id(1));
    assert_eq!(table.forgotten(), [first.unwrap()]);
    let stats = table.sessions.stats();
    assert_eq!((stats.held_bytes, stats.delivered), (0, 1));
}

#[test]
fn the_drains_deadline_is_a_deadline_of_the_table() {
    let mut table = Table::new();
    table.connect(1, key(1), id(1));
    table.stop(StopMode::Drain(Duration::from_secs(10)));
    table.now = Time::from_secs(10);
    assert_eq!(closed(&table.timeout()), [(1, CloseCode::GoingAway)]);
    assert!(table.sessions.is_empty());
    assert_eq!(table.sessions.next_deadline(), None);
}

#[test]
fn an_abort_closes_every_connection_at_once() {
    let mut table = Table::new();
    table.connect(1, key(1), id(1));
    table.connect(2, key(1), id(1));
    table.accept(3, key(2));
    let actions = table.stop(StopMode::Abort);
    let away = CloseCode::GoingAway;
    let mut all = closed(&actions);
    all.sort_unstable();
    assert_eq!(all, [(1, away), (2, away), (3, away)]);
    assert!(table.sessions.is_empty());
}

#[test]
fn check_sees_what_is_wrong() {
    let mut table = Table::new();
    let (standing, _) = table.connect(1, key(1), id(1));
    let (idle, _) = table.connect(2, key(2), id(1));
    table.lose(2);
    let (standing, idle) = (standing.unwrap(), idle.unwrap());
    let sees = |table: &Table, expected: &str| {
        assert_eq!(table.sessions.check().unwrap_err().id, expected);
    };
    let at = Time::ZERO;
    table.sessions.idle.remove(&(at, idle));
    sees(&table, "I15");
    table.sessions.idle.insert((at, standing));
    sees(&table, "I15");
    table.sessions.idle = BTreeSet::from([(at, idle)]);
    assert_eq!(table.sessions.check(), Ok(()));

    let owner = table.sessions.connections.remove(&Attempt(1)).unwrap();
    sees(&table, "I10");
    table.sessions.connections.insert(Attempt(9), owner);
    sees(&table, "I10");
    table.sessions.connections = BTreeMap::from([(Attempt(1), Owner::Session(standing))]);
    assert_eq!(table.sessions.check(), Ok(()));

    let newest = table.sessions.newest.replace(Attempt(0));
    sees(&table, "I10");
    table.sessions.newest = newest;
    table.sessions.next_handle = 1;
    sees(&table, "I10");
    table.sessions.next_handle = 2;
    assert_eq!(table.sessions.check(), Ok(()));

    table.sessions.room.change(key(1), 0, 7);
    sees(&table, "I21");
    table.sessions.room.change(key(2), 7, 0);
    sees(&table, "I21");
    table.sessions.room.change(key(1), 7, 0);
    table.sessions.room.change(key(2), 0, 7);
    sees(&table, "I21");
    table.sessions.room.change(key(2), 7, 0);
    assert_eq!(table.sessions.check(), Ok(()));

    table.sessions.config.sessions_max = 1;
    sees(&table, "I21");
    table.sessions.config.sessions_max = 2;
    table.sessions.by_name.insert((key(1).into(), id(1)), idle);
    sees(&table, "I10");
}

#[test]
fn a_connection_that_is_left_and_then_forgotten_is_forgotten_by_the_table_too() {
    let receiver = ReceiverConfig::default().with_protocol(Protocol::Framed);
    let config = || SessionsConfig {
        receiver: receiver.clone().unwrap(),
        ..SessionsConfig::default()
    };
    let drain = StopMode::Drain(Duration::from_secs(1));
    let ends: [fn(&mut Table, SessionHandle); 2] = [
        |table, session| {
            let mode = StopMode::Abort;
            table.do_and_check(|it, now, actions| {
                it.handle_session(now, session, [Event::Stop { mode }], actions);
            });
        },
        |table, _| {
            table.now = Time::from_secs(2);
            table.timeout();
        },
    ];
    for end in ends {
        let mut table = Table::with(config());
        table.accept(4, key(1));
        let bytes = [0, 0, 0, 1, 9];
        let (session, _) = table.events(4, [opened(4, 0), received(4, 0, &bytes)]);
        let session = session.unwrap();
        let actions = table.do_and_check(|it, now, actions| {
            it.handle_session(now, session, [Event::Stop { mode: drain }], actions);
        });
        assert_eq!(closed(&actions).len(), 1);
        assert!(
            table.sessions.is_open(Attempt(4)),
            "its end is still to come"
        );
        end(&mut table, session);
        assert!(!table.sessions.is_open(Attempt(4)));
        assert!(table.sessions.is_empty());
        assert_eq!(table.lose(4), None);
    }
}

/// Its transport may acknowledge what it sends as soon as it is let in.
#[test]
fn a_connection_without_lanes_is_a_session_at_once_or_is_closed() {
    for protocol in [Protocol::Plain, Protocol::Framed] {
        let mut table = Table::small(2, 1);
        table.sessions.config.receiver.protocol = protocol;
        assert_eq!(table.accept(1, key(1)), []);
        let session = table.sessions.session_of(Attempt(1));
        assert_eq!((session, table.sessions.len()), (Some(SessionHandle(0)), 1));

        let refused = table.accept(2, key(1));
        let [Action::Close { attempt, code, .. }] = &refused[..] else {
            panic!("{refused:?}");
        };
        assert_eq!((*attempt, *code), (Attempt(2), CloseCode::ExcessiveLoad));
        assert!(!table.sessions.is_open(Attempt(2)));

        table.lose(1);
        assert_eq!(table.sessions.len(), 0, "it has brought nothing");
        assert_eq!(table.accept(3, key(1)), []);
    }
}

/// What its connection had brought waits for the application, and its sender takes it for received.
#[test]
fn a_session_that_keeps_what_came_late_is_not_forgotten_for_another() {
    for (sessions_max, sessions_per_key_max) in [(1, 9), (9, 1)] {
        let mut table = Table::small(sessions_max, sessions_per_key_max);
        let receiver = ReceiverConfig::new(20_000, 20_000).unwrap();
        table.sessions.config.receiver = receiver.with_protocol(Protocol::Framed).unwrap();
        table.accept(1, key(1));
        let large = [&17_000_u32.to_be_bytes()[..], &[7; 17_000]].concat();
        let twice = [&large[..], &large[..]].concat();
        table.events(1, [opened(1, 0), received(1, 0, &twice)]);
        let session = table.lose(1).unwrap();
        assert_eq!(table.sessions.len(), 1);
        let refused = table.accept(2, key(1));
        assert!(
            matches!(&refused[..], [Action::Close { .. }]),
            "{refused:?}"
        );

        // It is the application's once there is room, which then has all there was.
        let (lane, below) = (Lane(0), 1);
        table.do_and_check(|it, now, actions| {
            it.handle_session(now, session, [Event::Consumed { lane, below }], actions);
        });
        assert_eq!(table.accept(3, key(1)), []);
        let news = core::iter::from_fn(|| table.sessions.poll_news());
        let news: Vec<SessionNews> = news.collect();
        let gives = |it: &&SessionNews| matches!(it, SessionNews::Delivered { .. });
        assert_eq!(news.iter().filter(gives).count(), 2, "{news:?}");
        assert_eq!(news.last(), Some(&SessionNews::Forgotten { session }));
    }
}
