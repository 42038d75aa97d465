//! A million messages each: both applications refusing to read with every lane full both ways, a
//! reader that pauses for a minute, messages that can never be taken among others.
//!
//! They take their time, so they are ignored by default and run by `.ci/run`.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use common::*;
use peer_sender_tokio::{
    Bytes, Events, Incoming, Lane, Node, NodeConfig, NodeConfigBuilder, Outcome, Outcomes,
    PeerEvent, PeerSender, RefuseCode, RejectReason, StopMode,
};

const MILLION: u64 = 1_000_000;
const LANES: u8 = 8;

/// Fails a test that hangs, on a machine that is busy with other things too.
fn run_long<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let limit = Duration::from_secs(600);
        tokio::time::timeout(limit, test)
            .await
            .expect("took too long")
    })
}

/// The lane of the message of this number, and its place in it.
fn place(number: u64) -> (Lane, u64) {
    (
        Lane((number % u64::from(LANES)) as u8),
        number / u64::from(LANES),
    )
}

/// A message that names its number, with some weight.
fn weighty(number: u64) -> Bytes {
    let mut payload = numbered(number);
    payload.resize(200, 7);
    payload.into()
}

fn number_of(payload: &[u8]) -> u64 {
    u64::from_be_bytes(payload[..8].try_into().unwrap())
}

/// Posts the messages of these numbers on all lanes in turn.
async fn post(peer: PeerSender, numbers: std::ops::Range<u64>) {
    let lanes: Vec<_> = (0..LANES).map(|lane| peer.lane(Lane(lane))).collect();
    for number in numbers {
        let (lane, _) = place(number);
        lanes[usize::from(lane.0)]
            .post(weighty(number))
            .await
            .unwrap();
    }
}

/// Posts on every lane until each is full; the numbers are those of `post`.
fn fill(peer: &PeerSender, posted: &mut BTreeMap<Lane, u64>) -> bool {
    let mut any = false;
    for lane in (0..LANES).map(Lane) {
        let next = posted.entry(lane).or_default();
        loop {
            let number = *next * u64::from(LANES) + u64::from(lane.0);
            match peer.lane(lane).try_post(weighty(number)) {
                Ok(_) => *next += 1,
                Err(rejected) => {
                    assert_eq!(rejected.reason, RejectReason::QueueFull);
                    break;
                }
            }
            any = true;
        }
    }
    any
}

/// Reads this many messages and accepts them; each lane's must come in order, and once.
async fn read(incoming: &mut Incoming<String>, next: &mut BTreeMap<Lane, u64>, count: u64) {
    for _ in 0..count {
        let message = incoming.next().await.unwrap();
        let (lane, at) = place(number_of(message.payload()));
        assert_eq!(message.lane(), lane);
        let expected = next.entry(lane).or_default();
        assert_eq!(at, *expected, "of lane {lane}");
        *expected += 1;
        message.accept();
    }
}

async fn delivered(outcomes: &mut Outcomes, count: u64) {
    for _ in 0..count {
        let (id, outcome) = outcomes.next().await.unwrap();
        assert!(outcome.is_delivered(), "{id}: {outcome:?}");
    }
}

fn never_disconnected(mut events: Events) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            let lost = matches!(event, PeerEvent::Disconnected { .. });
            assert!(!lost, "{event:?}");
        }
    })
}

/// Nodes that hold little for their applications, so that lanes fill up to QUIC's own windows.
fn narrow(config: NodeConfigBuilder) -> NodeConfigBuilder {
    config
        .message_bytes_max(64 << 10)
        .inbound_bytes_max(1 << 20)
}

