//! Whatever goes wrong is told alike under each runtime: the same typed errors, in the same order.
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

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use backend::*;
use nodes::*;
use peer_sender_driver::{
    AddPeerError, AddressesError, BindError, Config, Lane, LinkError, NodeConfig, Outcome,
    PeerConfig, PeerKey, PeerSender, Protocol, RejectReason, Rejected, Runtime, StopMode,
    StopReason,
};

const LARGEST: usize = 1_000;
const LONG: StopMode = StopMode::Drain(Duration::from_secs(20));
const SHORT: StopMode = StopMode::Drain(Duration::from_millis(20));

/// The addresses of a run: nobody else has them.
#[derive(Clone, Copy)]
struct Addresses {
    listener: SocketAddr,
    plain: SocketAddr,
    nobody: SocketAddr,
}

/// All that was told in a run.
#[derive(Debug, Default, PartialEq)]
struct Told {
    bound: Vec<BindError>,
    added: Vec<AddPeerError>,
    addresses: Vec<AddressesError>,
    links: Vec<LinkError>,
    rejected: Vec<Rejected>,
    outcomes: Vec<Outcome>,
    stopped: Vec<StopReason>,
}

/// Makes everything go wrong, one after the other.
async fn everything<R: Runtime>(at: Addresses) -> Told {
    let mut told = Told::default();
    let listener: Node<R> =
        listener_at(at.listener, |config| config.message_bytes_max(LARGEST)).await;
    let plain: Node<R> = listener_at(at.plain, |config| config.plain("app/1")).await;
    let node = dialler::<R>().await;
    bind_in_vain::<R>(at, &mut told).await;
    dial_in_vain(&node, at, &mut told).await;
    send_in_vain(&node, &listener, &mut told).await;
    stop_before_it_is_over(&node, &listener, at, &mut told).await;
    // The next runtime needs its address.
    plain.stop(StopMode::Abort).await;
    told
}

async fn bind_in_vain<R: Runtime>(at: Addresses, told: &mut Told) {
    let elsewhere: SocketAddr = "192.0.2.1:4433".parse().unwrap();
    for address in [at.listener, elsewhere] {
        let bound = Node::<R>::bind(address, NodeConfig::new(alice())).await;
        told.bound.push(bound.unwrap_err());
    }
    let none: &[SocketAddr] = &[];
    let bound = Node::<R>::bind(none, NodeConfig::new(alice())).await;
    told.bound.push(bound.unwrap_err());
}

/// The first error of a peer that is dialled, which is not dialled again for an hour.
async fn first_error<R: Runtime>(node: &Node<R>, key: PeerKey, address: SocketAddr) -> LinkError {
    let hour = Duration::from_secs(3_600);
    let peer = peer_with(node, key, address, |config| {
        let config = config.backoff_min(hour).backoff_max(hour);
        config.refusal_backoff_min(hour).refusal_backoff_max(hour)
    });
    let error = loop {
        let snapshot = peer.snapshot().await.unwrap();
        if let Some((error, _)) = snapshot.machine.last_error {
            break error;
        }
    };
    peer.stop(StopMode::Abort).await;
    error
}

async fn dial_in_vain<R: Runtime>(node: &Node<R>, at: Addresses, told: &mut Told) {
    let links = &mut told.links;
    links.push(first_error(node, bob().key(), at.nobody).await);
    links.push(first_error(node, identity(9).key(), at.listener).await);
    links.push(first_error(node, bob().key(), at.plain).await);
    let eve = Node::<R>::bind(ANY, NodeConfig::new(identity(7))).await;
    links.push(first_error(&eve.unwrap(), bob().key(), at.listener).await);
}

