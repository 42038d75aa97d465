//! A node over sockets that block, fail, or are taken away: it goes on, or ends and says so.

use std::future::Future;
use std::io::{self, ErrorKind, IoSliceMut};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::nodes::*;
use peer_sender_driver::{
    Arrived, BindError, Config, Datagrams, NodeConfig, Outcome, PeerConfig, PeerSender, PeerStats,
    RejectReason, Report, Runtime, StopMode, StopReason, Transmit, Trust,
};
use smol::future::yield_now;

/// Every third datagram has to wait, for a socket that says at once that it can be written.
const BLOCKS: u8 = 0;
/// Calls fail now and then, and some of them when they are repeated.
const FAILS: u8 = 1;
/// Calls now and then report of an earlier datagram, as Linux does.
const REPORTS: u8 = 3;
/// After some waits the runtime takes the socket away.
const GOES: u8 = 2;
/// Reads are counted, for all sockets of the kind together.
const COUNTED: u8 = 4;
/// Linux's error of a datagram that is too large.
const EMSGSIZE: i32 = 90;
static READS: AtomicU32 = AtomicU32::new(0);

/// The runtime, with a socket of that kind.
struct Moody<R, const KIND: u8>(PhantomData<fn() -> R>);

struct MoodySocket<S, const KIND: u8> {
    inner: S,
    reads: u32,
    writes: u32,
    waits: u32,
}

impl<R: Runtime, const KIND: u8> Runtime for Moody<R, KIND> {
    type Socket = MoodySocket<R::Socket, KIND>;
    type Timer = R::Timer;

    fn bind(address: SocketAddr) -> Result<Self::Socket, BindError> {
        Ok(MoodySocket {
            inner: R::bind(address)?,
            reads: 0,
            writes: 0,
            waits: 0,
        })
    }

    fn timer() -> R::Timer {
        R::timer()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        R::spawn(task)
    }

    fn now() -> Instant {
        R::now()
    }

    fn seed() -> io::Result<[u8; 32]> {
        R::seed()
    }
}

impl<S: Datagrams, const KIND: u8> Datagrams for MoodySocket<S, KIND> {
    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn buffers(&self) -> (usize, usize) {
        self.inner.buffers()
    }

    fn segments_max(&self) -> usize {
        self.inner.segments_max()
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waits += 1;
        if KIND == GOES && self.waits > 20 {
            return Poll::Ready(Err(io::Error::other("shutting down")));
        }
        self.inner.poll_readable(cx)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_writable(cx)
    }

    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_report(cx)
    }

    fn receive(
        &mut self,
        buffers: &mut [IoSliceMut<'_>],
        arrived: &mut Vec<Arrived>,
    ) -> io::Result<()> {
        let count = self.reads;
        self.reads += 1;
        if KIND == COUNTED {
            READS.fetch_add(1, Ordering::Relaxed);
        }
        if KIND == FAILS && count % 7 == 3 {
            return Err(ErrorKind::ConnectionReset.into());
        }
        self.inner.receive(buffers, arrived)
    }

    fn send(&mut self, transmit: &Transmit, contents: &[u8]) -> io::Result<()> {
        let count = self.writes;
        self.writes += 1;
        match (KIND, count % 15) {
            (BLOCKS, 2 | 5 | 8 | 11 | 14) => Err(ErrorKind::WouldBlock.into()),
            (FAILS, 4 | 5) => Err(ErrorKind::NetworkUnreachable.into()),
            (FAILS, 9 | 10) | (REPORTS, 11) => Err(io::Error::from_raw_os_error(EMSGSIZE)),
            (REPORTS, 3 | 6) => Err(ErrorKind::ConnectionRefused.into()),
            _ => self.inner.send(transmit, contents),
        }
    }

    fn report(&mut self) -> io::Result<Option<Report>> {
        self.inner.report()
    }
}

type MoodyNode<R, const KIND: u8> = Node<Moody<R, KIND>>;

