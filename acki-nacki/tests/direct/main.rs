//! Direct sending and receiving over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails its test")]

mod incoming;
mod rooms;
mod sending;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_acki_nacki::direct::{Direct, DirectConfig, DirectIncoming, DirectMetrics};
use peer_sender_acki_nacki::{Limits, NetMessage};
use peer_sender_tokio::{
    Config, ConfigBuilder, Identity, Naming, Node, NodeConfig, PeerConfig, PeerKey, Tokio, Trust,
};

/// Turns a hang into a failure.
const DEADLINE: Duration = Duration::from_secs(60);

fn identity(of: u8) -> Identity {
    Identity::from_secret([of; 32])
}

/// What it is known by: the hash of its certificate.
fn key(of: u8) -> PeerKey {
    identity(of).key_as(Naming::Certificate)
}

fn message(number: usize) -> NetMessage {
    let payload = Bytes::from(format!("payload {number}"));
    let id = number.to_string();
    NetMessage::from_payload(payload, "Text", 1_000, id, &Limits::default()).unwrap()
}

/// A node that others dial.
async fn listener(of: u8) -> Node<String> {
    let config = NodeConfig::builder(identity(of)).acki_nacki();
    let config = config.accept(Trust::Any).build().unwrap();
    Node::bind("127.0.0.1:0", config).await.unwrap()
}

fn reading(node: &Node<String>) -> (DirectIncoming<String>, DirectMetrics) {
    let metrics = DirectMetrics::default();
    let incoming = DirectIncoming::new(node.incoming(), Limits::default(), &metrics);
    (incoming, metrics)
}

/// A node that only dials.
async fn direct(config: DirectConfig) -> Direct<String, Tokio> {
    let of_node = NodeConfig::builder(identity(1)).acki_nacki();
    let of_node = of_node.transfers(true).build().unwrap();
    let node = Node::bind("127.0.0.1:0", of_node).await.unwrap();
    Direct::new(node, config, &DirectMetrics::default()).unwrap()
}

/// Where a listener is, to be told to a sender.
fn found(of: u8, node: &Node<String>) -> PeerConfig {
    found_with(of, node, |it| it)
}

fn found_with(
    of: u8,
    node: &Node<String>,
    set: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
) -> PeerConfig {
    let config = set(Config::builder(node.local_addr())).build().unwrap();
    PeerConfig::with(key(of), config)
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, what).await;
    done.expect("it hangs")
}

fn bob() -> String {
    "bob".to_owned()
}
