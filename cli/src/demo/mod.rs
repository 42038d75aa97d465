//! `demo`: several receivers and a sender in this process, on real sockets; one receiver's
//! connections are cut in the middle, and every message must still arrive once and in order.

mod flow;
mod proof;
mod receiver;
mod report;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use peer_sender_tokio::{
    Config, Identity, NodeConfig, NodeConfigBuilder, PeerConfig, PeerKey, StopMode, Trust,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::args::DemoArgs;
use crate::console::{self, Paint, Screen};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::recording::{Recording, Replayed};
use crate::runtime::{self, Node};
use crate::{Verdict, figures, keys, trace};

use flow::{Flow, FlowEnd};
use receiver::{Received, Receiver};
use report::Report;

/// How long what is under way may take after the first interrupt.
const DRAIN: Duration = Duration::from_secs(10);
/// How long the good order of an end may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// Enough to keep a connection on loopback busy, and so few that the latencies tell of the
/// delivery more than of the queue.
const IN_FLIGHT_MAX: usize = 512;
const QUEUED_MAX: usize = 128;

/// A receiver's number, from 0.
type Id = u32;

/// The number of a receiver's first message: no two receivers expect the same, so that what
/// arrives at the wrong one is noticed.
fn first_number(id: Id) -> u64 {
    u64::from(id) << 40
}

pub(crate) async fn run(mut args: DemoArgs) -> Result<Verdict, Failure> {
    let mut interrupts = Interrupts::new().map_err(|error| Failure::Runtime { error })?;
    let screen = Screen::new();
    args.recording = args.recording.reported(args.report.as_deref())?;
    runtime::choose(args.nodes.runtime);
    let recording = Recording::start(&args.recording)?;
    let identity = keys::make()?;
    let our_key = identity.key();
    let sending = bind(recording.of(NodeConfig::builder(identity)).build()?).await?;
    let (ending, ends) = watch::channel(None);

    let (mut nodes, mut receivers, mut flows) = (Vec::new(), JoinSet::new(), JoinSet::new());
    for id in 0..args.peers {
        let share = share(args.messages, args.peers, id);
        let identity = keys::make()?;
        let key = identity.key();
        let node = bind(recording.of(accepting(identity, our_key)).build()?).await?;
        let config = Config::builder(node.local_addr())
            .flight_messages_max(IN_FLIGHT_MAX)
            .queue_messages_max(QUEUED_MAX)
            .build()?;
        let peer = sending.peer(id, PeerConfig::with(key, config))?;
        let bar = screen.bar(&format!("receiver {}", id + 1), Some(share));
        let flow = Flow::new(id, peer, sending.clone(), share, args.size as usize, bar);
        flows.spawn(flow.run(ends.clone()));
        // The first receiver is the one whose connections are cut.
        let cut_at = (id == 0).then_some(share / 2);
        receivers.spawn(Receiver::new(id, node.clone(), share, cut_at).run());
        nodes.push(node);
    }

    let mut sent = BTreeMap::new();
    loop {
        tokio::select! {
            biased;
            () = interrupts.next() => {
                let first = ending.borrow().is_none();
                if first {
                    screen.say("finishing what was handed over (10 s at most); once more to end at once");
                }
                let mode = if first { StopMode::Drain(DRAIN) } else { StopMode::Abort };
                ending.send_replace(Some(mode));
            }
            flow = flows.join_next() => match flow {
                Some(flow) => sent.extend(flow.map(|end: FlowEnd| (end.id, end))),
                None => break,
            },
        }
    }
    sending.stop(StopMode::Drain(FAREWELL)).await;
    for node in nodes {
        node.stop(StopMode::Drain(FAREWELL)).await;
    }
    let mut received = BTreeMap::new();
    while let Some(proof) = receivers.join_next().await {
        received.extend(proof.map(|end: Received| (end.id, end)));
    }
    screen.clear();

    let trace = recording.finish().map(Replayed::of);
    let recorded = trace.as_ref().map(|trace| trace.file.clone());
    let report = Report::new(&args, &sent, &received, trace);
    let text = match args.json {
        true => report.json(),
        false => report.page(Paint::for_stdout()),
    };
    console::print(&text, "the demo ran to its end")?;
    if !report.is_proven() && args.json {
        report.shortcomings().for_each(|line| console::say(&line));
    }
    let reported = match (&args.report, recorded) {
        (None, _) => true,
        // Why there is no trace was said before.
        (Some(_), None) => false,
        (Some(page), Some(trace)) => {
            let bytes = trace::write_report(&trace, page)?;
            let (page, bytes) = (page.display(), figures::plural(bytes, "byte"));
            console::say(&format!(
                "wrote a report of {bytes} to {page}\nto see it, open it in a browser"
            ));
            true
        }
    };
    Ok(if report.is_proven() && reported {
        Verdict::AllIsWell
    } else {
        Verdict::NotAll
    })
}

async fn bind(config: NodeConfig) -> Result<Node<Id>, Failure> {
    let address = (Ipv4Addr::LOCALHOST, 0);
    Node::bind(address, config)
        .await
        .map_err(|error| Failure::Bind {
            argument: "a socket on loopback".to_owned(),
            error,
        })
}

fn accepting(identity: Identity, from: PeerKey) -> NodeConfigBuilder {
    NodeConfig::builder(identity).accept(Trust::Keys([from].into()))
}

/// The messages of one receiver; the first ones take what is left over.
fn share(messages: u64, peers: u32, id: Id) -> u64 {
    let (peers, id) = (u64::from(peers), u64::from(id));
    messages / peers + u64::from(id < messages % peers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_differ_by_one_at_most() {
        for (messages, peers) in [(120_000, 3), (10, 3), (2, 5), (1, 1)] {
            let shares: Vec<u64> = (0..peers).map(|id| share(messages, peers, id)).collect();
            assert_eq!(shares.iter().sum::<u64>(), messages);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }
}
