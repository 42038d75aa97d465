mod binding;
mod canonical;
mod ending;
#[cfg(feature = "trace")]
mod image;
mod room;
mod telling;

use super::*;
use crate::wire::{Frame, Open, encode_message_head};
use crate::{Lane, LinkError, Protocol, Side, StreamId};
use alloc::vec;
use bytes::Bytes;

const SEED: [u8; 32] = [3; 32];

/// One of those that use the share of key 1.
fn sharing(byte: u8) -> Dialler {
    Dialler {
        share: key(1),
        key: key(byte),
    }
}

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

    fn accept(&mut self, attempt: u64, dialler: impl Into<Dialler>) -> Vec<Action> {
        self.do_and_check(|it, now, actions| it.accepted(now, Attempt(attempt), dialler, actions))
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
        dialler: impl Into<Dialler>,
        session: SessionId,
    ) -> (Option<SessionHandle>, Vec<Action>) {
        assert_eq!(self.accept(attempt, dialler), []);
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

    fn delivered(&mut self) -> Vec<Bytes> {
        let news = core::iter::from_fn(|| self.sessions.poll_news());
        let messages = news.filter_map(|news| match news {
            SessionNews::Delivered { messages, .. } => Some(messages),
            _ => None,
        });
        messages.flatten().map(|message| message.payload).collect()
    }

    fn forgotten(&mut self) -> Vec<SessionHandle> {
        let news = core::iter::from_fn(|| self.sessions.poll_news());
        news.filter_map(|news| match news {
            SessionNews::Forgotten { session } => Some(session),
            _ => None,
        })
        .collect()
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
