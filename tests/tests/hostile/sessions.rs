//! More sessions than anybody is entitled to.

use std::time::Duration;

use peer_sender_tokio::{CloseCode, Trust};
use quinn_proto::{ConnectionError, TransportErrorCode};

use super::memory;
use super::raw::say;
use super::raw::{Id, Raw};
use super::scene::{Scene, hostile, identity, run, run_for, run_in_turn};

/// Why a session was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    /// Before the handshake: too many connections of this host are being made or forgotten.
    Busy,
    Closed(CloseCode),
}

const TOO_MUCH: Refusal = Refusal::Closed(CloseCode::ExcessiveLoad);

/// Connects and opens the session of this number; the connection, if it was answered.
async fn begin(raw: &mut Raw, scene: &Scene, number: u64) -> Result<Id, Refusal> {
    let id = raw.dial(scene.address());
    match raw.until(|raw| raw.handshake(id)).await {
        Ok(()) => {}
        Err(ConnectionError::ConnectionClosed(close)) => {
            assert_eq!(close.error_code, TransportErrorCode::CONNECTION_REFUSED);
            return Err(Refusal::Busy);
        }
        Err(error) => panic!("{error:?}"),
    }
    let Some(stream) = raw.until(|raw| Some(raw.open(id))).await else {
        return Err(Refusal::Closed(raw.closed(id).await.code));
    };
    raw.say(id, stream, &say::open(say::session(number))).await;
    let closed = raw
        .until(|raw| {
            let answered = raw.came(id, stream).bytes.len() >= 20;
            (answered || !raw.stands(id)).then_some(!answered)
        })
        .await;
    if closed {
        return Err(Refusal::Closed(raw.closed(id).await.code));
    }
    Ok(id)
}

/// One key begins session after session and keeps every connection: it gets as many as its share,
/// and is told so of each further one. It keeps what it has; nobody else does with less.
async fn sessions_of_one_key(count: u64) {
    const SHARE: u64 = 16;
    // A quarter of `handshakes_max`: what is turned away counts among the strangers of its host
    // until QUIC has forgotten it.
    const STRANGERS: u64 = 16;
    let mut scene = Scene::listening(|config| config).await;
    let mut raw = Raw::dialler(&hostile()).await;
    let before = memory::data_bytes();
    let mut kept = Vec::new();
    for number in 0..count {
        match begin(&mut raw, &scene, number).await {
            Ok(id) => kept.push(id),
            Err(refusal) => assert!([TOO_MUCH, Refusal::Busy].contains(&refusal)),
        }
    }
    let stats = scene.live.stats().await;
    assert_eq!(kept.len() as u64, SHARE);
    assert_eq!(stats.sessions, 1 + SHARE);
    assert_eq!(stats.refused, count - SHARE, "each further one is counted");
    assert!(stats.connections <= 1 + 2 * SHARE + STRANGERS, "{stats:?}");
    assert!(kept.iter().all(|&id| raw.stands(id)));
    memory::assert_flat(before, 128 << 20);
    assert!(scene.live.turned_away().len() <= 64);
    scene.serves().await;
    scene.ends().await;
}

#[test]
fn one_key_gets_its_share_of_sessions() {
    run_in_turn(sessions_of_one_key(500));
}

#[test]
#[ignore = "ten thousand handshakes take a minute"]
fn one_key_gets_its_share_of_ten_thousand_sessions() {
    run_for(Duration::from_secs(300), sessions_of_one_key(10_000));
}

/// Key after key begins a session, and goes: those of whom no connection is left make room, and
/// whoever is connected is not forgotten.
async fn sessions_of_many_keys(count: u64) {
    const MAX: u64 = 40;
    let mut scene = Scene::listening(|config| {
        let config = config.accept(Trust::Any);
        config.sessions_max(MAX as usize).sessions_per_key_max(2)
    })
    .await;
    let mut raw = Raw::dialler(&hostile()).await;
    let before = memory::data_bytes();
    for number in 0..count {
        raw.become_another(&identity(1_000 + (number % 5_000) as u16));
        // There is always room to be made.
        let id = begin(&mut raw, &scene, number).await.unwrap();
        raw.close(id, CloseCode::Done);
        if number % 100 == 0 {
            let stats = scene.live.stats().await;
            assert!(stats.sessions <= MAX, "{stats:?}");
        }
    }
    let stats = raw.alongside(scene.is_alone()).await;
    assert_eq!(stats.sessions, MAX.min(count + 1));
    assert_eq!(stats.accepted, count + 1);
    memory::assert_flat(before, 128 << 20);
    scene.serves().await;
    scene.ends().await;
}

#[test]
fn many_keys_share_the_table_and_forget_nobody_who_is_connected() {
    run_in_turn(sessions_of_many_keys(400));
}

#[test]
#[ignore = "ten thousand handshakes take a minute"]
fn ten_thousand_keys_share_the_table() {
    run_for(Duration::from_secs(300), sessions_of_many_keys(10_000));
}

/// With every place of the table taken by somebody who is connected, a newcomer is told so.
#[test]
fn a_full_table_turns_newcomers_away() {
    run(async {
        const MAX: u64 = 10;
        let mut scene =
            Scene::listening(|config| config.accept(Trust::Any).sessions_max(MAX as usize)).await;
        let mut raw = Raw::dialler(&hostile()).await;
        let mut outcomes = Vec::new();
        for number in 0..2 * MAX {
            raw.become_another(&identity(100 + number as u16));
            outcomes.push(begin(&mut raw, &scene, number).await);
        }
        let let_in = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
        assert_eq!(let_in, MAX - 1, "all but the honest one's place");
        for outcome in outcomes.iter().skip(let_in as usize) {
            assert_eq!(*outcome, Err(TOO_MUCH));
        }
        let stats = scene.live.stats().await;
        assert_eq!((stats.sessions, stats.refused), (MAX, MAX + 1));
        // A place that is given back is taken.
        if let Some(Ok(id)) = outcomes.first() {
            raw.close(*id, CloseCode::Done);
        }
        raw.alongside(scene.counts(|stats| stats.connections < MAX))
            .await;
        assert!(begin(&mut raw, &scene, 99).await.is_ok());
        scene.ends().await;
    });
}
