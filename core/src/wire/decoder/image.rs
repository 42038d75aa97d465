//! A stream's place among frames, in an image: the bytes of half a frame, and of payloads lengths.

use alloc::vec::Vec;

use bytes::Bytes;

use super::{BODY_MAX, Decoder, Framing, State};
use crate::trace::Runs;
use crate::trace::image::{ImageError, Reader, Writer};

/// Half a frame has at most a kind, a length and half a body.
const HALF_FRAME_MAX: usize = 2 + BODY_MAX;

const HALF_FRAME: u64 = 0;
const PAYLOAD: u64 = 1;
const PASSING: u64 = 2;
const LOST: u64 = 3;

impl Decoder {
    pub(crate) fn save(&self, out: &mut Writer<'_>) {
        match &self.state {
            State::Head(head) => {
                out.number(HALF_FRAME);
                out.bytes(head.filled());
            }
            State::Body {
                kind,
                length,
                gathered,
            } => {
                let mut half = Vec::from([*kind as u8, *length as u8]);
                half.extend_from_slice(gathered.filled());
                out.number(HALF_FRAME);
                out.bytes(&half);
            }
            State::Payload { length, buffer } => {
                out.number(PAYLOAD);
                out.number(*length);
                out.size(buffer.len());
            }
            State::Passing { remaining } => {
                out.number(PASSING);
                out.number(*remaining);
            }
            State::Lost(error) => {
                out.number(LOST);
                out.value(error);
            }
        }
    }

    pub(crate) fn restore(image: &mut Reader<'_>, framing: Framing) -> Result<Self, ImageError> {
        let state = match image.number()? {
            HALF_FRAME => return Self::within_frame(image, framing),
            PAYLOAD => {
                let length = image.number()?;
                let buffer = image.buffer()?;
                if buffer.len() as u64 >= length && !buffer.is_empty() {
                    return Err(image.wrong("a half-received payload that is whole"));
                }
                State::Payload { length, buffer }
            }
            PASSING => State::Passing {
                remaining: image.number()?,
            },
            LOST => State::Lost(image.value()?),
            _ => return Err(image.wrong("no place among frames")),
        };
        Ok(Self { framing, state })
    }

    fn within_frame(image: &mut Reader<'_>, framing: Framing) -> Result<Self, ImageError> {
        let bytes = image.bytes()?;
        let mut decoder = Self::new(framing);
        if bytes.len() <= HALF_FRAME_MAX {
            let read = decoder.next(&mut Bytes::copy_from_slice(bytes));
            let within = matches!(decoder.state, State::Head(_) | State::Body { .. });
            if read == Ok(None) && within {
                return Ok(decoder);
            }
        }
        Err(image.wrong("not half a frame"))
    }

    /// How the stream's next bytes are told from payloads.
    pub(crate) fn runs(&self) -> Runs {
        let payload = |remaining| Runs::within_payload(self.framing, remaining);
        match &self.state {
            State::Head(head) => Runs::within_head(self.framing, head.clone()),
            State::Body {
                length, gathered, ..
            } => Runs::within_body(length.saturating_sub(gathered.filled().len()) as u64),
            State::Payload { length, buffer } => payload(length - buffer.len() as u64),
            State::Passing { remaining } => payload(*remaining),
            State::Lost(_) => Runs::unread(),
        }
    }
}
