//! A thousand peers dialled at once from one node to ten listeners, and all listeners cut off for
//! ten seconds in the middle of their work.
//!
//! It takes its time, so it is ignored by default and run by `.ci/run`; with `--nocapture` it shows
//! attempts in each second, and memory.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::*;
use peer_sender_tokio::{
    Config, Node, NodeConfig, PeerConfig, PeerEvent, PeerSender, StopMode, Trust,
};
use tokio::time::Instant;

const PEERS: u64 = 1_000;
const LISTENERS: usize = 10;
/// Messages for each peer before, during and after the outage.
const EACH: u64 = 10;
const OUTAGE: Duration = Duration::from_secs(10);

/// What becomes of a datagram, and of whom it came.
type Pass = Box<dyn Fn(&[u8], SocketAddr) + Send>;

/// Carries datagrams between one dialler and a listener, unless it is cut.
fn relay(to: SocketAddr, cut: &Arc<AtomicBool>) -> SocketAddr {
    let (near, far) = (UdpSocket::bind(ANY).unwrap(), UdpSocket::bind(ANY).unwrap());
    for socket in [&near, &far] {
        let buffers = socket2::SockRef::from(socket);
        buffers.set_recv_buffer_size(4 << 20).unwrap();
        buffers.set_send_buffer_size(4 << 20).unwrap();
    }
    far.connect(to).unwrap();
    let address = near.local_addr().unwrap();
    let dialler = Arc::new(std::sync::OnceLock::new());
    let (near, far) = (Arc::new(near), Arc::new(far));
    let carry = |from: Arc<UdpSocket>, pass: Pass| {
        let cut = Arc::clone(cut);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            // The threads end with the process: a socket without traffic cannot be told to.
            while let Ok((size, sender)) = from.recv_from(&mut buffer) {
                if !cut.load(Ordering::Relaxed) {
                    pass(&buffer[..size], sender);
                }
            }
        });
    };
    let (out, known) = (Arc::clone(&far), Arc::clone(&dialler));
    let there = move |datagram: &[u8], sender: SocketAddr| {
        let _ = known.set(sender);
        // A datagram that the system does not take is lost, as on any network.
        let _ = out.send(datagram);
    };
    let out = Arc::clone(&near);
    let back = move |datagram: &[u8], _: SocketAddr| {
        if let Some(dialler) = dialler.get() {
            let _ = out.send_to(datagram, dialler);
        }
    };
    carry(near, Box::new(there));
    carry(far, Box::new(back));
    address
}

/// Counts the messages of each peer at all listeners, which must come once and in order.
async fn receive(listener: Node<String>, received: Arc<AtomicU64>) {
    let mut incoming = listener.incoming();
    let mut next = BTreeMap::new();
    while let Some(message) = incoming.next().await {
        let payload = message.payload();
        let of = |at: usize| u64::from_be_bytes(payload[at..at + 8].try_into().unwrap());
        let expected = next.entry(of(0)).or_insert(0);
        assert_eq!(of(8), *expected, "of peer {}", of(0));
        *expected += 1;
        received.fetch_add(1, Ordering::Relaxed);
        message.accept();
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    figure.and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

async fn send_round(peers: &[PeerSender], round: u64) {
    for (peer, sender) in (0..).zip(peers) {
        for number in 0..EACH {
            let mut payload = numbered(peer);
            payload.extend(numbered(round * EACH + number));
            payload.resize(200, 7);
            sender.post(payload).await.unwrap();
        }
    }
}

#[test]
#[ignore = "half a minute"]
fn a_thousand_peers_come_back_after_an_outage_without_a_storm() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let limit = Duration::from_secs(180);
        tokio::time::timeout(limit, outage())
            .await
            .expect("took too long");
    });
}

async fn outage() {
    let cut = Arc::new(AtomicBool::new(false));
    let received = Arc::new(AtomicU64::new(0));
    let before = resident_kib();
    let mut addresses = Vec::new();
    let mut listeners = Vec::new();
    for _ in 0..LISTENERS {
        // All peers are one key at one host: shares are larger than by default.
        let config = NodeConfig::builder(bob())
            .accept(Trust::Keys([alice().key()].into()))
            .handshakes_max(4 * PEERS as usize)
            .sessions_per_key_max(PEERS as usize);
        let listener = Node::bind(ANY, config.build().unwrap()).await.unwrap();
        addresses.push(relay(listener.local_addr(), &cut));
        tokio::spawn(receive(listener.clone(), Arc::clone(&received)));
        listeners.push(listener);
    }
    // Short, so that an outage of ten seconds ends connections and many attempts fail.
    let config = NodeConfig::builder(alice())
        .idle_timeout(Duration::from_secs(3))
        .keep_alive(Duration::from_secs(1));
    let node = Node::bind(ANY, config.build().unwrap()).await.unwrap();
    let begin = Instant::now();
    let dials: Arc<[AtomicU64; 180]> = Arc::new([const { AtomicU64::new(0) }; 180]);
    let mut peers = Vec::new();
    for (id, &address) in (0..PEERS).zip(addresses.iter().cycle()) {
        let config = Config::builder(address)
            .lan()
            .connect_timeout(Duration::from_secs(2))
            .build()
            .unwrap();
        let peer = node
            .peer(id.to_string(), PeerConfig::with(bob().key(), config))
            .unwrap();
        let (mut events, dials) = (peer.events(), Arc::clone(&dials));
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let PeerEvent::Connecting { .. } = event {
                    let second = begin.elapsed().as_secs() as usize;
                    dials[second.min(179)].fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        peers.push(peer);
    }
    send_round(&peers, 0).await;
    for peer in &peers {
        peer.flush().await;
    }
    let first_round = begin.elapsed();
    let connected = resident_kib();

    cut.store(true, Ordering::Relaxed);
    send_round(&peers, 1).await;
    // The outage itself is what is waited for.
    tokio::time::sleep(OUTAGE).await;
    cut.store(false, Ordering::Relaxed);
    let back = Instant::now();
    send_round(&peers, 2).await;
    for peer in &peers {
        peer.flush().await;
    }
    let recovery = back.elapsed();
    assert_eq!(
        received.load(Ordering::Relaxed),
        PEERS * 3 * EACH,
        "each once"
    );
    let mut reconnects = 0;
    for peer in &peers {
        let stats = peer.stats().await.machine;
        assert_eq!(stats.delivered, 3 * EACH);
        reconnects += stats.connected - 1;
    }
    let dials: Vec<u64> = dials.iter().map(|n| n.load(Ordering::Relaxed)).collect();
    let last = dials.iter().rposition(|&n| n > 0).unwrap_or(0);
    println!("connected and the first {EACH} messages each: {first_round:?}");
    println!("reconnects: {reconnects}; all delivered {recovery:?} after the outage");
    println!("attempts in each second: {:?}", &dials[..=last]);
    let all = resident_kib();
    println!(
        "memory of both ends: {} KiB a peer connected, {} KiB after the outage",
        (connected - before) / PEERS,
        (all - before) / PEERS
    );
    // Within two seconds no peer dials more often than its shortest waits allow: 100, 100, 200,
    // 300, 500, 800 ms, each less a quarter at most.
    let busiest = dials.windows(2).map(|two| two[0] + two[1]).max();
    assert!(
        busiest <= Some(PEERS * 7),
        "{busiest:?} attempts in two seconds"
    );
    node.stop(StopMode::Drain(Duration::from_secs(10))).await;
    for listener in listeners {
        listener
            .stop(StopMode::Drain(Duration::from_secs(10)))
            .await;
    }
}
