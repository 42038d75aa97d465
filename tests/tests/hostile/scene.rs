//! A live node with an honest peer, whose messages never stop.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use peer_sender_tokio::{
    Config, Events, Identity, Incoming, IncomingMessage, LinkError, Node, NodeConfig,
    NodeConfigBuilder, NodeStats, PeerConfig, PeerEvent, PeerKey, PeerSender, StopMode, Trust,
    TurnedAway,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

const ANY: &str = "127.0.0.1:0";

/// An identity of its own for each number.
pub(crate) fn identity(number: u16) -> Identity {
    let mut secret = [7; 32];
    secret[..2].copy_from_slice(&number.to_be_bytes());
    Identity::from_secret(secret)
}

pub(crate) fn honest() -> Identity {
    identity(1)
}

pub(crate) fn live() -> Identity {
    identity(2)
}

/// Trusted by the live node, and not worth it.
pub(crate) fn hostile() -> Identity {
    identity(3)
}

/// Runs a test on a runtime of one thread; fails it if it hangs.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    bounded(Duration::from_secs(60), test)
}

/// As [`run`], a test that looks at the memory of the process. Those run one after the other: each
/// keeps more of its own than others do.
pub(crate) fn run_in_turn<T>(test: impl Future<Output = T>) -> T {
    run_for(Duration::from_secs(60), test)
}

/// As [`run_in_turn`], a test of minutes.
pub(crate) fn run_for<T>(longest: Duration, test: impl Future<Output = T>) -> T {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    bounded(longest, test)
}

fn bounded<T>(longest: Duration, test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(async {
        let test = tokio::time::timeout(longest, test);
        test.await.expect("took too long")
    })
}

/// See the module.
pub(crate) struct Scene {
    pub(crate) live: Node<String>,
    /// Messages of anybody but the honest peer.
    pub(crate) strangers: mpsc::UnboundedReceiver<IncomingMessage<String>>,
    other: Node<String>,
    served: watch::Receiver<u64>,
    enough: Arc<AtomicBool>,
    sending: JoinHandle<u64>,
    receiving: JoinHandle<u64>,
}

impl Scene {
    /// The live node listens, and the honest peer dials it.
    pub(crate) async fn listening(
        set: impl FnOnce(NodeConfigBuilder) -> NodeConfigBuilder,
    ) -> Self {
        let trust = Trust::Keys(BTreeSet::from([honest().key(), hostile().key()]));
        let config = NodeConfig::builder(live()).accept(trust);
        let live = Node::bind(ANY, set(config).build().unwrap()).await.unwrap();
        let other = Node::bind(ANY, NodeConfig::new(honest())).await.unwrap();
        let sender = dial(&other, self::live().key(), live.local_addr(), "live");
        let receiving = (live.incoming(), honest().key());
        Self::begin(live, other, sender, receiving).await
    }

    /// The live node dials the honest peer, which listens, and lets in whoever dials it.
    pub(crate) async fn dialling() -> Self {
        let config = NodeConfig::builder(live()).accept(Trust::Any);
        let live = Node::bind(ANY, config.build().unwrap()).await.unwrap();
        let config = NodeConfig::builder(honest()).accept(Trust::Any);
        let other = Node::bind(ANY, config.build().unwrap()).await.unwrap();
        let sender = dial(&live, honest().key(), other.local_addr(), "honest");
        let receiving = (other.incoming(), self::live().key());
        Self::begin(live, other, sender, receiving).await
    }

    async fn begin(
        live: Node<String>,
        other: Node<String>,
        sender: PeerSender,
        receiving: (Incoming<String>, PeerKey),
    ) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let (count, served) = watch::channel(0);
        let (strange, strangers) = mpsc::unbounded_channel();
        let sending = tokio::spawn(send(sender, count, Arc::clone(&enough)));
        let receiving = tokio::spawn(receive(receiving, strange));
        let mut scene = Self {
            live,
            strangers,
            other,
            served,
            enough,
            sending,
            receiving,
        };
        scene.serves().await;
        scene
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.live.local_addr()
    }

    /// A sender of the live node, of this name, to whoever has this key at this address. It tries
    /// again soon after each failure.
    pub(crate) fn sends_to(&self, name: &str, key: PeerKey, address: SocketAddr) -> PeerSender {
        dial(&self.live, key, address, name)
    }

    /// The honest peer's messages go through: one that was sent from now on is delivered.
    pub(crate) async fn serves(&mut self) {
        let target = *self.served.borrow() + 2;
        let served = self.served.wait_for(|&count| count >= target).await;
        served.expect("the honest peer's messages have ended");
    }

    /// The live node's counters once they are so. They are looked at after each few messages of
    /// the honest peer.
    pub(crate) async fn counts(&mut self, so: impl Fn(&NodeStats) -> bool) -> NodeStats {
        loop {
            let stats = self.live.stats().await;
            if so(&stats) {
                return stats;
            }
            self.serves().await;
        }
    }

    /// Nobody but the honest peer is connected any more.
    pub(crate) async fn is_alone(&mut self) -> NodeStats {
        self.counts(|stats| stats.connections == 1).await
    }

    /// The one that was turned away since this was asked last.
    pub(crate) fn turned_away(&self) -> TurnedAway {
        let mut all = self.live.turned_away();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Every message of the honest peer arrived, once and in order. The live node's counters at
    /// the end.
    pub(crate) async fn ends(self) -> NodeStats {
        self.enough.store(true, Ordering::Relaxed);
        let sent = self.sending.await.unwrap();
        let stats = self.live.stats().await;
        self.live.stop(StopMode::Abort).await;
        self.other.stop(StopMode::Abort).await;
        assert_eq!(self.receiving.await.unwrap(), sent);
        stats
    }
}

/// Why the peer's connection, or the next attempt at one, failed.
pub(crate) async fn failure(events: &mut Events) -> LinkError {
    while let Some(event) = events.next().await {
        if let PeerEvent::Disconnected { error, .. } = event {
            return error;
        }
    }
    panic!("the peer has ended");
}

/// A peer of this name that is dialled again soon after each failure.
pub(crate) fn dial(
    node: &Node<String>,
    key: PeerKey,
    address: SocketAddr,
    name: &str,
) -> PeerSender {
    let soon = Duration::from_millis(5);
    let config = Config::builder(address)
        .backoff_min(soon)
        .backoff_max(10 * soon)
        .build()
        .unwrap();
    node.peer(name.into(), PeerConfig::with(key, config))
        .unwrap()
}

/// Sends one message after the other and sees each delivered; how many there were.
async fn send(to: PeerSender, count: watch::Sender<u64>, enough: Arc<AtomicBool>) -> u64 {
    let mut number: u64 = 0;
    while !enough.load(Ordering::Relaxed) {
        let receipt = to.send(number.to_be_bytes().to_vec()).await.unwrap();
        let outcome = receipt.await;
        assert!(outcome.is_delivered(), "message {number}: {outcome:?}");
        number += 1;
        count.send_replace(number);
    }
    number
}

/// Accepts the honest peer's messages and sees that none is missing, doubled or out of order; how
/// many there were. Everybody else's are passed on.
async fn receive(
    (mut incoming, honest): (Incoming<String>, PeerKey),
    strange: mpsc::UnboundedSender<IncomingMessage<String>>,
) -> u64 {
    let mut number: u64 = 0;
    while let Some(message) = incoming.next().await {
        if message.from().key == honest {
            assert_eq!(message.accept(), number.to_be_bytes().to_vec());
            number += 1;
        } else {
            // A test that is over does not care.
            let _ = strange.send(message);
        }
    }
    number
}