async fn send_in_vain<R: Runtime>(node: &Node<R>, listener: &Node<R>, told: &mut Told) {
    let peer = peer_with(node, bob().key(), listener.local_addr(), |config| {
        let config = config.lanes(2).queue_messages_max(1).flight_messages_max(1);
        config.message_bytes_max(4 * LARGEST)
    });
    let mut incoming = listener.incoming();
    let held = peer.send("held").await.unwrap();
    let message = incoming.next().await.unwrap();
    let queued = peer.send("queued").await.unwrap();
    for (peer, payload) in [
        (&peer, "no room"),
        (&peer.lane(Lane(2)), "no lane"),
        (&peer.ttl(Duration::ZERO), "no time"),
    ] {
        told.rejected.push(peer.try_send(payload).unwrap_err());
    }
    let above = peer.send(vec![7; 4 * LARGEST + 1]).await.unwrap_err();
    told.rejected.push(above);

    peer.cancel(queued.id());
    told.outcomes.push(queued.await);
    let brief = peer
        .ttl(Duration::from_millis(10))
        .send("brief")
        .await
        .unwrap();
    told.outcomes.push(brief.await);
    message.refuse();
    told.outcomes.push(held.await);
    let large = peer.send(vec![7; LARGEST + 1]).await.unwrap();
    told.outcomes.push(large.await);
    let dropped = peer.send("dropped").await.unwrap();
    drop(incoming.next().await.unwrap());
    told.outcomes.push(dropped.await);
    told.stopped.push(peer.stop(LONG).await.reason);
}

async fn stop_before_it_is_over<R: Runtime>(
    node: &Node<R>,
    listener: &Node<R>,
    at: Addresses,
    told: &mut Told,
) {
    for mode in [SHORT, StopMode::Abort, StopMode::Remove] {
        let peer = peer(node, at.nobody);
        let never_sent = peer.send("never sent").await.unwrap();
        told.stopped.push(peer.stop(mode).await.reason);
        told.outcomes.push(never_sent.await);
    }
    let peer = peer(node, listener.local_addr());
    add_in_vain(node, &peer, told);
    let sent = peer.send("sent").await.unwrap();
    let held = listener.incoming().next().await.unwrap();
    told.stopped.push(peer.stop(StopMode::Abort).await.reason);
    told.outcomes.push(sent.await);
    // Until nobody is there whom a reply could go to.
    while listener.stats().await.connections > 0 {}
    let replied = held.peer().send("a reply").await.unwrap();
    let addresses = held.peer().set_addresses(vec![at.nobody]);
    told.addresses.push(addresses.unwrap_err());
    told.rejected.push(peer.try_send("late").unwrap_err());
    let addresses = peer.set_addresses(vec![at.nobody]);
    told.addresses.push(addresses.unwrap_err());

    node.stop(StopMode::Abort).await;
    listener.stop(StopMode::Abort).await;
    told.outcomes.push(replied.await);
    let config = PeerConfig::new(bob().key(), at.listener).unwrap();
    let late = node.peer("late".to_string(), config);
    told.added.push(late.unwrap_err());
}

fn add_in_vain<R: Runtime>(node: &Node<R>, peer: &PeerSender, told: &mut Told) {
    let address = node.local_addr();
    let config = PeerConfig::new(bob().key(), address).unwrap();
    let twice = node.peer("bob".to_string(), config);
    told.added.push(twice.unwrap_err());
    let plain = Config::builder(address).protocol(Protocol::Plain).build();
    let config = PeerConfig::with(bob().key(), plain.unwrap());
    let plain = node.peer("plain".to_string(), config);
    told.added.push(plain.unwrap_err());
    let nowhere = vec!["0.0.0.0:0".parse().unwrap()];
    let addresses = peer.set_addresses(nowhere);
    told.addresses.push(addresses.unwrap_err());
}

fn told_under<B: Backend>(at: Addresses) -> Told {
    let (to, from) = mpsc::channel();
    run::<B, _>(move || async move {
        to.send(everything::<B::Runtime>(at).await).unwrap();
    });
    from.recv().unwrap()
}

/// What is told under the runtime of this name.
type Named = (&'static str, fn(Addresses) -> Told);

#[test]
fn every_runtime_tells_the_same_of_what_goes_wrong() {
    let [listener, plain, nobody] = [(); 3].map(|()| unused_address());
    let at = Addresses {
        listener,
        plain,
        nobody,
    };
    let first = told_under::<TokioCurrentThread>(at);
    println!("{first:#?}");
    assert_eq!(first.rejected[0].reason, RejectReason::QueueFull);
    let others: [Named; 5] = [
        ("tokio_multi_thread", told_under::<TokioMultiThread>),
        ("smol", told_under::<OnSmol>),
        ("async_std", told_under::<OnAsyncStd>),
        ("blocking", told_under::<OnThreads>),
        ("simulated", told_under::<InSimulation>),
    ];
    for (name, told) in others {
        assert_eq!(told(at), first, "{name}");
    }
}
