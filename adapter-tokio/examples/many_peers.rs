//! One node sends to many: to all at once, and on, when one of them is gone.

use std::error::Error;
use std::time::Duration;

use peer_sender_tokio::{Identity, Node, NodeConfig, PeerConfig, StopMode, Trust};

const DRAIN: StopMode = StopMode::Drain(Duration::from_secs(10));

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sender = Identity::from_secret([1; 32]);
    let node = Node::bind("127.0.0.1:0", NodeConfig::new(sender.clone())).await?;
    let mut listeners = Vec::new();
    for (secret, name) in [(2, "oslo"), (3, "paris"), (4, "rome")] {
        let identity = Identity::from_secret([secret; 32]);
        let trust = Trust::Keys([sender.key()].into());
        let config = NodeConfig::builder(identity.clone())
            .accept(trust)
            .build()?;
        let listener = Node::<&str>::bind("127.0.0.1:0", config).await?;
        let mut incoming = listener.incoming().auto();
        tokio::spawn(async move {
            while let Some(message) = incoming.next().await {
                println!("{name} got {:?}", message.payload);
            }
        });
        node.peer(
            name,
            PeerConfig::new(identity.key(), listener.local_addr())?,
        )?;
        listeners.push(listener);
    }

    // To all of them. A peer whose queue is full hands its copy back, and holds up no other.
    for (name, accepted) in node.broadcast("good morning") {
        assert!(accepted?.await.is_delivered(), "{name}");
    }

    // One of them is gone. Its messages wait for it, the others' do not.
    listeners.remove(0).stop(DRAIN).await;
    let mut waiting = None;
    for (name, accepted) in node.broadcast("good night") {
        match name {
            "oslo" => waiting = Some(accepted?),
            name => assert!(accepted?.await.is_delivered(), "{name}"),
        }
    }
    let oslo = node.get(&"oslo").ok_or("oslo is not a peer")?;
    let snapshot = oslo.snapshot().await.ok_or("oslo has stopped")?;
    println!("oslo: {}", snapshot.machine.holdup);

    // The node stops sending to it: what was accepted for it has its outcome now.
    oslo.stop(StopMode::Abort).await;
    assert!(!waiting.ok_or("oslo was left out")?.await.is_delivered());
    assert_eq!(node.peers().len(), 2);
    node.stop(DRAIN).await;
    Ok(())
}
