//! What waits on a stream, in an image: frames' own bytes as they are, and how much lies between them.

#[cfg(test)]
mod tests;

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Reading;
use crate::Protocol;
use crate::trace::image::{ImageError, Reader, Writer};
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
        out.size(input.iter().map(Bytes::len).sum());
        let mut runs = Runs::behind(decoder, protocol, out);
        input.iter().for_each(|chunk| runs.take(chunk.clone()));
        runs.end();
    }

    pub(crate) fn restore(image: &mut Reader<'_>) -> Result<Self, ImageError> {
        let decoder = Decoder::restore(image)?;
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

/// Tells the bytes of frames from those of payloads: how many are passed over, then a row of bytes
/// that are not, and so on.
struct Runs<'a, 'b> {
    /// None under the plain protocol: every byte is of a payload.
    outline: Option<Decoder>,
    passed: usize,
    frame: Vec<u8>,
    out: &'a mut Writer<'b>,
}

impl<'a, 'b> Runs<'a, 'b> {
    fn behind(decoder: &Decoder, protocol: Protocol, out: &'a mut Writer<'b>) -> Self {
        Self {
            outline: match protocol {
                Protocol::Lanes => Some(decoder.outline()),
                Protocol::Plain => None,
            },
            passed: 0,
            frame: vec![],
            out,
        }
    }

    fn take(&mut self, mut chunk: Bytes) {
        while !chunk.is_empty() {
            let passes = self.outline.as_ref().map_or(u64::MAX, Decoder::passes);
            let passed = usize::try_from(passes).map_or(chunk.len(), |it| it.min(chunk.len()));
            if passed > 0 {
                self.pass(chunk.split_to(passed));
            } else {
                self.keep(chunk.split_to(1));
            }
        }
    }

    fn pass(&mut self, run: Bytes) {
        if !self.frame.is_empty() {
            self.end();
        }
        self.passed += run.len();
        self.follow(run);
    }

    fn keep(&mut self, bytes: Bytes) {
        self.frame.extend_from_slice(&bytes);
        self.follow(bytes);
    }

    /// Whoever reads the stream may take a message or not: its bytes are as many.
    fn follow(&mut self, mut run: Bytes) {
        let Some(outline) = &mut self.outline else {
            return;
        };
        while let Ok(Some(_)) = outline.next(&mut run) {
            outline.discard_message();
        }
    }

    fn end(&mut self) {
        if self.passed > 0 || !self.frame.is_empty() {
            self.out.size(self.passed);
            self.out.bytes(&self.frame);
            self.passed = 0;
            self.frame.clear();
        }
    }
}
