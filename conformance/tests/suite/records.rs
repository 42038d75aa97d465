//! Several nodes that listen as one, and share what they remember of those who dial them.

use std::time::Duration;

use crate::nodes::*;
use peer_sender_driver::{NodeConfig, PeerEvent, Runtime, StopMode, Trust};
use smol::channel::{Receiver, bounded};

const LONG: StopMode = StopMode::Drain(Duration::from_secs(20));

/// Two nodes that listen as Bob and let Alice in.
async fn listeners<R: Runtime>() -> [Node<R>; 2] {
    let config = || NodeConfig::builder(bob()).accept(Trust::Keys([alice().key()].into()));
    let records = Node::<R>::records(&config().build().unwrap()).unwrap();
    let config = || config().records(records.clone()).build().unwrap();
    [
        Node::<R>::bind(ANY, config()).await.unwrap(),
        Node::<R>::bind(ANY, config()).await.unwrap(),
    ]
}

/// Accepts all that comes to each, no faster than it is told here which got which message.
fn accept_all<R: Runtime>(listeners: &[Node<R>; 2]) -> Receiver<(usize, Vec<u8>)> {
    let (to, from) = bounded(1);
    for (which, listener) in listeners.iter().enumerate() {
        let (mut incoming, to) = (listener.incoming(), to.clone());
        spawn::<R, _>(async move {
            while let Some(message) = incoming.next().await {
                let payload = message.accept().to_vec();
                to.send((which, payload)).await.unwrap();
            }
        });
    }
    from
}

pub(crate) async fn what_one_node_began_another_goes_on_with_once_and_in_order<R: Runtime>() {
    const COUNT: u64 = 10_000;
    let listeners = listeners::<R>().await;
    let addresses = [0, 1].map(|which: usize| listeners[which].local_addr());
    let received = accept_all(&listeners);
    let node = dialler::<R>().await;
    let peer = peer_with(&node, bob().key(), addresses[0], |config| {
        config.flight_messages_max(256)
    });
    let sending = {
        let peer = peer.clone();
        spawn::<R, _>(async move { send_all(&peer, 0..COUNT).await })
    };

    let mut events = peer.events();
    let mut homes = [0, 0];
    for number in 0..COUNT {
        let (which, payload) = received.recv().await.unwrap();
        assert_eq!(payload, numbered(number));
        homes[which] += 1;
        if number % 1_000 == 500 && number < COUNT / 2 {
            let next = addresses[1 - (number / 1_000 % 2) as usize];
            listeners.iter().for_each(Node::cut_accepted);
            peer.set_addresses(vec![next]).unwrap();
            let dialled = event_where(
                &mut events,
                |event| matches!(event, PeerEvent::Connecting { address, .. } if *address == next),
            );
            dialled.await;
            let connected = event_where(&mut events, |event| {
                matches!(event, PeerEvent::Connected { .. })
            });
            connected.await;
        }
        if number == COUNT / 2 {
            // More came since than may be on its way, so the second carries the session.
            peer.set_addresses(addresses.to_vec()).unwrap();
            let first = listeners[0].clone();
            spawn::<R, _>(async move { first.stop(LONG).await });
        }
    }
    sending.await.unwrap();
    assert!(received.try_recv().is_err(), "nothing comes twice");
    assert_eq!(peer.stats().await.machine.delivered, COUNT);
    listeners[0].stop(LONG).await;
    let accepted = [
        listeners[0].stats().await.accepted,
        listeners[1].stats().await.accepted,
    ];
    assert!(
        accepted.iter().all(|&accepted| accepted > 1),
        "both were dialled again and again: {accepted:?}"
    );
    assert!(
        homes[0] > COUNT / 2 && homes[1] > 0,
        "the first hands out what the second carries, until it stops: {homes:?}"
    );
}

pub(crate) async fn replies_go_by_the_node_that_the_dialler_came_back_to<R: Runtime>() {
    let listeners = listeners::<R>().await;
    let addresses = [0, 1].map(|which: usize| listeners[which].local_addr());
    let node = dialler::<R>().await;
    let peer = peer(&node, addresses[0]);
    let mut replies = node.incoming();
    let mut incoming = listeners[0].incoming();
    let receipt = peer.send("question").await.unwrap();
    let question = incoming.next().await.unwrap();
    let back = question.peer();
    question.accept();
    assert!(receipt.await.is_delivered());

    let mut events = peer.events();
    peer.set_addresses(vec![addresses[1]]).unwrap();
    let again = event_where(&mut events, |event| {
        matches!(event, PeerEvent::Connected { .. })
    });
    again.await;
    let reply = back.send("answer").await.unwrap();
    assert_eq!(replies.next().await.unwrap().accept(), "answer");
    assert!(reply.await.is_delivered());
    let stats = [listeners[0].stats().await, listeners[1].stats().await];
    assert_eq!(
        stats.map(|stats| (stats.accepted, stats.sessions)),
        [(1, 1), (1, 0)]
    );
}
