//! The form in which values stand in a trace: postcard's.
//!
//! What a message costs when it is recorded is mostly this, so the events and actions of which there
//! are as many as messages are put together by hand. All others go through serde, which is also what
//! both are read with, and what tests compare them with.

use alloc::vec::Vec;

use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// Appends a value.
pub(super) fn encode(value: &impl Serialize, out: &mut Vec<u8>) {
    let written = postcard::serialize_with_flavor(value, Appending(out));
    // Only a value of unknown length can fail, and nothing that is encoded here is one.
    debug_assert_eq!(written, Ok(()));
}

/// Appends an integer of more than eight bits: seven a byte, the lowest first.
pub(super) fn integer(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Values one behind the other. Behind them is room that is set aside already, so that a short one
/// costs little more than its bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    bytes: Vec<u8>,
    filled: usize,
    /// Where a value is put together that serde knows; kept for its capacity.
    value: Vec<u8>,
}

impl Form {
    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.filled
    }

    pub(super) fn filled(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// Appends some short values, [`SHORT_MAX`] bytes at most, and what is to stand
    /// [behind](Short::behind) them.
    #[inline]
    pub(super) fn short<'a>(&mut self, put: impl FnOnce(&mut Short<'_, 'a>)) {
        let Some(room) = self.room(SHORT_MAX).first_chunk_mut() else {
            return;
        };
        let mut short = Short {
            room,
            count: 0,
            behind: &[],
        };
        put(&mut short);
        let Short { count, behind, .. } = short;
        self.filled += count;
        if !behind.is_empty() {
            self.bytes(behind);
        }
    }

    /// Appends bytes as they are.
    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room(bytes.len()).get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self.filled += bytes.len();
    }

    /// Appends a value.
    pub(super) fn value(&mut self, value: &impl Serialize) {
        let mut encoded = core::mem::take(&mut self.value);
        encoded.clear();
        encode(value, &mut encoded);
        self.bytes(&encoded);
        self.value = encoded;
    }

    /// Appends a list of what `each` appends one by one, of which it says how many there are. The
    /// number stands in front, mostly in one byte.
    #[inline]
    pub(super) fn list(&mut self, each: impl FnOnce(&mut Self) -> usize) {
        let at = self.filled;
        self.short(|short| short.byte(0));
        let count = each(self);
        if let (0..0x80, Some(byte)) = (count, self.bytes.get_mut(at)) {
            *byte = count as u8;
            return;
        }
        let mut number = Vec::new();
        integer(count as u64, &mut number);
        self.filled += number.len() - 1;
        self.bytes.splice(at..=at, number);
    }

    /// Where at least so many bytes can be put.
    #[inline]
    fn room(&mut self, bytes: usize) -> &mut [u8] {
        if self.bytes.len() < self.filled + bytes {
            self.grow(bytes);
        }
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        let length = (self.filled + bytes).max(2 * self.bytes.len()).max(1_024);
        self.bytes.resize(length, 0);
    }
}

/// The most bytes of what is put together as [short](Form::short).
const SHORT_MAX: usize = 64;

/// A few short values.
pub(super) struct Short<'a, 'b> {
    room: &'a mut [u8; SHORT_MAX],
    count: usize,
    behind: &'b [u8],
}

impl<'b> Short<'_, 'b> {
    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        debug_assert!(self.count < SHORT_MAX, "it is not short");
        if let Some(place) = self.room.get_mut(self.count % SHORT_MAX) {
            *place = byte;
        }
        self.count += 1;
    }

    /// An integer of more than eight bits.
    #[inline]
    pub(super) fn integer(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// Bytes as they are, behind all short values.
    #[inline]
    pub(super) fn behind(&mut self, bytes: &'b [u8]) {
        self.behind = bytes;
    }

    /// How many there are of something.
    #[inline]
    pub(super) fn count(&mut self, number: usize) {
        self.integer(number as u64);
    }
}

/// Where encoded bytes go.
struct Appending<'a>(&'a mut Vec<u8>);

impl Flavor for Appending<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// Else each short value behind another one would have to make it anew, and fill it with zeros.
    #[test]
    fn room_that_was_made_stays() {
        let mut form = Form::default();
        form.short(|short| short.byte(1));
        let room = form.bytes.len();
        form.value(&"a value");
        assert_eq!(form.bytes.len(), room);
        form.clear();
        assert_eq!(form.bytes.len(), room);
    }

    #[test]
    fn room_that_is_just_enough_stays() {
        let mut form = Form::default();
        form.bytes(&[1; 5_000]);
        let room = form.bytes.len();
        form.clear();
        form.bytes(&vec![2; room]);
        assert_eq!((form.len(), form.bytes.len()), (room, room));
    }

    #[test]
    fn what_comes_first_may_be_long() {
        let mut form = Form::default();
        form.bytes(&[7; 5_000]);
        assert_eq!(form.filled(), [7; 5_000]);
    }

    /// So that much which comes in small parts is not moved with each of them.
    #[test]
    fn room_is_made_seldom() {
        let mut form = Form::default();
        let mut grown = 0;
        for _ in 0..100_000 {
            let room = form.bytes.len();
            form.short(|short| short.byte(1));
            grown += u32::from(form.bytes.len() > room);
        }
        assert!(grown < 10, "{grown} times");
    }

    #[test]
    fn a_list_says_how_long_it_is_whatever_stands_around_it() {
        for count in [0, 1, 127, 128, 20_000] {
            let mut form = Form::default();
            form.value(&"before");
            form.list(|form| {
                (0..count).for_each(|it| form.short(|short| short.count(it)));
                count
            });
            form.bytes(b"\x05after");
            let items: Vec<usize> = (0..count).collect();
            let whole = postcard::to_allocvec(&("before", items, "after"));
            assert_eq!(whole.as_deref(), Ok(form.filled()));
            assert_eq!(form.len(), form.filled().len());
            form.clear();
            assert!(form.filled().is_empty());
        }
    }

    #[test]
    fn integers_of_every_length_are_as_serde_has_them() {
        for bits in 0..64 {
            for number in [(1_u64 << bits) - 1, 1 << bits, u64::MAX] {
                let mut form = Form::default();
                form.short(|short| short.integer(number));
                let mut out = Vec::new();
                integer(number, &mut out);
                assert_eq!(out, form.filled());
                assert_eq!(postcard::to_allocvec(&number), Ok(out));
            }
        }
    }
}
