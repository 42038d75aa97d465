//! Two nodes in one program: Alice sends Bob a message, and learns what became of it.

use std::error::Error;
use std::time::Duration;

use peer_sender_async_std::{Identity, Node, NodeConfig, PeerConfig, StopMode, Trust};

fn main() -> Result<(), Box<dyn Error>> {
    async_std::task::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    // In earnest each host has a key file of its own: `load_identity("alice.key")?`.
    let [alice, bob] = [1, 2].map(|byte| Identity::from_secret([byte; 32]));

    // Bob listens, and lets Alice in. Port 0 is any free port.
    let trust = Trust::Keys([alice.key()].into());
    let config = NodeConfig::builder(bob.clone()).accept(trust).build()?;
    let listener = Node::<String>::bind("127.0.0.1:0", config).await?;
    let mut incoming = listener.incoming();
    let receiving = async_std::task::spawn(async move {
        while let Some(message) = incoming.next().await {
            println!(
                "Bob got {:?} from {}",
                message.payload(),
                message.from().key
            );
            // Only now may the sender call it delivered.
            message.accept();
        }
    });

    // Alice dials whoever proves at that address to be Bob.
    let node = Node::bind("127.0.0.1:0", NodeConfig::new(alice)).await?;
    let peer = node.peer("bob", PeerConfig::new(bob.key(), listener.local_addr())?)?;
    let mut receipts = Vec::new();
    for text in ["one", "two", "three"] {
        // This waits for room in the queue, not for the network.
        receipts.push(peer.send(text).await?);
    }
    for receipt in receipts {
        let outcome = receipt.await;
        println!("Alice learns: {outcome:?}");
        assert!(outcome.is_delivered());
    }

    // Every message has its outcome by then.
    let drain = StopMode::Drain(Duration::from_secs(10));
    node.stop(drain).await;
    listener.stop(drain).await;
    receiving.await;
    Ok(())
}
