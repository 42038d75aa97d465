//! Acceptors and diallers that give no room, read nothing, or read very little.

use std::time::Duration;

use peer_sender_core::wire::Frame;
use peer_sender_tokio::{
    Config, LinkError, Outcome, PeerConfig, PeerEvent, RejectReason, StopMode, UnknownReason,
};
use quinn_proto::VarInt;

use super::memory;
use super::raw::Raw;
use super::raw::say::{self, Heard};
use super::scene::{Scene, hostile, run, run_in_turn};

/// A window of a few bytes slows a sender down, and is nothing that it could complain about.
#[test]
fn a_tiny_window_is_no_failure() {
    run(async {
        const COUNT: usize = 20;
        let mut scene = Scene::dialling().await;
        let mut raw = Raw::acceptor(&hostile(), |transport| {
            transport.stream_receive_window(VarInt::from_u32(16));
        })
        .await;
        let peer = scene.sends_to("hostile", hostile().key(), raw.address());
        let receipts: Vec<_> = (0..COUNT)
            .map(|number| peer.try_send(vec![number as u8; 100]).unwrap())
            .collect();
        let id = raw.accept().await;
        let stream = raw.accept_stream(id).await;
        raw.say(id, stream, &say::resume(1)).await;
        for (taken, receipt) in (1..).zip(receipts) {
            raw.until(|raw| {
                let heard = say::heard(&raw.came(id, stream).bytes);
                (heard.len() > taken as usize).then_some(())
            })
            .await;
            raw.say(id, stream, &say::receipt(taken)).await;
            assert!(raw.alongside(receipt).await.is_delivered());
        }
        let stats = raw.alongside(peer.stats()).await.machine;
        assert_eq!((stats.connects, stats.protocol_errors), (1, 0));
        raw.alongside(scene.serves()).await;
        scene.ends().await;
    });
}

/// Without any room there is no answer either, so the connection is given up in the end: by the
/// time that the peer may take to answer, not by the message, which waits.
#[test]
fn without_a_window_the_message_waits_for_better_times() {
    run(async {
        for streams in [true, false] {
            let mut scene = Scene::dialling().await;
            let mut raw = Raw::acceptor(&hostile(), |transport| {
                if streams {
                    transport.stream_receive_window(VarInt::from_u32(0));
                } else {
                    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
                }
            })
            .await;
            let config = Config::builder(raw.address())
                .connect_timeout(Duration::from_millis(300))
                .backoff_min(Duration::from_millis(5))
                .build()
                .unwrap();
            let config = PeerConfig::with(hostile().key(), config);
            let peer = scene.live.peer("hostile".into(), config).unwrap();
            let mut events = peer.events();
            let receipt = peer.try_send("wait").unwrap();
            let mut given_up = 0;
            while given_up < 3 {
                match raw.alongside(events.next()).await.unwrap() {
                    PeerEvent::Disconnected { error, .. } => {
                        assert_eq!(error, LinkError::NoAnswer);
                        given_up += 1;
                    }
                    PeerEvent::SenderStopped { .. } => panic!("it was given up for good"),
                    _ => {}
                }
            }
            let stats = raw.alongside(peer.stats()).await.machine;
            assert_eq!(stats.queued + stats.in_flight, 1, "{stats:?}");

            // The window opens with the next connection.
            raw.become_another(&hostile());
            let (id, stream) = loop {
                let id = raw.accept().await;
                let stream = raw.until(|raw| {
                    let stream = raw.next_stream(id);
                    (stream.is_some() || !raw.stands(id)).then_some(stream)
                });
                if let Some(stream) = stream.await {
                    break (id, stream);
                }
            };
            raw.say(id, stream, &say::resume(1)).await;
            raw.hears(id, stream, Heard::Message("wait".into())).await;
            raw.say(id, stream, &say::receipt(1)).await;
            assert!(raw.alongside(receipt).await.is_delivered());
            raw.alongside(scene.serves()).await;
            scene.ends().await;
        }
    });
}

/// Acknowledges everything in QUIC and reads nothing: what waits for it is bounded, its sender is
/// told that the queue is full, and at the end each message has the one fate that can be told.
#[test]
fn an_acceptor_that_reads_nothing_holds_up_nobody_else() {
    run_in_turn(async {
        let mut scene = Scene::dialling().await;
        let mut raw = Raw::acceptor(&hostile(), |_| {}).await;
        let peer = scene.sends_to("hostile", hostile().key(), raw.address());
        let mut events = peer.events();
        let before = memory::data_bytes();

        let mut receipts = vec![peer.try_send(vec![0; 1_000]).unwrap()];
        let id = raw.accept().await;
        raw.set_reads(id, false);
        let stream = raw.accept_stream(id).await;
        raw.say(id, stream, &say::resume(1)).await;
        // What was taken from the queue makes room for more, until nothing moves.
        let mut rounds_in_vain = 0;
        while rounds_in_vain < 20 {
            rounds_in_vain += 1;
            loop {
                match peer.try_send(vec![1; 16 << 10]) {
                    Ok(receipt) => {
                        receipts.push(receipt);
                        rounds_in_vain = 0;
                    }
                    Err(rejected) => {
                        assert_eq!(rejected.reason, RejectReason::QueueFull);
                        break;
                    }
                }
            }
            raw.alongside(scene.serves()).await;
        }
        let stats = raw.alongside(peer.stats()).await.machine;
        assert!(stats.queued_bytes <= 16 << 20, "{stats:?}");
        assert!(stats.in_flight_bytes <= 4 << 20, "{stats:?}");
        assert_eq!(stats.queued + stats.in_flight, receipts.len() as u64);
        memory::assert_flat(before, 128 << 20);
        assert_eq!(stats.connects, 1, "slow is not an error");

        let in_flight = stats.in_flight;
        raw.alongside(peer.stop(StopMode::Abort)).await;
        let mut unknown = 0;
        for receipt in receipts {
            match receipt.await {
                Outcome::Unknown(UnknownReason::Stopped) => unknown += 1,
                Outcome::Failed(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(
            unknown, in_flight,
            "what may have arrived, and nothing else"
        );
        while let Some(event) = events.next().await {
            assert!(
                !matches!(event, PeerEvent::Disconnected { .. }),
                "{event:?}"
            );
        }
        scene.ends().await;
    });
}

/// A dialler that sends and never reads its receipts: they are one number, so that however many
/// it does not read, nothing grows; and they are all there when it reads again.
#[test]
fn a_dialler_that_reads_no_receipts_is_served_all_the_same() {
    run_in_turn(async {
        const COUNT: u64 = 20_000;
        let mut scene = Scene::listening(|config| config).await;
        let mut raw = Raw::dialler(&hostile()).await;
        let before = memory::data_bytes();
        let id = raw.connect(scene.address()).await;
        raw.set_reads(id, false);
        let stream = raw.say_on_new(id, &say::open(say::session(1))).await;
        for number in 0..COUNT {
            if number % 100 == 0 {
                let hundred = say::message(&[5; 50]).repeat(100);
                raw.say(id, stream, &hundred).await;
            }
            let message = raw.alongside(scene.strangers.recv()).await.unwrap();
            assert_eq!(message.number(), number);
            message.accept();
        }
        memory::assert_flat(before, 64 << 20);
        raw.set_reads(id, true);
        let last = Heard::Frame(Frame::Receipt { taken: COUNT });
        raw.hears(id, stream, last).await;
        scene.ends().await;
    });
}
