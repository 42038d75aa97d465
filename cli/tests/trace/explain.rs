//! `trace explain` names the true cause: of five nights that were made, and of what is asked for and
//! is not there. `PEER_SENDER_REWRITE=1` writes what is said into the files, to be read.

use std::fs;
use std::path::Path;
use std::time::Duration;

use peer_sender_core::{Event, LinkError, MessageId, PeerKey};

use crate::common::json;
use crate::night::{App, Dialled, KEY};
use crate::{File, Night, config};

/// What is said of a night, and of some of its messages, is what stands in its golden file.
#[track_caller]
fn golden(name: &str, night: Night, messages: &[u64], words: &[&str]) {
    let file = File::new(&format!("explain-{name}"), &night.trace());
    let mut said = file.says("explain", "");
    for id in messages {
        said.push_str("\n---\n\n");
        said.push_str(&file.says("explain", &id.to_string()));
        let object = json(&file.says("explain", &format!("{id} --json")));
        assert_eq!(object["message"].as_u64(), Some(*id));
        let because = object["because"].as_str().unwrap();
        assert!(words.iter().any(|it| because.contains(it)), "{because}");
    }
    let night = json(&file.says("explain", "--json"));
    assert_eq!(night["peer"], "bob");
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/trace/goldens/{name}.txt"));
    if std::env::var_os("PEER_SENDER_REWRITE").is_some() {
        fs::write(&path, &said).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        said, golden,
        "if that is meant: PEER_SENDER_REWRITE=1 cargo test -p peer-sender-cli --test trace"
    );
}

#[test]
fn a_peer_that_is_down() {
    let mut night = Night::new("bob", config());
    night.dialled = Dialled::Silent;
    night.send(3, 100);
    night.run(Duration::from_secs(7));
    night.dialled = Dialled::Fails(LinkError::Unreachable);
    night.run(Duration::from_secs(5));
    night.send(1, 100);
    night.dialled = Dialled::Answered;
    night.run(Duration::from_secs(10));
    night.stop();
    golden(
        "peer_down",
        night,
        &[2, 3],
        &["the peer could not be reached"],
    );
}

#[test]
fn a_slow_consumer() {
    let mut night = Night::new("bob", config().flight_messages_max(10));
    night.app = App::Each(Duration::from_millis(200));
    night.send(100, 1_000);
    night.run(Duration::from_secs(30));
    night.stop();
    golden(
        "slow_consumer",
        night,
        &[9, 99],
        &["the peer's application answers slowly"],
    );
}

#[test]
fn a_wrong_key() {
    let mut night = Night::new("bob", config());
    night.dialled = Dialled::Fails(LinkError::WrongIdentity {
        expected: KEY,
        offered: PeerKey([0xee; 32]),
    });
    night.send(2, 100);
    night.run(Duration::from_secs(60));
    golden("wrong_key", night, &[0], &["the wrong key"]);
}

#[test]
fn messages_that_expire() {
    let mut night = Night::new("bob", config());
    night.dialled = Dialled::Silent;
    night.send_on(0, 2, 100, Some(Duration::from_millis(2_500)));
    night.send(1, 100);
    night.run(Duration::from_secs(4));
    night.dialled = Dialled::Answered;
    night.run(Duration::from_secs(5));
    // One that is on its way when the peer falls silent, and cannot be asked about.
    night.app = App::Never;
    night.send_on(1, 1, 100, Some(Duration::from_secs(1)));
    night.run(Duration::from_secs(2));
    night.dialled = Dialled::Silent;
    night.lose(LinkError::IdleTimeout);
    night.run(Duration::from_secs(20));
    golden(
        "expired",
        night,
        &[0, 3],
        &["the peer could not be reached"],
    );
}

#[test]
fn a_peer_that_is_restarted() {
    let mut night = Night::new("bob", config());
    night.send(3, 100);
    night.run(Duration::from_secs(1));
    night.app = App::Never;
    night.send(4, 100);
    night.run(Duration::from_secs(1));
    night.app = App::AtOnce;
    night.restart_peer();
    night.run(Duration::from_secs(3));
    night.dialled = Dialled::Fails(LinkError::Unreachable);
    night.lose(LinkError::Reset);
    night.run(Duration::from_secs(1));
    night.dialled = Dialled::Answered;
    night.run(Duration::from_secs(5));
    night.stop();
    golden(
        "restarted_peer",
        night,
        &[5],
        &["the peer's process was restarted"],
    );
}

#[test]
fn lanes_of_a_higher_class_and_messages_that_are_taken_back() {
    let mut night = Night::new("bob", config());
    night.dialled = Dialled::Silent;
    night.send(2, 100);
    night.run(Duration::from_secs(1));
    night.tell(Event::Cancel { id: MessageId(1) });
    night.run(Duration::from_secs(1));
    let file = File::new("cancelled", &night.trace());
    let said = file.says("explain", "1");
    for words in [
        "message #1 for bob (lane 0, 100 bytes): cancelled 1.0 s after",
        "behind 1 message of its lane",
        "cancelled: it was taken back in time",
        "never written: 1.0 s",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = file.says("explain", "0");
    assert!(
        said.contains("no outcome when the trace ends, 2.0 s after"),
        "{said}"
    );
}

#[test]
fn one_of_several_peers_is_to_be_named() {
    let mut night = Night::new("bob", config());
    let mut other = night.beside("carol", config());
    night.send(2, 10);
    other.send(1, 20);
    other.run(Duration::from_secs(1));
    night.run(Duration::from_secs(1));
    drop(other);
    let file = File::new("several", &night.trace());
    file.run("explain", "0")
        .failed(2, &["several peers", "bob, carol", "--peer NAME"]);
    assert!(
        file.says("explain", "0 --peer carol")
            .contains("#0 for carol (lane 0, 20 bytes): delivered")
    );
    assert!(file.says("explain", "1").contains("#1 for bob"));
    file.run("explain", "7").failed(2, &["no message #7"]);
    file.run("explain", "0 --peer nobody")
        .failed(2, &["nobody", "bob, carol"]);
    file.run("explain", "--peer nobody").failed(2, &["nobody"]);
    assert_eq!(file.says("explain", "").matches("(machine ").count(), 2);
}