/// A pair of nodes, and a sender from one to the other.
async fn pair<R: Runtime, const KIND: u8>() -> (MoodyNode<R, KIND>, MoodyNode<R, KIND>, PeerSender)
{
    let accept = NodeConfig::builder(bob()).accept(Trust::Any);
    let listener = Node::<Moody<R, KIND>>::bind(ANY, accept.build().unwrap())
        .await
        .unwrap();
    let node = Node::<Moody<R, KIND>>::bind(ANY, NodeConfig::new(alice()))
        .await
        .unwrap();
    let config = PeerConfig::new(bob().key(), listener.local_addr()).unwrap();
    let peer = node.peer("bob".to_string(), config).unwrap();
    (listener, node, peer)
}

async fn deliver_some<R: Runtime, const KIND: u8>() -> PeerStats {
    const SIZE: usize = 2_000;
    let (listener, node, peer) = pair::<R, KIND>().await;
    let mut receipts = Vec::new();
    for number in 0..100_u8 {
        receipts.push(peer.send(vec![number; SIZE]).await.unwrap());
    }
    let mut incoming = listener.incoming();
    for number in 0..100_u8 {
        assert!(incoming.next().await.unwrap().accept() == vec![number; SIZE]);
    }
    for receipt in receipts {
        assert!(receipt.await.is_delivered());
    }
    let stats = peer.stats().await;
    node.stop(StopMode::Abort).await;
    stats
}

pub(crate) async fn a_socket_that_blocks_is_waited_for<R: Runtime>() {
    deliver_some::<R, BLOCKS>().await;
}

pub(crate) async fn a_socket_that_fails_costs_datagrams_and_nothing_else<R: Runtime>() {
    assert!(deliver_some::<R, FAILS>().await.lost_packets > 0);
}

pub(crate) async fn a_report_of_an_earlier_datagram_costs_no_other<R: Runtime>() {
    assert_eq!(deliver_some::<R, REPORTS>().await.lost_packets, 0);
}

pub(crate) async fn a_socket_that_is_taken_away_ends_the_node_with_every_outcome<R: Runtime>() {
    let (listener, node, peer) = pair::<R, GOES>().await;
    let mut receipts = Vec::new();
    let rejected = loop {
        match peer.send("hello").await {
            Ok(receipt) => receipts.push(receipt),
            Err(rejected) => break rejected,
        }
        yield_now().await;
    };
    assert_eq!(rejected.reason, RejectReason::Stopped);
    for receipt in receipts {
        let outcome = receipt.await;
        assert!(
            matches!(outcome, Outcome::Failed(_) | Outcome::Unknown(_)),
            "{outcome:?}"
        );
    }
    assert_eq!(peer.stop(StopMode::Abort).await.reason, StopReason::Aborted);
    node.stop(StopMode::Abort).await;
    drop(listener);
}

/// Until that much time has passed, by a message's time to live, nodes of this kind have little to read.
async fn rests<R: Runtime>(node: &MoodyNode<R, COUNTED>) {
    let hour = Duration::from_secs(3_600);
    let config = Config::builder(unused_address())
        .backoff_min(hour)
        .backoff_max(hour);
    let config = PeerConfig::with(identity(9).key(), config.build().unwrap());
    let nobody = node.peer("nobody".to_string(), config).unwrap();
    let before = READS.load(Ordering::Relaxed);
    let life = nobody.ttl(Duration::from_millis(300));
    let receipt = life.send("nobody hears this").await.unwrap();
    assert_eq!(receipt.await, Outcome::Expired);
    let reads = READS.load(Ordering::Relaxed) - before;
    assert!(reads < 1_000, "{reads} reads, of at most some ten nodes");
}

/// The kernel keeps its report of a port where nobody listens until somebody takes it, and tells of it
/// again and again.
pub(crate) async fn a_node_whose_peer_is_not_there_rests_between_attempts<R: Runtime>() {
    let node = MoodyNode::<R, COUNTED>::bind(ANY, NodeConfig::new(alice()))
        .await
        .unwrap();
    rests(&node).await;
}

pub(crate) async fn nodes_that_have_nothing_to_say_rest<R: Runtime>() {
    let (listener, node, peer) = pair::<R, COUNTED>().await;
    let receipt = peer.send("hello").await.unwrap();
    listener.incoming().next().await.unwrap().accept();
    assert!(receipt.await.is_delivered());
    rests(&node).await;
    rests(&listener).await;
}
