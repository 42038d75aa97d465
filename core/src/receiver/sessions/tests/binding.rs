//! Which session a connection belongs to.

use super::*;

#[test]
fn a_connection_is_bound_by_its_first_open_however_it_is_cut() {
    let bytes = message(open(id(1), 0), b"hello");
    for cut in 1..bytes.len() {
        let mut table = Table::new();
        table.accept(1, key(1));
        let (first, early) = table.events(1, [opened(1, 0), received(1, 0, &bytes[..cut])]);
        let (session, late) = table.events(1, [received(1, 0, &bytes[cut..])]);
        assert!(session.is_some());
        assert_eq!(first.is_some(), cut >= open(id(1), 0).len());
        let all = [early, late].concat();
        assert_eq!(table.delivered(), [&b"hello"[..]], "cut at {cut}");
        assert_eq!(resume(&all).next, 0);
    }
}

#[test]
fn sessions_are_told_apart_by_key_and_by_name() {
    let mut table = Table::new();
    let (first, actions) = table.connect(1, key(1), id(1));
    let epoch = resume(&actions).epoch;
    assert_eq!((epoch, resume(&actions).record), (Epoch([3; 16]), 0));
    let (other_key, actions) = table.connect(2, key(2), id(1));
    assert_eq!(
        (resume(&actions).epoch, resume(&actions).record),
        (epoch, 8)
    );
    let (other_name, actions) = table.connect(3, key(1), id(2));
    assert_eq!(resume(&actions).record, 16);
    let (again, actions) = table.connect(4, key(1), id(1));
    assert_eq!(resume(&actions).record, 0);
    assert_eq!(again, first);
    let all: BTreeSet<_> = [first, other_key, other_name]
        .into_iter()
        .flatten()
        .collect();
    assert_eq!((all.len(), table.sessions.len()), (3, 3));
    assert_eq!(table.sessions.key(other_key.unwrap()), Some(key(2)));
}

#[test]
fn the_session_of_a_connection_is_known_from_its_open_to_its_end() {
    let mut table = Table::new();
    table.accept(1, key(1));
    let known = |table: &Table| {
        let sessions = &table.sessions;
        (
            sessions.is_open(Attempt(1)),
            sessions.session_of(Attempt(1)),
        )
    };
    assert_eq!(known(&table), (true, None));
    let bytes = open(id(1), 0);
    let (session, _) = table.events(1, [opened(1, 0), received(1, 0, &bytes)]);
    assert!(session.is_some());
    assert_eq!(known(&table), (true, session));
    table.lose(1);
    assert_eq!(known(&table), (false, None));
}

#[test]
fn a_lost_connection_still_names_its_session_and_the_session_stays() {
    let mut table = Table::new();
    let (session, _) = table.connect(1, key(1), id(1));
    table.events(1, [received(1, 0, &message(vec![], b"held"))]);
    assert_eq!(table.lose(1), session);
    assert_eq!(table.lose(1), None);
    assert_eq!(table.consume(session.unwrap(), 1), []);
    let (again, actions) = table.connect(2, key(1), id(1));
    assert_eq!((again, resume(&actions).taken), (session, 1));
}

#[test]
fn answers_go_to_the_connection_that_holds_the_lane() {
    let mut table = Table::new();
    let (session, first) = table.connect(1, key(1), id(1));
    let Some(Action::Write { transfer, .. }) = first.first() else {
        panic!("{first:?}")
    };
    table.events(
        1,
        [Event::TransferFinished {
            transfer: *transfer,
        }],
    );
    table.events(1, [received(1, 0, &message(vec![], b"m"))]);
    let actions = table.consume(session.unwrap(), 1);
    assert!(
        matches!(
            &actions[..],
            [Action::Write {
                attempt: Attempt(1),
                ..
            }]
        ),
        "{actions:?}"
    );
    assert_eq!(table.consume(SessionHandle(99), 5), []);
}

#[test]
fn anything_but_open_closes_an_unbound_connection() {
    for bytes in [
        &[0x05, 1, 0][..],
        &[0x40, 0],
        &[0x07],
        &[0x03, 0],
        &[0x01, 1, 2],
    ] {
        let mut table = Table::new();
        table.accept(1, key(1));
        let (session, actions) = table.events(1, [opened(1, 0), received(1, 0, bytes)]);
        assert_eq!(
            (session, closed(&actions)),
            (None, vec![(1, CloseCode::Protocol)])
        );
        assert_eq!(
            (table.sessions.stats().protocol_errors, table.sessions.len()),
            (1, 0)
        );
        assert_eq!(table.events(1, [received(1, 0, bytes)]), (None, vec![]));
    }
}

