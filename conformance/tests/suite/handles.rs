//! Every way to hand a message over, and to learn of it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;

use crate::nodes::*;
use futures_sink::Sink;
use peer_sender_driver::{
    Bytes, NodeConfig, Outcome, PeerConfig, PeerSink, RejectReason, Runtime, Trust,
};
use smol::future::{block_on, or, zip};

pub(crate) async fn outcomes_of_posted_messages_are_read_from_one_stream<R: Runtime>() {
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = peer(&node, listener.local_addr());
    let mut outcomes = peer.outcomes();
    let mut posted = Vec::new();
    for number in 0..100 {
        posted.push(peer.post(numbered(number)).await.unwrap());
    }
    let mut incoming = listener.incoming();
    for number in 0..100 {
        let message = incoming.next().await.unwrap();
        match number % 10 {
            3 => message.refuse(),
            _ => message.accept(),
        };
    }
    let mut told = BTreeMap::new();
    for _ in &posted {
        let (id, outcome) = outcomes.next().await.unwrap();
        assert!(
            told.insert(id, outcome).is_none(),
            "{id:?} has two outcomes"
        );
    }
    for (number, id) in posted.iter().enumerate() {
        assert_eq!(told[id].is_delivered(), number % 10 != 3);
    }
    assert_eq!(outcomes.unread(), 0);
}

pub(crate) async fn a_flush_ends_when_everything_before_it_is_answered<R: Runtime>() {
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = peer(&node, listener.local_addr());
    for number in 0..10 {
        peer.post(numbered(number)).await.unwrap();
    }
    let mut incoming = listener.incoming();
    let mut held = Vec::new();
    while held.len() < 10 {
        held.push(incoming.next().await.unwrap());
    }
    let last = held.pop().unwrap();
    held.drain(..).for_each(|message| drop(message.accept()));
    let mut flush = Box::pin(peer.flush());
    while peer.stats().await.machine.delivered < 9 {}
    assert!(poll_once(&mut flush).await.is_pending());
    peer.post("after it").await.unwrap();
    last.accept();
    flush.await;
    assert_eq!(peer.stats().await.machine.delivered, 10);
}

pub(crate) async fn what_has_not_begun_can_be_taken_back<R: Runtime>() {
    let node = dialler::<R>().await;
    let (_silent, address) = silent_address();
    let peer = peer(&node, address);
    let first = peer.try_send("first").unwrap();
    // The machine has it by now.
    peer.stats().await;
    let second = peer.try_send("second").unwrap();
    let third = peer.try_send("third").unwrap();
    peer.cancel(first.id());
    peer.cancel(third.id());
    assert_eq!(first.await, Outcome::Cancelled);
    assert_eq!(third.await, Outcome::Cancelled);
    let stats = peer.stats().await.machine;
    assert_eq!((stats.accepted, stats.cancelled, stats.queued), (3, 2, 1));

    let listener = listener::<R>().await;
    peer.set_addresses(vec![listener.local_addr()]).unwrap();
    let message = listener.incoming().next().await.unwrap();
    // It has begun: too late.
    peer.cancel(second.id());
    peer.stats().await;
    assert_eq!(message.accept(), "second");
    assert!(second.await.is_delivered());
}

async fn feed(sink: &mut PeerSink, payload: Vec<u8>) {
    poll_fn(|cx| Pin::new(&mut *sink).poll_ready(cx))
        .await
        .expect("nobody stopped it");
    Pin::new(sink)
        .start_send(payload.into())
        .expect("it is ready");
}

pub(crate) async fn a_sink_is_held_back_by_who_does_not_take_and_flushed_by_who_answers<
    R: Runtime,
>() {
    const MESSAGES: u64 = 100;
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
        config.queue_messages_max(2).flight_messages_max(2)
    });
    let feeding = {
        let mut sink = peer.sink();
        async move {
            for number in 0..MESSAGES {
                feed(&mut sink, numbered(number)).await;
            }
            poll_fn(|cx| Pin::new(&mut sink).poll_close(cx))
                .await
                .unwrap();
        }
    };
    let mut feeding = Box::pin(feeding);
    let mut incoming = listener.incoming();
    let fed = async {
        feeding.as_mut().await;
        panic!("nobody has taken any")
    };
    let first = or(incoming.next(), fed).await.unwrap();
    for _ in 0..100 {
        assert!(poll_once(&mut feeding).await.is_pending());
        listener.stats().await;
        peer.stats().await;
    }
    let stats = peer.stats().await.machine;
    assert_eq!((stats.accepted, stats.in_flight), (4, 2));
    assert_eq!(first.accept(), numbered(0));
    let taking = async {
        for number in 1..MESSAGES {
            assert_eq!(incoming.next().await.unwrap().accept(), numbered(number));
        }
    };
    zip(feeding, taking).await;
    assert_eq!(peer.stats().await.machine.delivered, MESSAGES);
}

pub(crate) async fn a_broadcast_reaches_every_peer_and_names_each_that_it_does_not<R: Runtime>() {
    let node: Node<R> = dialler::<R>().await;
    let mut listeners = Vec::new();
    for number in 10..13 {
        let trust = Trust::Keys([alice().key()].into());
        let config = NodeConfig::builder(identity(number)).accept(trust);
        let listener: Node<R> = Node::<R>::bind(ANY, config.build().unwrap()).await.unwrap();
        let key = identity(number).key();
        let config = PeerConfig::new(key, listener.local_addr()).unwrap();
        node.peer(format!("peer {number}"), config).unwrap();
        listeners.push(listener);
    }
    let (_silent, address) = silent_address();
    let full = peer_with(&node, bob().key(), address, |config| {
        config.queue_messages_max(1)
    });
    full.try_post("fills its queue").unwrap();

    let payload = Bytes::from("to all");
    let answers = node.broadcast(payload.clone());
    let names: Vec<_> = answers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["bob", "peer 10", "peer 11", "peer 12"]);
    let of_node: Vec<_> = node.peers().into_iter().map(|(name, _)| name).collect();
    assert_eq!(of_node, names);
    for listener in &listeners {
        let message = listener.incoming().next().await.unwrap();
        assert_eq!(message.accept(), payload);
    }
    for (name, answer) in answers {
        match name.as_str() {
            "bob" => {
                let rejected = answer.unwrap_err();
                assert_eq!(rejected.reason, RejectReason::QueueFull);
                assert_eq!(rejected.payload, payload);
            }
            _ => assert!(answer.unwrap().await.is_delivered()),
        }
    }
    assert!(node.get(&"peer 10".to_string()).is_some());
    assert!(node.get(&"peer 9".to_string()).is_none());
}

pub(crate) async fn handles_work_on_threads_without_a_runtime<R: Runtime>() {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
        config.queue_messages_max(8)
    });
    let senders: Vec<_> = (0..THREADS)
        .map(|_| {
            let peer = peer.clone();
            on_thread(move || {
                for _ in 0..EACH {
                    let receipt = block_on(peer.send("from a thread")).unwrap();
                    assert!(block_on(receipt).is_delivered());
                }
                block_on(peer.flush());
                drop(block_on(peer.reserve(10)).unwrap());
                block_on(peer.stats()).machine.accepted
            })
        })
        .collect();
    let mut incoming = listener.incoming();
    let taker = on_thread(move || {
        for _ in 0..THREADS * EACH {
            block_on(incoming.next()).unwrap().accept();
        }
    });
    taker.await.unwrap();
    for sender in senders {
        assert!(sender.await.unwrap() >= EACH as u64);
    }
    assert_eq!(
        peer.stats().await.machine.delivered,
        (THREADS * EACH) as u64
    );
}
