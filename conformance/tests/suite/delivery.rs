//! Messages arrive, in order, once.

use crate::nodes::*;
use peer_sender_driver::{
    AutoIncoming, BindError, Bytes, Events, Incoming, IncomingMessage, NodeConfig, Outcome,
    PeerSender, Receipt, RefuseCode, RejectReason, Rejected, Runtime,
};
use smol::future::{or, yield_now};

pub(crate) async fn a_message_goes_there_and_its_receipt_comes_back<R: Runtime>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
    let mut incoming = listener.incoming();
    let peer = peer(&node, listener.local_addr());
    let receipt = peer.send("hello").await.unwrap();

    let message = incoming.next().await.unwrap();
    assert_eq!(message.payload(), "hello");
    assert_eq!((message.from().key, message.number()), (alice().key(), 0));
    assert!(message.received_at() <= listener.now());
    assert_eq!(message.accept(), "hello");
    assert!(receipt.await.is_delivered());

    let stats = peer.stats().await;
    assert_eq!((stats.machine.accepted, stats.machine.delivered), (1, 1));
    assert!(stats.rtt.is_some() && stats.mtu >= 1_200, "{stats:?}");
    assert_eq!(listener.stats().await.accepted, 1);
}

pub(crate) async fn ten_thousand_arrive_in_order_and_hold_the_caller_back<R: Runtime>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
    let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
        config.queue_messages_max(100)
    });
    let mut incoming = listener.incoming().auto();
    let receiving = spawn::<R, _>(async move {
        for number in 0..10_000 {
            let message = incoming.next().await.unwrap();
            assert_eq!(message.payload, numbered(number));
        }
        incoming
    });
    let mut receipts = Vec::new();
    let mut waited = 0;
    for number in 0..10_000 {
        receipts.push(match peer.try_send(numbered(number)) {
            Ok(receipt) => receipt,
            Err(Rejected { reason, payload }) => {
                assert_eq!(reason, RejectReason::QueueFull);
                waited += 1;
                peer.send(payload).await.unwrap()
            }
        });
    }
    assert!(waited > 10, "a queue of 100 is full now and then");
    let mut incoming = receiving.await.unwrap();
    let last = receipts.pop().unwrap();
    for receipt in receipts {
        assert!(receipt.await.is_delivered());
    }
    let more = async {
        incoming.next().await;
        panic!("nothing more was sent")
    };
    let outcome = or(more, last).await;
    assert!(
        outcome.is_delivered(),
        "accepted by asking for the next one"
    );
}

pub(crate) async fn eight_tasks_share_a_sender<R: Runtime>() {
    const EACH: u64 = 2_000;
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
    let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
        config.queue_messages_max(64)
    });
    let senders: Vec<_> = (0..8_u64)
        .map(|task| {
            let peer = peer.clone();
            let first = task << 32;
            spawn::<R, _>(async move { send_all(&peer, first..first + EACH).await })
        })
        .collect();
    let mut incoming = listener.incoming();
    let mut expected = [0_u64; 8];
    for _ in 0..8 * EACH {
        let payload = incoming.next().await.unwrap().accept();
        let number = u64::from_be_bytes(payload[..].try_into().unwrap());
        let next = &mut expected[(number >> 32) as usize];
        assert_eq!(
            number & 0xffff_ffff,
            *next,
            "each task's messages keep their order"
        );
        *next += 1;
    }
    for sender in senders {
        sender.await.unwrap();
    }
    assert_eq!(expected, [EACH; 8]);
}

pub(crate) async fn several_takers_share_the_messages<R: Runtime>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
    let peer = peer(&node, listener.local_addr());
    let takers: Vec<_> = (0..3)
        .map(|_| {
            let mut incoming = listener.incoming();
            spawn::<R, _>(async move {
                let mut taken = 0;
                while let Some(message) = incoming.next().await {
                    message.accept();
                    taken += 1;
                    yield_now().await;
                }
                taken
            })
        })
        .collect();
    let mut receipts = Vec::new();
    for number in 0..300 {
        receipts.push(peer.send(numbered(number)).await.unwrap());
    }
    for receipt in receipts {
        assert!(receipt.await.is_delivered());
    }
    listener.stop(peer_sender_driver::StopMode::Abort).await;
    let mut taken = 0;
    for taker in takers {
        taken += taker.await.unwrap();
    }
    assert_eq!(taken, 300);
}

