//! Reading a trace.

use alloc::vec::Vec;

use thiserror::Error;

use super::record::{
    FORMAT, HEAD_BYTES, Header, MAGIC, RECORD_BYTES_MAX, Record, TAIL_BYTES, checksum,
};

/// What every trace begins with, and its version.
const PROLOGUE: usize = MAGIC.len() + 2;

/// Reads a trace from whatever pieces it comes in, record by record. It holds what was
/// [fed](Self::feed) and is not read: at most one record, and one piece.
#[derive(Debug, Default)]
pub struct TraceReader {
    input: Vec<u8>,
    /// What of `input` was read.
    read: usize,
    /// Where in the trace `input` begins.
    start: u64,
    header: Option<Header>,
    failed: Option<TraceError>,
}

/// What is wrong with a trace.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TraceError {
    /// It does not begin as a trace does.
    #[error("this is no trace of peer-sender")]
    NotATrace,
    /// A later program has written it.
    #[error(
        "the trace is of format {found}, and formats up to {FORMAT} are known; use a later version"
    )]
    NewerFormat {
        /// Its format.
        found: u16,
    },
    /// A byte was changed, or something else was written into it.
    #[error("the trace is damaged at byte {offset}: {problem}")]
    Damaged {
        /// Where the record begins that cannot be read.
        offset: u64,
        /// What is wrong with it.
        problem: Damage,
    },
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// Its length and the length's checksum do not agree.
    #[error("the checksum of a record's length is wrong")]
    Length,
    /// No record is as long.
    #[error("a record of {bytes} bytes is longer than any may be")]
    TooLong {
        /// Its length.
        bytes: u32,
    },
    /// Its bytes and its checksum do not agree.
    #[error("a record's checksum is wrong")]
    Checksum,
    /// Its checksum is right, and its content is of no known kind, or breaks off, or goes on.
    #[error("a record's content cannot be read")]
    Content,
    /// The first record is not the header, or a later one is.
    #[error("a header is missing, or out of place")]
    Header,
}

impl TraceReader {
    /// At the start of a trace.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands over the trace's next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.start += self.read as u64;
        self.input.drain(..self.read);
        self.read = 0;
        self.input.extend_from_slice(bytes);
    }

    /// What the trace says of itself, once it was read.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Where the next record begins.
    pub fn offset(&self) -> u64 {
        self.start + self.read as u64
    }

    /// The next record that is whole; none if more is to be [fed](Self::feed). The header is read
    /// on the way.
    ///
    /// # Errors
    ///
    /// What is wrong with it. The trace is not read on then: every later call gives the same error.
    pub fn next_record(&mut self) -> Result<Option<Record>, TraceError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let record = self.read_record();
        if let Err(error) = &record {
            self.failed = Some(error.clone());
        }
        record
    }

    /// How many bytes there are of a record that is not whole, when nothing more is to come: those
    /// of a trace that was cut off, as when its writer was killed. They are of no use.
    pub fn torn(&self) -> u64 {
        (self.input.len() - self.read) as u64
    }

    fn read_record(&mut self) -> Result<Option<Record>, TraceError> {
        if self.start == 0 && self.read == 0 && !self.read_prologue()? {
            return Ok(None);
        }
        loop {
            let offset = self.offset();
            let damaged = |problem| TraceError::Damaged { offset, problem };
            let Some(body) = self.body(damaged)? else {
                return Ok(None);
            };
            let Ok((record, rest)) = postcard::take_from_bytes(body) else {
                return Err(damaged(Damage::Content));
            };
            if !rest.is_empty() {
                return Err(damaged(Damage::Content));
            }
            self.read += HEAD_BYTES + body.len() + TAIL_BYTES;
            let first = self.header.is_none();
            if matches!(record, Record::Header(_)) != first {
                return Err(damaged(Damage::Header));
            }
            if let Record::Header(header) = record {
                self.header = Some(header);
            } else {
                return Ok(Some(record));
            }
        }
    }

    /// Reads what comes before the first record; whether it is there.
    fn read_prologue(&mut self) -> Result<bool, TraceError> {
        let there = self.input.len().min(MAGIC.len());
        if self.input.get(..there) != MAGIC.get(..there) {
            return Err(TraceError::NotATrace);
        }
        let Some(&[low, high]) = self.input.get(MAGIC.len()..PROLOGUE) else {
            return Ok(false);
        };
        match u16::from_le_bytes([low, high]) {
            0 => Err(TraceError::NotATrace),
            FORMAT => {
                self.read = PROLOGUE;
                Ok(true)
            }
            found => Err(TraceError::NewerFormat { found }),
        }
    }

    /// The body of the next record, if all of it is there and its checksums are right.
    fn body(&self, damaged: impl Fn(Damage) -> TraceError) -> Result<Option<&[u8]>, TraceError> {
        let rest = self.input.get(self.read..).unwrap_or_default();
        let Some((length, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let Some((length_sum, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        if checksum(length) != *length_sum {
            return Err(damaged(Damage::Length));
        }
        let bytes = u32::from_le_bytes(*length);
        if bytes as usize > RECORD_BYTES_MAX {
            return Err(damaged(Damage::TooLong { bytes }));
        }
        let Some((body, rest)) = rest.split_at_checked(bytes as usize) else {
            return Ok(None);
        };
        let Some((sum, _)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        if checksum(body) != *sum {
            return Err(damaged(Damage::Checksum));
        }
        Ok(Some(body))
    }
}
