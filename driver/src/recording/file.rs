//! A trace in a file.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use peer_sender_core::trace::RecorderConfig;
use peer_sender_quic::Trace;

use super::RecordingError;

/// How often what was recorded is written.
const EVERY: Duration = Duration::from_millis(50);

/// A file that a trace is written into, by a thread of its own: whatever the disk does, it costs the
/// nodes nothing. A disk that is full or too slow ends the recording, never the sending.
///
/// Dropped without [`finish`](Self::finish), it writes what was recorded up to then, and waits for
/// that.
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
    thread: Option<JoinHandle<Result<u64, RecordingError>>>,
}

impl TraceFile {
    /// Makes a file, or empties one that is there.
    ///
    /// # Errors
    ///
    /// The system does not let it be made, or a thread be started.
    pub fn create(path: impl AsRef<Path>, config: RecorderConfig) -> Result<Self, RecordingError> {
        let path = path.as_ref().to_owned();
        let refused = |error| RecordingError::write(&path, &error);
        let file = File::create(&path).map_err(refused)?;
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
        let thread = std::thread::Builder::new()
            .name(String::from("peer-sender-trace"))
            .spawn(move || writer.run())
            .map_err(refused)?;
        Ok(Self {
            trace,
            path,
            ending: Some(ending),
            thread: Some(thread),
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

    /// Ends the recording, and waits until all of it is written. Returns how many bytes the file has.
    ///
    /// # Errors
    ///
    /// Why the recording has ended early. The file has what came before, and can be read.
    pub fn finish(mut self) -> Result<u64, RecordingError> {
        self.end().unwrap_or(Ok(0))
    }

    fn end(&mut self) -> Option<Result<u64, RecordingError>> {
        self.ending = None;
        self.thread.take()?.join().ok()
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        self.end();
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
