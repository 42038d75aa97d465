//! Which histories of a table lead to the same state.

use core::time::Duration;

use super::*;

/// A table that has had a connection by this name, at this time, and holds a message of it.
fn by_way_of(attempt: u64, at: Time, base: u64) -> Table {
    let mut table = Table::new();
    table.now = at;
    table.accept(attempt, key(1));
    let bytes = message(open(id(1), base), b"hi");
    table.events(attempt, [opened(attempt, 0), received(attempt, 0, &bytes)]);
    table
}

#[test]
fn names_of_connections_and_the_clock_make_no_difference() {
    let early = by_way_of(1, Time::ZERO, 0);
    let late = by_way_of(9, Time::from_secs(50), 0);
    assert_eq!(early.sessions.canonical(), late.sessions.canonical());
    assert_eq!(
        early.sessions.clone().canonical(),
        early.sessions.canonical()
    );
}

#[test]
fn what_a_sender_may_be_told_makes_a_difference() {
    let first = by_way_of(1, Time::ZERO, 0);
    let further = by_way_of(1, Time::ZERO, 7);
    assert_ne!(first.sessions.canonical(), further.sessions.canonical());
}

#[test]
fn a_session_is_as_old_as_its_last_connection() {
    let mut old = by_way_of(1, Time::ZERO, 0);
    old.lose(1);
    let mut young = by_way_of(1, Time::ZERO, 0);
    young.now = Time::from_secs(3);
    young.lose(1);
    let same = young.sessions.canonical();
    assert_eq!(old.sessions.canonical(), same);
    old.now = Time::ZERO + Duration::from_secs(1);
    old.accept(2, key(2));
    young.accept(2, key(2));
    assert_ne!(old.sessions.canonical(), young.sessions.canonical());
}
