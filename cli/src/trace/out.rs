//! Lines on stdout, or in a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::diagnostics;
use crate::failure::Failure;

/// Where the data of a command goes.
pub(super) struct Out {
    to: BufWriter<Box<dyn Write>>,
    file: Option<std::path::PathBuf>,
}

impl Out {
    pub(super) fn stdout() -> Self {
        diagnostics::flush();
        Self {
            to: BufWriter::with_capacity(64 << 10, Box::new(io::stdout())),
            file: None,
        }
    }

    /// A new file: none is ever overwritten.
    pub(super) fn file(path: &Path) -> Result<Self, Failure> {
        let file = File::create_new(path).map_err(|error| Failure::ExportFile {
            file: path.to_owned(),
            error,
        })?;
        Ok(Self {
            to: BufWriter::with_capacity(64 << 10, Box::new(file)),
            file: Some(path.to_owned()),
        })
    }

    pub(super) fn write(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.to.write_all(text.as_bytes());
        written.map_err(|error| self.failure(error))
    }

    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.write(text)?;
        self.write("\n")
    }

    /// Hands everything on, at the end or before something is said on stderr.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        let flushed = self.to.flush();
        flushed.map_err(|error| self.failure(error))
    }

    fn failure(&self, error: io::Error) -> Failure {
        match &self.file {
            Some(file) => Failure::ExportFile {
                file: file.clone(),
                error,
            },
            None => Failure::stdout(error, "the rest of the trace was not shown"),
        }
    }
}
