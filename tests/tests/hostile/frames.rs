//! Frames that no correct opener writes: the typed error, the close code, and what is kept.

use peer_sender_core::wire::VARINT_MAX;
use peer_sender_tokio::{CloseCode, LinkError, ProtocolError};

use super::raw::{Closed, Raw, say};
use super::scene::{Scene, hostile, run};

const MAX: u64 = 64 << 10;

/// What a hostile opener writes on one stream.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    fin: bool,
    /// What it is told, and what the node's log is told of it.
    error: ProtocolError,
}

#[test]
fn every_broken_frame_closes_the_connection_and_is_named() {
    run(async {
        let mut scene = Scene::listening(|config| config.message_bytes_max(MAX as usize)).await;
        let mut raw = Raw::dialler(&hostile()).await;
        let cases = cases();
        for (number, case) in cases.iter().enumerate() {
            let id = raw.connect(scene.address()).await;
            let stream = raw.say_on_new(id, &case.bytes).await;
            if case.fin && raw.stands(id) {
                raw.finish(id, stream);
            }
            let closed = raw.closed(id).await;
            let expected = Closed {
                code: CloseCode::Protocol,
                reason: case.error.to_string(),
            };
            assert_eq!(closed, expected, "{}", case.name);
            let stats = scene
                .counts(|stats| stats.protocol_errors > number as u64)
                .await;
            assert_eq!(stats.protocol_errors, number as u64 + 1, "{}", case.name);
            let turned_away = scene.turned_away();
            assert_eq!(turned_away.key, Some(hostile().key()), "{}", case.name);
            let Closed { code, reason } = expected;
            let error = LinkError::Closed { code, reason };
            assert_eq!(turned_away.error, error, "{}", case.name);
        }
        let stats = raw.alongside(scene.is_alone()).await;
        assert_eq!(stats.accepted, cases.len() as u64 + 1);
        scene.serves().await;
        assert!(scene.strangers.try_recv().is_err(), "a message was made up");
        scene.ends().await;
    });
}

/// Every case has a session of its own, so that none leans on another.
fn cases() -> Vec<Case> {
    let truncated = ProtocolError::Truncated;
    let unexpected = |frame| ProtocolError::Unexpected { frame };
    let field = |frame, field| ProtocolError::Field { frame, field };
    let length = |frame, length| ProtocolError::BodyLength { frame, length };
    let fresh = |number: usize| say::open(say::session(number as u64));
    let mut cases = Vec::new();
    let mut add = |name, after_open: bool, bytes: &[u8], fin, error| {
        let mut all = Vec::new();
        if after_open {
            all = fresh(cases.len());
        }
        all.extend_from_slice(bytes);
        cases.push(Case {
            name,
            bytes: all,
            fin,
            error,
        });
    };

    add("FIN and nothing else", false, &[], true, truncated);
    add("FIN inside OPEN", false, &fresh(0)[..9], true, truncated);
    add(
        "FIN inside a kind's length",
        true,
        &[3, 0x80, 0],
        true,
        truncated,
    );
    add("FIN right after a kind", true, &[3], true, truncated);
    let announced = say::announcement(MAX);
    add("a length, then FIN", true, &announced, true, truncated);
    let half = &say::message(&[1; 100])[..50];
    add("half a message, then FIN", true, half, true, truncated);
    add(
        "half an extension, then FIN",
        true,
        &[0x40, 9, 1],
        true,
        truncated,
    );

    for (name, kind) in [("kind 0", 0), ("kind 7", 7), ("kind 0x3f", 0x3f)] {
        let error = ProtocolError::UnknownFrame { kind };
        add(name, true, &[kind], false, error);
    }
    let message = say::message(b"early");
    add(
        "MESSAGE before OPEN",
        false,
        &message,
        false,
        unexpected("MESSAGE"),
    );
    add(
        "SKIP before OPEN",
        false,
        &say::skip(1),
        false,
        unexpected("SKIP"),
    );
    let extension = say::extension(b"x");
    add(
        "an extension before OPEN",
        false,
        &extension,
        false,
        unexpected("extension"),
    );
    add("OPEN twice", true, &fresh(999), false, unexpected("OPEN"));
    add(
        "RESUME from the opener",
        true,
        &say::resume(1),
        false,
        unexpected("RESUME"),
    );
    add(
        "RECEIPT from the opener",
        true,
        &say::receipt(1),
        false,
        unexpected("RECEIPT"),
    );
    add(
        "REFUSE from the opener",
        true,
        &say::refuse(0, 1),
        false,
        unexpected("REFUSE"),
    );

    let with = |at: usize, byte: u8| {
        let mut open = fresh(1_000 + at);
        open[at] = byte;
        open
    };
    add(
        "OPEN of version 2",
        false,
        &with(2, 2),
        false,
        field("OPEN", "version"),
    );
    add(
        "OPEN with flag 2",
        false,
        &with(3, 3),
        false,
        field("OPEN", "flags"),
    );
    add(
        "OPEN without its base",
        false,
        &with(1, 19)[..21],
        false,
        length("OPEN", 19),
    );
    let longer = [&with(1, 21)[..], &[0]].concat();
    add(
        "OPEN with a byte more",
        false,
        &longer,
        false,
        length("OPEN", 21),
    );
    let endless = [1, 0xc0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    add(
        "OPEN of 4 GiB",
        false,
        &endless,
        false,
        length("OPEN", u32::MAX.into()),
    );
    add(
        "SKIP of none",
        true,
        &say::skip(0),
        false,
        field("SKIP", "count"),
    );
    add(
        "SKIP without a count",
        true,
        &[4, 0],
        false,
        length("SKIP", 0),
    );
    add(
        "a length in a longer form",
        true,
        &[3, 0x40, 1, 9],
        false,
        ProtocolError::IntegerForm,
    );

    let beyond = say::skip(VARINT_MAX);
    let beyond = [beyond, say::message(b"x")].concat();
    add(
        "a message beyond all numbers",
        true,
        &beyond,
        false,
        ProtocolError::NumberRange,
    );
    let beyond = [say::skip(VARINT_MAX), say::skip(1)].concat();
    add(
        "SKIP beyond all numbers",
        true,
        &beyond,
        false,
        ProtocolError::NumberRange,
    );
    cases
}
