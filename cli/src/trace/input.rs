//! A trace, read from a file piece by piece.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use peer_sender_core::trace::{Header, Record, TraceError, TraceReader};

use crate::console::{self, Screen};
use crate::failure::Failure;
use crate::figures::plural;

const PIECE_BYTES: usize = 64 << 10;

/// A file of records.
pub(super) struct Input {
    path: PathBuf,
    file: File,
    reader: TraceReader,
    piece: Vec<u8>,
    /// Bytes that were read of the file.
    bytes: u64,
    /// Bytes behind the last whole record, once the end was reached.
    torn: Option<u64>,
    /// That it is torn was said before.
    known: bool,
    progress: ProgressBar,
    screen: Screen,
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let unreadable = |error| Failure::TraceUnreadable {
            file: path.to_owned(),
            error,
        };
        let file = File::open(path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if about.is_dir() {
            return Err(unreadable(ErrorKind::IsADirectory.into()));
        }
        let screen = Screen::new();
        let progress = match about.len() > PROGRESS_BYTES_MIN {
            true => screen.bar("bytes", Some(about.len())),
            false => ProgressBar::hidden(),
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            reader: TraceReader::new(),
            piece: vec![0; PIECE_BYTES],
            bytes: 0,
            torn: None,
            known: false,
            progress,
            screen,
        })
    }

    /// The next record; none at the end. A record that was cut off there is told of on stderr once.
    pub(super) fn next(&mut self) -> Result<Option<Record>, Failure> {
        loop {
            let unusable = |error| Failure::Trace {
                file: self.path.clone(),
                error,
            };
            match self.reader.next_record() {
                Ok(Some(record)) => return Ok(Some(record)),
                Ok(None) => {}
                Err(error) => {
                    self.screen.clear();
                    return Err(unusable(error));
                }
            }
            if self.torn.is_some() {
                return Ok(None);
            }
            let read = match self.file.read(&mut self.piece) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(Failure::TraceUnreadable {
                        file: self.path.clone(),
                        error,
                    });
                }
            };
            self.bytes += read as u64;
            self.progress.set_position(self.bytes);
            if read == 0 {
                self.screen.clear();
                if self.reader.header().is_none() {
                    return Err(unusable(TraceError::NotATrace));
                }
                self.torn = Some(self.reader.torn());
                self.warn_of_torn();
            }
            self.reader.feed(self.piece.get(..read).unwrap_or_default());
        }
    }

    /// What the trace says of itself, once its first record was asked for.
    pub(super) fn header(&self) -> Option<&Header> {
        self.reader.header()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes behind the last whole record, once the end was reached.
    pub(super) fn torn(&self) -> u64 {
        self.torn.unwrap_or(0)
    }

    /// Nothing is said that was said before.
    pub(super) fn is_known(&mut self) {
        self.known = true;
    }

    fn warn_of_torn(&self) {
        if self.torn() > 0 && !self.known {
            console::say(&format!(
                "warning: {} breaks off: its last {} are no whole record, as when its writer was \
                 killed; all before them was read",
                self.path.display(),
                plural(self.torn(), "byte"),
            ));
        }
    }
}

/// Of a file that is smaller, nobody waits.
const PROGRESS_BYTES_MIN: u64 = 64 << 20;
