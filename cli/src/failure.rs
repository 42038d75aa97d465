//! Why a command could not do its work, and what to try next.

use std::io;
use std::path::PathBuf;

use peer_sender_core::MessageId;
use peer_sender_core::trace::TraceError;
use peer_sender_tokio::{
    AddPeerError, BindError, CertificateProblem, ConfigError, IdentityError, IdentityFileError,
    RecordingError,
};
use thiserror::Error;

use crate::console::{self, Paint};
use crate::keys::KeyKind;
use crate::wire::WireProblem;

/// Ends a command; each says what is wrong and names the next command to try.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("{}{}", .0, instead_of(.0, "keys new"))]
    KeyFile(#[from] IdentityFileError),
    #[error("{}{}", .0, instead_of(.0, "keys owner new"))]
    OwnerKeyFile(IdentityFileError),
    #[error("{} exists, and a key is never overwritten\nto see its key: peer-sender keys {} {}", file.display(), kind.show(), file.display())]
    KeyFileExists { file: PathBuf, kind: KeyKind },
    #[error("cannot write the key file {}: {error}\nto try elsewhere: peer-sender keys {} FILE", file.display(), kind.make())]
    KeyFileUnwritable {
        file: PathBuf,
        error: io::Error,
        kind: KeyKind,
    },
    #[error(
        "the operating system gave no random numbers for a key\nto try again: the same command"
    )]
    NoRandomness,
    #[error("no identity can be made: {error}\nto see how: peer-sender keys new --help")]
    NoIdentity { error: IdentityError },
    #[error("the owners of {} are not to be believed: {why}\nto make another: peer-sender keys new --acki-nacki FILE", file.display())]
    NotOwned {
        file: PathBuf,
        why: CertificateProblem,
    },
    #[error("{argument}: {error}")]
    Bind { argument: String, error: BindError },
    #[error("{0}\nto see what may be set: peer-sender --help")]
    Config(#[from] ConfigError),
    #[error("{0}\nnothing was done; to record elsewhere: --trace FILE")]
    Recording(#[from] RecordingError),
    #[error("the flight recorder could not be written to {}: {error}\nnothing was done; to keep it elsewhere: --flight FILE", file.display())]
    Flight { file: PathBuf, error: io::Error },
    #[error("{0}")]
    Peer(#[from] AddPeerError),
    #[error("{0}")]
    Wire(#[from] WireProblem),
    #[error("cannot read {}: {error}\nnothing was sent; mend the name and try again", file.display())]
    MessageFile { file: PathBuf, error: io::Error },
    #[error(
        "{} is no regular file, and what is in it may have no end\nto send each line of it as a message: peer-sender send ... - < {}",
        file.display(),
        file.display()
    )]
    NoRegularFile { file: PathBuf },
    #[error(
        "{what}: {bytes} bytes are more than a message may have ({max})\nnothing was sent; split it and try again"
    )]
    MessageTooLarge {
        what: String,
        bytes: u64,
        max: usize,
    },
    #[error(
        "`-` (stdin) cannot be mixed with files\nto send both: cat FILE... | peer-sender send ... -"
    )]
    StdinAndFiles,
    #[error("RUST_LOG: {error}\nto see connections: RUST_LOG=peer_sender=debug peer-sender ...")]
    LogFilter {
        error: tracing_subscriber::filter::ParseError,
    },
    #[error("cannot start the runtime: {error}\nto see what is used up: ulimit -a")]
    Runtime { error: io::Error },
    #[error(
        "the node ended by itself; what stands in the log was accepted, all else will come again\nto see why: peer-sender -v listen ..."
    )]
    NodeDied,
    #[error(
        "the measurement failed: {what}\nto see why: RUST_LOG=peer_sender=debug peer-sender bench ..."
    )]
    Bench { what: String },
    #[error(
        "this program was built without plain quinn to compare with\nto have it: cargo install --path cli --features compare"
    )]
    #[cfg_attr(
        feature = "compare",
        expect(dead_code, reason = "only a program without quinn says so")
    )]
    NothingToCompareWith,
    #[error("{}: {problem}\nto see what a scenario looks like: peer-sender sim --help", file.display())]
    Scenario { file: PathBuf, problem: String },
    #[error(
        "cannot run seeds again in another process: {problem}\nto go without: peer-sender sim --seeds A..B"
    )]
    Again { problem: String },
    #[error(
        "--stops is of the layer machine\nto stop after all that happens: peer-sender sim --seeds A..B --stops"
    )]
    StopsOfMachines,
    #[error("--faults {0}\nto see what may be drawn: peer-sender sim --help")]
    Faults(String),
    #[error(
        "a file has what happened in one scenario or in a single seed, and datagrams are in those of the layer quic alone\nto write what happened in seed 7: peer-sender sim --seeds 7..8 --trace FILE, or --layer quic --seeds 7..8 --pcap FILE"
    )]
    NothingToCapture,
    #[error("cannot write the capture to {}: {error}\nto write it elsewhere: peer-sender sim --pcap FILE --trace FILE ...", file.display())]
    Capture { file: PathBuf, error: io::Error },
    #[error("cannot write the smallest scenario to {}: {error}\nto write it elsewhere: peer-sender sim --smallest FILE ...", file.display())]
    Smallest { file: PathBuf, error: io::Error },
    #[error("cannot read the trace {}: {error}\nto see what it is: ls -l {}", file.display(), file.display())]
    TraceUnreadable { file: PathBuf, error: io::Error },
    #[error("{}: {error}\n{}", file.display(), instead_of_trace(error))]
    Trace { file: PathBuf, error: TraceError },
    #[error(
        "no machine of the trace is called {peer}; there are: {}\nto see them all: peer-sender trace show FILE --summary",
        known.join(", ")
    )]
    NoSuchPeer { peer: String, known: Vec<String> },
    #[error(
        "the trace has no message #{id} that fits\nto see which there are: peer-sender trace show FILE --kind queued"
    )]
    NoSuchMessage { id: MessageId },
    #[error(
        "no sender of the trace has a message #{id}; what a session receives has no such name, only a lane and a number\nto see what each session received: peer-sender trace explain FILE"
    )]
    NotASenders { id: MessageId },
    #[error(
        "several peers have a message #{id}: {}\nto choose one: peer-sender trace explain FILE {id} --peer NAME",
        peers.join(", ")
    )]
    SeveralPeers { id: MessageId, peers: Vec<String> },
    #[error("--set {error}\nto see what may be set: peer-sender trace replay FILE --set help=")]
    WhatIf { error: ConfigError },
    #[error(
        "{arrows} arrows are too many for a sequence diagram; at most {max} can be read\nto choose a window: peer-sender trace export FILE --format mermaid --from TIME --to TIME --peer NAME"
    )]
    WindowTooLarge { arrows: u64, max: u64 },
    #[error(
        "the two traces tell of their machines in too different an order to be compared\nto read each: peer-sender trace explain FILE"
    )]
    TooFarApart,
    #[error("cannot write {}: {error}\nto write it elsewhere: peer-sender trace export FILE --format F -o OUT", file.display())]
    ExportFile { file: PathBuf, error: io::Error },
    #[error("cannot write the report to {}: {error}\nto write it elsewhere: peer-sender trace report FILE -o OUT.html", file.display())]
    Report { file: PathBuf, error: io::Error },
    /// Often meant so (`| head -1`), hence no error in words; `rest` says what became of the work.
    #[error("stdout's reader is gone; {rest}")]
    StdoutClosed { rest: String },
    #[error("cannot write to stdout: {error}\nto see what is full: df -h")]
    Stdout { error: io::Error },
}

