//! Sessions and lanes that are not the opener's to open.

use peer_sender_core::wire::{Frame, Open, VARINT_MAX};
use peer_sender_tokio::{CloseCode, ProtocolError, Trust};

use super::raw::say::{self, Heard};
use super::raw::{Closed, End, Id, Raw};
use super::scene::{Scene, hostile, identity, run};

fn protocol_error(error: ProtocolError) -> Closed {
    Closed {
        code: CloseCode::Protocol,
        reason: error.to_string(),
    }
}

fn again(session: u64) -> Vec<u8> {
    say::open_of(Open {
        fresh: false,
        session: say::session(session),
        lane: 0,
        base: 0,
    })
}

#[test]
fn what_may_be_opened_once_is_not_opened_twice() {
    run(async {
        let mut scene = Scene::listening(|config| config).await;
        let mut raw = Raw::dialler(&hostile()).await;
        let fresh = |session| say::open(say::session(session));
        let of_lane = |lane| {
            say::open_of(Open {
                fresh: true,
                session: say::session(3),
                lane,
                base: 0,
            })
        };
        // What is opened first, what second, and what the second is told.
        let cases = [
            (fresh(1), fresh(1), ProtocolError::LaneTwice { lane: 0 }),
            (fresh(2), again(2), ProtocolError::LaneTwice { lane: 0 }),
            (fresh(3), fresh(4), ProtocolError::SessionChanged),
            (fresh(5), again(6), ProtocolError::SessionChanged),
            (again(3), of_lane(8), ProtocolError::LaneRange { lane: 8 }),
            (
                again(3),
                of_lane(VARINT_MAX),
                ProtocolError::LaneRange { lane: VARINT_MAX },
            ),
        ];
        for (number, (first, second, error)) in (1..).zip(cases) {
            let id = raw.connect(scene.address()).await;
            let stream = raw.say_on_new(id, &first).await;
            raw.heard(id, stream, 20).await;
            raw.say_on_new(id, &second).await;
            assert_eq!(raw.closed(id).await, protocol_error(error));
            let stats = scene.live.stats().await;
            assert_eq!(stats.protocol_errors, number, "{error}");
            assert_eq!(scene.turned_away().key, Some(hostile().key()));
        }
        raw.alongside(scene.is_alone()).await;
        scene.ends().await;
    });
}

#[test]
fn a_session_id_is_not_used_again() {
    run(async {
        let mut scene = Scene::listening(|config| config).await;
        let mut raw = Raw::dialler(&hostile()).await;
        let first = raw.connect(scene.address()).await;
        let said = [say::open(say::session(1)), say::message(b"one")].concat();
        raw.say_on_new(first, &said).await;
        let message = raw.alongside(scene.strangers.recv()).await.unwrap();

        let second = raw.connect(scene.address()).await;
        raw.say_on_new(second, &said).await;
        let closed = raw.closed(second).await;
        assert_eq!(closed, protocol_error(ProtocolError::SessionReused));
        assert!(raw.stands(first), "whoever has the session keeps it");
        assert_eq!(message.accept(), "one");
        raw.close(first, CloseCode::Done);
        let stats = raw.alongside(scene.is_alone()).await;
        assert_eq!((stats.protocol_errors, stats.sessions), (1, 2));
        assert!(scene.strangers.try_recv().is_err(), "it came twice");
        scene.ends().await;
    });
}

/// Session ids are no secret: what another key says under the same id is its own.
#[test]
fn the_session_of_another_key_is_out_of_reach() {
    run(async {
        let mut scene = Scene::listening(|config| config.accept(Trust::Any)).await;
        let mut raw = Raw::dialler(&hostile()).await;
        let mut connections = Vec::new();
        for key in 10..13 {
            raw.become_another(&identity(key));
            let id = raw.connect(scene.address()).await;
            let said = [say::open(say::session(1)), say::message(&key.to_be_bytes())].concat();
            let stream = raw.say_on_new(id, &said).await;
            let message = raw.alongside(scene.strangers.recv()).await.unwrap();
            assert_eq!(message.from().key, identity(key).key());
            assert_eq!(message.accept(), key.to_be_bytes().to_vec());
            connections.push((id, stream));
        }
        for (id, stream) in connections {
            let receipt = Heard::Frame(Frame::Receipt { taken: 1 });
            raw.hears(id, stream, receipt).await;
        }
        assert_eq!(scene.live.stats().await.sessions, 4);
        scene.ends().await;
    });
}

/// The lane goes to the connection that was made last, whoever opens it later; the other is cut
/// and nothing of it is taken any more.
#[test]
fn a_lane_that_is_torn_between_connections_is_the_newest_ones() {
    run(async {
        let mut scene = Scene::listening(|config| config).await;
        let mut raw = Raw::dialler(&hostile()).await;
        let [old, newer] = [
            raw.connect(scene.address()).await,
            raw.connect(scene.address()).await,
        ];
        let open = say::open(say::session(1));
        let of_old = raw.say_on_new(old, &open).await;
        raw.heard(old, of_old, 20).await;
        raw.say(old, of_old, &say::message(b"half a")[..5]).await;

        let said = [again(1), say::message(b"whole")].concat();
        let of_newer = raw.say_on_new(newer, &said).await;
        raw.heard(newer, of_newer, 20).await;
        assert_eq!(raw.ended(old, of_old).await, superseded());
        let message = raw.alongside(scene.strangers.recv()).await.unwrap();
        assert_eq!((message.number(), message.accept()), (0, "whole".into()));

        // What comes late on the older one changes nothing.
        let late = raw.say_on_new(old, &again(1)).await;
        assert_eq!(
            raw.closed(old).await,
            protocol_error(ProtocolError::LaneTwice { lane: 0 })
        );
        assert_eq!(raw.came(old, late).end, None);
        raw.say(newer, of_newer, &say::message(b"more")).await;
        let message = raw.alongside(scene.strangers.recv()).await.unwrap();
        assert_eq!((message.number(), message.accept()), (1, "more".into()));
        assert!(raw.stands(newer));
        scene.ends().await;
    });
}

#[test]
fn an_open_that_comes_late_on_an_older_connection_is_cut() {
    run(async {
        let mut scene = Scene::listening(|config| config).await;
        let mut raw = Raw::dialler(&hostile()).await;
        let [old, newer]: [Id; 2] = [
            raw.connect(scene.address()).await,
            raw.connect(scene.address()).await,
        ];
        // A first message tells that the node knows both, in the order in which they were made.
        let of_newer = raw.say_on_new(newer, &say::open(say::session(1))).await;
        raw.heard(newer, of_newer, 20).await;
        let of_old = raw.say_on_new(old, &again(1)).await;
        assert_eq!(raw.ended(old, of_old).await, superseded());
        assert!(raw.stands(old) && raw.stands(newer));
        raw.say(newer, of_newer, &say::message(b"still here")).await;
        let message = raw.alongside(scene.strangers.recv()).await.unwrap();
        assert_eq!(message.accept(), "still here");
        scene.ends().await;
    });
}

fn superseded() -> End {
    End::Reset(CloseCode::Superseded.to_wire())
}
