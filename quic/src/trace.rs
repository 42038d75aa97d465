//! A trace that a node's machines are recorded into.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use peer_sender_core::trace::{Notice, Recorder, RecorderConfig};

/// A trace that the machines of a node, or of several, are recorded into: handed to
/// [`NodeConfigBuilder::trace`](crate::NodeConfigBuilder::trace). Each clone is the same trace.
///
/// ```
/// use peer_sender_core::trace::{RecorderConfig, TraceReader};
/// use peer_sender_quic::{Identity, NodeConfig, Trace};
///
/// let trace = Trace::new(RecorderConfig::flight(1 << 20));
/// let identity = Identity::from_secret([7; 32]);
/// let config = NodeConfig::builder(identity).trace(trace.clone()).build().unwrap();
///
/// let mut reader = TraceReader::new();
/// reader.feed(&trace.dump().unwrap());
/// assert_eq!(reader.next_record(), Ok(None), "nothing has happened yet");
/// ```
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Recorder>>);

impl Trace {
    /// A trace without any machine yet.
    pub fn new(config: RecorderConfig) -> Self {
        Self(Arc::new(Mutex::new(Recorder::new(config))))
    }

    /// Takes the bytes that are ready to be written, in exchange for an empty buffer: a flight recorder
    /// has none. They are to be taken soon: they wait in memory, and the recording ends when they
    /// are too many ([`RecorderConfig::ready_bytes_max`]).
    pub fn take(&self, buffer: &mut Vec<u8>) {
        self.recorder().take(buffer);
    }

    /// How many bytes are ready to be written.
    pub fn ready(&self) -> usize {
        self.recorder().ready()
    }

    /// What a flight recorder has, as a whole trace; none of another.
    pub fn dump(&self) -> Option<Vec<u8>> {
        self.recorder().dump()
    }

    /// Writes something down that is worth knowing when the trace is read, with the time in
    /// nanoseconds since 1970 (UTC).
    pub fn mark(&self, unix_nanos: u64, text: impl Into<String>) {
        self.recorder().mark(unix_nanos, text.into());
    }

    /// Ends the recording: nothing is written down from here on.
    pub fn stop(&self) {
        self.recorder().stop();
    }

    /// Whether the recording has ended.
    pub fn is_stopped(&self) -> bool {
        self.recorder().is_stopped()
    }

    /// What of [`RecorderConfig::watch`] was noticed first since this was last called.
    pub fn noticed(&self) -> Option<Notice> {
        self.recorder().noticed()
    }

    /// A node that has panicked in the midst of a step leaves that step unfinished in the recorder,
    /// and the next one begins anew: so that what was recorded up to there can still be read.
    pub(crate) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Trace {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Trace {}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}
