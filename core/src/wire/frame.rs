//! The frames, and the bytes of each.

use alloc::vec::Vec;

use super::varint;
use crate::{Epoch, ProtocolError, SessionId};

/// OPEN.version of this protocol.
pub const VERSION: u64 = 1;

/// The most bytes that a MESSAGE's head takes: its kind, and the longest integer.
pub const MESSAGE_HEAD_MAX: usize = 9;

/// The bytes of a message's length where messages have nothing else around them
/// ([`Framing::Lengths`](super::Framing::Lengths)).
pub(crate) const LENGTH_BYTES: usize = 4;

/// The most bytes in the body of a frame other than MESSAGE: OPEN's and RESUME's fields, each at
/// its longest. Below 64, so that the length of such a body is always one byte.
pub(crate) const BODY_MAX: usize = 48;

const FLAG_FRESH: u64 = 1;

/// The opener's first frame on a stream (0x01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Open {
    /// Whether this is the first OPEN ever of the lane.
    pub fresh: bool,
    /// The opener's session.
    pub session: SessionId,
    /// The lane that the stream carries.
    pub lane: u64,
    /// The number of the stream's first message.
    pub base: u64,
}

/// What the other end knows of a lane: the first frame on the way back (0x02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Resume {
    /// The receiving process.
    pub epoch: Epoch,
    /// The lane's record there; no other record of the epoch has this number.
    pub record: u64,
    /// Every number below it that was sent is decided, and none of them from OPEN.base on was
    /// refused.
    pub taken: u64,
    /// Every number below it is held, decided or passed over.
    pub next: u64,
    /// The largest message taken, in bytes.
    pub message_bytes_max: u64,
}

/// A frame other than MESSAGE, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    /// 0x01, from the opener: a stream for a lane.
    Open(Open),
    /// 0x02, from the other end: what is known of the lane.
    Resume(Resume),
    /// 0x04, from the opener: the stream's next numbers will not come.
    Skip {
        /// How many, at least 1.
        count: u64,
    },
    /// 0x05, from the other end: messages are decided.
    Receipt {
        /// Every number below it that was sent is decided.
        taken: u64,
    },
    /// 0x06, from the other end: one message was refused.
    Refuse {
        /// The message.
        number: u64,
        /// Why, as [`RefuseCode`](crate::RefuseCode) numbers it.
        code: u64,
    },
}

impl Frame {
    /// The frame's name, as `docs/wire.md` has it.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Appends the frame's bytes. An integer above [`VARINT_MAX`](super::VARINT_MAX) is written
    /// as that.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.kind() as u8);
        let length_at = out.len();
        out.push(0);
        self.encode_body(out);
        let length = out.len() - length_at - 1;
        if let Some(byte) = out.get_mut(length_at) {
            *byte = length as u8;
        }
    }

    /// The frame of this kind with this body; none if a MESSAGE is asked for, which has no fields.
    pub(super) fn decode(kind: Kind, body: &[u8]) -> Result<Option<Self>, ProtocolError> {
        let mut fields = Fields {
            kind,
            body,
            rest: body,
        };
        let frame = match kind {
            Kind::Open => {
                if fields.integer()? != VERSION {
                    return Err(kind.bad_field("version"));
                }
                let flags = fields.integer()?;
                if flags & !FLAG_FRESH != 0 {
                    return Err(kind.bad_field("flags"));
                }
                Self::Open(Open {
                    fresh: flags & FLAG_FRESH != 0,
                    session: SessionId(fields.name()?),
                    lane: fields.integer()?,
                    base: fields.integer()?,
                })
            }
            Kind::Resume => Self::Resume(Resume {
                epoch: Epoch(fields.name()?),
                record: fields.integer()?,
                taken: fields.integer()?,
                next: fields.integer()?,
                message_bytes_max: fields.integer()?,
            }),
            Kind::Skip => match fields.integer()? {
                0 => return Err(kind.bad_field("count")),
                count => Self::Skip { count },
            },
            Kind::Receipt => Self::Receipt {
                taken: fields.integer()?,
            },
            Kind::Refuse => Self::Refuse {
                number: fields.integer()?,
                code: fields.integer()?,
            },
            Kind::Message => return Ok(None),
        };
        fields.end()?;
        Ok(Some(frame))
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Open(_) => Kind::Open,
            Self::Resume(_) => Kind::Resume,
            Self::Skip { .. } => Kind::Skip,
            Self::Receipt { .. } => Kind::Receipt,
            Self::Refuse { .. } => Kind::Refuse,
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Open(open) => {
                varint::write(VERSION, out);
                varint::write(if open.fresh { FLAG_FRESH } else { 0 }, out);
                out.extend_from_slice(&open.session.0);
                varint::write(open.lane, out);
                varint::write(open.base, out);
            }
            Self::Resume(resume) => {
                out.extend_from_slice(&resume.epoch.0);
                varint::write(resume.record, out);
                varint::write(resume.taken, out);
                varint::write(resume.next, out);
                varint::write(resume.message_bytes_max, out);
            }
            Self::Skip { count } => varint::write(count, out),
            Self::Receipt { taken } => varint::write(taken, out),
            Self::Refuse { number, code } => {
                varint::write(number, out);
                varint::write(code, out);
            }
        }
    }
}

/// Appends the head (kind, length) of a MESSAGE of this many bytes; its payload follows.
pub fn encode_message_head(payload_len: usize, out: &mut Vec<u8>) {
    out.push(Kind::Message as u8);
    varint::write(payload_len as u64, out);
}

/// The kinds that this version knows, by their byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    Open = 0x01,
    Resume = 0x02,
    Message = 0x03,
    Skip = 0x04,
    Receipt = 0x05,
    Refuse = 0x06,
}

impl Kind {
    /// The kind of this byte; none for an extension, which is passed over.
    pub(super) fn from_byte(byte: u8) -> Result<Option<Self>, ProtocolError> {
        Ok(Some(match byte {
            0x01 => Self::Open,
            0x02 => Self::Resume,
            0x03 => Self::Message,
            0x04 => Self::Skip,
            0x05 => Self::Receipt,
            0x06 => Self::Refuse,
            0x40.. => return Ok(None),
            kind => return Err(ProtocolError::UnknownFrame { kind }),
        }))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Resume => "RESUME",
            Self::Message => "MESSAGE",
            Self::Skip => "SKIP",
            Self::Receipt => "RECEIPT",
            Self::Refuse => "REFUSE",
        }
    }

    pub(super) fn bad_length(self, length: u64) -> ProtocolError {
        ProtocolError::BodyLength {
            frame: self.name(),
            length,
        }
    }

    fn bad_field(self, field: &'static str) -> ProtocolError {
        ProtocolError::Field {
            frame: self.name(),
            field,
        }
    }
}

/// Takes a body apart, field by field, and sees to it that nothing is missing or left over.
struct Fields<'a> {
    kind: Kind,
    body: &'a [u8],
    rest: &'a [u8],
}

impl Fields<'_> {
    fn integer(&mut self) -> Result<u64, ProtocolError> {
        let (value, rest) = varint::read(self.rest)?.ok_or_else(|| self.wrong_length())?;
        self.rest = rest;
        Ok(value)
    }

    /// A session or an epoch.
    fn name(&mut self) -> Result<[u8; 16], ProtocolError> {
        let (name, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.wrong_length())?;
        self.rest = rest;
        Ok(*name)
    }

    fn end(&self) -> Result<(), ProtocolError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.wrong_length())
        }
    }

    fn wrong_length(&self) -> ProtocolError {
        self.kind.bad_length(self.body.len() as u64)
    }
}

#[cfg(test)]
mod tests;
