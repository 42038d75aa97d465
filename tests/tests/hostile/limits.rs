//! Messages at and above the limit, and lengths that are announced and never sent.

use std::time::Duration;

use peer_sender_core::SessionId;
use peer_sender_core::wire::{Frame, Open, VARINT_MAX};
use peer_sender_tokio::{CloseCode, LinkError, Trust};

use super::memory;
use super::raw::say::{self, Heard};
use super::raw::{Id, Raw};
use super::scene::{Scene, hostile, identity, run, run_in_turn};

const MAX: usize = 64 << 10;

#[test]
fn the_smallest_and_the_largest_message_arrive() {
    run(async {
        let mut scene = Scene::listening(|config| config.message_bytes_max(MAX)).await;
        let mut raw = Raw::dialler(&hostile()).await;
        let id = raw.connect(scene.address()).await;
        let said = [
            say::open(say::session(1)),
            say::message(&[]),
            say::message(&[7; MAX]),
            say::message(&[]),
        ];
        let stream = raw.say_on_new(id, &said.concat()).await;
        for len in [0, MAX, 0] {
            let message = raw.alongside(scene.strangers.recv()).await.unwrap();
            assert_eq!(message.accept(), vec![7; len]);
        }
        let receipt = Heard::Frame(Frame::Receipt { taken: 3 });
        raw.hears(id, stream, receipt).await;
        scene.ends().await;
    });
}

#[test]
fn a_message_above_the_limit_is_refused_for_good_and_ends_the_connection() {
    run(async {
        let mut scene = Scene::listening(|config| config.message_bytes_max(MAX)).await;
        let mut raw = Raw::dialler(&hostile()).await;
        let lengths = [MAX as u64 + 1, u32::MAX.into(), VARINT_MAX];
        for (number, length) in (1..).zip(lengths) {
            let session = say::session(number);
            let id = raw.connect(scene.address()).await;
            let said = [say::open(session), say::announcement(length), vec![1; 99]].concat();
            raw.say_on_new(id, &said).await;
            let closed = raw.closed(id).await;
            assert_eq!(closed.code, CloseCode::MessageTooLarge, "{length}");

            // It is remembered, so that it is not sent for ever.
            let again = raw.connect(scene.address()).await;
            let heard = reopen(&mut raw, again, session).await;
            let Some(Heard::Frame(Frame::Resume(resume))) = heard.first() else {
                panic!("no RESUME: {heard:?}");
            };
            assert_eq!((resume.taken, resume.next), (0, 1), "{length}");
            assert_eq!(resume.message_bytes_max, MAX as u64);
            let refused = [
                Frame::Refuse { number: 0, code: 1 },
                Frame::Receipt { taken: 1 },
            ];
            assert_eq!(heard[1..], refused.map(Heard::Frame), "{length}");
            raw.close(again, CloseCode::Done);

            let stats = scene.live.stats().await;
            assert_eq!((stats.refused, stats.protocol_errors), (number, 0));
            let LinkError::Closed { code, reason } = scene.turned_away().error else {
                panic!("not closed");
            };
            assert_eq!((code, reason), (CloseCode::MessageTooLarge, closed.reason));
        }
        assert!(scene.strangers.try_recv().is_err(), "part of one came");
        scene.ends().await;
    });
}

/// Opens lane 0 of a session anew; what is known of it.
async fn reopen(raw: &mut Raw, id: Id, session: SessionId) -> Vec<Heard> {
    let open = Open {
        fresh: false,
        session,
        lane: 0,
        base: 0,
    };
    let stream = raw.say_on_new(id, &say::open_of(open)).await;
    raw.until(|raw| {
        let heard = say::heard(&raw.came(id, stream).bytes);
        (heard.len() >= 3).then_some(heard)
    })
    .await
}

/// Sixteen keys announce 1 GiB each. Nothing is allocated by it, and whoever says no more
/// is forgotten after the idle timeout.
#[test]
fn a_length_and_then_silence_takes_up_nothing() {
    run_in_turn(async {
        let mut scene = Scene::listening(|config| {
            let second = Duration::from_secs(1);
            config
                .accept(Trust::Any)
                .message_bytes_max(1 << 30)
                .inbound_bytes_max(1 << 30)
                .inbound_bytes_total_max(1 << 40)
                .idle_timeout(second)
                .keep_alive(second / 2)
        })
        .await;
        let before = memory::data_bytes();
        let mut raw = Raw::dialler(&hostile()).await;
        for number in 0..16 {
            raw.become_another(&identity(100 + number));
            let id = raw.connect(scene.address()).await;
            let said = [
                say::open(say::session(number.into())),
                say::announcement(1 << 30),
                vec![1; 1_000],
            ];
            let stream = raw.say_on_new(id, &said.concat()).await;
            raw.heard(id, stream, 1).await;
        }
        let stats = scene.live.stats().await;
        // Connections may be gone already; their sessions are remembered.
        assert_eq!(stats.sessions, 17);
        memory::assert_flat(before, 256 << 20);
        // Nobody lives any more at the other end.
        scene.is_alone().await;
        assert!(scene.strangers.try_recv().is_err(), "part of one came");
        scene.ends().await;
    });
}
