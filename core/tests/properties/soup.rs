//! I25: no input in any state makes either machine panic, overflow, or break its own rules.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::wire::{Frame, Open, Resume, encode_message_head};
use peer_sender_core::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::case::SEED;
use crate::draw::shapes;
use crate::shape::address;

/// Numbers close to the limits that there are.
fn number() -> BoxedStrategy<u64> {
    prop_oneof![
        12 => 0..4_u64,
        1 => Just(VARINT_MAX),
        1 => Just(u64::MAX),
        1 => any::<u64>(),
    ]
    .boxed()
}

const VARINT_MAX: u64 = wire::VARINT_MAX;

pub(crate) fn time() -> BoxedStrategy<Duration> {
    prop_oneof![
        8 => (0..3_000_u64).prop_map(Duration::from_millis),
        1 => Just(Duration::ZERO),
        1 => Just(Duration::MAX),
        1 => any::<u64>().prop_map(Duration::from_nanos),
    ]
    .boxed()
}

/// Frames of either direction, in their right form.
fn frames() -> BoxedStrategy<Vec<u8>> {
    let epoch = (0..2_u8).prop_map(|it| [it; 16]);
    let open = (any::<bool>(), epoch.clone(), 0..9_u64, number());
    let open = open.prop_map(|(fresh, session, lane, base)| {
        encoded(&Frame::Open(Open {
            fresh,
            session: SessionId(session),
            lane,
            base,
        }))
    });
    let resume = (epoch, number(), number(), number());
    let resume = resume.prop_map(|(epoch, record, taken, next)| {
        encoded(&Frame::Resume(Resume {
            epoch: Epoch(epoch),
            record,
            taken,
            next,
            message_bytes_max: 50,
        }))
    });
    let message = vec(any::<u8>(), 0..60).prop_map(|payload| {
        let mut bytes = Vec::new();
        encode_message_head(payload.len(), &mut bytes);
        bytes.extend(payload);
        bytes
    });
    let frame = prop_oneof![
        4 => open,
        4 => resume,
        4 => message,
        1 => number().prop_map(|count| encoded(&Frame::Skip { count })),
        3 => number().prop_map(|taken| encoded(&Frame::Receipt { taken })),
        2 => (number(), number())
            .prop_map(|(number, code)| encoded(&Frame::Refuse { number, code })),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(frame, 0..4).prop_map(|frames| frames.concat()).boxed()
}

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

fn errors() -> BoxedStrategy<LinkError> {
    let closed = (0..9_u64).prop_map(|code| LinkError::Closed {
        code: CloseCode::from_wire(code),
        reason: String::new(),
    });
    let other = select(vec![
        LinkError::IdleTimeout,
        LinkError::Busy,
        LinkError::VersionMismatch,
        LinkError::Moved,
    ]);
    prop_oneof![closed, other].boxed()
}

fn streams() -> BoxedStrategy<StreamId> {
    let side = select(vec![Side::Local, Side::Remote]);
    let index = prop_oneof![8 => 0..4_u64, 1 => any::<u64>()];
    (side, index)
        .prop_map(|(opener, index)| StreamId { opener, index })
        .boxed()
}

fn stops() -> BoxedStrategy<StopMode> {
    prop_oneof![
        2 => time().prop_map(StopMode::Drain),
        1 => Just(StopMode::Abort),
        1 => Just(StopMode::Remove),
    ]
    .boxed()
}

/// Any event whatever; those that a machine can make sense of more often.
pub(crate) fn event() -> BoxedStrategy<Event> {
    let attempt = || prop_oneof![9 => 0..4_u64, 1 => any::<u64>()].prop_map(Attempt);
    let lane = || prop_oneof![9 => 0..4_u8, 1 => any::<u8>()].prop_map(Lane);
    let options = proptest::option::of(number()).prop_map(|at| MessageOptions {
        expires_at: at.map(|at| Time::from_millis(at.saturating_mul(1_000))),
    });
    let message = (number(), lane(), vec(any::<u8>(), 0..80), options);
    let addresses = vec((0..4_u8).prop_map(address), 0..4);
    let bytes = (attempt(), streams(), frames(), prop::bool::weighted(0.1));
    let cut = || (attempt(), streams(), any::<u64>());
    let wakes = vec![
        WakeReason::NewAddress,
        WakeReason::InboundContact,
        WakeReason::Operator,
        WakeReason::NetworkChange,
    ];
    prop_oneof![
        12 => message.prop_map(|(id, lane, payload, options)| Event::MessageQueued {
            id: MessageId(id),
            lane,
            payload: payload.into(),
            options,
        }),
        2 => number().prop_map(|id| Event::Cancel { id: MessageId(id) }),
        1 => addresses.prop_map(|addresses| Event::AddressesChanged { addresses }),
        2 => select(wakes).prop_map(|reason| Event::Wake { reason }),
        8 => attempt().prop_map(|attempt| Event::Connected { attempt }),
        1 => (attempt(), errors())
            .prop_map(|(attempt, error)| Event::ConnectFailed { attempt, error }),
        2 => (attempt(), errors())
            .prop_map(|(attempt, error)| Event::ConnectionLost { attempt, error }),
        4 => (attempt(), streams())
            .prop_map(|(attempt, stream)| Event::StreamOpened { attempt, stream }),
        16 => bytes.prop_map(|(attempt, stream, bytes, fin)| Event::BytesReceived {
            attempt,
            stream,
            bytes: Bytes::from(bytes),
            fin,
        }),
        1 => cut().prop_map(|(attempt, stream, code)| Event::StreamReset {
            attempt,
            stream,
            code,
        }),
        1 => cut().prop_map(|(attempt, stream, code)| Event::StreamStopped {
            attempt,
            stream,
            code,
        }),
        8 => number().prop_map(|it| Event::TransferFinished { transfer: TransferId(it) }),
        1 => number().prop_map(|it| Event::TransferAcknowledged { transfer: TransferId(it) }),
        1 => attempt().prop_map(|attempt| Event::ProbeAnswered { attempt }),
        2 => (attempt(), streams())
            .prop_map(|(attempt, stream)| Event::StreamAcknowledged { attempt, stream }),
        4 => (lane(), number()).prop_map(|(lane, below)| Event::Consumed { lane, below }),
        2 => (lane(), number(), number()).prop_map(|(lane, number, code)| Event::Refused {
            lane,
            number,
            code: RefuseCode::from_wire(code),
        }),
        1 => stops().prop_map(|mode| Event::Stop { mode }),
        6 => Just(Event::TimerFired),
    ]
    .boxed()
}

fn sound(what: &str, holds: Result<(), Violation>) -> Result<(), TestCaseError> {
    holds.map_err(|violation| TestCaseError::fail(format!("{what}: {violation}")))
}

#[test]
fn nothing_that_a_sender_is_told_breaks_it() {
    let steps = vec((time(), vec(event(), 0..6)), 1..40);
    let strategy = (shapes(), steps, any::<bool>());
    let result = crate::runner(crate::cases(800)).run(&strategy, |(shape, steps, plain)| {
        let config = match plain {
            true => shape.config().with_protocol(Protocol::Plain),
            false => Ok(shape.config()),
        };
        let config = config.unwrap_or_else(|_| shape.config());
        let most = config.actions_per_step_max();
        let mut machine = PeerSenderMachine::new(config, SEED);
        let mut now = Time::ZERO;
        for (after, events) in steps {
            now = now + after;
            let offered = events.len();
            let closed = machine.is_closed();
            let mut actions = Vec::new();
            machine.handle(now, events, &mut actions);
            sound("the sender", machine.check())?;
            let due = machine.next_deadline();
            prop_assert!(due.is_none_or(|it| it.at >= now), "I15 {due:?} at {now}");
            let rejects = |it: &Action| matches!(it, Action::Reject { .. });
            prop_assert!(!closed || actions.iter().all(rejects), "I27 {actions:?}");
            // What follows from each stream's bytes comes on top: deliveries, and room made.
            let delivers = |it: &&Action| {
                matches!(
                    it,
                    Action::Deliver(_)
                        | Action::PauseReading { .. }
                        | Action::ResumeReading { .. }
                        | Action::StopSending { .. }
                        | Action::ResetStream { .. }
                        | Action::ForgetDelivered
                )
            };
            let brought = actions.iter().filter(delivers).count();
            prop_assert!(actions.len() <= most + offered + brought, "I22 {actions:?}");
        }
        Ok(())
    });
    crate::ended(result);
}

/// What a table of sessions is told.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Accepted(u64, u8),
    Connection(u64, Vec<Event>),
    Session(u64, Vec<Event>),
    Timeout,
    Stop(StopMode),
}

