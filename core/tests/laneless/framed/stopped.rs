//! An accepting end whose replies nobody reads any more.

use bytes::Bytes;
use peer_sender_core::{
    Action, Attempt, CloseCode, Event, Lane, MessageId, MessageOptions, Outcome, PeerKey, Protocol,
    ReceiverConfig, SessionNews, Sessions, SessionsConfig, Side, StreamId, Time, UnknownReason,
};

/// There is no other stream on which replies could go: the connection ends, and each has its outcome.
#[test]
fn who_reads_no_more_replies_loses_the_connection_and_each_has_its_outcome() {
    let config = SessionsConfig {
        receiver: ReceiverConfig::default()
            .with_protocol(Protocol::Framed)
            .unwrap(),
        ..SessionsConfig::default()
    };
    let mut sessions = Sessions::new(config, [1; 32]);
    let (now, attempt, mut actions) = (Time::ZERO, Attempt(0), Vec::new());
    sessions.accepted(now, attempt, PeerKey([7; 32]), &mut actions);
    let stream = |opener| StreamId { opener, index: 0 };
    let events = [
        Event::StreamOpened {
            attempt,
            stream: stream(Side::Remote),
        },
        Event::BytesReceived {
            attempt,
            stream: stream(Side::Remote),
            bytes: Bytes::from_static(&[0, 0, 0, 1, 7]),
            fin: false,
        },
    ];
    sessions.handle_connection(now, attempt, events, &mut actions);
    let Some(SessionNews::Delivered { session, .. }) = sessions.poll_news() else {
        panic!("nothing came")
    };
    let reply = |id| Event::MessageQueued {
        id: MessageId(id),
        lane: Lane(0),
        payload: Bytes::from_static(b"reply"),
        options: MessageOptions::default(),
    };
    sessions.handle_session(now, session, [reply(0), reply(1)], &mut actions);
    assert!(matches!(actions[..], [Action::Write { .. }]), "{actions:?}");
    actions.clear();
    let stopped = Event::StreamStopped {
        attempt,
        stream: stream(Side::Local),
        code: 9,
    };
    sessions.handle_connection(now, attempt, [stopped], &mut actions);
    let closes = Action::Close {
        attempt,
        code: CloseCode::Done,
        reason: String::new(),
    };
    assert_eq!(actions, [closes]);
    let unknown = Outcome::Unknown(UnknownReason::ConnectionLost);
    let settled = [0, 1].map(|id| (MessageId(id), unknown.clone()));
    let news: Vec<SessionNews> = std::iter::from_fn(|| sessions.poll_news()).collect();
    let told = SessionNews::Settled {
        session,
        settled: settled.to_vec(),
    };
    assert!(news.contains(&told), "{news:?}");
    sessions.check().unwrap();
}
