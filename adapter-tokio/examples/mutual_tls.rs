//! Both ends know each other by their keys: a stranger is turned away, an impostor gets nothing.

use std::error::Error;

use peer_sender_tokio::{
    Events, Identity, LinkError, Node, NodeConfig, PeerConfig, PeerEvent, StopMode, Trust,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // In earnest each host has a key file of its own: `load_identity("alice.key")?`.
    let [alice, bob, carol, mallory] = [1, 2, 3, 4].map(|byte| Identity::from_secret([byte; 32]));

    // Bob lets in whoever proves to hold Alice's key, and nobody else.
    let trust = Trust::Keys([alice.key()].into());
    let config = NodeConfig::builder(bob.clone()).accept(trust).build()?;
    let listener = Node::<&str>::bind("127.0.0.1:0", config).await?;
    let to_bob = PeerConfig::new(bob.key(), listener.local_addr())?;
    let node = Node::bind("127.0.0.1:0", NodeConfig::new(alice)).await?;
    let receipt = node.peer("bob", to_bob.clone())?.send("hello").await?;
    let message = listener.incoming().next().await.ok_or("Bob stopped")?;
    println!("Bob lets in {}", message.from().key);
    message.accept();
    assert!(receipt.await.is_delivered());

    // Mallory has a key of her own, which Bob was not told of.
    let stranger = Node::bind("127.0.0.1:0", NodeConfig::new(mallory)).await?;
    let why = failure(stranger.peer("bob", to_bob)?.events()).await;
    let why = why.ok_or("Mallory stopped")?;
    println!("Mallory dials Bob: {why}");
    assert!(matches!(why, LinkError::IdentityRefused { .. }));
    assert!(listener.stats().await.identities_refused > 0);
    for dial in listener.turned_away() {
        println!("Bob turned away {}: {}", dial.remote, dial.error);
    }

    // Alice is given a wrong address for Carol. Whoever answers there gets no message.
    let to_carol = PeerConfig::new(carol.key(), listener.local_addr())?;
    let peer = node.peer("carol", to_carol)?;
    let events = peer.events();
    let receipt = peer.send("for Carol's eyes only").await?;
    let why = failure(events).await.ok_or("Alice stopped")?;
    println!("Alice dials Carol: {why}");
    assert!(matches!(why, LinkError::WrongIdentity { .. }));
    node.stop(StopMode::Abort).await;
    println!("the message for Carol: {:?}", receipt.await);
    assert!(listener.incoming().try_next().is_none());
    Ok(())
}

/// Why a connection fails; none if its sender stops before.
async fn failure(mut events: Events) -> Option<LinkError> {
    loop {
        if let PeerEvent::Disconnected { error, .. } = events.next().await? {
            return Some(error);
        }
    }
}
