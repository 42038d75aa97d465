//! Where a message comes from.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;

use super::args::CodecArgs;
use super::problem::WireProblem;
use crate::hex::from_hex;

/// More than the largest message has in hex, with its JSON or spaces around it.
pub(super) const INPUT_BYTES_MAX: u64 = 128 << 20;

/// What was read, and how it is called.
pub(super) struct Input {
    place: String,
    bytes: Vec<u8>,
    /// It may be the bytes of a message as well as their digits.
    may_be_raw: bool,
}

impl Input {
    pub(super) fn read(args: &CodecArgs) -> Result<Self, WireProblem> {
        match (&args.message, &args.file) {
            (Some(text), _) => Ok(Self {
                place: "MESSAGE".to_owned(),
                bytes: text.clone().into_bytes(),
                may_be_raw: false,
            }),
            (None, Some(file)) => Self::of(file.display().to_string(), || open(file)),
            (None, None) => Self::of("stdin".to_owned(), || Ok(io::stdin().lock())),
        }
    }

    fn of<R: Read>(
        place: String,
        open: impl FnOnce() -> io::Result<R>,
    ) -> Result<Self, WireProblem> {
        let mut bytes = Vec::new();
        let read = open().and_then(|it| it.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes));
        match read {
            Err(error) => Err(WireProblem::Unreadable { place, error }),
            Ok(count) if count as u64 > INPUT_BYTES_MAX => Err(WireProblem::TooLarge { place }),
            Ok(_) => Ok(Self {
                place,
                bytes,
                may_be_raw: true,
            }),
        }
    }

    /// The bytes of a message. Every message has lengths of eight bytes whose upper ones are zero, which no
    /// digits have.
    pub(super) fn bytes(self) -> Result<Bytes, WireProblem> {
        if self.may_be_raw && self.bytes.contains(&0) {
            return Ok(self.bytes.into());
        }
        let place = self.place.clone();
        let bytes = from_hex(&self.text()?);
        bytes
            .map(Bytes::from)
            .map_err(|problem| WireProblem::NotHex { place, problem })
    }

    pub(super) fn text(self) -> Result<String, WireProblem> {
        let place = self.place;
        String::from_utf8(self.bytes).map_err(|error| WireProblem::NotText {
            place,
            error: error.utf8_error(),
        })
    }
}

fn open(file: &Path) -> io::Result<File> {
    let opened = File::open(file)?;
    match opened.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(opened),
    }
}
