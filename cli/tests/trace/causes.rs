//! What `trace explain` says depends on what happened: how a message ended, and what became of a
//! warning's cause since.

use std::time::Duration;

use peer_sender_core::{Event, MessageId, StopMode};

use crate::night::{Dialled, Night};
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
