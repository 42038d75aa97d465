use super::*;
use crate::wire::{Frame, Open, encode_message_head};
use crate::{Lane, LinkError, Side, StreamId};
use alloc::vec;
use bytes::Bytes;

const SEED: [u8; 32] = [3; 32];

fn key(byte: u8) -> PeerKey {
    PeerKey([byte; 32])
}

fn id(byte: u8) -> SessionId {
    SessionId([byte; 16])
}

fn stream(index: u64) -> StreamId {
    StreamId {
        opener: Side::Remote,
        index,
    }
}

fn open(session: SessionId, base: u64) -> Vec<u8> {
    let mut out = Vec::new();
    Frame::Open(Open {
        fresh: false,
        session,
        lane: 0,
        base,
    })
    .encode(&mut out);
    out
}

fn message(mut bytes: Vec<u8>, payload: &[u8]) -> Vec<u8> {
    encode_message_head(payload.len(), &mut bytes);
    bytes.extend(payload);
    bytes
}

fn received(attempt: u64, index: u64, bytes: &[u8]) -> Event {
    let bytes = Bytes::copy_from_slice(bytes);
    let attempt = Attempt(attempt);
    Event::BytesReceived {
        attempt,
        stream: stream(index),
        bytes,
        fin: false,
    }
}

fn opened(attempt: u64, index: u64) -> Event {
    Event::StreamOpened {
        attempt: Attempt(attempt),
        stream: stream(index),
    }
}

struct Table {
    sessions: Sessions,
    now: Time,
}

impl Table {
    fn new() -> Self {
        Self::with(SessionsConfig::default())
    }

    /// Room for this many sessions in all, and of each key.
    fn small(sessions_max: usize, sessions_per_key_max: usize) -> Self {
        Self::with(SessionsConfig {
            sessions_max,
            sessions_per_key_max,
            ..Default::default()
        })
    }

    fn with(config: SessionsConfig) -> Self {
        Self {
            sessions: Sessions::new(config, SEED),
            now: Time::ZERO,
        }
    }

    fn do_and_check(
        &mut self,
        act: impl FnOnce(&mut Sessions, Time, &mut Vec<Action>),
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        act(&mut self.sessions, self.now, &mut actions);
        self.sessions.check().unwrap();
        actions
    }

    fn accept(&mut self, attempt: u64, key: PeerKey) -> Vec<Action> {
        self.do_and_check(|it, now, actions| it.accepted(now, Attempt(attempt), key, actions))
    }

    fn events(
        &mut self,
        attempt: u64,
        events: impl IntoIterator<Item = Event>,
    ) -> (Option<SessionHandle>, Vec<Action>) {
        let mut session = None;
        let actions = self.do_and_check(|it, now, actions| {
            session = it.handle_connection(now, Attempt(attempt), events, actions);
        });
        (session, actions)
    }

    /// A connection that opens the lane of this session.
    fn connect(
        &mut self,
        attempt: u64,
        key: PeerKey,
        session: SessionId,
    ) -> (Option<SessionHandle>, Vec<Action>) {
        assert_eq!(self.accept(attempt, key), []);
        self.events(
            attempt,
            [opened(attempt, 0), received(attempt, 0, &open(session, 0))],
        )
    }

    fn lose(&mut self, attempt: u64) -> Option<SessionHandle> {
        let lost = Event::ConnectionLost {
            attempt: Attempt(attempt),
            error: LinkError::IdleTimeout,
        };
        self.events(attempt, [lost]).0
    }

    fn consume(&mut self, session: SessionHandle, below: u64) -> Vec<Action> {
        self.do_and_check(|it, now, actions| {
            it.handle_session(
                now,
                session,
                [Event::Consumed {
                    lane: Lane(0),
                    below,
                }],
                actions,
            );
        })
    }

    fn timeout(&mut self) -> Vec<Action> {
        self.do_and_check(|it, now, actions| it.handle_timeout(now, actions))
    }

    fn stop(&mut self, mode: StopMode) -> Vec<Action> {
        self.do_and_check(|it, now, actions| it.stop(now, mode, actions))
    }

    fn forgotten(&mut self) -> Vec<SessionHandle> {
        core::iter::from_fn(|| self.sessions.poll_forgotten()).collect()
    }
}

fn closed(actions: &[Action]) -> Vec<(u64, CloseCode)> {
    let code = |action: &Action| match action {
        Action::Close { attempt, code, .. } => Some((attempt.0, *code)),
        _ => None,
    };
    actions.iter().filter_map(code).collect()
}

/// The RESUME among the actions.
fn resume(actions: &[Action]) -> crate::wire::Resume {
    let chunk = actions.iter().find_map(|action| match action {
        Action::Write { chunks, .. } => chunks.first().cloned(),
        _ => None,
    });
    let mut decoder = crate::wire::Decoder::default();
    match decoder.next(&mut chunk.unwrap()).unwrap() {
        Some(crate::wire::Item::Frame(Frame::Resume(resume))) => resume,
        other => panic!("{other:?}"),
    }
}

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
        let delivered = all.iter().filter_map(|action| match action {
            Action::Deliver(message) => Some(message.payload.clone()),
            _ => None,
        });
        assert_eq!(
            delivered.collect::<Vec<_>>(),
            [&b"hello"[..]],
            "cut at {cut}"
        );
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
        (epoch, 1)
    );
    let (other_name, actions) = table.connect(3, key(1), id(2));
    assert_eq!(resume(&actions).record, 2);
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
        lane: 5,
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
        (Some(SessionHandle(3)), 3)
    );
    assert_eq!(table.forgotten(), [handles[2]]);
    assert_eq!(table.sessions.key(handles[2]), None);
    // What was forgotten comes back as a new record, under a new name.
    let (again, actions) = table.connect(5, key(3), id(1));
    assert_eq!(
        (again, resume(&actions).record),
        (Some(SessionHandle(4)), 4)
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

    table.sessions.config.sessions_max = 1;
    sees(&table, "I21");
    table.sessions.config.sessions_max = 2;
    table.sessions.by_name.insert((key(1), id(1)), idle);
    sees(&table, "I10");
}