pub(crate) fn told() -> BoxedStrategy<Told> {
    let attempt = || prop_oneof![9 => 0..4_u64, 1 => any::<u64>()];
    prop_oneof![
        4 => (attempt(), 0..3_u8).prop_map(|(attempt, key)| Told::Accepted(attempt, key)),
        12 => (attempt(), vec(event(), 0..6))
            .prop_map(|(attempt, events)| Told::Connection(attempt, events)),
        6 => (number(), vec(event(), 0..4))
            .prop_map(|(session, events)| Told::Session(session, events)),
        2 => Just(Told::Timeout),
        1 => stops().prop_map(Told::Stop),
    ]
    .boxed()
}

#[test]
fn nothing_that_a_table_of_sessions_is_told_breaks_it() {
    let limits = (
        select(vec![60_usize, 1_000]),
        1..4_usize,
        1..3_usize,
        time(),
    );
    let strategy = (limits, vec((time(), told()), 1..60));
    let result = crate::runner(crate::cases(800)).run(&strategy, |(limits, steps)| {
        let (bytes, sessions_max, sessions_per_key_max, session_ttl) = limits;
        let config = SessionsConfig {
            receiver: ReceiverConfig::new(50, bytes).unwrap(),
            key_bytes_max: bytes,
            node_bytes_max: 2 * bytes,
            sessions_max,
            sessions_per_key_max,
            session_ttl,
        };
        let mut table = Sessions::new(config, SEED);
        let mut now = Time::ZERO;
        for (after, told) in steps {
            now = now + after;
            let mut actions = Vec::new();
            tell(&mut table, now, told, &mut actions);
            sound("the table", table.check())?;
            while table.poll_news().is_some() {}
        }
        Ok(())
    });
    crate::ended(result);
}

/// One step of a table.
pub(crate) fn tell(table: &mut Sessions, now: Time, told: Told, actions: &mut Vec<Action>) {
    match told {
        Told::Accepted(attempt, key) => {
            // Two of the keys have one share.
            let (share, key) = (PeerKey([key / 2; 32]), PeerKey([key; 32]));
            let dialler = Dialler { share, key };
            table.accepted(now, Attempt(attempt), dialler, actions);
        }
        Told::Connection(attempt, events) => {
            let attempt = Attempt(attempt);
            let events = events.into_iter().map(|event| renamed(event, attempt));
            table.handle_connection(now, attempt, events, actions);
        }
        Told::Session(session, events) => {
            table.handle_session(now, SessionHandle(session), events, actions);
        }
        Told::Timeout => table.handle_timeout(now, actions),
        Told::Stop(mode) => table.stop(now, mode, actions),
    }
}

/// Most of what is said of a connection names it.
fn renamed(mut event: Event, by: Attempt) -> Event {
    if let Event::Connected { attempt }
    | Event::ConnectionLost { attempt, .. }
    | Event::StreamOpened { attempt, .. }
    | Event::BytesReceived { attempt, .. } = &mut event
        && attempt.0 < 3
    {
        *attempt = by;
    }
    event
}
