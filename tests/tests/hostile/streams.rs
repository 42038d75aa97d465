//! Streams that are opened and cut, or never used.

use std::time::Duration;

use peer_sender_core::wire::Frame;
use peer_sender_tokio::{CloseCode, LinkError};

use super::memory;
use super::raw::say::{self, Heard};
use super::raw::{Closed, End, Id, Raw};
use super::scene::{Scene, failure, hostile, run, run_for, run_in_turn};

#[test]
fn all_streams_half_opened_take_up_nothing() {
    run(async {
        let mut scene = Scene::listening(|config| config).await;
        let mut raw = Raw::dialler(&hostile()).await;
        let id = raw.connect(scene.address()).await;
        let mut streams = Vec::new();
        while let Some(stream) = raw.open(id) {
            raw.say(id, stream, &say::open(say::session(1))[..21]).await;
            streams.push(stream);
        }
        assert_eq!(streams.len(), 8);
        raw.alongside(scene.serves()).await;
        assert_eq!(scene.live.stats().await.sessions, 1, "none of them is one");
        assert!(raw.open(id).is_none(), "no stream was given back");
        // The last byte of any of them makes it a lane.
        raw.say(id, streams[7], &[0]).await;
        raw.say(id, streams[7], &say::message(b"at last")).await;
        let message = raw.alongside(scene.strangers.recv()).await.unwrap();
        assert_eq!(message.accept(), "at last");
        assert!(raw.stands(id));
        scene.ends().await;
    });
}

/// Opens and cuts streams, in each of the ways in turn, on all of the connections, until each is
/// closed or has had so many; how many it took.
async fn cut_streams(raw: &mut Raw, connections: &[Id], most: u64) -> Vec<u64> {
    let said = say::open(say::session(1));
    let mut counts = vec![0; connections.len()];
    raw.until(|raw| {
        let mut done = true;
        for (&id, count) in connections.iter().zip(&mut counts) {
            while raw.stands(id) && *count < most {
                let Some(stream) = raw.open(id) else {
                    done = false;
                    break;
                };
                match *count % 4 {
                    0 => drop(raw.offer(id, stream, &said[..1])),
                    1 => drop(raw.offer(id, stream, &said[..20])),
                    _ => {}
                }
                raw.reset(id, stream);
                raw.stop(id, stream);
                *count += 1;
            }
        }
        done.then_some(())
    })
    .await;
    counts
}

async fn cuts_streams_at_full_speed(rounds: u64) {
    const AT_ONCE: u64 = 8;
    let mut scene = Scene::listening(|config| config).await;
    let mut raw = Raw::dialler(&hostile()).await;
    let before = memory::data_bytes();
    for round in 1..=rounds {
        let mut connections = Vec::new();
        for _ in 0..AT_ONCE {
            connections.push(raw.connect(scene.address()).await);
        }
        for count in cut_streams(&mut raw, &connections, u64::MAX).await {
            assert!((100..2_000).contains(&count), "{count} streams were cut");
        }
        let stats = scene.live.stats().await;
        assert_eq!((stats.overloads, stats.sessions), (AT_ONCE * round, 1));
        let turned_away = scene.live.turned_away();
        assert_eq!(turned_away.len() as u64, AT_ONCE);
        for (id, turned_away) in connections.into_iter().zip(turned_away) {
            let Closed { code, reason } = raw.closed(id).await;
            assert_eq!(code, CloseCode::ExcessiveLoad);
            assert_eq!(turned_away.error, LinkError::Closed { code, reason });
        }
        // One key has so many places; a connection that was closed has its own for a while.
        raw.alongside(scene.counts(|stats| stats.connections < 16))
            .await;
    }
    memory::assert_flat(before, 64 << 20);
    scene.serves().await;

    // Whoever stops that is served like anybody.
    let id = raw.connect(scene.address()).await;
    assert_eq!(cut_streams(&mut raw, &[id], 100).await, [100]);
    let said = [say::open(say::session(2)), say::message(b"well")].concat();
    let stream = raw.say_on_new(id, &said).await;
    let message = raw.alongside(scene.strangers.recv()).await.unwrap();
    assert_eq!(message.accept(), "well");
    let receipt = Heard::Frame(Frame::Receipt { taken: 1 });
    raw.hears(id, stream, receipt).await;
    scene.ends().await;
}

#[test]
fn whoever_cuts_streams_at_full_speed_is_cut_off() {
    run_in_turn(cuts_streams_at_full_speed(1));
}

#[test]
#[ignore = "a hundred thousand streams take minutes"]
fn whoever_cuts_a_hundred_thousand_streams_is_cut_off_each_time() {
    run_for(Duration::from_secs(600), cuts_streams_at_full_speed(30));
}

/// The way back of a lane is as much a part of it as the way out.
#[test]
fn a_lane_whose_receipts_nobody_wants_is_given_up() {
    run(async {
        let mut scene = Scene::listening(|config| config).await;
        let mut raw = Raw::dialler(&hostile()).await;
        for number in 0..10 {
            let id = raw.connect(scene.address()).await;
            let said = [say::open(say::session(number)), say::message(b"x")].concat();
            let stream = raw.say_on_new(id, &said).await;
            raw.heard(id, stream, 20).await;
            let message = raw.alongside(scene.strangers.recv()).await.unwrap();
            raw.stop(id, stream);
            // Nothing is read of the way out any more, so it is cut as well.
            raw.until(|raw| (raw.stopped(id, stream) == Some(0)).then_some(()))
                .await;
            drop(message);
            assert!(raw.stands(id));
            raw.close(id, CloseCode::Done);
        }
        let stats = raw.alongside(scene.is_alone()).await;
        assert_eq!((stats.protocol_errors, stats.sessions), (0, 11));
        scene.ends().await;
    });
}

/// An acceptor that cuts each stream that the live node opens, in either direction: it is dialled
/// again, and gets the message once it lets it through.
#[test]
fn an_acceptor_that_cuts_every_stream_gets_the_message_in_the_end() {
    run(async {
        let mut scene = Scene::dialling().await;
        let mut raw = Raw::acceptor(&hostile(), |_| {}).await;
        let peer = scene.sends_to("hostile", hostile().key(), raw.address());
        let mut events = peer.events();
        let receipt = peer.try_send("patience").unwrap();
        for round in 0..20 {
            let id = raw.accept().await;
            let stream = raw.accept_stream(id).await;
            raw.heard(id, stream, 22).await;
            match round % 4 {
                0 => raw.stop(id, stream),
                1 => raw.reset(id, stream),
                2 => {
                    raw.say(id, stream, &say::resume(1)).await;
                    raw.stop(id, stream);
                }
                _ => {
                    raw.say(id, stream, &say::resume(1)).await;
                    raw.reset(id, stream);
                }
            }
            let error = raw.alongside(failure(&mut events)).await;
            assert_eq!(error, LinkError::StreamCut { code: 9 }, "round {round}");
        }
        let id = raw.accept().await;
        let stream = raw.accept_stream(id).await;
        raw.say(id, stream, &say::resume(1)).await;
        raw.hears(id, stream, Heard::Message("patience".into()))
            .await;
        raw.say(id, stream, &say::receipt(1)).await;
        assert!(raw.alongside(receipt).await.is_delivered());
        assert_eq!(raw.came(id, stream).end, None::<End>);
        let stats = raw.alongside(peer.stats()).await;
        assert_eq!(stats.machine.connected, 21);
        raw.alongside(scene.serves()).await;
        scene.ends().await;
    });
}
