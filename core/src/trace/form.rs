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
    if let 0x80..0x4000 = number {
        out.extend_from_slice(&[number as u8 | 0x80, (number >> 7) as u8]);
        return;
    }
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends how many there are of something.
pub(super) fn count(number: usize, out: &mut Vec<u8>) {
    integer(number as u64, out);
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
