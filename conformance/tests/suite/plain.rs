//! The plain protocol over real sockets: a stream per message, settled by the transport.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::nodes::*;
use peer_sender_driver::{
    AddPeerError, Config, Level, LinkError, NodeConfig, Outcome, PeerConfig, PeerEvent, PeerSender,
    Protocol, RefuseCode, Runtime, StopMode, StopReason,
};
use smol::future::zip;

const DELIVERED: Outcome = Outcome::Delivered(Level::Transport);

async fn plain_listener<R: Runtime>() -> Node<R> {
    listener_with(|it| it.plain("app/1").message_bytes_max(1 << 20)).await
}

async fn plain_dialler<R: Runtime>(alpn: &str) -> Node<R> {
    let config = NodeConfig::builder(alice()).plain(alpn).build().unwrap();
    Node::<R>::bind(ANY, config).await.unwrap()
}

/// A message of this number: all sizes up to 300,000 bytes.
fn payload(number: u64) -> Vec<u8> {
    let bytes = (number * number * 37) % 300_000;
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(8 + bytes as usize, number as u8);
    payload
}

async fn send_payloads(peer: &PeerSender, count: u64) {
    let mut receipts = Vec::new();
    for number in 0..count {
        receipts.push(peer.send(payload(number)).await.unwrap());
    }
    for receipt in receipts {
        assert_eq!(receipt.await, DELIVERED);
    }
}

async fn assert_comes_once<R: Runtime>(node: &Node<R>, count: u64) {
    let mut incoming = node.incoming().auto();
    let mut numbers = BTreeMap::new();
    while (numbers.len() as u64) < count {
        let message = incoming.next().await.unwrap();
        let number = u64::from_be_bytes(message.payload[..8].try_into().unwrap());
        assert!(
            message.payload == payload(number),
            "message {number} differs"
        );
        let before = numbers.insert(number, message.number);
        assert_eq!(before, None, "message {number} came twice");
    }
    drop(incoming);
    assert!(node.incoming().try_next().is_none());
}

pub(crate) async fn messages_of_every_size_come_once_both_ways<R: Runtime>() {
    let (listener, node) = (
        plain_listener::<R>().await,
        plain_dialler::<R>("app/1").await,
    );
    let peer = peer(&node, listener.local_addr());
    // The first one shows whom to answer.
    let mut incoming = listener.incoming();
    assert_eq!(peer.send("hello").await.unwrap().await, DELIVERED);
    let message = incoming.next().await.unwrap();
    let back = message.peer();
    assert_eq!(message.accept(), "hello");
    drop(incoming);

    let (count, replies) = (600, 200);
    zip(
        zip(
            send_payloads(&peer, count),
            assert_comes_once(&listener, count),
        ),
        zip(
            send_payloads(&back, replies),
            assert_comes_once(&node, replies),
        ),
    )
    .await;
    let stats = peer.stats().await.machine;
    assert_eq!((stats.delivered, stats.connected), (601, 1));
    // All is acknowledged, so that the end is in good order.
    let stopped = peer.stop(StopMode::Drain(Duration::from_secs(5))).await;
    assert_eq!(stopped.reason, StopReason::Drained);
}

pub(crate) async fn what_was_delivered_to_the_transport_reaches_an_application_that_is_late<
    R: Runtime,
>() {
    let (listener, node) = (
        plain_listener::<R>().await,
        plain_dialler::<R>("app/1").await,
    );
    let peer = peer(&node, listener.local_addr());
    send_payloads(&peer, 100).await;
    node.stop(StopMode::Drain(Duration::from_secs(5))).await;
    assert_comes_once(&listener, 100).await;
}

