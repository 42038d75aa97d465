//! What waits on a stream, in an image: frames' own bytes as they are, and how much lies between them.

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use bytes::Bytes;

use super::Reading;
use crate::Protocol;
use crate::trace::image::{ImageError, Reader, Writer};
use crate::trace::{Run, Runs};
use crate::wire::Decoder;

impl Reading {
    pub(crate) fn save(&self, protocol: Protocol, out: &mut Writer<'_>) {
        let Self {
            decoder,
            input,
            // As many as there are in `input`.
            waiting: _,
            // What it says of the buffers of `input` is no part of the state: these are new ones.
            borrowed: _,
            begun,
            fin,
            cut,
            paused,
        } = self;
        decoder.save(out);
        out.value(&(begun, fin, cut, paused));
        // There is one chunk at most between two steps, of a stream that is read.
        let input = match input.front() {
            Some(chunk) if input.len() == 1 => chunk.clone(),
            _ => Bytes::from(input.iter().flatten().copied().collect::<Vec<u8>>()),
        };
        let mut runs = match protocol {
            Protocol::Lanes | Protocol::Framed => decoder.runs(),
            Protocol::Plain => Runs::unread(),
        };
        out.size(input.len());
        runs.cut(&input, |run| match run {
            Run::Frames(frames) => {
                out.size(0);
                out.bytes(frames);
            }
            Run::Payload(payload) => {
                out.size(payload.len());
                out.bytes(&[]);
            }
        });
    }

    pub(crate) fn restore(image: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ImageError> {
        let framing = protocol.framing().unwrap_or_default();
        let decoder = Decoder::restore(image, framing)?;
        let (begun, fin, cut, paused) = image.value()?;
        let mut left = image.buffer()?;
        let (mut at, waiting) = (0, left.len());
        while at < waiting {
            let passed = image.size()?;
            let frame = image.bytes()?;
            let from = waiting.min(at.saturating_add(passed));
            let place = left
                .get_mut(from..)
                .and_then(|left| left.get_mut(..frame.len()));
            let end = from + frame.len();
            let Some(place) = place.filter(|_| end > at) else {
                return Err(image.wrong("more bytes wait than are counted"));
            };
            place.copy_from_slice(frame);
            at = end;
        }
        let input = Some(Bytes::from(left)).filter(|left| !left.is_empty());
        Ok(Self {
            decoder,
            input: input.into_iter().collect(),
            waiting,
            borrowed: false,
            begun,
            fin,
            cut,
            paused,
        })
    }
}
