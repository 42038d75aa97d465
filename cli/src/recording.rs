//! Recording what the nodes of a command do.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use peer_sender_tokio::trace::{Payloads, RecorderConfig, Replay, Summary, Watch};
use peer_sender_tokio::{FlightRecorder, NodeConfigBuilder, TraceFile};

use serde::Serialize;

use crate::console;
use crate::failure::Failure;
use crate::figures::plural;
use crate::trace;

/// What a flight recorder keeps, in bytes.
pub(crate) const FLIGHT_BYTES: usize = 16 << 20;

#[derive(Debug, Args)]
pub(crate) struct RecordingArgs {
    /// Record everything into this file, for `peer-sender trace`.
    #[arg(long, value_name = "FILE", conflicts_with = "flight")]
    pub(crate) trace: Option<PathBuf>,
    /// What a trace keeps of messages.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Kept::Digest, requires = "trace")]
    pub(crate) trace_payloads: Kept,
    /// Keep the latest of what happens in memory (16 MiB), and write it to this file when the fate
    /// of a message is unknown, a connection fails, a peer is slow or the program panics, and on
    /// SIGUSR1.
    #[arg(long, value_name = "FILE")]
    pub(crate) flight: Option<PathBuf>,
}

/// What a trace keeps of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kept {
    /// Every byte, up to 1 MiB of each.
    Whole,
    /// Length and digest.
    Digest,
    /// The length alone.
    Length,
}

/// What is recorded.
#[derive(Debug)]
pub(crate) enum Recording {
    Nothing,
    File(TraceFile),
    Flight(FlightRecorder),
}

/// How long what was recorded may take to be written at the end.
const WRITING_MAX: Duration = Duration::from_secs(10);

impl RecordingArgs {
    /// The same, with a trace beside the report that is to be written of it, if there is to be one.
    ///
    /// # Errors
    ///
    /// The report could not be written there.
    pub(crate) fn reported(self, report: Option<&Path>) -> Result<Self, Failure> {
        let Some(report) = report else {
            return Ok(self);
        };
        writable(report).map_err(|error| Failure::Report {
            file: report.to_owned(),
            error,
        })?;
        if self.trace.as_deref() == Some(report) {
            let error = io::Error::other("that is the trace itself");
            let file = report.to_owned();
            return Err(Failure::Report { file, error });
        }
        let mut beside = report.as_os_str().to_owned();
        beside.push(".trace");
        Ok(Self {
            trace: self.trace.or_else(|| Some(beside.into())),
            ..self
        })
    }
}

impl Recording {
    /// To be called within the runtime.
    pub(crate) fn start(args: &RecordingArgs) -> Result<Self, Failure> {
        if let Some(path) = &args.trace {
            let payloads = match args.trace_payloads {
                Kept::Whole => Payloads::Whole,
                Kept::Digest => Payloads::Digest,
                Kept::Length => Payloads::Length,
            };
            let config = RecorderConfig {
                payloads,
                ..RecorderConfig::default()
            };
            return Ok(Self::File(TraceFile::create(path, config)?));
        }
        let Some(path) = &args.flight else {
            return Ok(Self::Nothing);
        };
        writable(path).map_err(|error| Failure::Flight {
            file: path.clone(),
            error,
        })?;
        let flight = FlightRecorder::dumping(FLIGHT_BYTES, Watch::ALL, path)?;
        flight.dump_on_panic(path);
        dump_on_signal(flight.unwatched(), path)?;
        Ok(Self::Flight(flight))
    }

    /// Has a node recorded.
    pub(crate) fn of(&self, builder: NodeConfigBuilder) -> NodeConfigBuilder {
        match self {
            Self::Nothing => builder,
            Self::File(file) => builder.trace(file.trace()),
            Self::Flight(flight) => builder.trace(flight.trace()),
        }
    }

    /// Ends it, once all nodes have stopped. What went wrong with it is said, and changes nothing
    /// about the work itself.
    pub(crate) fn finish(self) -> Option<PathBuf> {
        // A flight recorder that is dropped writes down what it has noticed and not told yet.
        let Self::File(file) = self else {
            return None;
        };
        let path = file.path().to_owned();
        match file.finish_within(WRITING_MAX) {
            Ok(bytes) => {
                let (path, bytes) = (path.display(), plural(bytes, "byte"));
                console::say(&format!(
                    "recorded {bytes} into {path}\nto read it: peer-sender trace explain {path}"
                ));
            }
            Err(error) => {
                console::say(&error.to_string());
                return None;
            }
        }
        Some(path)
    }
}

/// Whether a file can be put there later, by writing it beside and renaming it: who is told of it when
/// it is needed is told too late.
fn writable(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".try-{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).open(&beside)?;
    fs::remove_file(&beside)
}

/// A trace that was gone through again.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Replayed {
    pub(crate) file: PathBuf,
    pub(crate) events: u64,
    /// Whether all machines did the same again.
    pub(crate) replay: bool,
    #[serde(skip)]
    pub(crate) found: String,
}

impl Replayed {
    /// Has fresh machines go through a file that has just been recorded.
    pub(crate) fn of(file: PathBuf) -> Self {
        let mut replay = Replay::new();
        let done = trace::go_through(&file, &mut replay);
        let Summary { steps, events, .. } = replay.summary();
        let found = match &done {
            Ok(()) => format!("{}, {}", plural(steps, "step"), plural(events, "event")),
            Err(problem) => problem.clone(),
        };
        Self {
            file,
            events,
            replay: done.is_ok(),
            found,
        }
    }
}

#[cfg(unix)]
fn dump_on_signal(flight: FlightRecorder, path: &Path) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let path = path.to_owned();
    let mut signal =
        signal(SignalKind::user_defined1()).map_err(|error| Failure::Runtime { error })?;
    tokio::spawn(async move {
        while signal.recv().await.is_some() {
            let (flight, path) = (flight.clone(), path.clone());
            // On a thread of its own, for which nobody waits: a disk may take its time.
            std::thread::spawn(move || dump(&flight, &path));
        }
    });
    Ok(())
}

#[cfg(unix)]
fn dump(flight: &FlightRecorder, path: &Path) {
    match flight.dump(path, "SIGUSR1") {
        Ok(bytes) => {
            let (path, bytes) = (path.display(), plural(bytes, "byte"));
            console::say(&format!("wrote {bytes} of the flight recorder to {path}"));
        }
        Err(error) => console::say(&error.to_string()),
    }
}

#[cfg(not(unix))]
fn dump_on_signal(_: FlightRecorder, _: &Path) -> Result<(), Failure> {
    Ok(())
}
