//! Thousands of peers that come and go: their node is afterwards as it was. In a process of its own, since
//! memory is counted.
#![cfg(target_os = "linux")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a case fails where it cannot go on"
)]

#[path = "suite/backend.rs"]
mod backend;
#[path = "suite/nodes.rs"]
#[allow(dead_code, reason = "the suite uses all of it")]
mod nodes;

use std::time::Duration;

use backend::*;
use nodes::*;
use peer_sender_driver::{Config, PeerConfig, Runtime, StopMode, StopReason};

/// Peers that come and go, one after another but for a few; in so many rounds.
const PEERS: u64 = 2_000;
const AT_ONCE: u64 = 8;
const ROUNDS: u64 = 5;
const ROUND: u64 = PEERS / ROUNDS;
/// What is kept of a round in which least is: a KiB a peer is more than a name or a mailbox. Allocators
/// grow in some rounds, what is forgotten grows in all.
const KIB_KEPT_MAX: u64 = ROUND;
/// Sessions that the listener remembers, of one key; and for how long, where nobody comes back.
const SESSIONS_MAX: u64 = 256;
const SOON: Duration = Duration::from_secs(3);

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    figure.and_then(|kib| kib.parse().ok()).unwrap()
}

/// Peers come and go by one name: each is sent a message, which is delivered; then it is drained, or
/// removed.
async fn come_and_go<R: Runtime>(node: Node<R>, listener: Node<R>, name: String, count: u64) {
    for number in 0..count {
        let config = Config::builder(listener.local_addr())
            .backoff_min(Duration::from_millis(20))
            .build();
        let config = PeerConfig::with(bob().key(), config.unwrap());
        let peer = node.peer(name.clone(), config).unwrap();
        let receipt = peer.send(numbered(number)).await.unwrap();
        assert!(receipt.await.is_delivered());
        let (stopped, reason) = match number % 2 {
            0 => {
                let drain = StopMode::Drain(Duration::from_secs(20));
                (peer.stop(drain).await, StopReason::Drained)
            }
            _ => (peer.remove().await, StopReason::Removed),
        };
        assert_eq!(stopped.reason, reason);
        assert!(stopped.unsent.is_empty());
        assert_eq!(peer.stats().await.machine.delivered, 1);
    }
}

/// So many peers, a few at once; until no connection of theirs is left at either end.
async fn all_come_and_go<R: Runtime>(node: &Node<R>, listener: &Node<R>, count: u64) {
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|task| {
            let (node, listener) = (node.clone(), listener.clone());
            let name = format!("bob {task}");
            spawn::<R, _>(come_and_go(node, listener, name, count / AT_ONCE))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(node.peers().is_empty());
    while node.stats().await.connections > 0 {}
    while listener.stats().await.connections > 0 {}
}

async fn listener_that_forgets<R: Runtime>() -> Node<R> {
    let keep_alive = SOON / 3;
    listener_with(|config| {
        config
            .idle_timeout(SOON)
            .keep_alive(keep_alive)
            .session_ttl(SOON)
            .sessions_per_key_max(SESSIONS_MAX as usize)
    })
    .await
}

fn check<B: Backend>(name: &'static str) {
    run::<B, _>(move || async move {
        let listener = listener_that_forgets::<B::Runtime>().await;
        let node = dialler::<B::Runtime>().await;
        let mut incoming = listener.incoming().auto();
        let taking = spawn::<B::Runtime, _>(async move {
            let mut taken = 0;
            while incoming.next().await.is_some() {
                taken += 1;
            }
            taken
        });
        let mut kept = Vec::new();
        for _ in 0..ROUNDS {
            let before = resident_kib();
            all_come_and_go(&node, &listener, ROUND).await;
            kept.push(resident_kib().saturating_sub(before));
        }
        println!("{name}: {ROUNDS} times {ROUND} peers; KiB kept {kept:?}");
        assert!(kept.iter().min() < Some(&KIB_KEPT_MAX), "{name}: {kept:?}");
        let stats = node.stats().await;
        let faults = (
            stats.refused,
            stats.handshakes_failed,
            stats.protocol_errors,
        );
        assert_eq!(faults, (0, 0, 0));
        let stats = listener.stats().await;
        assert_eq!(stats.accepted, PEERS);
        assert_eq!((stats.refused, stats.protocol_errors), (0, 0));
        assert!(stats.sessions <= SESSIONS_MAX);
        while listener.stats().await.sessions > 0 {}
        node.stop(StopMode::Abort).await;
        listener.stop(StopMode::Abort).await;
        assert_eq!(taking.await.unwrap(), PEERS);
    });
}

#[test]
fn thousands_of_peers_come_and_go_and_nothing_is_left_of_them() {
    check::<TokioCurrentThread>("tokio_current_thread");
    check::<TokioMultiThread>("tokio_multi_thread");
    check::<OnSmol>("smol");
    check::<OnAsyncStd>("async_std");
    check::<OnThreads>("blocking");
    check::<InSimulation>("simulated");
}
