//! `listen`: receives messages and accepts each once its line is out.

mod lines;
mod log;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use peer_sender_tokio::{Incoming, Node, NodeConfig, PeerKey, StopMode, Trust, TurnedAway};
use tokio::time::{self, MissedTickBehavior};

use crate::args::ListenArgs;
use crate::console::{self, say};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::{Verdict, figures, keys};

use lines::Form;
use log::Log;

/// How long the good order of an end may take.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(args: ListenArgs) -> Result<Verdict, Failure> {
    let identity = keys::read(&args.key)?;
    let key = identity.key();
    let trust = match args.allow_any {
        true => Trust::Any,
        false => Trust::Keys(args.allow.iter().copied().collect()),
    };
    let config = NodeConfig::builder(identity).accept(trust).build()?;
    let mut interrupts = Interrupts::new().map_err(|error| Failure::Runtime { error })?;
    let node: Node<PeerKey> =
        Node::bind(args.bind, config)
            .await
            .map_err(|error| Failure::Bind {
                argument: format!("--bind {}", args.bind),
                error,
            })?;
    greet(node.local_addr(), key, args.allow_any);

    let mut incoming = node.incoming();
    let (log, mut ended) = Log::start(if args.json { Form::Json } else { Form::Short });
    let mut log = Some(log);
    let mut look_round = time::interval(Duration::from_secs(1));
    look_round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupted = 0u32;

    let written = loop {
        tokio::select! {
            biased;
            () = interrupts.next() => {
                interrupted = interrupted.saturating_add(1);
                let mode = if interrupted == 1 {
                    say("ending in good order; once more to end at once");
                    StopMode::Drain(DRAIN)
                } else {
                    log.take().inspect(Log::abandon);
                    StopMode::Abort
                };
                let node = node.clone();
                tokio::spawn(async move { node.stop(mode).await });
            }
            written = &mut ended => break written,
            more = take_batch(&mut incoming, log.as_ref()), if log.is_some() => if !more {
                log = None;
            },
            _ = look_round.tick() => tell_turned_away(&node.turned_away()),
        }
    };
    if interrupted == 0 {
        // The log has failed. Whoever sends must not wait for the idle timeout to learn of it.
        let _ = time::timeout(Duration::from_secs(1), node.stop(StopMode::Abort)).await;
    }
    tell_turned_away(&node.turned_away());
    written
        .unwrap_or_else(|_| Err(io::Error::other("the thread that writes has died")))
        .map_err(Failure::stdout)?;
    Ok(if interrupted > 1 {
        Verdict::NotAll
    } else {
        Verdict::AllIsWell
    })
}

/// Moves what has arrived to the log once that has room, all that is there in one batch. False
/// when nothing more will come.
///
/// Cancel safe: nothing is taken before there is room for it.
async fn take_batch(incoming: &mut Incoming<PeerKey>, log: Option<&Log>) -> bool {
    const MESSAGES_MAX: usize = 1_024;
    const BYTES_MAX: usize = 4 << 20;
    let Some(room) = (match log {
        Some(log) => log.room().await,
        None => None,
    }) else {
        return false;
    };
    let Some(first) = incoming.next().await else {
        return false;
    };
    let mut bytes = first.payload().len();
    let mut batch = vec![first];
    while batch.len() < MESSAGES_MAX && bytes < BYTES_MAX {
        let Some(message) = incoming.try_next() else {
            break;
        };
        bytes += message.payload().len();
        batch.push(message);
    }
    room.send(batch);
    true
}

fn greet(address: SocketAddr, key: PeerKey, anybody: bool) {
    let reachable = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let to = SocketAddr::new(reachable, address.port());
    let program = console::program();
    let (make_key, their_key) = match anybody {
        true => (format!("{program} keys new sender.key && "), "sender.key"),
        false => (String::new(), "FILE_OF_AN_ALLOWED_KEY"),
    };
    say(&format!("listening on {address}\nour key {key}"));
    say(&format!(
        "to try it from this host:\n  {make_key}{program} send --to {to} --peer-key {key} \
         --key {their_key} --message hello"
    ));
}

fn tell_turned_away(turned_away: &[TurnedAway]) {
    const LINES_MAX: usize = 4;
    for TurnedAway { remote, key, error } in turned_away.iter().take(LINES_MAX) {
        match key {
            Some(key) => say(&format!(
                "turned away {remote} with the key {key}: {error}\n  to let it in: peer-sender listen \
                 ... --allow {key}"
            )),
            None => say(&format!("turned away {remote}: {error}")),
        }
    }
    let more = turned_away.len().saturating_sub(LINES_MAX);
    if more > 0 {
        say(&format!(
            "turned away {} more",
            figures::thousands(more as u64)
        ));
    }
}
