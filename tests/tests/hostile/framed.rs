//! The framed protocol with programs that know QUIC and nothing of peer-sender, correct ones and others.

use std::time::Duration;

use peer_sender_tokio::{
    CloseCode, Config, Incoming, LinkError, Node, NodeConfig, Outcome, PeerConfig, PeerEvent,
    PeerSender, StopMode, StopReason, Trust,
};

use super::memory;
use super::raw::{Closed, Id, Raw};
use super::scene::{hostile, live, run, run_in_turn};

const ALPN: &str = "some-app/7";
const ANY: &str = "127.0.0.1:0";
const LARGEST: usize = 1 << 20;

async fn node() -> (Node<String>, Incoming<String>) {
    let config = NodeConfig::builder(live())
        .accept(Trust::Any)
        .framed(ALPN)
        .message_bytes_max(LARGEST)
        .build();
    let node = Node::bind(ANY, config.unwrap()).await.unwrap();
    let incoming = node.incoming();
    (node, incoming)
}

/// A program that dials, and is connected.
async fn sender(node: &Node<String>) -> (Raw, Id) {
    let mut raw = Raw::dialler(&hostile()).await;
    raw.speak(&hostile(), ALPN);
    let id = raw.connect(node.local_addr()).await;
    (raw, id)
}

/// A program that listens, and our sender to it, which is connected.
async fn receiver(node: &Node<String>) -> (Raw, Id, PeerSender) {
    let mut raw = Raw::acceptor(&hostile(), |_| ()).await;
    raw.speak(&hostile(), ALPN);
    let config = Config::new(raw.address()).unwrap();
    let config = PeerConfig::with(hostile().key(), config);
    let peer = node.peer("app".into(), config).unwrap();
    let id = raw.accept().await;
    (raw, id, peer)
}

/// A message behind its length.
fn framed(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [&length.to_be_bytes(), payload].concat()
}

#[test]
fn what_is_written_stands_on_one_stream_that_has_no_end() {
    run(async {
        const COUNT: u32 = 2_000;
        let (node, _incoming) = node().await;
        let (mut raw, id, peer) = receiver(&node).await;
        let payload = |number: u32| number.to_be_bytes().repeat(1 + number as usize % 600);
        let sending = async {
            let mut receipts = Vec::new();
            for number in 0..COUNT {
                receipts.push(peer.send(payload(number)).await.unwrap());
            }
            for receipt in receipts {
                assert_eq!(receipt.await, Outcome::Written);
            }
        };
        raw.alongside(sending).await;
        let stream = raw.accept_stream(id).await;
        let came = raw.came(id, stream);
        let expected: Vec<u8> = (0..COUNT).flat_map(|it| framed(&payload(it))).collect();
        assert!(came.bytes == expected, "other bytes came");
        assert_eq!(came.end, None);
        let stop = StopMode::Drain(Duration::from_secs(5));
        let stopped = raw.alongside(peer.stop(stop)).await;
        assert_eq!(stopped.reason, StopReason::Drained);
        assert_eq!(raw.closed(id).await.code, CloseCode::Done);
        assert_eq!(raw.came(id, stream).end, None, "a FIN would break a node");
        assert_eq!(raw.next_stream(id), None);
    });
}

#[test]
fn who_reads_no_more_costs_the_connection() {
    run(async {
        let (node, _incoming) = node().await;
        let (mut raw, id, peer) = receiver(&node).await;
        let mut events = peer.events();
        let _receipt = peer.send("message").await.unwrap();
        let stream = raw.accept_stream(id).await;
        raw.stop(id, stream);
        let lost = async {
            loop {
                let event = events.next().await.unwrap();
                if let PeerEvent::Disconnected { error, .. } = event {
                    return error;
                }
            }
        };
        assert_eq!(raw.alongside(lost).await, LinkError::StreamCut { code: 9 });
        assert!(matches!(raw.closed(id).await, Closed { .. }));
    });
}

/// What somebody does to the one stream that there is, after a message that counts.
type Breach = fn(&mut Raw, Id, quinn_proto::StreamId);

#[test]
fn a_breach_of_the_framing_ends_the_connection_once_and_what_came_before_counts() {
    run(async {
        let (node, mut incoming) = node().await;
        let protocol = CloseCode::Protocol;
        let breaches: [(Vec<u8>, Breach, CloseCode); 8] = [
            (vec![0, 0, 0, 0], |_, _, _| (), protocol),
            (vec![0xff; 4], |_, _, _| (), CloseCode::MessageTooLarge),
            (
                (LARGEST as u32 + 1).to_be_bytes().to_vec(),
                |_, _, _| (),
                CloseCode::MessageTooLarge,
            ),
            (vec![0, 0], |raw, id, it| raw.finish(id, it), protocol),
            (vec![0, 0, 0, 9], |raw, id, it| raw.finish(id, it), protocol),
            (
                vec![0, 0, 0, 9, 1],
                |raw, id, it| raw.finish(id, it),
                protocol,
            ),
            (vec![0, 0, 0], |raw, id, it| raw.reset(id, it), protocol),
            (
                vec![0, 0, 0, 9, 1],
                |raw, id, it| raw.reset(id, it),
                protocol,
            ),
        ];
        for (number, (bytes, breach, code)) in (0..).zip(breaches) {
            let (mut raw, id) = sender(&node).await;
            let stream = raw.until(|raw| raw.open_uni(id)).await;
            assert_eq!(raw.open_uni(id), None, "one stream is allowed");
            assert_eq!(raw.open(id), None, "and no other");
            // In one datagram, so that what a reset cuts off has come, or there would be nothing to cut.
            let beginning = [framed(b"before"), bytes.clone()].concat();
            raw.say(id, stream, &beginning).await;
            let message = raw.alongside(incoming.next()).await.unwrap();
            assert_eq!(message.accept(), "before");
            breach(&mut raw, id, stream);
            assert_eq!(raw.closed(id).await.code, code, "{bytes:?}");
            let stats = raw.alongside(node.stats()).await;
            let broken = stats.protocol_errors + stats.refused;
            assert_eq!(broken, number + 1, "counted once: {bytes:?}");
        }
    });
}

#[test]
fn a_stream_that_ends_between_two_messages_is_over_and_a_second_one_is_a_breach() {
    run(async {
        let (node, mut incoming) = node().await;
        let (mut raw, id) = sender(&node).await;
        raw.send(id, &framed(b"one")).await;
        let message = raw.alongside(incoming.next()).await.unwrap();
        assert_eq!(message.accept(), "one");
        raw.alongside(node.stats()).await;
        assert!(raw.stands(id));
        raw.send(id, &framed(b"two")).await;
        assert_eq!(raw.closed(id).await.code, CloseCode::Protocol);
    });
}

#[test]
fn a_length_without_its_message_takes_no_room() {
    run_in_turn(async {
        let (node, mut incoming) = node().await;
        let before = memory::data_bytes();
        let mut silent = Vec::new();
        for _ in 0..4 {
            let (mut raw, id) = sender(&node).await;
            let stream = raw.until(|raw| raw.open_uni(id)).await;
            raw.say(id, stream, &(LARGEST as u32).to_be_bytes()).await;
            silent.push((raw, id));
        }
        let (mut raw, id) = sender(&node).await;
        let stream = raw.until(|raw| raw.open_uni(id)).await;
        for byte in framed(b"one byte at a time") {
            raw.say(id, stream, &[byte]).await;
        }
        let message = raw.alongside(incoming.next()).await.unwrap();
        assert_eq!(message.accept(), "one byte at a time");
        memory::assert_flat(before, 64 << 20);
    });
}
