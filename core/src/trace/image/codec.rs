//! The bytes of an image.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ImageError, RESTORED_BYTES_MAX};
use crate::trace::form::{encode, integer};

/// Appends an image, part by part.
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    longest: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, longest: 0 }
    }

    /// The longest payload that was written.
    pub(super) fn longest(&self) -> u64 {
        self.longest
    }

    pub(crate) fn number(&mut self, number: u64) {
        integer(number, self.out);
    }

    pub(crate) fn size(&mut self, size: usize) {
        self.number(size as u64);
    }

    /// Something without payloads.
    pub(crate) fn value<T: Serialize>(&mut self, value: &T) {
        encode(value, self.out);
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.size(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    /// A payload, of which the length is kept.
    pub(crate) fn payload(&mut self, payload: &Bytes) {
        self.longest = self.longest.max(payload.len() as u64);
        self.size(payload.len());
    }

    pub(crate) fn each<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut save: impl FnMut(&mut Self, T),
    ) {
        self.size(items.len());
        items.for_each(|item| save(self, item));
    }
}

/// Reads an image, part by part.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Of the whole image.
    length: usize,
    /// As many as the longest payload has; all payloads are parts of it.
    zeros: Bytes,
    /// How many bytes of half-received payloads may still come.
    room: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8], length: usize, longest: u64) -> Result<Self, ImageError> {
        let bytes = longest;
        let longest = usize::try_from(longest).ok();
        let longest = longest.filter(|&longest| longest <= RESTORED_BYTES_MAX);
        Ok(Self {
            rest,
            length,
            zeros: Bytes::from(vec![0; longest.ok_or(ImageError::TooLarge { bytes })?]),
            room: RESTORED_BYTES_MAX,
        })
    }

    /// How many bytes were not read.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// What is wrong with what was read last.
    pub(crate) fn wrong(&self, what: &'static str) -> ImageError {
        let offset = self.length - self.rest.len();
        ImageError::Damaged { offset, what }
    }

    pub(crate) fn number(&mut self) -> Result<u64, ImageError> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let Some((&byte, rest)) = self.rest.split_first() else {
                return Err(self.wrong("it ends within a number"));
            };
            self.rest = rest;
            let part = u64::from(byte & 0x7f);
            number |= part << shift;
            if number >> shift != part {
                break;
            }
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.wrong("a number above 64 bits"))
    }

    pub(crate) fn size(&mut self) -> Result<usize, ImageError> {
        let size = usize::try_from(self.number()?).ok();
        size.ok_or_else(|| self.wrong("a size above what can be"))
    }

    pub(crate) fn value<T: Deserialize<'a>>(&mut self) -> Result<T, ImageError> {
        let Ok((value, rest)) = postcard::take_from_bytes(self.rest) else {
            return Err(self.wrong("a value that is none"));
        };
        self.rest = rest;
        Ok(value)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], ImageError> {
        let size = self.size()?;
        let Some((bytes, rest)) = self.rest.split_at_checked(size) else {
            return Err(self.wrong("it ends within bytes"));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// A payload of as many zeros.
    pub(crate) fn payload(&mut self) -> Result<Bytes, ImageError> {
        let size = self.size()?;
        match size <= self.zeros.len() {
            true => Ok(self.zeros.slice(..size)),
            false => Err(self.wrong("a payload above the longest")),
        }
    }

    /// As many zeros in a buffer of their own.
    pub(crate) fn buffer(&mut self) -> Result<Vec<u8>, ImageError> {
        let bytes = self.number()?;
        let size = usize::try_from(bytes).ok();
        let left = size.and_then(|size| self.room.checked_sub(size));
        let (Some(size), Some(left)) = (size, left) else {
            return Err(ImageError::TooLarge { bytes });
        };
        self.room = left;
        Ok(vec![0; size])
    }

    /// As many items as were written. Each takes a byte at least, so that no more can be asked for
    /// than there are bytes.
    pub(crate) fn each<T, C: FromIterator<T>>(
        &mut self,
        mut restore: impl FnMut(&mut Self) -> Result<T, ImageError>,
    ) -> Result<C, ImageError> {
        let count = self.size()?;
        if count > self.rest.len() {
            return Err(self.wrong("more items than there are bytes"));
        }
        (0..count).map(|_| restore(self)).collect()
    }
}
