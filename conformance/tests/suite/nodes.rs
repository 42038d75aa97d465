//! What the cases share: nodes on loopback, and tasks.

use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use peer_sender_driver::{
    Config, ConfigBuilder, Events, Identity, NodeConfig, NodeConfigBuilder, PeerConfig, PeerEvent,
    PeerKey, PeerSender, Runtime, Trust,
};
use smol::channel::{self, RecvError};

/// A node of any runtime.
pub(crate) type Node<R> = peer_sender_driver::Node<String, R>;

/// Any free port of this host.
pub(crate) const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// An identity of its own for each number.
pub(crate) fn identity(number: u8) -> Identity {
    Identity::from_secret([number; 32])
}

pub(crate) fn alice() -> Identity {
    identity(1)
}

pub(crate) fn bob() -> Identity {
    identity(2)
}

/// What a task has returned, when it has; an error if it panicked.
pub(crate) struct Task<T>(Pin<Box<dyn Future<Output = Result<T, RecvError>> + Send>>);

impl<T> Future for Task<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

/// Has the runtime run a future.
pub(crate) fn spawn<R: Runtime, T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> Task<T> {
    let (to, from) = channel::bounded(1);
    R::spawn(async move {
        // Nobody has to wait for it.
        let _ = to.send(task.await).await;
    })
    .unwrap();
    Task(Box::pin(async move { from.recv().await }))
}

/// Runs something on a thread of its own, which knows of no runtime.
pub(crate) fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    let (to, from) = channel::bounded(1);
    thread::spawn(move || {
        let _ = to.send_blocking(work());
    });
    Task(Box::pin(async move { from.recv().await }))
}

/// Polls it once.
pub(crate) async fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// A node that listens as Bob and lets Alice in.
pub(crate) async fn listener<R: Runtime>() -> Node<R> {
    listener_with(|config| config).await
}

pub(crate) async fn listener_with<R: Runtime>(
    set: impl FnOnce(NodeConfigBuilder) -> NodeConfigBuilder,
) -> Node<R> {
    listener_at(ANY, set).await
}

pub(crate) async fn listener_at<R: Runtime>(
    address: SocketAddr,
    set: impl FnOnce(NodeConfigBuilder) -> NodeConfigBuilder,
) -> Node<R> {
    let trust = Trust::Keys([alice().key()].into());
    let config = set(NodeConfig::builder(bob()).accept(trust))
        .build()
        .unwrap();
    Node::bind(address, config).await.unwrap()
}

/// A node that only dials, as Alice.
pub(crate) async fn dialler<R: Runtime>() -> Node<R> {
    Node::bind(ANY, NodeConfig::new(alice())).await.unwrap()
}

/// A sender to Bob at this address.
pub(crate) fn peer<R: Runtime>(node: &Node<R>, address: SocketAddr) -> PeerSender {
    peer_with(node, bob().key(), address, |config| config)
}

pub(crate) fn peer_with<R: Runtime>(
    node: &Node<R>,
    key: PeerKey,
    address: SocketAddr,
    set: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
) -> PeerSender {
    let quick = Duration::from_millis(20);
    let builder = Config::builder(address)
        .backoff_min(quick)
        .backoff_max(10 * quick);
    let config = set(builder).build().unwrap();
    node.peer("bob".to_string(), PeerConfig::with(key, config))
        .unwrap()
}

/// An address of this host at which nobody answers, for as long as the socket is kept: no other
/// test gets its port.
pub(crate) fn silent_address() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(ANY).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A port at which nobody listens yet. Where the whole of 127.0.0.0/8 is this host's, it is at an
/// address of its own, so that no other test gets it.
pub(crate) fn unused_address() -> SocketAddr {
    let host = match cfg!(target_os = "linux") {
        true => Ipv4Addr::new(127, 0, 0, 77),
        false => Ipv4Addr::LOCALHOST,
    };
    let socket = UdpSocket::bind((host, 0)).unwrap();
    socket.local_addr().unwrap()
}

/// The first event that fits.
pub(crate) async fn event_where(
    events: &mut Events,
    fits: impl Fn(&PeerEvent) -> bool,
) -> PeerEvent {
    loop {
        let event = events.next().await.expect("the events ended");
        if fits(&event) {
            return event;
        }
    }
}

/// The payload of the message of this number.
pub(crate) fn numbered(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// Sends the messages of these numbers, and waits until each is delivered.
pub(crate) async fn send_all(peer: &PeerSender, numbers: Range<u64>) {
    let mut receipts = Vec::new();
    for number in numbers {
        receipts.push(peer.send(numbered(number)).await.unwrap());
    }
    for receipt in receipts {
        assert!(receipt.await.is_delivered());
    }
}
