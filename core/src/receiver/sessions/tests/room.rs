//! How many sessions are remembered, and for how long.

use super::*;

#[test]
fn the_least_recently_used_session_without_a_connection_makes_room() {
    let mut table = Table::small(3, 3);
    let handles: Vec<_> = (1..=3)
        .map(|n| table.connect(n, key(n as u8), id(1)).0.unwrap())
        .collect();
    for (attempt, second) in [(3, 1), (1, 2)] {
        table.now = Time::from_secs(second);
        table.lose(attempt);
    }
    let (fourth, actions) = table.connect(4, key(4), id(1));
    assert_eq!(
        (fourth, resume(&actions).record),
        (Some(SessionHandle(3)), 24)
    );
    assert_eq!(table.forgotten(), [handles[2]]);
    assert_eq!(table.sessions.key(handles[2]), None);
    // What was forgotten comes back as a new record, under a new name.
    let (again, actions) = table.connect(5, key(3), id(1));
    assert_eq!(
        (again, resume(&actions).record),
        (Some(SessionHandle(4)), 32)
    );
    assert_eq!(table.forgotten(), [handles[0]]);
}

#[test]
fn a_session_that_comes_back_is_used_again_and_not_the_first_to_go() {
    let mut table = Table::small(2, 2);
    let (first, _) = table.connect(1, key(1), id(1));
    let (second, _) = table.connect(2, key(2), id(1));
    table.lose(1);
    table.now = Time::from_secs(1);
    table.lose(2);
    table.now = Time::from_secs(2);
    table.connect(3, key(1), id(1));
    table.lose(3);
    table.connect(4, key(3), id(1));
    assert_eq!(table.forgotten(), [second.unwrap()]);
    assert!(table.sessions.key(first.unwrap()).is_some());
}

#[test]
fn a_new_session_is_refused_while_all_have_connections() {
    let mut table = Table::small(2, 2);
    table.connect(1, key(1), id(1));
    table.connect(2, key(2), id(1));
    let (session, actions) = table.connect(3, key(3), id(1));
    assert_eq!(
        (session, closed(&actions)),
        (None, vec![(3, CloseCode::ExcessiveLoad)])
    );
    assert_eq!(table.forgotten(), []);
    // A known session needs no room.
    assert!(table.connect(4, key(1), id(1)).0.is_some());
}

#[test]
fn a_key_makes_room_among_its_own_sessions_only() {
    let mut table = Table::small(10, 2);
    let (other, _) = table.connect(1, key(9), id(1));
    table.lose(1);
    table.now = Time::from_secs(1);
    let (first, _) = table.connect(2, key(1), id(1));
    table.connect(3, key(1), id(2));
    let (session, actions) = table.connect(4, key(1), id(3));
    assert_eq!(
        (session, closed(&actions)),
        (None, vec![(4, CloseCode::ExcessiveLoad)])
    );
    table.lose(2);
    assert!(table.connect(5, key(1), id(3)).0.is_some());
    assert_eq!(table.forgotten(), [first.unwrap()]);
    assert!(table.sessions.key(other.unwrap()).is_some());
}

#[test]
fn diallers_of_one_share_make_room_among_their_sessions_whatever_their_keys() {
    let mut table = Table::small(10, 2);
    // Who is known by that key, and has another share, takes nothing from it.
    let (share, other) = (key(9), key(1));
    let other = Dialler { share, key: other };
    let (others, _) = table.connect(1, other, id(1));
    table.lose(1);
    table.now = Time::from_secs(1);
    let (first, _) = table.connect(2, sharing(0), id(1));
    let (second, _) = table.connect(3, sharing(0xff), id(1));
    let known = [first, second].map(|it| table.sessions.key(it.unwrap()));
    assert_eq!(known, [Some(key(0)), Some(key(0xff))]);
    let (session, actions) = table.connect(4, sharing(7), id(1));
    assert_eq!(
        (session, closed(&actions)),
        (None, vec![(4, CloseCode::ExcessiveLoad)])
    );
    table.lose(2);
    assert!(table.connect(5, sharing(7), id(1)).0.is_some());
    assert_eq!(table.forgotten(), [first.unwrap()]);
    assert!(table.sessions.key(others.unwrap()).is_some());
}

#[test]
fn diallers_of_one_share_hold_its_bytes_together() {
    let mut table = Table::with(SessionsConfig {
        key_bytes_max: 300_000,
        ..SessionsConfig::default()
    });
    let first = table.connect(1, sharing(2), id(1)).0.unwrap();
    table.connect(2, sharing(3), id(1));
    table.connect(3, key(2), id(1));
    for _ in 0..2 {
        assert_eq!(send(&mut table, 1, 100_000), [100_000]);
    }
    assert_eq!(send(&mut table, 2, 150_000), []);
    assert_eq!(
        send(&mut table, 3, 150_000),
        [150_000],
        "its share is another"
    );
    table.consume(first, 1);
    assert_eq!(lengths(&mut table), [150_000]);
}

