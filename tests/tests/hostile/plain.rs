//! The plain protocol with programs that know QUIC and nothing of peer-sender, correct ones and
//! others.

use std::collections::BTreeSet;
use std::time::Duration;

use peer_sender_tokio::{
    CloseCode, Config, Level, Node, NodeConfig, Outcome, PeerConfig, PeerSender, Receipt,
    RefuseCode, StopMode, StopReason, Trust,
};

use super::raw::{Closed, End, Id, Raw};
use super::scene::{hostile, live, run};

const ALPN: &str = "some-app/7";
const ANY: &str = "127.0.0.1:0";
const DELIVERED: Outcome = Outcome::Delivered(Level::Transport);

async fn node(message_bytes_max: usize) -> Node<String> {
    let config = NodeConfig::builder(live())
        .accept(Trust::Any)
        .plain(ALPN)
        .message_bytes_max(message_bytes_max)
        .build();
    Node::bind(ANY, config.unwrap()).await.unwrap()
}

/// A program that listens, and our sender to it, which is connected.
async fn receiver(node: &Node<String>) -> (Raw, Id, PeerSender) {
    let mut raw = Raw::acceptor(&hostile(), |_| ()).await;
    raw.speak(&hostile(), ALPN);
    let config = Config::new(raw.address()).unwrap();
    let config = PeerConfig::with(hostile().key(), config);
    let config = config.with_server_name("app.example").unwrap();
    let peer = node.peer("app".into(), config).unwrap();
    let id = raw.accept().await;
    (raw, id, peer)
}

/// A program that dials, and is connected.
async fn sender(node: &Node<String>) -> (Raw, Id) {
    let mut raw = Raw::dialler(&hostile()).await;
    raw.speak(&hostile(), ALPN);
    let id = raw.connect(node.local_addr()).await;
    (raw, id)
}

/// A message of this number, of up to 150,000 bytes.
fn payload(number: u32) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(4 + (number * number * 37 % 150_000) as usize, number as u8);
    payload
}

#[test]
fn a_program_that_knows_only_quic_gets_each_message_on_a_stream() {
    run(async {
        const COUNT: u32 = 400;
        let node = node(1 << 20).await;
        let (mut raw, id, peer) = receiver(&node).await;
        let sending = async {
            let mut receipts = Vec::new();
            for number in 0..COUNT {
                receipts.push(peer.send(payload(number)).await.unwrap());
            }
            for receipt in receipts {
                assert_eq!(receipt.await, DELIVERED);
            }
        };
        // Streams beyond the 100 that it allows at once come as it has read others.
        raw.alongside(sending).await;
        let mut came = BTreeSet::new();
        while let Some(stream) = raw.next_stream(id) {
            let message = raw.came(id, stream);
            assert_eq!(message.end, Some(End::Fin));
            assert!(came.insert(message.bytes), "a message came twice");
        }
        assert!(
            came == (0..COUNT).map(payload).collect(),
            "other messages came"
        );
        let stop = StopMode::Drain(Duration::from_secs(5));
        let stopped = raw.alongside(peer.stop(stop)).await;
        assert_eq!(stopped.reason, StopReason::Drained);
        assert_eq!(raw.closed(id).await.code, CloseCode::Done);
    });
}

#[test]
fn what_such_a_program_sends_is_taken_stream_by_stream() {
    run(async {
        const COUNT: u32 = 400;
        let node = node(1 << 20).await;
        let mut incoming = node.incoming();
        let (mut raw, id) = sender(&node).await;
        for number in 0..COUNT {
            if number % 7 == 3 {
                // One that is cut short is none.
                let stream = raw.until(|raw| raw.open_uni(id)).await;
                raw.say(id, stream, &payload(number)).await;
                raw.reset(id, stream);
            }
            raw.send(id, &payload(number)).await;
        }
        assert!(raw.open(id).is_none(), "no bidirectional stream is allowed");
        let mut came = BTreeSet::new();
        let receiving = async {
            while came.len() < COUNT as usize {
                let message = incoming.next().await.unwrap();
                assert_eq!(message.from().key, hostile().key());
                assert!(came.insert(message.accept().to_vec()), "came twice");
            }
        };
        raw.alongside(receiving).await;
        assert!(
            came == (0..COUNT).map(payload).collect(),
            "other messages came"
        );
        assert!(raw.stands(id));
    });
}

#[test]
fn its_refusal_of_a_message_has_its_own_code_and_leaves_the_others_alone() {
    run(async {
        let node = node(16 << 20).await;
        let (mut raw, id, peer) = receiver(&node).await;
        raw.set_reads(id, false);
        let refused: Receipt = peer.send(vec![7; 4 << 20]).await.unwrap();
        let stream = raw.accept_stream(id).await;
        raw.stop(id, stream);
        let outcome = raw.alongside(refused).await;
        assert_eq!(outcome, Outcome::Refused(RefuseCode::Other(9)));
        raw.set_reads(id, true);
        let next = peer.send("next").await.unwrap();
        assert_eq!(raw.alongside(next).await, DELIVERED);
        assert!(raw.stands(id));
    });
}

#[test]
fn a_stream_without_end_is_stopped_at_the_limit() {
    run(async {
        let node = node(100_000).await;
        let mut incoming = node.incoming();
        let (mut raw, id) = sender(&node).await;
        let endless = raw.until(|raw| raw.open_uni(id)).await;
        raw.say(id, endless, &vec![1; 10 << 20]).await;
        assert_eq!(raw.stopped(id, endless), Some(5));
        raw.send(id, b"next").await;
        let message = raw.alongside(incoming.next()).await.unwrap();
        assert_eq!(message.accept(), "next");
    });
}

#[test]
fn streams_that_never_end_hold_up_no_small_message() {
    run(async {
        let node = node(1 << 20).await;
        let mut incoming = node.incoming();
        let (mut raw, id) = sender(&node).await;
        for _ in 0..100 {
            let stream = raw.until(|raw| raw.open_uni(id)).await;
            // More than any has without room that is set aside; all of that goes to the first ones.
            raw.say(id, stream, &vec![1; 100_000]).await;
        }
        for number in 0..1_000_u32 {
            raw.send(id, &number.to_be_bytes()).await;
            let message = raw.alongside(incoming.next()).await.unwrap();
            assert_eq!(message.accept(), number.to_be_bytes().to_vec());
        }
        assert!(raw.stands(id));
    });
}

#[test]
fn who_cuts_streams_at_full_speed_is_turned_away() {
    run(async {
        let node = node(1 << 20).await;
        let (mut raw, id) = sender(&node).await;
        let closed = raw.until(|raw| {
            while raw.stands(id)
                && let Some(stream) = raw.open_uni(id)
            {
                raw.offer(id, stream, b"begun");
                raw.reset(id, stream);
            }
            (!raw.stands(id)).then_some(())
        });
        closed.await;
        let reason = "too many streams were cut".to_owned();
        let code = CloseCode::ExcessiveLoad;
        assert_eq!(raw.closed(id).await, Closed { code, reason });
    });
}
