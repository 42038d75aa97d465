//! What changes under a sender, and what it says of itself meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use crate::nodes::*;
use peer_sender_driver::{
    AddressesError, ConfigBuilder, Holdup, LinkError, NodeConfig, PeerEvent, PeerSender,
    PeerSnapshot, Runtime, StopMode, Trust,
};

/// A node that is not Bob.
async fn impostor<R: Runtime>() -> Node<R> {
    let trust = Trust::Keys([alice().key()].into());
    let config = NodeConfig::builder(identity(9)).accept(trust);
    let config = config.build().expect("it is usable");
    Node::<R>::bind(ANY, config)
        .await
        .expect("the port is free")
}

/// A sender to Bob that waits for an hour after each refusal.
fn patient<R: Runtime>(
    node: &Node<R>,
    address: SocketAddr,
    set: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
) -> PeerSender {
    let hour = Duration::from_secs(3_600);
    peer_with(node, bob().key(), address, |config| {
        set(config.refusal_backoff_min(hour).refusal_backoff_max(hour))
    })
}

/// The first snapshot with this holdup.
async fn held_up_by(peer: &PeerSender, holdup: Holdup) -> PeerSnapshot {
    loop {
        let snapshot = peer.snapshot().await.expect("it runs");
        if snapshot.machine.holdup == holdup {
            return snapshot;
        }
    }
}

pub(crate) async fn new_addresses_take_the_queue_to_where_the_peer_is_now<R: Runtime>() {
    let first = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = peer(&node, first.local_addr());
    let mut events = peer.events();
    let receipt = peer.send("to the first").await.unwrap();
    first.incoming().next().await.unwrap().accept();
    assert!(receipt.await.is_delivered());
    first.stop(StopMode::Abort).await;
    event_where(&mut events, |event| {
        matches!(event, PeerEvent::BackoffStarted { .. })
    })
    .await;
    let receipt = peer.send("to the second").await.unwrap();

    let second = listener::<R>().await;
    let addresses = vec![second.local_addr()];
    peer.set_addresses(addresses.clone()).unwrap();
    let changed = PeerEvent::AddressChanged { addresses };
    event_where(&mut events, |event| *event == changed).await;
    let message = second.incoming().next().await.unwrap();
    assert_eq!(message.accept(), "to the second");
    assert!(receipt.await.is_delivered());
    peer.stop(StopMode::Abort).await;
    let error = peer.set_addresses(Vec::new()).unwrap_err();
    assert_eq!(error, AddressesError::Stopped);
}

pub(crate) async fn whose_key_is_revoked_is_cut_off_until_it_is_let_in_again<R: Runtime>() {
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = patient(&node, listener.local_addr(), |config| config);
    let mut events = peer.events();
    let receipt = peer.send("allowed").await.unwrap();
    listener.incoming().next().await.unwrap().accept();
    assert!(receipt.await.is_delivered());

    listener.set_trust(Trust::Keys([identity(9).key()].into()));
    let lost = event_where(&mut events, |event| {
        matches!(event, PeerEvent::Disconnected { .. })
    })
    .await;
    let ours = alice().key();
    assert!(
        matches!(lost, PeerEvent::Disconnected { error: LinkError::IdentityRefused { ours: key }, .. } if key == ours),
        "{lost:?}"
    );
    let receipt = peer.send("revoked").await.unwrap();
    let snapshot = held_up_by(&peer, Holdup::Backoff).await.machine;
    assert_eq!(snapshot.queued, 1);
    assert!(listener.incoming().try_next().is_none());

    listener.set_trust(Trust::Keys([ours].into()));
    listener.stats().await;
    peer.wake();
    let message = listener.incoming().next().await.unwrap();
    assert_eq!(message.accept(), "revoked");
    assert!(receipt.await.is_delivered());
}

pub(crate) async fn a_snapshot_says_why_nothing_moves<R: Runtime>() {
    let (impostor, listener) = (impostor::<R>().await, listener::<R>().await);
    let node = dialler::<R>().await;
    let peer = patient(&node, impostor.local_addr(), |config| {
        config.flight_messages_max(1)
    });
    let first = peer.send("first").await.unwrap();
    let snapshot = held_up_by(&peer, Holdup::Backoff).await.machine;
    assert_eq!((snapshot.queued, snapshot.queued_bytes), (1, 5));
    assert!(snapshot.failures == 1 && snapshot.next_attempt_at.is_some());
    let error = snapshot.last_error.map(|(error, _)| error);
    assert!(
        matches!(error, Some(LinkError::WrongIdentity { expected, .. }) if expected == bob().key()),
        "{error:?}"
    );

    peer.set_addresses(Vec::new()).unwrap();
    held_up_by(&peer, Holdup::NoAddress).await;
    peer.set_addresses(vec![listener.local_addr()]).unwrap();
    let mut incoming = listener.incoming();
    let held = incoming.next().await.unwrap();
    held_up_by(&peer, Holdup::AwaitsReceipts).await;
    let second = peer.send("second").await.unwrap();
    let snapshot = held_up_by(&peer, Holdup::FlightFull).await;
    let machine = snapshot.machine;
    assert_eq!((machine.in_flight, machine.queued), (1, 1));
    assert_eq!(machine.address, Some(listener.local_addr()));
    assert!(snapshot.rtt.is_some() && snapshot.mtu >= 1_200);

    held.accept();
    incoming.next().await.unwrap().accept();
    assert!(first.await.is_delivered() && second.await.is_delivered());
    held_up_by(&peer, Holdup::NothingToDo).await;
    peer.stop(StopMode::Abort).await;
    assert_eq!(peer.snapshot().await, None);
}

pub(crate) async fn a_changed_network_cuts_every_wait_short<R: Runtime>() {
    let impostor = impostor::<R>().await;
    let address = impostor.local_addr();
    let node = dialler::<R>().await;
    let peer = patient(&node, address, |config| config);
    let receipt = peer.send("message").await.unwrap();
    held_up_by(&peer, Holdup::Backoff).await;
    impostor.stop(StopMode::Abort).await;
    let listener: Node<R> = listener_at(address, |config| config).await;
    node.network_changed();
    listener.incoming().next().await.unwrap().accept();
    assert!(receipt.await.is_delivered());
}
