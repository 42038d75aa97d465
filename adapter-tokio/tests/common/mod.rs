//! What the tests share: nodes on loopback, and a bound for every wait.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use peer_sender_tokio::{
    Config, ConfigBuilder, Identity, Node, NodeConfig, NodeConfigBuilder, PeerConfig, PeerKey,
    PeerSender, Trust,
};

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

/// Fails a test that hangs.
pub(crate) async fn bounded<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what)
        .await
        .expect("took too long")
}

/// Runs a test on a runtime of one thread, within the bound.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .build()
        .unwrap()
        .block_on(bounded(test))
}

/// A node that listens as Bob and lets Alice in.
pub(crate) async fn listener() -> Node<String> {
    listener_with(|config| config).await
}

pub(crate) async fn listener_with(
    set: impl FnOnce(NodeConfigBuilder) -> NodeConfigBuilder,
) -> Node<String> {
    let trust = Trust::Keys([alice().key()].into());
    let config = set(NodeConfig::builder(bob()).accept(trust))
        .build()
        .unwrap();
    Node::bind(ANY, config).await.unwrap()
}

/// A node that only dials, as Alice.
pub(crate) async fn dialler() -> Node<String> {
    Node::bind(ANY, NodeConfig::new(alice())).await.unwrap()
}

/// A sender to Bob at this address.
pub(crate) fn peer(node: &Node<String>, address: SocketAddr) -> PeerSender {
    peer_with(node, bob().key(), address, |config| config)
}

pub(crate) fn peer_with(
    node: &Node<String>,
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

/// The payload of the message of this number.
pub(crate) fn numbered(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}