#[test]
#[ignore = "a million messages"]
fn receipts_get_through_with_every_lane_full_both_ways_and_nobody_reading() {
    run_long(async {
        let listener = listener_with(narrow).await;
        let dialler = Node::<String>::bind(ANY, NodeConfig::new(alice()))
            .await
            .unwrap();
        let to = peer_with(&dialler, bob().key(), listener.local_addr(), |config| {
            let config = config
                .message_bytes_max(64 << 10)
                .inbound_bytes_max(1 << 20);
            config.queue_messages_max(1_024)
        });
        let healthy = never_disconnected(to.events());
        let mut at_listener = listener.incoming();
        let mut at_dialler = dialler.incoming();

        // The first message tells the listener to whom its replies go.
        let first = to.send("hello").await.unwrap();
        let message = at_listener.next().await.unwrap();
        let back = message.peer();
        message.accept();
        assert!(first.await.is_delivered());

        let (mut there, mut here) = (to.outcomes(), back.outcomes());
        let (mut sent, mut replied) = (BTreeMap::new(), BTreeMap::new());
        // Full is what stays full once both ends have done all that they can.
        let mut quiet = 0;
        while quiet < 3 {
            let more = fill(&to, &mut sent) | fill(&back, &mut replied);
            quiet = if more { 0 } else { quiet + 1 };
            let _ = (to.stats().await, back.stats().await);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!((there.unread(), here.unread()), (0, 0), "nobody has read");

        // What each application takes now is receipted, though nothing else moves.
        let (mut of_listener, mut of_dialler) = (BTreeMap::new(), BTreeMap::new());
        read(&mut at_listener, &mut of_listener, 1).await;
        read(&mut at_dialler, &mut of_dialler, 1).await;
        delivered(&mut there, 1).await;
        delivered(&mut here, 1).await;

        // And once both read, everything goes.
        let half = MILLION / 2;
        let rest = |posted: &BTreeMap<Lane, u64>| -> Vec<(Lane, u64)> {
            posted.iter().map(|(&lane, &next)| (lane, next)).collect()
        };
        let go_on = |peer: PeerSender, from: Vec<(Lane, u64)>| async move {
            let mut from = from;
            loop {
                let mut any = false;
                for (lane, next) in &mut from {
                    let number = *next * u64::from(LANES) + u64::from(lane.0);
                    if number < half {
                        peer.lane(*lane).post(weighty(number)).await.unwrap();
                        *next += 1;
                        any = true;
                    }
                }
                if !any {
                    break;
                }
            }
        };
        tokio::join!(
            go_on(to.clone(), rest(&sent)),
            go_on(back.clone(), rest(&replied)),
            read(&mut at_listener, &mut of_listener, half - 1),
            read(&mut at_dialler, &mut of_dialler, half - 1),
            delivered(&mut there, half - 1),
            delivered(&mut here, half - 1),
        );
        dialler.stop(StopMode::Drain(Duration::from_secs(30))).await;
        healthy.await.unwrap();
    });
}

#[test]
#[ignore = "a million messages, and a pause of a minute"]
fn a_reader_that_pauses_for_a_minute_is_no_error() {
    run_long(async {
        let listener = listener().await;
        let dialler = dialler().await;
        let to = peer(&dialler, listener.local_addr());
        let healthy = never_disconnected(to.events());
        let mut outcomes = to.outcomes();
        let mut incoming = listener.incoming();
        let reader = async {
            let mut next = BTreeMap::new();
            read(&mut incoming, &mut next, 1_000).await;
            // Six times the idle timeout: the connection lives by its pings alone.
            tokio::time::sleep(Duration::from_secs(60)).await;
            read(&mut incoming, &mut next, MILLION - 1_000).await;
        };
        let posting = post(to.clone(), 0..MILLION);
        tokio::join!(reader, posting, delivered(&mut outcomes, MILLION));
        let stats = to.stats().await;
        assert_eq!((stats.machine.connects, stats.machine.redelivered), (1, 0));
        dialler.stop(StopMode::Drain(Duration::from_secs(30))).await;
        healthy.await.unwrap();
    });
}

#[test]
#[ignore = "a million messages"]
fn messages_that_can_never_be_taken_get_their_outcome_and_the_others_go_on() {
    const POISON_EVERY: u64 = 1_000;
    run_long(async {
        // The receiver takes less than the sender sends, which it learns with the first answer.
        let listener = listener_with(|config| config.message_bytes_max(1_000)).await;
        let dialler = dialler().await;
        let to = peer(&dialler, listener.local_addr());
        let mut outcomes = to.outcomes();
        let mut incoming = listener.incoming();
        let poisonous = |number: u64| number.is_multiple_of(POISON_EVERY);
        let posting = async {
            for number in 0..MILLION {
                let mut payload = numbered(number);
                payload.resize(if poisonous(number) { 2_000 } else { 100 }, 7);
                to.post(payload).await.unwrap();
            }
        };
        let reading = async {
            for number in (0..MILLION).filter(|&number| !poisonous(number)) {
                let message = incoming.next().await.unwrap();
                assert_eq!(number_of(message.payload()), number);
                message.accept();
            }
        };
        let counting = async {
            let mut refused = 0;
            for _ in 0..MILLION {
                match outcomes.next().await.unwrap().1 {
                    Outcome::Refused(code) => {
                        assert_eq!(code, RefuseCode::TooLarge);
                        refused += 1;
                    }
                    outcome => assert!(outcome.is_delivered(), "{outcome:?}"),
                }
            }
            assert_eq!(refused, MILLION / POISON_EVERY);
        };
        tokio::join!(posting, reading, counting);
        dialler.stop(StopMode::Drain(Duration::from_secs(30))).await;
    });
}
