//! What a table tells of its sessions.

use super::*;
use crate::RejectReason;

fn reply(id: u64) -> Event {
    Event::MessageQueued {
        id: MessageId(id),
        lane: Lane(0),
        payload: Bytes::from_static(b"reply"),
        options: Default::default(),
    }
}

#[test]
fn what_is_told_of_a_session_ends_with_it() {
    let mut table = Table::with(SessionsConfig {
        session_ttl: Duration::from_secs(1),
        ..Default::default()
    });
    assert!(table.sessions.is_empty());
    let (session, _) = table.connect(3, key(1), id(1));
    assert!(!table.sessions.is_empty());
    let session = session.unwrap();
    assert_eq!(table.sessions.session_connection(session), Some(Attempt(3)));
    assert_eq!(table.sessions.key(session), Some(key(1)));
    table.do_and_check(|it, now, actions| it.handle_session(now, session, [reply(0)], actions));
    assert_eq!(table.sessions.session_stats(session).unwrap().accepted, 1);
    let snapshot = table.sessions.session_snapshot(session).unwrap();
    assert_eq!((snapshot.in_flight, snapshot.in_flight_bytes), (1, 5));
    table.lose(3);
    assert_eq!(table.sessions.session_connection(session), None);
    table.now = Time::from_secs(1);
    table.timeout();
    assert_eq!(table.sessions.key(session), None);
    assert_eq!(table.sessions.session_stats(session), None);
    assert_eq!(table.sessions.session_snapshot(session), None);
}

#[test]
fn counters_of_two_sessions_are_their_sums() {
    let each = |by: u64| ReceiverStats {
        delivered: by,
        delivered_bytes: 2 * by,
        refused: 3 * by,
        duplicates: 4 * by,
        incomplete: 5 * by,
        held_bytes: 6 * by,
        taken_over: 7 * by,
        stale_events: 8 * by,
        protocol_errors: 9 * by,
    };
    assert_eq!(each(10).plus(each(1)), each(11));
}

#[test]
fn a_stream_of_ours_before_there_is_a_session_makes_no_sense() {
    let mut table = Table::new();
    table.accept(1, key(1));
    let stream = StreamId {
        opener: Side::Local,
        index: 0,
    };
    let attempt = Attempt(1);
    table.events(1, [Event::StreamOpened { attempt, stream }]);
    assert_eq!(table.sessions.stats().stale_events, 1);
}

#[test]
fn a_reply_to_a_session_that_is_forgotten_is_handed_back() {
    let mut table = Table::new();
    let session = SessionHandle(9);
    table.do_and_check(|it, now, actions| it.handle_session(now, session, [reply(4)], actions));
    let rejected = Rejected {
        reason: RejectReason::Stopped,
        payload: Bytes::from_static(b"reply"),
    };
    let news = SessionNews::Rejected {
        session,
        id: MessageId(4),
        lane: Lane(0),
        rejected,
    };
    assert_eq!(table.sessions.poll_news(), Some(news));
}

#[test]
fn a_table_is_new_until_a_connection_is_accepted() {
    let mut table = Table::with(SessionsConfig::default());
    table.timeout();
    assert!(table.sessions.is_new());
    table.accept(1, key(1));
    assert!(!table.sessions.is_new());
    table.lose(1);
    assert!(table.sessions.is_empty());
    assert!(!table.sessions.is_new(), "whatever has become of it");
}
