use bytes::Bytes;
use peer_sender_core::{PeerKey, SessionHandle, Time};

use super::*;
use crate::testing::clock;

fn inbox() -> Inbox<&'static str> {
    Inbox::new(Arc::new(Bell::new()), SendLimits::default(), clock())
}

fn deliver(inbox: &Inbox<&'static str>, session: u64, numbers: impl IntoIterator<Item = u64>) {
    let messages = numbers.into_iter().map(|number| IncomingMessage {
        lane: Lane(0),
        number,
        payload: Bytes::from(format!("{session}/{number}")),
        received_at: Time::ZERO,
    });
    let from = Sender {
        key: PeerKey([session as u8; 32]),
        peer: Some("peer"),
    };
    inbox.deliver(
        Source::Session(SessionHandle(session)),
        from,
        None,
        messages.collect(),
    );
}

fn take(inbox: &Inbox<&'static str>) -> Option<Delivery> {
    lock(&inbox.state).take().map(|taken| taken.delivery())
}

fn names(inbox: &Inbox<&'static str>) -> Vec<(u64, u64)> {
    std::iter::from_fn(|| take(inbox))
        .map(|of| match of.source {
            Source::Session(session) => (session.0, of.number),
            Source::Peer { .. } => panic!("no replies here"),
        })
        .collect()
}

fn lane(refused: &[(u64, RefuseCode)], below: u64) -> BTreeMap<Lane, LaneAnswers> {
    BTreeMap::from([(
        Lane(0),
        LaneAnswers {
            refused: refused.to_vec(),
            below,
        },
    )])
}

#[test]
fn sessions_take_turns_and_each_keeps_its_order() {
    let inbox = inbox();
    deliver(&inbox, 1, 0..4);
    deliver(&inbox, 2, 0..2);
    deliver(&inbox, 3, [9]);
    deliver(&inbox, 2, [2]);
    let expected = [
        (1, 0),
        (2, 0),
        (3, 9),
        (1, 1),
        (2, 1),
        (1, 2),
        (2, 2),
        (1, 3),
    ];
    assert_eq!(names(&inbox), expected);
}

#[test]
fn the_driver_is_told_one_number_for_a_lane_and_refusals_with_it() {
    let inbox = inbox();
    deliver(&inbox, 1, 0..4);
    let taken: Vec<_> = std::iter::from_fn(|| take(&inbox)).collect();
    inbox.answer(taken[1], None);
    inbox.answer(taken[2], Some(RefuseCode::Application));
    let session = Source::Session(SessionHandle(1));
    let refused = [(2, RefuseCode::Application)];
    let expected = Answers {
        source: session,
        lanes: lane(&refused, 0),
    };
    assert_eq!(
        inbox.take_answers(),
        [expected],
        "refused at once, covered later"
    );

    inbox.answer(taken[0], Some(RefuseCode::Dropped));
    inbox.answer(taken[3], None);
    let expected = Answers {
        source: session,
        lanes: lane(&[(0, RefuseCode::Dropped)], 4),
    };
    assert_eq!(inbox.take_answers(), [expected]);
    assert_eq!(inbox.take_answers(), []);
}

#[test]
fn the_driver_is_woken_once_for_a_burst_of_answers() {
    let inbox = inbox();
    let (count, waker) = crate::testing::CountingWaker::new();
    deliver(&inbox, 1, 0..3);
    deliver(&inbox, 2, 0..3);
    assert!(inbox.bell.attend(&mut Vec::new()));
    assert!(inbox.bell.fall_asleep(&waker));
    while let Some(taken) = take(&inbox) {
        inbox.answer(taken, None);
    }
    assert_eq!(count.get(), 1);
    assert_eq!(inbox.take_answers().len(), 2);
}

#[test]
fn a_forgotten_session_is_gone_with_its_messages_and_answers() {
    let inbox = inbox();
    deliver(&inbox, 1, 0..2);
    deliver(&inbox, 2, 0..1);
    let taken = take(&inbox).unwrap();
    inbox.forget(Source::Session(SessionHandle(1)));
    inbox.answer(taken, None);
    assert_eq!(inbox.take_answers(), []);
    assert_eq!(names(&inbox), [(2, 0)]);
}

#[test]
fn a_sender_that_was_named_later_is_named_on_its_later_messages() {
    let inbox = inbox();
    deliver(&inbox, 1, [0]);
    let message = IncomingMessage {
        lane: Lane(0),
        number: 1,
        payload: Bytes::new(),
        received_at: Time::ZERO,
    };
    inbox.deliver(
        Source::Session(SessionHandle(1)),
        Sender {
            key: PeerKey([1; 32]),
            peer: None,
        },
        None,
        vec![message],
    );
    let mut state = lock(&inbox.state);
    state.take();
    assert_eq!(state.take().unwrap().from.peer, None);
}

#[test]
fn closed_it_holds_and_takes_nothing() {
    let inbox = inbox();
    deliver(&inbox, 1, 0..2);
    inbox.close();
    deliver(&inbox, 1, 2..3);
    assert_eq!(names(&inbox), []);
    assert!(lock(&inbox.state).is_closed());
}

#[test]
fn memory_of_a_burst_is_given_back() {
    let inbox = inbox();
    deliver(&inbox, 1, 0..5_000);
    while let Some(taken) = take(&inbox) {
        inbox.answer(taken, None);
    }
    let state = lock(&inbox.state);
    let session = &state.sessions[&Source::Session(SessionHandle(1))];
    assert_eq!(session.messages.capacity(), 0);
    assert_eq!(session.ledgers[&Lane(0)].capacity(), 0);
}

#[test]
fn a_batch_of_any_nodes_is_accepted_with_one_wake_for_each() {
    let (count, waker) = crate::testing::CountingWaker::new();
    let inboxes: Vec<_> = (0..2).map(|_| Arc::new(inbox())).collect();
    let mut batch = Vec::new();
    for inbox in &inboxes {
        deliver(inbox, 1, 0..600);
        deliver(inbox, 2, 0..3);
        assert!(inbox.bell.attend(&mut Vec::new()));
        assert!(inbox.bell.fall_asleep(&waker));
        while let Some(taken) = lock(&inbox.state).take() {
            batch.push(crate::IncomingMessage::new(Arc::clone(inbox), taken));
        }
    }
    crate::IncomingMessage::accept_all(batch);
    assert_eq!(count.get(), 2);
    for inbox in &inboxes {
        let answers = inbox.take_answers();
        let lanes: Vec<_> = answers.into_iter().map(|answers| answers.lanes).collect();
        assert_eq!(lanes, [lane(&[], 600), lane(&[], 3)]);
    }
}
