//! Ctrl-C finishes what was accepted, a second one settles it at once. Either way each message has
//! its outcome. Left alone, the program ends after three seconds.

use std::error::Error;
use std::time::Duration;

use peer_sender_tokio::{Identity, Node, NodeConfig, PeerConfig, PeerSender, StopMode, Trust};
use tokio::signal::ctrl_c;

const DRAIN: StopMode = StopMode::Drain(Duration::from_secs(10));

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [alice, bob] = [1, 2].map(|byte| Identity::from_secret([byte; 32]));
    let trust = Trust::Keys([alice.key()].into());
    let config = NodeConfig::builder(bob.clone()).accept(trust).build()?;
    let listener = Node::<&str>::bind("127.0.0.1:0", config).await?;
    let mut incoming = listener.incoming().auto();
    tokio::spawn(async move { while incoming.next().await.is_some() {} });

    let node = Node::bind("127.0.0.1:0", NodeConfig::new(alice)).await?;
    let peer = node.peer("bob", PeerConfig::new(bob.key(), listener.local_addr())?)?;
    let mut outcomes = peer.outcomes();
    let counting = tokio::spawn(async move {
        let (mut settled, mut delivered) = (0, 0);
        while let Some((_id, outcome)) = outcomes.next().await {
            settled += 1;
            delivered += u64::from(outcome.is_delivered());
        }
        (settled, delivered)
    });

    tokio::select! {
        result = work(&peer) => result?,
        result = ctrl_c() => result?,
    }
    println!("finishing what was accepted; Ctrl-C settles it at once");
    tokio::select! {
        () = node.stop(DRAIN) => {}
        // A further stop only shortens the first, so it may come at any time.
        _ = ctrl_c() => node.stop(StopMode::Abort).await,
    }
    listener.stop(DRAIN).await;

    // The stream of outcomes has ended with its sender, after the last of them.
    let (settled, delivered) = counting.await?;
    println!("{delivered} of {settled} were delivered");
    assert_eq!(settled, peer.stats().await.machine.accepted);
    Ok(())
}

async fn work(peer: &PeerSender) -> Result<(), Box<dyn Error>> {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for number in 0..300 {
        ticks.tick().await;
        peer.post(format!("message {number}")).await?;
    }
    Ok(())
}
