//! A socket that takes nothing for long: the node does not spin, tells what has happened, and ends.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use common::*;
use peer_sender_tokio::{
    AsyncUdp, BindError, Config, KernelSocket, Node, NodeConfig, Outcome, PeerConfig, PeerSender,
    Runtime, Socket, StopMode, StopReason, Timer, Tokio, UnknownReason,
};

/// Whether the sockets of a test take anything, and how often that was tried.
struct Gate {
    shut: AtomicBool,
    tries: AtomicU32,
}

impl Gate {
    const fn new() -> Self {
        Self {
            shut: AtomicBool::new(false),
            tries: AtomicU32::new(0),
        }
    }

    fn shut(&self) {
        self.shut.store(true, Ordering::SeqCst);
        self.tries.store(0, Ordering::SeqCst);
    }

    fn open(&self) {
        self.shut.store(false, Ordering::SeqCst);
    }

    fn is_shut(&self) -> bool {
        self.shut.load(Ordering::SeqCst)
    }

    fn tries(&self) -> u32 {
        self.tries.load(Ordering::SeqCst)
    }
}

/// One for each test, since a runtime knows its sockets by its type alone.
static GATES: [Gate; 4] = [const { Gate::new() }; 4];

/// Tokio, with sockets behind that gate.
enum Gated<const GATE: usize> {}

struct GatedSocket<const GATE: usize>(Socket);

impl<const GATE: usize> Runtime for Gated<GATE> {
    type Socket = KernelSocket<GatedSocket<GATE>>;
    type Timer = Timer;

    fn bind(address: SocketAddr) -> Result<Self::Socket, BindError> {
        KernelSocket::bind(address, |socket| Socket::new(socket).map(GatedSocket))
    }

    fn timer() -> Timer {
        Tokio::timer()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        Tokio::spawn(task)
    }

    fn now() -> Instant {
        Tokio::now()
    }
}

impl<const GATE: usize> AsyncUdp for GatedSocket<GATE> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_readable(cx)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match GATES[GATE].is_shut() {
            true => Poll::Pending,
            false => self.0.poll_writable(cx),
        }
    }

    fn poll_error(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_error(cx)
    }

    fn try_read<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.0.try_read(io)
    }

    fn try_write<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        GATES[GATE].tries.fetch_add(1, Ordering::SeqCst);
        match GATES[GATE].is_shut() {
            true => Err(ErrorKind::WouldBlock.into()),
            false => self.0.try_write(io),
        }
    }

    fn inner(&self) -> socket2::SockRef<'_> {
        self.0.inner()
    }
}

/// A listener with an ordinary socket, a node behind the gate, and its sender, which is connected.
async fn pair<const GATE: usize>() -> (
    Node<String>,
    peer_sender_driver::Node<String, Gated<GATE>>,
    PeerSender,
) {
    let listener = listener().await;
    let node = peer_sender_driver::Node::<String, Gated<GATE>>::bind(ANY, NodeConfig::new(alice()))
        .await
        .unwrap();
    let config = Config::builder(listener.local_addr()).build().unwrap();
    let config = PeerConfig::with(bob().key(), config);
    let peer = node.peer("bob".to_string(), config).unwrap();
    let receipt = peer.send("first").await.unwrap();
    listener.incoming().next().await.unwrap().accept();
    assert!(receipt.await.is_delivered());
    (listener, node, peer)
}

#[test]
fn a_socket_that_stays_blocked_is_not_tried_again_and_again() {
    run(async {
        let gate = &GATES[0];
        let (_listener, _node, peer) = pair::<0>().await;
        gate.shut();
        let receipt = peer.send("stuck").await.unwrap();
        // Long enough for many of QUIC's timers.
        let soon = StopMode::Drain(Duration::from_millis(900));
        assert_eq!(peer.stop(soon).await.reason, StopReason::DeadlineReached);
        assert_eq!(receipt.await, Outcome::Unknown(UnknownReason::Stopped));
        let tries = gate.tries();
        assert!((1..100).contains(&tries), "{tries} calls");
    });
}

#[test]
fn everything_ends_at_once_behind_a_socket_that_is_blocked_for_ever() {
    run(async {
        let gate = &GATES[1];
        let (_listener, node, peer) = pair::<1>().await;
        gate.shut();
        let receipt = peer.send("stuck").await.unwrap();
        while gate.tries() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(peer.stop(StopMode::Abort).await.reason, StopReason::Aborted);
        assert_eq!(receipt.await, Outcome::Unknown(UnknownReason::Stopped));
        node.stop(StopMode::Abort).await;
    });
}

#[test]
fn a_drain_behind_a_socket_that_is_blocked_for_ever_ends_at_its_deadline() {
    run(async {
        let gate = &GATES[2];
        let (_listener, node, peer) = pair::<2>().await;
        gate.shut();
        let receipt = peer.send("stuck").await.unwrap();
        node.stop(StopMode::Drain(Duration::from_millis(50))).await;
        assert_eq!(receipt.await, Outcome::Unknown(UnknownReason::Stopped));
        assert_eq!(
            peer.stop(StopMode::Abort).await.reason,
            StopReason::DeadlineReached
        );
    });
}

#[test]
fn what_was_given_up_while_the_socket_was_blocked_is_sent_again() {
    run(async {
        let gate = &GATES[3];
        let (listener, _node, peer) = pair::<3>().await;
        gate.shut();
        let receipt = peer.send("late").await.unwrap();
        // The datagram itself, and QUIC's probe for it, which it sends when it takes it for lost.
        while gate.tries() < 4 {
            peer.stats().await;
        }
        gate.open();
        assert_eq!(listener.incoming().next().await.unwrap().accept(), "late");
        assert!(receipt.await.is_delivered());
    });
}