#[test]
fn a_session_is_kept_for_its_time_after_the_last_connection() {
    let mut table = Table::new();
    let (session, _) = table.connect(1, key(1), id(1));
    assert_eq!(table.sessions.next_deadline(), None);
    table.now = Time::from_secs(100);
    table.lose(1);
    let due = Deadline {
        at: Time::from_secs(3_700),
        timer: Timer::SessionTtl,
    };
    assert_eq!(table.sessions.next_deadline(), Some(due));
    table.now = Time::from_millis(3_699_999);
    table.timeout();
    assert_eq!(table.forgotten(), []);
    table.now = due.at;
    table.timeout();
    assert_eq!(
        (table.forgotten(), table.sessions.next_deadline()),
        (vec![session.unwrap()], None)
    );
    assert!(table.sessions.is_empty());
}

#[test]
fn counters_survive_the_session() {
    let mut table = Table::small(1, 1);
    table.connect(1, key(1), id(1));
    table.events(1, [received(1, 0, &message(message(vec![], b"ab"), b"c"))]);
    table.lose(1);
    assert!(table.sessions.stats().held_bytes > 0);
    table.connect(2, key(2), id(1));
    let stats = table.sessions.stats();
    assert_eq!(
        (stats.delivered, stats.delivered_bytes, stats.held_bytes),
        (2, 3, 0)
    );
}

#[test]
fn a_connection_that_comes_and_goes_in_one_step_prolongs_its_session() {
    let mut table = Table::new();
    table.connect(1, key(1), id(1));
    table.lose(1);
    let first_end = table.sessions.next_deadline().unwrap();
    table.now = table.now + Duration::from_secs(60);
    table.accept(2, key(1));
    let lost = Event::ConnectionLost {
        attempt: Attempt(2),
        error: LinkError::Reset,
    };
    table.events(2, [opened(2, 0), received(2, 0, &open(id(1), 0)), lost]);
    let end = table.sessions.next_deadline().unwrap();
    assert_eq!(end.at, first_end.at + Duration::from_secs(60));
}

/// A table whose sessions may hold 300,000 bytes in all.
fn narrow() -> Table {
    Table::with(SessionsConfig {
        node_bytes_max: 300_000,
        key_bytes_max: 300_000,
        ..SessionsConfig::default()
    })
}

/// A message of this length on the connection; the lengths of what is delivered in the step.
fn send(table: &mut Table, connection: u64, length: usize) -> Vec<usize> {
    table.events(
        connection,
        [received(connection, 0, &message(vec![], &vec![7; length]))],
    );
    lengths(table)
}

fn lengths(table: &mut Table) -> Vec<usize> {
    table.delivered().iter().map(Bytes::len).collect()
}

#[test]
fn whoever_was_refused_room_goes_on_when_another_gives_some_back() {
    let mut table = narrow();
    let holder = table.connect(1, key(1), id(1)).0.unwrap();
    table.connect(2, key(2), id(1));
    assert_eq!(send(&mut table, 1, 100_000), [100_000]);
    assert_eq!(send(&mut table, 1, 100_000), [100_000]);
    assert_eq!(send(&mut table, 2, 150_000), []);
    let resumed = table.consume(holder, 1);
    assert_eq!(lengths(&mut table), [150_000]);
    let resumes = |action: &Action| matches!(action, Action::ResumeReading { .. });
    assert!(resumed.iter().any(resumes), "{resumed:?}");
}

#[test]
fn a_large_message_that_waits_is_not_overtaken_by_smaller_ones() {
    let mut table = narrow();
    let holder = table.connect(1, key(1), id(1)).0.unwrap();
    for other in [2, 3] {
        table.connect(other, key(other as u8), id(1));
    }
    send(&mut table, 1, 100_000);
    send(&mut table, 1, 100_000);
    assert_eq!(send(&mut table, 2, 150_000), []);
    assert_eq!(
        send(&mut table, 3, 70_000),
        [],
        "the other one waits longer"
    );
    table.consume(holder, 1);
    assert_eq!(lengths(&mut table), [150_000]);
    table.consume(holder, 2);
    assert_eq!(lengths(&mut table), [70_000]);
}

#[test]
fn a_session_that_waits_and_is_gone_keeps_nothing_from_the_others() {
    let mut table = narrow();
    table.connect(1, key(1), id(1));
    table.connect(2, key(2), id(1));
    send(&mut table, 1, 100_000);
    send(&mut table, 1, 100_000);
    assert_eq!(send(&mut table, 2, 150_000), []);
    table.lose(2);
    table.connect(3, key(3), id(1));
    assert_eq!(send(&mut table, 3, 70_000), [70_000]);
}

#[test]
fn what_the_first_in_line_needs_is_kept_for_it_from_those_of_its_key() {
    let mut room = Room::new(10_000, 1_000);
    room.change(key(1), 0, 400);
    room.wait(SessionHandle(1), key(1), Some(500));
    let left = |session, byte| room.allowance(SessionHandle(session), key(byte)).bytes;
    assert_eq!(left(1, 1), 600);
    assert_eq!(left(2, 1), 100);
    assert_eq!(left(3, 2), 1_000, "another key has all that is its own");
}