#[test]
fn a_fin_before_open_closes_an_unbound_connection() {
    let mut table = Table::new();
    table.accept(1, key(1));
    let bytes = Bytes::from(open(id(1), 0)).slice(..9);
    let attempt = Attempt(1);
    let fin = Event::BytesReceived {
        attempt,
        stream: stream(0),
        bytes,
        fin: true,
    };
    let (_, actions) = table.events(1, [opened(1, 0), fin]);
    let [Action::Close { reason, .. }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(reason, "the stream ended inside a frame");
}

#[test]
fn streams_that_are_given_up_before_open_leave_nothing() {
    let mut table = Table::new();
    table.accept(1, key(1));
    for index in 0..100 {
        let reset = Event::StreamReset {
            attempt: Attempt(1),
            stream: stream(index),
            code: 5,
        };
        let events = [
            opened(1, index),
            received(1, index, &open(id(1), 0)[..9]),
            reset,
        ];
        let (session, actions) = table.events(1, events);
        assert_eq!(session, None);
        assert!(matches!(
            actions[..],
            [
                Action::StopSending { .. },
                Action::ResetStream {
                    code: CloseCode::Done,
                    ..
                }
            ]
        ));
    }
    let events = [opened(1, 100), received(1, 100, &open(id(1), 0))];
    assert!(table.events(1, events).0.is_some());
}

#[test]
fn an_open_on_a_later_stream_binds_and_the_first_may_not_open_the_lane_again() {
    let mut table = Table::new();
    table.accept(1, key(1));
    let bytes = open(id(1), 0);
    let half = [opened(1, 0), received(1, 0, &bytes[..9]), opened(1, 1)];
    assert_eq!(table.events(1, half), (None, vec![]));
    let (session, actions) = table.events(1, [received(1, 1, &bytes)]);
    assert!(session.is_some());
    assert_eq!(resume(&actions).next, 0);
    let (_, actions) = table.events(1, [received(1, 0, &bytes[9..])]);
    let [Action::Close { reason, .. }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(reason, "lane 0 opened twice in one connection");
}

#[test]
fn another_session_in_a_connection_closes_it() {
    let mut table = Table::new();
    table.connect(1, key(1), id(1));
    let (session, actions) = table.events(1, [opened(1, 1), received(1, 1, &open(id(2), 0))]);
    assert!(session.is_some());
    let [Action::Close { reason, .. }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(reason, "a second session in one connection");
    assert_eq!(table.sessions.len(), 1);
}

#[test]
fn a_session_whose_first_open_is_refused_is_not_remembered() {
    let mut table = Table::new();
    table.accept(1, key(1));
    let mut bytes = Vec::new();
    Frame::Open(Open {
        fresh: true,
        session: id(1),
        lane: 8,
        base: 0,
    })
    .encode(&mut bytes);
    let (session, actions) = table.events(1, [opened(1, 0), received(1, 0, &bytes)]);
    assert_eq!(
        (session, closed(&actions)),
        (None, vec![(1, CloseCode::Protocol)])
    );
    assert!(table.sessions.is_empty());
    assert_eq!(table.sessions.stats().protocol_errors, 1);
}

#[test]
fn nothing_is_said_to_a_connection_that_is_lost_with_its_first_words() {
    let mut table = Table::small(1, 1);
    table.connect(1, key(1), id(1));
    let lost = |attempt| Event::ConnectionLost {
        attempt: Attempt(attempt),
        error: LinkError::Reset,
    };
    for (attempt, words) in [(2, open(id(2), 0)), (3, vec![0x7f, 0, 0x03, 0])] {
        table.accept(attempt, key(1));
        let events = [
            opened(attempt, 0),
            received(attempt, 0, &words),
            lost(attempt),
        ];
        let (session, actions) = table.events(attempt, events);
        assert_eq!((session, actions), (None, vec![]));
    }
    // The lane belongs to a newer connection: a stream that comes late is not cut either.
    let mut table = Table::new();
    table.accept(1, key(1));
    table.connect(2, key(1), id(1));
    let events = [opened(1, 0), received(1, 0, &open(id(1), 0)), lost(1)];
    assert_eq!(table.events(1, events).1, vec![]);
}

#[test]
fn events_that_name_another_connection_bind_nothing() {
    let mut table = Table::new();
    assert_eq!(table.accept(1, key(1)), []);
    let other = Event::Connected {
        attempt: Attempt(9),
    };
    let events = [
        opened(1, 0),
        received(9, 0, &open(id(2), 0)),
        received(1, 0, &open(id(1), 0)),
        other.clone(),
    ];
    let (session, _) = table.events(1, events);
    let session = session.unwrap();
    assert_eq!(table.sessions.stats().stale_events, 2);
    let said =
        table.do_and_check(|it, now, actions| it.handle_session(now, session, [other], actions));
    assert_eq!(said, []);
    assert_eq!(table.sessions.session_of(Attempt(1)), Some(session));
}
