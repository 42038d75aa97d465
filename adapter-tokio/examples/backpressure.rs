//! A receiver that does not keep up holds its sender back: nothing is dropped or piled up.

use std::error::Error;
use std::time::Duration;

use peer_sender_tokio::{
    Config, Identity, Node, NodeConfig, PeerConfig, RejectReason, StopMode, Trust,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [alice, bob] = [1, 2].map(|byte| Identity::from_secret([byte; 32]));
    let trust = Trust::Keys([alice.key()].into());
    let config = NodeConfig::builder(bob.clone()).accept(trust).build()?;
    let listener = Node::<&str>::bind("127.0.0.1:0", config).await?;
    let mut incoming = listener.incoming();

    // At most 16 messages of a lane wait to be written, and 8 more for an answer.
    let limits = Config::builder(listener.local_addr())
        .lanes(1)
        .message_bytes_max(1 << 10)
        .queue_messages_max(16)
        .queue_bytes_max(16 << 10)
        .flight_messages_max(8)
        .inbound_bytes_max(16 << 10)
        .build()?;
    let node = Node::bind("127.0.0.1:0", NodeConfig::new(alice)).await?;
    let peer = node.peer("bob", PeerConfig::with(bob.key(), limits))?;

    // Nobody reads at the other end: 24 messages are taken, and no further one.
    let mut receipts = Vec::new();
    for _ in 0..24 {
        receipts.push(peer.send(vec![0; 1 << 10]).await?);
    }
    let rejected = peer.try_send("another").err().ok_or("there was room")?;
    println!("{rejected}");
    assert_eq!(rejected.reason, RejectReason::QueueFull);
    assert_eq!(rejected.payload, "another"); // It is handed back.

    // Now somebody reads, and makes room by what it accepts.
    tokio::spawn(async move {
        while let Some(message) = incoming.next().await {
            message.accept();
        }
    });
    for number in 0..1_000 {
        // First the room, then the message: a reading is taken when it can be sent.
        let permit = peer.reserve(1 << 10).await?;
        receipts.push(permit.send(format!("reading {number}"))?);
    }
    for receipt in receipts {
        assert!(receipt.await.is_delivered());
    }
    println!("all were delivered");
    node.stop(StopMode::Drain(Duration::from_secs(10))).await;
    Ok(())
}
