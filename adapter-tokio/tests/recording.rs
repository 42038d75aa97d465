//! Nodes on real sockets that are recorded.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::*;
use peer_sender_tokio::trace::{Record, RecorderConfig, Replay, Summary, TraceReader, Watch};
use peer_sender_tokio::{
    FlightRecorder, Node, NodeConfig, PeerConfig, PeerEvent, RecordingError, StopMode, Trace,
    TraceFile, Trust,
};

const COUNT: u64 = 500;

/// A file that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("peer-sender-recording-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

async fn bind(config: NodeConfig) -> Node<String> {
    Node::bind(ANY, config).await.unwrap()
}

/// Two nodes that are recorded, and messages from one to the other; all are delivered.
async fn busy(trace: &Trace) {
    let listener = NodeConfig::builder(identity(2))
        .accept(Trust::Any)
        .trace(trace.clone());
    let listener = bind(listener.build().unwrap()).await;
    let dialler = NodeConfig::builder(identity(1)).trace(trace.clone());
    let dialler = bind(dialler.build().unwrap()).await;
    let config = PeerConfig::new(identity(2).key(), listener.local_addr()).unwrap();
    let peer = dialler.peer("bob".to_owned(), config).unwrap();
    let incoming = listener.incoming();
    let reading = tokio::spawn(async move {
        let mut incoming = incoming.auto();
        while incoming.next().await.is_some() {}
    });
    for id in 0..COUNT {
        peer.post(format!("message {id}")).await.unwrap();
    }
    peer.flush().await;
    dialler.stop(StopMode::Drain(Duration::from_secs(10))).await;
    listener
        .stop(StopMode::Drain(Duration::from_secs(10)))
        .await;
    reading.await.unwrap();
}

/// The marks in a file, and what replaying it comes to.
fn read(path: &Path) -> (Vec<String>, Summary) {
    let mut reader = TraceReader::new();
    reader.feed(&fs::read(path).unwrap());
    let (mut marks, mut replay) = (Vec::new(), Replay::new());
    while let Some(record) = reader.next_record().unwrap() {
        if let Record::Mark { text, .. } = &record {
            marks.push(text.clone());
        }
        replay.record(record).unwrap();
    }
    assert_eq!(reader.torn(), 0);
    (marks, replay.summary())
}

#[test]
fn what_a_file_has_goes_the_same_way_again() {
    let path = Scratch::new("file");
    let file = TraceFile::create(&path.0, RecorderConfig::default()).unwrap();
    run(busy(&file.trace()));
    assert!(!file.has_failed());
    let bytes = file.finish().unwrap();
    assert_eq!(bytes, fs::metadata(&path.0).unwrap().len());
    let (marks, summary) = read(&path.0);
    assert_eq!(marks, [""; 0]);
    assert_eq!((summary.machines, summary.passed), (2, 0));
    assert!(summary.events >= COUNT, "{summary:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_recording_and_nothing_else() {
    let file = TraceFile::create("/dev/full", RecorderConfig::default()).unwrap();
    run(busy(&file.trace()));
    let error = file.finish().unwrap_err();
    assert!(matches!(error, RecordingError::Write { .. }), "{error}");
    assert!(error.to_string().contains("/dev/full"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_file_that_is_there_is_kept_and_no_file_is_for_everybody() {
    use std::os::unix::fs::PermissionsExt;
    let path = Scratch::new("again");
    let old = Scratch(PathBuf::from(format!("{}.old", path.0.display())));
    fs::write(&path.0, "what happened last night").unwrap();
    let file = TraceFile::create(&path.0, RecorderConfig::default()).unwrap();
    file.finish().unwrap();
    assert_eq!(fs::read(&old.0).unwrap(), b"what happened last night");
    let mode = fs::metadata(&path.0).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_that_cannot_be_made_is_an_error_at_once() {
    let path = std::env::temp_dir().join("no such folder").join("trace");
    let error = TraceFile::create(path, RecorderConfig::default()).unwrap_err();
    assert!(matches!(error, RecordingError::Write { .. }), "{error}");
}

#[test]
fn a_flight_recorder_is_dumped_on_demand_and_goes_on() {
    let path = Scratch::new("demand");
    let flight = FlightRecorder::new(1 << 20);
    run(busy(&flight.trace()));
    let bytes = flight.dump(&path.0, "somebody asks").unwrap();
    assert_eq!(bytes, fs::metadata(&path.0).unwrap().len());
    let (marks, summary) = read(&path.0);
    assert_eq!(marks, ["somebody asks"]);
    assert!(summary.events >= COUNT);
    run(busy(&flight.trace()));
    flight.dump(&path.0, "and again").unwrap();
    let (marks, later) = read(&path.0);
    assert_eq!(marks.last().unwrap(), "and again");
    assert!(later.machines > summary.machines, "{later:?}");
}

/// Nobody listens where the peer is said to be.
#[test]
fn a_flight_recorder_dumps_what_it_was_told_to_watch() {
    let path = Scratch::new("watch");
    // Of a process that has died, perhaps.
    fs::write(&path.0, "an earlier night").unwrap();
    let old = Scratch(PathBuf::from(format!("{}.old", path.0.display())));
    let flight = FlightRecorder::dumping(1 << 20, Watch::ALL, &path.0).unwrap();
    run(async {
        let config = NodeConfig::builder(identity(1)).trace(flight.trace());
        let node = bind(config.build().unwrap()).await;
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = nobody.local_addr().unwrap();
        drop(nobody);
        let config = PeerConfig::new(identity(2).key(), address).unwrap();
        let peer = node.peer("carol".to_owned(), config).unwrap();
        let mut events = peer.events();
        loop {
            let event = events.next().await.unwrap();
            if matches!(event, PeerEvent::Disconnected { .. }) {
                break;
            }
        }
        node.stop(StopMode::Abort).await;
    });
    // The end of its watch waits for the dump.
    drop(flight);
    assert_eq!(fs::read_to_string(&old.0).unwrap(), "an earlier night");
    let (marks, summary) = read(&path.0);
    assert_eq!(marks, ["carol: a connection has failed"]);
    assert!(summary.steps > 0);
}
