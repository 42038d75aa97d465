//! A trace in a file.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use peer_sender_core::trace::RecorderConfig;
use peer_sender_quic::Trace;

use super::RecordingError;

/// How often what was recorded is written.
const EVERY: Duration = Duration::from_millis(50);

/// A file that a trace is written into, by a thread of its own: whatever the disk does, it costs the
/// nodes nothing. A disk that is full or too slow ends the recording, never the sending.
///
/// Dropped without [`finish`](Self::finish), it writes what was recorded up to then, and waits five
/// seconds for that at most.
///
/// ```no_run
/// use peer_sender_driver::trace::RecorderConfig;
/// use peer_sender_driver::{Identity, NodeConfig, TraceFile};
///
/// let file = TraceFile::create("night.trace", RecorderConfig::default())?;
/// let identity = Identity::from_secret([7; 32]);
/// let config = NodeConfig::builder(identity).trace(file.trace()).build();
/// // ... nodes of this configuration run, and are stopped ...
/// println!("{} bytes were recorded", file.finish()?);
/// # Ok::<(), peer_sender_driver::RecordingError>(())
/// ```
#[derive(Debug)]
pub struct TraceFile {
    trace: Trace,
    path: PathBuf,
    /// Dropped, it tells the thread to end.
    ending: Option<Sender<()>>,
    /// How the writing has ended.
    written: Receiver<Result<u64, RecordingError>>,
}

impl TraceFile {
    /// Makes a file that only its owner may read. One that is there and not empty is kept beside it, as
    /// `FILE.old`: after a crash it may be what somebody wants to know.
    ///
    /// # Errors
    ///
    /// The system does not let it be made, or a thread be started.
    pub fn create(path: impl AsRef<Path>, config: RecorderConfig) -> Result<Self, RecordingError> {
        let path = path.as_ref().to_owned();
        let refused = |error| RecordingError::write(&path, &error);
        super::keep_old(&path).map_err(refused)?;
        let file = super::private_file(&path).map_err(refused)?;
        let trace = Trace::new(RecorderConfig {
            ring_bytes: None,
            ..config
        });
        let (ending, ended) = channel();
        let writer = Writer {
            trace: trace.clone(),
            path: path.clone(),
            file,
            ended,
        };
        let (writing, written) = channel();
        std::thread::Builder::new()
            .name(String::from("peer-sender-trace"))
            .spawn(move || {
                // Nobody may be left who wants to know.
                let _ = writing.send(writer.run());
            })
            .map_err(refused)?;
        Ok(Self {
            trace,
            path,
            ending: Some(ending),
            written,
        })
    }

    /// The trace, for the configuration of nodes.
    pub fn trace(&self) -> Trace {
        self.trace.clone()
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the recording has ended early.
    pub fn has_failed(&self) -> bool {
        self.trace.is_stopped()
    }

    /// Ends the recording, and waits until all of it is written, for as long as the disk takes. Returns
    /// how many bytes the file has.
    ///
    /// # Errors
    ///
    /// Why the recording has ended early. The file has what came before, and can be read.
    pub fn finish(mut self) -> Result<u64, RecordingError> {
        self.ending = None;
        let path = self.path.clone();
        let written = self.written.recv();
        written.unwrap_or(Err(RecordingError::TooSlow { path }))
    }

    /// The same, and waits no longer than this.
    ///
    /// # Errors
    ///
    /// As for [`finish`](Self::finish); and the disk has not taken all of it within that time.
    pub fn finish_within(mut self, time: Duration) -> Result<u64, RecordingError> {
        self.ending = None;
        let path = self.path.clone();
        let written = self.written.recv_timeout(time);
        written.unwrap_or(Err(RecordingError::TooSlow { path }))
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        if self.ending.take().is_some() {
            let _ = self.written.recv_timeout(Duration::from_secs(5));
        }
    }
}

struct Writer {
    trace: Trace,
    path: PathBuf,
    file: File,
    ended: Receiver<()>,
}

impl Writer {
    fn run(mut self) -> Result<u64, RecordingError> {
        let written = self.write_all();
        // Nobody would take what is recorded from here on.
        self.trace.stop();
        if let Err(error) = &written {
            tracing::error!(%error, "the recording has ended");
        }
        written
    }

    fn write_all(&mut self) -> Result<u64, RecordingError> {
        let mut buffer = Vec::new();
        let mut written = 0;
        loop {
            let last = !matches!(
                self.ended.recv_timeout(EVERY),
                Err(RecvTimeoutError::Timeout)
            );
            let stopped = self.trace.is_stopped();
            self.trace.take(&mut buffer);
            let done = self.file.write_all(&buffer);
            done.map_err(|error| RecordingError::write(&self.path, &error))?;
            written += buffer.len() as u64;
            if stopped {
                let path = self.path.clone();
                return Err(RecordingError::TooSlow { path });
            }
            if last {
                return Ok(written);
            }
        }
    }
}