pub(crate) async fn a_message_of_every_size_class_arrives_whole<R: Runtime>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
    let mut incoming = listener.incoming();
    let peer = peer(&node, listener.local_addr());
    let sizes = [0, 1, 1_200, 5_000, 70_000, 3 << 20, 16 << 20];
    let mut receipts = Vec::new();
    for size in sizes {
        let payload: Vec<u8> = (0..size)
            .map(|place: usize| ((place * 31) >> 3) as u8)
            .collect();
        receipts.push(peer.send(payload.clone()).await.unwrap());
        let message = incoming.next().await.unwrap();
        assert!(
            message.accept() == payload,
            "a message of {size} bytes differs"
        );
    }
    for receipt in receipts {
        assert!(receipt.await.is_delivered());
    }
}

pub(crate) async fn what_the_application_does_not_want_is_refused_and_the_rest_goes_on<
    R: Runtime,
>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
    let mut incoming = listener.incoming();
    let peer = peer(&node, listener.local_addr());
    let mut receipts = Vec::new();
    for number in 0..4 {
        receipts.push(peer.send(numbered(number)).await.unwrap());
    }
    let mut messages = Vec::new();
    for _ in 0..4 {
        messages.push(incoming.next().await.unwrap());
    }
    // Answered from the last to the first.
    messages.pop().unwrap().accept();
    drop(messages.pop());
    assert_eq!(messages.pop().unwrap().refuse(), numbered(1));
    messages.pop().unwrap().accept();

    let mut outcomes = Vec::new();
    for receipt in receipts {
        outcomes.push(receipt.await);
    }
    assert!(outcomes[0].is_delivered() && outcomes[3].is_delivered());
    assert_eq!(outcomes[1], Outcome::Refused(RefuseCode::Application));
    assert_eq!(outcomes[2], Outcome::Refused(RefuseCode::Dropped));
}

pub(crate) async fn a_receipt_gives_its_outcome_again_and_tells_its_id<R: Runtime>() {
    let (listener, node) = (listener::<R>().await, dialler::<R>().await);
    let mut incoming = listener.incoming();
    let peer = peer(&node, listener.local_addr());
    let first = peer.try_send("1").unwrap();
    let mut second = peer.try_send("2").unwrap();
    assert!(first.id() < second.id());
    drop(first);
    for _ in 0..2 {
        incoming.next().await.unwrap().accept();
    }
    assert!((&mut second).await.is_delivered());
    assert!(second.await.is_delivered());
}

pub(crate) async fn an_address_in_use_is_named<R: Runtime>() {
    let first = listener::<R>().await;
    let address = first.local_addr();
    let error = Node::<R>::bind(address, NodeConfig::new(alice()))
        .await
        .unwrap_err();
    assert_eq!(error, BindError::AddressInUse { address });
    assert_eq!(
        error.to_string(),
        format!(
            "{address} is in use; stop what listens there, or bind to another port (0: any \
             free one)"
        )
    );
}

pub(crate) async fn the_kernel_gives_socket_buffers<R: Runtime>() {
    let (receive, send) = dialler::<R>().await.socket_buffers();
    assert!(receive > 0 && receive <= 4 << 20, "{receive}");
    assert!(send > 0 && send <= 4 << 20, "{send}");
}

pub(crate) async fn ipv4_peers_are_reached_through_a_socket_of_both_families<R: Runtime>() {
    let node = match Node::<R>::bind("[::]:0", NodeConfig::new(alice())).await {
        Ok(node) => node,
        Err(error) => {
            eprintln!("skipped, this host has no IPv6: {error}");
            return;
        }
    };
    let listener = listener::<R>().await;
    let peer = peer(&node, listener.local_addr());
    let receipt = peer.send("hello").await.unwrap();
    listener.incoming().next().await.unwrap().accept();
    assert!(receipt.await.is_delivered());
}

/// Handles may go to any thread, and are shared by any.
pub(crate) async fn handles_are_send_and_sync<R: Runtime>() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Node<R>>();
    check::<PeerSender>();
    check::<Receipt>();
    check::<Events>();
    check::<Incoming<String>>();
    check::<AutoIncoming<String>>();
    check::<IncomingMessage<String>>();
    check::<BindError>();

    fn check_future(_: &(impl Send + ?Sized)) {}
    let (node, peer): (Option<Node<R>>, Option<PeerSender>) = (None, None);
    if let (Some(node), Some(peer)) = (node, peer) {
        check_future(&peer.send(Bytes::new()));
        check_future(&node.stop(peer_sender_driver::StopMode::Abort));
        check_future(&node.stats());
    }
}