/// Whose application has room for some sixty of them, of which it takes none before the listener stops.
pub(crate) async fn what_a_listeners_transport_has_is_given_out_before_it_ends<R: Runtime>() {
    const ROOM: usize = 64 << 10;
    let listener: Node<R> = listener_with(|it| {
        let plain = it.plain("app/1").message_bytes_max(ROOM);
        plain.inbound_bytes_max(ROOM)
    })
    .await;
    let node = plain_dialler::<R>("app/1").await;
    let peer = peer(&node, listener.local_addr());
    let mut receipts = Vec::new();
    for number in 0..400_u64 {
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(1_024, 7);
        receipts.push(peer.send(payload).await.unwrap());
    }
    let rest = receipts.split_off(100);
    for receipt in receipts {
        assert_eq!(receipt.await, DELIVERED);
    }
    let stopping = {
        let listener = listener.clone();
        let long = StopMode::Drain(Duration::from_secs(20));
        spawn::<R, _>(async move { listener.stop(long).await })
    };
    let mut incoming = listener.incoming().auto();
    let mut given = BTreeSet::new();
    while let Some(message) = incoming.next().await {
        let number = u64::from_be_bytes(message.payload[..8].try_into().unwrap());
        assert!(given.insert(number), "message {number} came twice");
    }
    stopping.await.unwrap();
    peer.stop(StopMode::Abort).await;
    for (number, receipt) in (100..).zip(rest) {
        let delivered = receipt.await == DELIVERED;
        assert!(!delivered || given.contains(&number), "{number}");
    }
    assert!((0..100).all(|number| given.contains(&number)));
}

pub(crate) async fn a_message_above_the_listeners_limit_is_refused_alone<R: Runtime>() {
    let (listener, node) = (
        plain_listener::<R>().await,
        plain_dialler::<R>("app/1").await,
    );
    let _incoming = listener.incoming().auto();
    let peer = peer(&node, listener.local_addr());
    let too_large = peer.send(vec![1; 3 << 20]).await.unwrap();
    let small = peer.send("small").await.unwrap();
    assert_eq!(too_large.await, Outcome::Refused(RefuseCode::Other(5)));
    assert_eq!(small.await, DELIVERED);
}

pub(crate) async fn another_name_is_told_and_nothing_is_sent<R: Runtime>() {
    let (listener, node) = (
        plain_listener::<R>().await,
        plain_dialler::<R>("app/2").await,
    );
    let peer = peer(&node, listener.local_addr());
    let mut events = peer.events();
    let receipt = peer.send("hello").await.unwrap();
    let mismatch = event_where(&mut events, |event| {
        matches!(event, PeerEvent::Disconnected { .. })
    });
    let PeerEvent::Disconnected { error, .. } = mismatch.await else {
        unreachable!()
    };
    let offered = "app/2".to_owned();
    assert_eq!(error, LinkError::AlpnMismatch { offered });
    peer.stop(StopMode::Abort).await;
    assert!(matches!(receipt.await, Outcome::Failed(_)));
}

pub(crate) async fn a_peer_is_configured_for_what_its_node_speaks<R: Runtime>() {
    let (plain, lanes) = (plain_dialler::<R>("app/1").await, dialler::<R>().await);
    let with = |protocol, lanes| {
        let config = Config::builder("192.0.2.1:4433".parse().unwrap());
        let config = config.protocol(protocol).lanes(lanes).build()?;
        Ok::<_, peer_sender_driver::ConfigError>(PeerConfig::with(bob().key(), config))
    };
    let two = with(Protocol::Lanes, 2).unwrap();
    let error = plain.peer("two".into(), two).unwrap_err();
    assert!(matches!(error, AddPeerError::Protocol(it) if it.field == "lanes"));
    let one = with(Protocol::Plain, 1).unwrap();
    let error = lanes.peer("one".into(), one).unwrap_err();
    assert!(matches!(error, AddPeerError::Protocol(it) if it.field == "protocol"));
    assert_eq!(with(Protocol::Plain, 2).unwrap_err().field, "lanes");

    let all = with(Protocol::Lanes, 8).unwrap();
    let peer = plain.peer("all".into(), all).unwrap();
    let second = peer.lane(peer_sender_driver::Lane(1)).try_send("hello");
    assert!(second.is_err(), "there is one lane");
}

/// Prints what a lone message costs; judged by the nodes' own tests, in virtual time.
pub(crate) async fn a_lone_message_is_settled_soon<R: Runtime>() {
    let (listener, node) = (
        plain_listener::<R>().await,
        plain_dialler::<R>("app/1").await,
    );
    let mut incoming = listener.incoming().auto();
    spawn::<R, _>(async move { while incoming.next().await.is_some() {} });
    let peer = peer(&node, listener.local_addr());
    let mut times = Vec::new();
    for _ in 0..51 {
        let before = node.now();
        assert_eq!(peer.send("hello").await.unwrap().await, DELIVERED);
        times.push(node.now().saturating_since(before));
    }
    times.sort_unstable();
    println!("median {:?}", times[25]);
}
