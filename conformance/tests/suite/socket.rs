//! A node over sockets that block, fail, or are taken away: it goes on, or ends and says so.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::moody::*;
use crate::nodes::*;
use peer_sender_driver::{
    Config, NodeConfig, Outcome, PeerConfig, PeerSender, PeerSnapshot, RejectReason, Runtime,
    StopMode, StopReason, Trust,
};
use smol::future::yield_now;

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

/// Sends a hundred messages of two packets each; all of them arrive.
async fn deliver<R: Runtime, const KIND: u8>(listener: &MoodyNode<R, KIND>, peer: &PeerSender) {
    const SIZE: usize = 2_000;
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
}

async fn deliver_some<R: Runtime, const KIND: u8>() -> PeerSnapshot {
    let (listener, node, peer) = pair::<R, KIND>().await;
    deliver(&listener, &peer).await;
    let snapshot = peer.snapshot().await.unwrap();
    node.stop(StopMode::Abort).await;
    snapshot
}

pub(crate) async fn a_socket_that_blocks_is_waited_for<R: Runtime>() {
    deliver_some::<R, BLOCKS>().await;
}

pub(crate) async fn a_socket_that_fails_costs_datagrams_and_nothing_else<R: Runtime>() {
    const ROUNDS_MAX: usize = 20;
    let (listener, node, peer) = pair::<R, FAILS>().await;
    let mut lost = 0;
    // A call that fails may have had nothing in it that QUIC tells of as lost, such as an acknowledgement.
    for _ in 0..ROUNDS_MAX {
        deliver(&listener, &peer).await;
        lost = peer.snapshot().await.unwrap().lost_packets;
        if lost > 0 {
            break;
        }
    }
    assert!(lost > 0);
    assert_eq!(peer.stats().await.machine.connected, 1);
    node.stop(StopMode::Abort).await;
}

pub(crate) async fn a_report_of_an_earlier_datagram_costs_no_other<R: Runtime>() {
    assert_eq!(deliver_some::<R, REPORTS>().await.lost_packets, 0);
}

pub(crate) async fn what_is_too_large_for_the_path_is_cut_smaller<R: Runtime>() {
    let snapshot = deliver_some::<R, NARROW>().await;
    assert!(snapshot.mtu >= 1_200 && usize::from(snapshot.mtu) <= NARROW_BYTES);
    assert_eq!(
        snapshot.lost_packets, 0,
        "larger ones are only tried, with nothing in them"
    );
}

pub(crate) async fn a_path_that_becomes_narrow_is_found_out<R: Runtime>() {
    let (listener, _node, peer) = pair::<R, NARROWS>().await;
    let snapshot = loop {
        deliver(&listener, &peer).await;
        let snapshot = peer.snapshot().await.unwrap();
        if snapshot.black_holes > 0 {
            break snapshot;
        }
    };
    assert!(snapshot.mtu >= 1_200 && usize::from(snapshot.mtu) <= NARROW_BYTES);
    assert!(snapshot.lost_packets > 0);
    assert_eq!(peer.stats().await.machine.connected, 1);
}

pub(crate) async fn several_datagrams_at_once_that_are_refused_go_one_by_one<R: Runtime>() {
    let lost = deliver_some::<R, ONE_BY_ONE>().await.lost_packets;
    assert!((1..=10).contains(&lost), "{lost} lost with one call");
}

pub(crate) async fn a_socket_that_does_less_than_it_was_asked_costs_nothing<R: Runtime>() {
    assert_eq!(deliver_some::<R, PARTIAL>().await.lost_packets, 0);
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
