//! Requests and responses: the end that was dialled answers on the connection that it has.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use peer_sender_tokio::{Identity, Node, NodeConfig, PeerConfig, StopMode, Trust};

const DRAIN: StopMode = StopMode::Drain(Duration::from_secs(10));

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [alice, bob] = [1, 2].map(|byte| Identity::from_secret([byte; 32]));
    let trust = Trust::Keys([alice.key()].into());
    let config = NodeConfig::builder(bob.clone()).accept(trust).build()?;
    let server = Node::<&str>::bind("127.0.0.1:0", config).await?;
    let mut requests = server.incoming();
    let serving = tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let text = String::from_utf8_lossy(request.payload()).to_uppercase();
            // It goes to the session that asked, on whatever connection that has by then.
            match request.peer().send(text).await {
                // Accepted only now: a request that was not answered is not called delivered.
                Ok(_receipt) => drop(request.accept()),
                Err(rejected) => println!("no response: {rejected}"),
            }
        }
    });

    let client = Node::bind("127.0.0.1:0", NodeConfig::new(alice)).await?;
    let peer = client.peer("bob", PeerConfig::new(bob.key(), server.local_addr())?)?;
    let mut responses = client.incoming();

    // What tells a response's request is the application's affair: here the number in front.
    let mut open = BTreeMap::new();
    for (number, word) in ["lanes", "carry", "replies"].into_iter().enumerate() {
        peer.post(format!("{number} {word}")).await?;
        open.insert(number, word);
    }
    while !open.is_empty() {
        let response = responses.next().await.ok_or("the client has stopped")?;
        let response = response.accept();
        let text = str::from_utf8(&response)?;
        let (number, answer) = text.split_once(' ').ok_or("a response without a number")?;
        let word = open.remove(&number.parse()?).ok_or("answered twice")?;
        println!("{word} -> {answer}");
        assert_eq!(answer, word.to_uppercase());
    }
    client.stop(DRAIN).await;
    server.stop(DRAIN).await;
    Ok(serving.await?)
}
