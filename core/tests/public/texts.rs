//! Texts that a user reads, once each, and what is asked of an outcome.

use bytes::Bytes;
use peer_sender_core::{
    CloseCode, Epoch, FailReason, Holdup, IncomingMessage, InvalidPeerKey, Lane, Level, LinkError,
    MessageId, Outcome, PeerKey, RefuseCode, SessionId, Time, UnknownReason, Unsent, table,
};

#[test]
fn a_key_is_printed_as_its_hexadecimal_digits_and_read_back() {
    let key = PeerKey(core::array::from_fn(|place| place as u8 * 7));
    let text = key.to_string();
    assert_eq!(text[..12], *"00070e151c23");
    assert_eq!(text.len(), 64);
    assert_eq!(text.parse(), Ok(key));
    assert_eq!(text.to_uppercase().parse(), Ok(key));
    assert_eq!(format!("{key:?}"), format!("PeerKey({text})"));
}

#[test]
fn what_is_no_key_is_refused() {
    let parse = |text: &str| text.parse::<PeerKey>();
    let digits = 63;
    assert_eq!(
        parse(&"a".repeat(63)),
        Err(InvalidPeerKey::Length { digits })
    );
    let digits = 66;
    assert_eq!(
        parse(&"a".repeat(66)),
        Err(InvalidPeerKey::Length { digits })
    );
    assert_eq!(parse(&"g".repeat(64)), Err(InvalidPeerKey::Digit));
}

#[test]
fn only_what_the_peer_has_is_delivered() {
    for level in [Level::Application, Level::Transport] {
        assert!(Outcome::Delivered(level).is_delivered());
    }
    for other in [
        Outcome::Refused(RefuseCode::Application),
        Outcome::Expired,
        Outcome::Cancelled,
        Outcome::Failed(FailReason::Stopped),
        Outcome::Unknown(UnknownReason::Stopped),
    ] {
        assert!(!other.is_delivered(), "{other:?}");
    }
}

#[test]
fn a_peers_own_words_come_after_a_colon_with_control_characters_escaped() {
    let closed = |reason: &str| LinkError::Closed {
        code: CloseCode::Done,
        reason: reason.into(),
    };
    let without = closed("").to_string();
    assert_eq!(closed("bye\n").to_string(), format!("{without}: bye\\n"));
}

#[test]
fn each_holdup_has_words_of_its_own() {
    assert_eq!(Holdup::NothingToDo.to_string(), "nothing to send");
    assert_eq!(Holdup::Stopped.to_string(), "the sender has stopped");
}

#[test]
fn the_diagram_has_a_line_for_each_transition() {
    let mut diagram = String::new();
    table::diagram(&mut diagram).unwrap();
    // Beside them its head, its beginning and its end.
    assert_eq!(diagram.lines().count(), table::TRANSITIONS.len() + 3);
    assert!(diagram.contains("    Up --> Backoff: Failed\n"));
}

#[test]
fn messages_are_told_by_their_sizes_and_never_by_their_bytes() {
    let (id, lane, payload) = (MessageId(5), Lane(2), Bytes::from_static(b"secret"));
    let incoming = IncomingMessage {
        lane,
        number: 7,
        payload: payload.clone(),
        received_at: Time::ZERO,
    };
    for (text, name) in [
        (format!("{:?}", Unsent { id, lane, payload }), "Unsent"),
        (format!("{incoming:?}"), "IncomingMessage"),
    ] {
        assert!(text.starts_with(name), "{text}");
        assert!(text.contains("payload_bytes: 6"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn sessions_and_processes_are_told_in_hexadecimal_digits() {
    let digits = "0f".repeat(16);
    let session = SessionId([0x0f; 16]);
    assert_eq!(format!("{session:?}"), format!("SessionId({digits})"));
    let epoch = Epoch([0x0f; 16]);
    assert_eq!(format!("{epoch:?}"), format!("Epoch({digits})"));
}
