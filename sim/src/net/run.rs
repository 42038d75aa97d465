//! Running scenarios.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use peer_sender_core::Time;
use peer_sender_core::trace::{Payloads, RecorderConfig};
use peer_sender_quic::simulation::rustls::KeyLog;
use peer_sender_quic::{Ecn, Trace};

use super::oracle::Broken;
use super::report::{Fault, Report};
use super::scenario::Scenario;
use super::settings::BadSettings;
use super::setup::{NOT_LONG_AGO, Setup};
use super::world::World;
use crate::pcapng;

/// Why a run did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is nothing that could run.
    #[error(transparent)]
    Settings(#[from] BadSettings),
    /// A promise was broken.
    #[error("after {at:?}, at step {steps}: {broken}")]
    Broken {
        /// Which, and how.
        broken: Broken,
        /// When, in the world's time.
        at: Duration,
        /// Turns of nodes until then.
        steps: u64,
    },
}

/// The most bytes of a trace: it waits in memory.
const TRACE_BYTES_MAX: usize = 1 << 30;

/// What nodes sent, for whoever wants to look at it.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// Every datagram, as its node sent it, in order.
    pub datagrams: Vec<Captured>,
    /// The secrets of every connection: lines of the format that `SSLKEYLOGFILE` made common, which
    /// Wireshark reads.
    pub key_log: Vec<String>,
    /// What the nodes' machines were told and did (`docs/trace-format.md`), with whole payloads.
    pub trace: Vec<u8>,
}

impl Capture {
    /// A file that Wireshark reads, with the secrets inside, and with what befell each datagram. Its
    /// times are those of the world's date, which begins with the year 2026.
    pub fn to_pcapng(&self) -> Vec<u8> {
        let mut file = pcapng::Capture::new(NOT_LONG_AGO);
        for line in &self.key_log {
            file.key_log(line);
        }
        for it in &self.datagrams {
            let fates: Vec<_> = it.fates.iter().map(|fate| fate.name()).collect();
            file.datagram(&pcapng::Datagram {
                at: it.at,
                from: it.from,
                to: it.to,
                ecn: it.ecn.map_or(0, bits),
                bytes: &it.bytes,
                note: &fates.join(", "),
            });
        }
        file.to_bytes()
    }
}

/// RFC 3168 section 5.
fn bits(mark: Ecn) -> u8 {
    match mark {
        Ecn::Ect1 => 1,
        Ecn::Ect0 => 2,
        Ecn::Ce => 3,
    }
}

/// A datagram that a node sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Captured {
    /// When.
    pub at: Time,
    /// From where, as others see it.
    pub from: SocketAddr,
    /// Where to.
    pub to: SocketAddr,
    /// With which mark.
    pub ecn: Option<Ecn>,
    /// What befell it on the way; nobody stood where it went to if that is none but it never came.
    pub fates: Vec<Fault>,
    /// All of it.
    pub bytes: Vec<u8>,
}

impl Capture {
    /// What befell the datagram that was sent last.
    pub(super) fn befell(&mut self, fates: &[Fault]) {
        if let Some(last) = self.datagrams.last_mut() {
            last.fates.extend_from_slice(fates);
        }
    }
}

/// Tells the size and not the bytes.
impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured")
            .field("at", &self.at)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl Scenario {
    /// Lets everything happen, heals the world, and has everything come right.
    ///
    /// # Errors
    ///
    /// The settings are of no use, or a promise was broken.
    pub fn run(&self) -> Result<Report, Failure> {
        self.run_world((None, None, None)).0
    }

    /// The same, and all that nodes sent, also where it did not end well.
    pub fn run_captured(&self) -> (Result<Report, Failure>, Capture) {
        let lines = Arc::new(Lines::default());
        let log: Arc<dyn KeyLog> = lines.clone();
        let trace = Trace::new(RecorderConfig {
            payloads: Payloads::Whole,
            actions: true,
            ready_bytes_max: TRACE_BYTES_MAX,
            ..RecorderConfig::default()
        });
        let kept = (Some(log), Some(trace.clone()), Some(Capture::default()));
        let (result, capture) = self.run_world(kept);
        let mut capture = capture.unwrap_or_default();
        trace.take(&mut capture.trace);
        let mut lines = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        capture.key_log = std::mem::take(&mut *lines);
        (result, capture)
    }

    fn run_world(
        &self,
        (log, trace, capture): (Option<Arc<dyn KeyLog>>, Option<Trace>, Option<Capture>),
    ) -> (Result<Report, Failure>, Option<Capture>) {
        if let Err(error) = self.settings.check() {
            return (Err(error.into()), capture);
        }
        let setup = Setup::new(self.settings.clone(), log, trace);
        let mut world = match World::new(self, setup, capture) {
            Ok(world) => world,
            Err(error) => return (Err(error.into()), None),
        };
        let result = world.run();
        let result = result.map_err(|broken| Failure::Broken {
            broken,
            at: world.now.saturating_since(Time::ZERO),
            steps: world.report.steps,
        });
        (result.map(|()| world.report.clone()), world.capture.take())
    }
}

impl World<'_> {
    fn run(&mut self) -> Result<(), Broken> {
        let end = Time::ZERO + self.setup.settings.end;
        self.run_until(end, |_| false)?;
        self.end_well()?;
        self.report.simulated = self.now.saturating_since(Time::ZERO);
        Ok(())
    }
}

/// Keeps the secrets of TLS as lines.
#[derive(Debug, Default)]
struct Lines(Mutex<Vec<String>>);

impl KeyLog for Lines {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let line = format!("{label} {} {}", hex(client_random), hex(secret));
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
    }
}
