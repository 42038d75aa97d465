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
    let nights = file.says("explain", "--json");
    let kinds = nights.lines().map(|line| json(line)["kind"].clone());
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds[0], "sender");
    assert!(kinds[1..].iter().all(|it| it == "sessions"));
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
    file.run("explain", "7")
        .failed(2, &["no sender of the trace has a message #7"]);
    file.run("explain", "0 --peer nobody")
        .failed(2, &["nobody", "bob, carol"]);
    file.run("explain", "--peer nobody").failed(2, &["nobody"]);
    assert_eq!(file.says("explain", "").matches("(machine ").count(), 4);
}

/// What an accepting node has recorded: a peer that is lost with messages unanswered, comes again,
/// and is answered.
fn peers_night() -> Night {
    let mut night = Night::of_peer("bob", config());
    night.send(3, 100);
    night.run(Duration::from_secs(1));
    night.reply(77, 50);
    night.run(Duration::from_secs(1));
    night.app = App::Never;
    night.send(4, 1_000);
    night.run(Duration::from_secs(1));
    night.lose(LinkError::Reset);
    night.run(Duration::from_secs(2));
    night
}

#[test]
fn a_trace_of_sessions_alone_tells_what_they_received() {
    let file = File::new("sessions", &peers_night().trace());
    let said = file.says("explain", "");
    for words in [
        "listener (machine 0), accepting node, ",
        "  connections: 2 accepted, 1 ended\n",
        "    1 connection ended (+2.990000 s): the peer did not know the connection any more: it was \
         restarted, or had ended it and was not heard\n",
        "  session 0 of a0a0",
        ": 7 messages of 4,300 bytes received, 3 accepted by the application\n",
        "    answered after 50 us on average, 50 us at most\n",
        "    4 messages of 4,000 bytes held unanswered at the end, the oldest for 1.1 s\n",
        "    1 reply handed over, 1 delivered\n",
        "    +0.020000 s  connection 0 came\n",
        "    +2.990000 s  connection 0 went: the peer did not know",
        "    +3.120000 s  connection 1 came\n",
        "  warning: the application has not answered 4 messages, one of them for 1.1 s\n",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let night = json(&file.says("explain", "--json"));
    let session = &night["sessions"][0];
    for (field, count) in [
        ("received", 7),
        ("accepted", 3),
        ("refused", 0),
        ("unanswered", 4),
        ("connections", 2),
    ] {
        assert_eq!(session[field], count, "{field}: {night}");
    }
}

#[test]
fn a_message_of_no_sender_is_told_as_far_as_it_can_be() {
    let file = File::new("no-sender", &peers_night().trace());
    let said = file.says("explain", "77");
    assert!(
        said.starts_with("reply #77 of listener's session 0 (50 bytes): after ")
            && said.ends_with("delivered: the receiving application accepted it\n"),
        "{said}"
    );
    let reply = json(&file.says("explain", "77 --json"));
    assert_eq!(reply["outcome"], "delivered");
    let ran = file.run("explain", "5");
    ran.failed(2, &["no sender of the trace has a message #5", "lane"]);
    assert_eq!(ran.stdout, file.says("explain", ""));
    // Where there are senders, it may be a wrong name.
    let file = File::new("a-sender", &crate::restless_night().trace());
    let ran = file.run("explain", "99");
    ran.failed(2, &["no sender of the trace has a message #99"]);
    assert_eq!(ran.stdout, "");
}

#[test]
fn what_waits_at_the_peer_is_not_held_up_by_what_follows() {
    let mut night = Night::new("bob", config().flight_messages_max(10));
    night.app = App::Each(Duration::from_millis(200));
    night.send(100, 1_000);
    night.run(Duration::from_secs(30));
    let file = File::new("written", &night.trace());
    let message = json(&file.says("explain", "9 --json"));
    assert_eq!(message["ahead"], 9);
    let open = message["open"].as_object().unwrap();
    let waits: Vec<_> = open.keys().map(String::as_str).collect();
    assert_eq!(waits, ["answers", "quic", "resume"], "{message}");
    assert!(open["quic"].as_f64() < Some(0.001) && open["answers"].as_f64() > Some(1.9));
    // What was not written until there was room had to wait for it.
    let message = json(&file.says("explain", "99 --json"));
    assert!(message["waited"]["flight_full"].as_f64() > Some(17.0));
    assert!(message["open"].get("flight_full").is_none(), "{message}");
}

#[test]
fn what_is_to_be_written_again_waits_for_quic_again() {
    let mut night = Night::new("bob", config());
    night.app = App::Never;
    night.send(4, 100_000);
    night.run(Duration::from_secs(1));
    night.restart_peer();
    night.lose(LinkError::Reset);
    night.taking = Duration::from_millis(300);
    night.app = App::AtOnce;
    night.run(Duration::from_secs(5));
    let file = File::new("again", &night.trace());
    let message = json(&file.says("explain", "3 --json"));
    assert_eq!(
        (&message["written"], &message["outcome"]),
        (&2.into(), &"delivered".into())
    );
    assert!(message["open"]["quic"].as_f64() > Some(0.5), "{message}");
    assert!(
        message["open"]["backoff"].as_f64() > Some(0.05),
        "{message}"
    );
}
