//! A trace in memory, written down when something happens.

use std::fs;
use std::io::Write;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use peer_sender_core::trace::{RecorderConfig, Watch};
use peer_sender_quic::Trace;

use super::{RecordingError, unix_nanos};

/// How often it is looked whether something was noticed.
const EVERY: Duration = Duration::from_millis(100);

/// A flight recorder: the latest of what nodes did, in memory, always on, and written into a file
/// once somebody wants to know. Payloads are kept as lengths.
///
/// ```
/// use peer_sender_driver::{FlightRecorder, Identity, NodeConfig};
///
/// let flight = FlightRecorder::new(16 << 20);
/// let identity = Identity::from_secret([7; 32]);
/// let config = NodeConfig::builder(identity).trace(flight.trace()).build()?;
/// // ... nodes of this configuration run, and something odd happens ...
/// let path = std::env::temp_dir().join(format!("flight-{}.trace", std::process::id()));
/// flight.dump(&path, "an operator asked for it")?;
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FlightRecorder {
    trace: Trace,
    /// The last clone ends the thread that keeps watch.
    watch: Option<Arc<Keeping>>,
}

impl FlightRecorder {
    /// Keeps the latest records within this many bytes: at least 256 KiB.
    pub fn new(bytes: usize) -> Self {
        Self::watching(bytes, Watch::default())
    }

    /// The same, and the recorder notices what is to be watched.
    fn watching(bytes: usize, watch: Watch) -> Self {
        let config = RecorderConfig {
            watch,
            ..RecorderConfig::flight(bytes.max(256 << 10))
        };
        Self {
            trace: Trace::new(config),
            watch: None,
        }
    }

    /// The same, and dumps into this file by itself, from a thread of its own, when one of these is
    /// noticed. A later one replaces the file, once it is complete, but not within a minute. A file that
    /// is there already is kept as `FILE.old`: it may be of what the last process has met with.
    ///
    /// # Errors
    ///
    /// The system does not let such a file be renamed, or a thread be started.
    pub fn dumping(
        bytes: usize,
        watch: Watch,
        path: impl Into<PathBuf>,
    ) -> Result<Self, RecordingError> {
        let path = path.into();
        super::keep_old(&path).map_err(|error| RecordingError::write(&path, &error))?;
        let mut flight = Self::watching(bytes, watch);
        let (ending, ended) = channel();
        let watched = flight.clone();
        let watcher = Watcher {
            flight: watched,
            path: path.clone(),
            ended,
        };
        let (done, end) = channel();
        std::thread::Builder::new()
            .name(String::from("peer-sender-flight"))
            .spawn(move || {
                watcher.run();
                // Nobody may be left who wants to know.
                let _ = done.send(());
            })
            .map_err(|error| RecordingError::write(&path, &error))?;
        flight.watch = Some(Arc::new(Keeping {
            ending: Some(ending),
            ended: Mutex::new(end),
        }));
        Ok(flight)
    }

    /// The trace, for the configuration of nodes.
    pub fn trace(&self) -> Trace {
        self.trace.clone()
    }

    /// The same recorder, without the thread that keeps watch: that ends with the last clone which has it.
    #[must_use]
    pub fn unwatched(&self) -> Self {
        Self {
            trace: self.trace.clone(),
            watch: None,
        }
    }

    /// Writes what is kept into a file, which then is a trace like any other, with the reason in it.
    /// The recording goes on. Returns how many bytes the file has.
    ///
    /// # Errors
    ///
    /// The system does not take what is written. A file that was there is left as it was.
    pub fn dump(&self, path: impl AsRef<Path>, reason: &str) -> Result<u64, RecordingError> {
        let path = path.as_ref();
        self.trace.mark(unix_nanos(), reason);
        let bytes = self.trace.dump().unwrap_or_default();
        write_whole(path, &bytes).map_err(|error| RecordingError::write(path, &error))?;
        Ok(bytes.len() as u64)
    }

    /// Has every panic of the process write what is kept into this file, before whatever else a
    /// panic does.
    pub fn dump_on_panic(&self, path: impl Into<PathBuf>) {
        // Not the watch as well, which ends with the last who wants it.
        let (flight, path) = (self.unwatched(), path.into());
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Err(error) = flight.dump(&path, "the program has panicked") {
                tracing::error!(%error, "the flight recorder cannot be written");
            }
            before(info);
        }));
    }
}

/// Writes beside it and renames, so that nobody sees half a file.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    static DUMPS: AtomicU64 = AtomicU64::new(0);
    let number = DUMPS.fetch_add(1, Ordering::Relaxed);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".part-{}-{number}", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut file = super::private_file(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// The thread that keeps watch.
#[derive(Debug)]
struct Keeping {
    /// Dropped, it tells the thread to end.
    ending: Option<Sender<()>>,
    ended: Mutex<Receiver<()>>,
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.ending = None;
        // What it has noticed is written all the same, unless the disk takes longer than this.
        if let Ok(ended) = self.ended.get_mut() {
            let _ = ended.recv_timeout(Duration::from_secs(5));
        }
    }
}

struct Watcher {
    flight: FlightRecorder,
    path: PathBuf,
    ended: Receiver<()>,
}

impl Watcher {
    fn run(self) {
        const QUIET: u32 = 600;
        let mut quiet = 0;
        loop {
            let last = !matches!(
                self.ended.recv_timeout(EVERY),
                Err(RecvTimeoutError::Timeout)
            );
            quiet -= u32::from(quiet > 0);
            if (quiet == 0 || last)
                && let Some(notice) = self.flight.trace.noticed()
            {
                quiet = QUIET;
                self.dump(&notice.to_string());
            }
            if last {
                return;
            }
        }
    }

    fn dump(&self, reason: &str) {
        match self.flight.dump(&self.path, reason) {
            Ok(bytes) => {
                let path = self.path.display();
                tracing::warn!(%path, bytes, reason, "the flight recorder was written");
            }
            Err(error) => tracing::error!(%error, "the flight recorder cannot be written"),
        }
    }
}
