//! What `trace explain` says depends on what happened: how a message ended, and what became of a
//! warning's cause since.

use std::time::Duration;

use peer_sender_core::trace::{Recorder, RecorderConfig};
use peer_sender_core::{Event, LinkError, MessageId, PeerKey, Redelivery, StopMode};

use crate::common::json;
use crate::night::{App, Dialled, KEY, Night};
use crate::{File, config};

/// All of these are in it.
#[track_caller]
fn has(said: &str, words: &[&str]) {
    for words in words {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn what_is_not_delivered_says_what_ended_it() {
    let mut night = Night::new("bob", config());
    night.dialled = Dialled::Silent;
    night.send_on(0, 1, 100, Some(Duration::from_micros(1)));
    night.send_on(0, 1, 100, Some(Duration::from_millis(500)));
    night.send(2, 100);
    night.run(Duration::from_millis(20));
    night.tell(Event::Cancel { id: MessageId(2) });
    night.run(Duration::from_millis(1));
    let mode = StopMode::Abort;
    night.run(Duration::from_secs(1));
    night.send(1, 100);
    night.tell(Event::Stop { mode });
    night.run(Duration::from_secs(1));
    let file = File::new("ended", &night.trace());
    for (id, because) in [
        (0, "because its time to live of 1 us was over\n"),
        (
            1,
            "because its time to live of 500 ms was over; no connection stood, for 500 ms of 500 ms, \
             without any failure\n",
        ),
        (2, "because it was taken back\n"),
        (
            3,
            "because the sender was stopped before it was sent; no connection stood, for 1.0 s of",
        ),
        (4, "because the sender was stopped before it was sent\n"),
    ] {
        has(&file.says("explain", &id.to_string()), &[because]);
    }
    assert!(!file.says("explain", "").contains("nothing held it up"));
}

/// A night on which the peer is restarted, with messages under way or without.
fn restarted(redelivery: Redelivery, under_way: u64) -> File {
    let mut night = Night::new("bob", config().redelivery(redelivery));
    night.send(3, 100);
    night.run(Duration::from_secs(1));
    night.app = App::Never;
    night.send(under_way, 100);
    night.run(Duration::from_secs(1));
    night.app = App::AtOnce;
    night.restart_peer();
    night.lose(LinkError::Reset);
    night.run(Duration::from_secs(1));
    night.send(1, 100);
    night.run(Duration::from_secs(5));
    File::new(
        &format!("restart-{redelivery:?}-{under_way}"),
        &night.trace(),
    )
}

#[test]
fn a_restart_is_warned_of_as_it_went() {
    let begin = "  warning: the peer's process was restarted (1 time, first at +2.";
    for (redelivery, under_way, words) in [
        (
            Redelivery::AtLeastOnce,
            4,
            "): 4 messages that the one before may have taken were sent again, and may have been seen \
             twice\n",
        ),
        (
            Redelivery::AtMostOnce,
            4,
            "): 4 messages that the one before may have taken were not sent again, and their fate is \
             unknown\n",
        ),
        (
            Redelivery::AtMostOnce,
            1,
            "): 1 message that the one before may have taken was not sent again, and its fate is \
             unknown\n",
        ),
        (
            Redelivery::AtLeastOnce,
            0,
            "): no message was sent again or is unknown because of it\n",
        ),
        (
            Redelivery::AtMostOnce,
            0,
            "): no message was sent again or is unknown because of it\n",
        ),
    ] {
        let said = restarted(redelivery, under_way).says("explain", "");
        has(&said, &[begin, words]);
    }
}

#[test]
fn what_has_passed_is_not_said_to_stay() {
    let mut night = Night::new("bob", config());
    night.dialled = Dialled::Fails(LinkError::WrongIdentity {
        expected: KEY,
        offered: PeerKey([0xee; 32]),
    });
    night.send(1, 100);
    night.run(Duration::from_secs(12));
    night.dialled = Dialled::Answered;
    night.run(Duration::from_secs(30));
    let file = File::new("passed", &night.trace());
    let (night, message) = (file.says("explain", ""), file.says("explain", "0"));
    has(&night, &[": 3 times, and a connection stood later\n"]);
    has(&message, &["the wrong key", "is expected\n"]);
    for said in [night, message] {
        assert!(!said.contains("pass by itself"), "{said}");
    }
}

#[test]
fn a_sender_of_one_step_stood_nowhere() {
    let mut night = Night::new("bob", config());
    night.tell(Event::Cancel { id: MessageId(7) });
    let said = File::new("one-step", &night.trace()).says("explain", "");
    assert!(!said.contains("stood at"), "{said}");
}

/// What a flight recorder has kept of a night that ends with a connection that is lost.
fn lost_in_flight() -> File {
    let recorder = Recorder::new(RecorderConfig::flight(256 << 10));
    let mut night = Night::recorded("bob", config(), recorder);
    for _ in 0..100 {
        night.send(100, 20);
        night.run(Duration::from_millis(100));
    }
    night.app = App::Never;
    night.send(1, 20);
    night.run(Duration::from_millis(5));
    night.app = App::AtOnce;
    night.lose(LinkError::Reset);
    night.run(Duration::from_secs(1));
    File::new("lost", &night.dump())
}

#[test]
fn what_stood_where_a_trace_begins_is_said_to_have_stood() {
    let file = lost_in_flight();
    let said = file.run("explain", "").stdout;
    has(
        &said,
        &[
            "  connections: 1 stood already, 1 of 1 attempt stood, 1 lost\n",
            "    1 connection lost (",
            "the connection was lost and had to be made anew",
            "  connections: 1 accepted, 1 stood already, 1 ended\n",
            "  connection 0 stood already\n",
            "  connection 0 went: the peer did not know",
            "  connection 1 came\n",
        ],
    );
    assert!(!said.contains("connection 0 came"), "{said}");
    assert!(!said.contains("could not be reached"), "{said}");
    let ran = file.run("explain", "--json");
    let nights: Vec<_> = ran.stdout.lines().map(json).collect();
    assert_eq!(nights[0]["stood_already"], 1);
    assert_eq!(nights[1]["stood_already"], 1);
    assert_eq!(nights[1]["sessions"][0]["links"][0]["stood_already"], true);
}

#[test]
fn a_node_may_tell_no_more_of_a_connection_than_that_it_went() {
    let recorder = Recorder::new(RecorderConfig::flight(4 << 10));
    let mut night = Night::recorded("bob", config(), recorder);
    night.send(1, 20);
    night.run(Duration::from_secs(1));
    for id in 0..2_000 {
        night.tell(Event::Cancel { id: MessageId(id) });
    }
    night.lose(LinkError::Reset);
    let said = File::new("gone", &night.dump()).run("explain", "").stdout;
    let words = [
        "  connections: 0 accepted, 1 stood already, 1 ended\n",
        "    1 connection ended (",
    ];
    has(&said, &words);
}
