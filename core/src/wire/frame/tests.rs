use super::*;
use crate::wire::VARINT_MAX;
use alloc::vec;

const SESSION: SessionId = SessionId(*b"0123456789abcdef");
const EPOCH: Epoch = Epoch([0xee; 16]);

fn encoded(frame: Frame) -> Vec<u8> {
    let mut out = Vec::new();
    frame.encode(&mut out);
    out
}

fn decoded(kind: Kind, body: &[u8]) -> Result<Option<Frame>, ProtocolError> {
    Frame::decode(kind, body)
}

/// The byte strings that `docs/wire.md` shows.
#[test]
fn each_frame_has_its_golden_bytes() {
    let open = Open {
        fresh: true,
        session: SESSION,
        lane: 0,
        base: 5,
    };
    let mut bytes = vec![0x01, 20, 0x01, 0x01];
    bytes.extend(SESSION.0);
    bytes.extend([0x00, 0x05]);
    assert_eq!(encoded(Frame::Open(open)), bytes);

    let later = Open {
        fresh: false,
        base: 300,
        ..open
    };
    let mut bytes = vec![0x01, 21, 0x01, 0x00];
    bytes.extend(SESSION.0);
    bytes.extend([0x00, 0x41, 0x2c]);
    assert_eq!(encoded(Frame::Open(later)), bytes);

    let resume = Resume {
        epoch: EPOCH,
        record: 2,
        taken: 300,
        next: 310,
        message_bytes_max: 16 << 20,
    };
    let mut bytes = vec![0x02, 25];
    bytes.extend(EPOCH.0);
    bytes.extend([0x02, 0x41, 0x2c, 0x41, 0x36, 0x81, 0x00, 0x00, 0x00]);
    assert_eq!(encoded(Frame::Resume(resume)), bytes);

    assert_eq!(encoded(Frame::Skip { count: 10 }), [0x04, 0x01, 0x0a]);
    assert_eq!(
        encoded(Frame::Receipt { taken: 310 }),
        [0x05, 0x02, 0x41, 0x36]
    );
    assert_eq!(
        encoded(Frame::Refuse { number: 7, code: 2 }),
        [0x06, 0x02, 0x07, 0x02]
    );

    let mut message = Vec::new();
    encode_message_head(5, &mut message);
    message.extend(b"hello");
    assert_eq!(message, b"\x03\x05hello");
    let mut head = Vec::new();
    encode_message_head(100, &mut head);
    assert_eq!(head, [0x03, 0x40, 0x64]);
}

#[test]
fn the_longest_bodies_fit() {
    let open = Open {
        fresh: true,
        session: SESSION,
        lane: VARINT_MAX,
        base: VARINT_MAX,
    };
    let resume = Resume {
        epoch: EPOCH,
        record: VARINT_MAX,
        taken: VARINT_MAX,
        next: VARINT_MAX,
        message_bytes_max: VARINT_MAX,
    };
    assert_eq!(encoded(Frame::Open(open)).len(), 2 + 34);
    assert_eq!(encoded(Frame::Resume(resume)).len(), 2 + BODY_MAX);
    let mut head = Vec::new();
    encode_message_head(usize::MAX, &mut head);
    assert_eq!(head.len(), MESSAGE_HEAD_MAX);
}

#[test]
fn a_body_that_is_short_or_long_is_refused() {
    let frames = [
        Frame::Open(Open {
            fresh: false,
            session: SESSION,
            lane: 0,
            base: 70,
        }),
        Frame::Resume(Resume {
            epoch: EPOCH,
            record: 0,
            taken: 1,
            next: 2,
            message_bytes_max: 70,
        }),
        Frame::Skip { count: 70 },
        Frame::Receipt { taken: 70 },
        Frame::Refuse {
            number: 1,
            code: 70,
        },
    ];
    for frame in frames {
        let bytes = encoded(frame);
        let body = &bytes[2..];
        assert_eq!(decoded(frame.kind(), body), Ok(Some(frame)));
        for cut in 0..body.len() {
            let error = Err(frame.kind().bad_length(cut as u64));
            assert_eq!(decoded(frame.kind(), &body[..cut]), error);
        }
        let left_over = [body, &[0]].concat();
        let error = Err(frame.kind().bad_length(left_over.len() as u64));
        assert_eq!(decoded(frame.kind(), &left_over), error);
    }
}

#[test]
fn fields_that_may_not_be_are_refused() {
    let bad = |frame, field| Err(ProtocolError::Field { frame, field });
    assert_eq!(decoded(Kind::Skip, &[0]), bad("SKIP", "count"));
    assert_eq!(decoded(Kind::Open, &[2]), bad("OPEN", "version"));
    assert_eq!(decoded(Kind::Open, &[1, 2]), bad("OPEN", "flags"));
    assert_eq!(
        decoded(Kind::Receipt, &[0x40, 1]),
        Err(ProtocolError::IntegerForm)
    );
}