impl Failure {
    /// What writing to stdout came to; `rest` is for whoever closed it.
    pub(crate) fn stdout(error: io::Error, rest: &str) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::StdoutClosed {
                rest: rest.to_owned(),
            },
            _ => Self::Stdout { error },
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NodeDied
            | Self::Bench { .. }
            | Self::StdoutClosed { .. }
            | Self::Stdout { .. } => 1,
            _ => 2,
        }
    }

    /// Says it on stderr.
    pub(crate) fn tell(&self) {
        console::say(&match self {
            Self::StdoutClosed { .. } => self.to_string(),
            _ => format!("{} {self}", Paint::for_stderr().bad("error:")),
        });
    }
}

/// What to try where a trace cannot be read on.
fn instead_of_trace(error: &TraceError) -> String {
    match error {
        TraceError::NotATrace => {
            "to make one: peer-sender send --trace FILE ... (it breaks off in its head, or its first \
             bytes are those of something else)"
                .to_owned()
        }
        TraceError::NewerFormat { .. } => {
            "to see which version this is: peer-sender --version".to_owned()
        }
        TraceError::Damaged { offset, .. } => format!(
            "what comes before is whole; to have it alone: head -c {offset} FILE > whole.trace"
        ),
    }
}

/// What to try where a key file cannot be used: to make one, with that command, helps only where there
/// is none.
fn instead_of(error: &IdentityFileError, make: &str) -> String {
    let advice = match error {
        IdentityFileError::Unreadable { file, kind, .. } => {
            let file = file.display();
            match kind {
                io::ErrorKind::NotFound => format!("to make one: peer-sender {make} {file}"),
                io::ErrorKind::PermissionDenied => format!(
                    "only its owner may read a key; to see who that is, and its mode: ls -l {file}"
                ),
                io::ErrorKind::IsADirectory => {
                    format!("name a key file; to see what is in there: ls -l {file}")
                }
                _ => format!("to see what it is: ls -l {file}"),
            }
        }
        IdentityFileError::TooLarge { .. } | IdentityFileError::Malformed { .. } => {
            format!("to make one under another name: peer-sender {make} FILE")
        }
        // The error itself names the command.
        _ => return String::new(),
    };
    format!("\n{advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_to_be_made_only_where_there_is_no_file() {
        let unreadable = |kind: io::ErrorKind| IdentityFileError::Unreadable {
            file: "my.key".into(),
            kind,
            text: kind.to_string(),
        };
        let failure = |kind| Failure::from(unreadable(kind)).to_string();
        let missing = failure(io::ErrorKind::NotFound);
        assert!(missing.ends_with("sender keys new my.key"), "{missing}");
        let missing = Failure::OwnerKeyFile(unreadable(io::ErrorKind::NotFound)).to_string();
        assert!(
            missing.ends_with("sender keys owner new my.key"),
            "{missing}"
        );
        for kind in [
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::IsADirectory,
            io::ErrorKind::Other,
        ] {
            let there = failure(kind);
            assert!(there.ends_with("ls -l my.key"), "{there}");
            assert!(!there.contains("keys new"), "{there}");
        }
    }
}
