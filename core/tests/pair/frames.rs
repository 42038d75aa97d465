//! The frames of `peer-sender/1`, read and written from `docs/wire.md` alone, so that the machines'
//! own codec never judges itself.

use peer_sender_core::{Epoch, SessionId};

/// One frame, or a part of a MESSAGE, as it passes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Open {
        fresh: bool,
        session: SessionId,
        lane: u64,
        base: u64,
    },
    Resume {
        epoch: Epoch,
        record: u64,
        taken: u64,
        next: u64,
        message_bytes_max: u64,
    },
    MessageBegins {
        length: u64,
    },
    Payload(Vec<u8>),
    MessageEnds,
    Skip {
        count: u64,
    },
    Receipt {
        taken: u64,
    },
    Refuse {
        number: u64,
        code: u64,
    },
}

/// Cuts one direction of one stream into pieces. The machines are trusted to write what can be
/// read: anything else fails the test.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    frame: Vec<u8>,
    payload_left: Option<u64>,
}

impl Reader {
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() || self.payload_left == Some(0) {
            if let Some(left) = self.payload_left {
                let part = bytes.len().min(usize::try_from(left).unwrap());
                if part > 0 {
                    pieces.push(Piece::Payload(bytes[..part].to_vec()));
                    bytes = &bytes[part..];
                }
                self.payload_left = Some(left - part as u64);
                if left == part as u64 {
                    self.payload_left = None;
                    pieces.push(Piece::MessageEnds);
                }
                continue;
            }
            self.frame.push(bytes[0]);
            bytes = &bytes[1..];
            self.complete(&mut pieces);
        }
        pieces
    }

    /// Whether the stream may end here.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.frame.is_empty() && self.payload_left.is_none()
    }

    fn complete(&mut self, pieces: &mut Vec<Piece>) {
        let Some((length, head)) = varint(&self.frame[1..]) else {
            return;
        };
        let kind = self.frame[0];
        if kind == 0x03 {
            self.payload_left = Some(length);
            self.frame.clear();
            pieces.push(Piece::MessageBegins { length });
            return;
        }
        assert!(
            length < 1_024,
            "W a control frame of {length} bytes was written"
        );
        if self.frame.len() < 1 + head + length as usize {
            return;
        }
        let frame = std::mem::take(&mut self.frame);
        let mut body = Body(&frame[1 + head..]);
        let piece = match kind {
            0x01 => {
                assert_eq!(body.integer(), 1, "W OPEN.version");
                let flags = body.0[0];
                assert!(flags <= 1, "W OPEN.flags {flags}");
                body.0 = &body.0[1..];
                Piece::Open {
                    fresh: flags == 1,
                    session: SessionId(body.sixteen()),
                    lane: body.integer(),
                    base: body.integer(),
                }
            }
            0x02 => Piece::Resume {
                epoch: Epoch(body.sixteen()),
                record: body.integer(),
                taken: body.integer(),
                next: body.integer(),
                message_bytes_max: body.integer(),
            },
            0x04 => Piece::Skip {
                count: body.integer(),
            },
            0x05 => Piece::Receipt {
                taken: body.integer(),
            },
            0x06 => Piece::Refuse {
                number: body.integer(),
                code: body.integer(),
            },
            extension if extension >= 0x40 => return,
            kind => panic!("W unknown frame {kind:#x} was written"),
        };
        assert!(body.0.is_empty(), "W left-over bytes in {piece:?}");
        pieces.push(piece);
    }
}

/// The bytes of an OPEN of lane 0, with a base below 64.
pub(crate) fn open(session: SessionId, fresh: bool, base: u64) -> Vec<u8> {
    let mut frame = vec![0x01, 20, 1, u8::from(fresh)];
    frame.extend(session.0);
    frame.extend([0, base as u8]);
    frame
}

/// The bytes of a MESSAGE of under 16 KiB.
pub(crate) fn message(payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut frame = vec![0x03];
    match length {
        0..64 => frame.push(length as u8),
        _ => frame.extend((0x4000 | length as u16).to_be_bytes()),
    }
    frame.extend(payload);
    frame
}

/// The bytes of a SKIP of under 64.
pub(crate) fn skip(count: u8) -> Vec<u8> {
    vec![0x04, 1, count]
}

struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn integer(&mut self) -> u64 {
        let (value, length) = varint(self.0).expect("W a frame's body is too short");
        self.0 = &self.0[length..];
        value
    }

    fn sixteen(&mut self) -> [u8; 16] {
        let (first, rest) = self
            .0
            .split_first_chunk()
            .expect("W a frame's body is too short");
        self.0 = rest;
        *first
    }
}

/// RFC 9000 section 16, in its shortest form only.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let length = 1 << (bytes.first()? >> 6);
    let digits = bytes.get(..length)?;
    let mut value = u64::from(digits[0] & 0x3f);
    for digit in &digits[1..] {
        value = value << 8 | u64::from(*digit);
    }
    let shortest = match value {
        0..64 => 1,
        64..16_384 => 2,
        16_384..1_073_741_824 => 4,
        _ => 8,
    };
    assert_eq!(length, shortest, "W an integer is not in its shortest form");
    Some((value, length))
}
