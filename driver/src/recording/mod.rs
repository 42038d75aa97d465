//! Recording what nodes do: into a file, or into memory until something happens.

mod file;
mod flight;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

pub use self::file::TraceFile;
pub use self::flight::FlightRecorder;

/// Why a trace was not written, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The system does not take what is written.
    #[error("cannot write the trace {}: {text}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The kind of the system's error.
        kind: io::ErrorKind,
        /// The system's words.
        text: String,
    },
    /// What was recorded was not written fast enough. The file has what came before.
    #[error(
        "the trace {} ends early: the disk did not take it as fast as it was recorded",
        path.display()
    )]
    TooSlow {
        /// The file.
        path: PathBuf,
    },
}

impl RecordingError {
    fn write(path: &Path, error: &io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            kind: error.kind(),
            text: error.to_string(),
        }
    }
}

/// Makes a file that others may not read, where the system knows such: names, addresses, and what users
/// send may be in it.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// Gives a file that is there, and has something in it, another name.
fn keep_old(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(about) if about.is_file() && about.len() > 0 => {
            let mut old = path.as_os_str().to_owned();
            old.push(".old");
            fs::rename(path, old)
        }
        _ => Ok(()),
    }
}

/// The date, in nanoseconds since 1970.
fn unix_nanos() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a date for whoever reads the trace"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
