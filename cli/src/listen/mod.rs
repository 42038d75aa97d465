//! `listen`: receives messages and accepts each once its line is out.

mod lines;
mod log;
mod net_message;

use std::future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use peer_sender_tokio::{
    Incoming, LinkError, NodeConfig, PeerKey, Protocol, StopMode, Trust, TurnedAway, load_identity,
};
use tokio::task::JoinHandle;
use tokio::time::{self, MissedTickBehavior};

use crate::args::ListenArgs;
use crate::console::{self, say};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::keys::KeyKind;
use crate::recording::Recording;
use crate::runtime::{self, Node};
use crate::{Verdict, figures};

use lines::Form;
use log::{Log, Written};

/// How long the good order of an end may take.
const DRAIN: Duration = Duration::from_secs(10);
/// How long whoever reads stdout may take for the last lines, and the node to end at once.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: ListenArgs) -> Result<Verdict, Failure> {
    let identity = load_identity(&args.key)?;
    let trust = if args.allow_any {
        Trust::Any
    } else if args.trust_owner.is_empty() {
        Trust::Keys(args.allow.iter().copied().collect())
    } else {
        Trust::Owners(args.trust_owner.iter().copied().collect())
    };
    runtime::choose(args.nodes.runtime);
    let recording = Recording::start(&args.recording)?;
    let builder = recording.of(NodeConfig::builder(identity).accept(trust));
    let config = args.spoken.speak(builder)?.build()?;
    let key = config.key();
    let mut interrupts = Interrupts::new().map_err(|error| Failure::Runtime { error })?;
    let node: Node<PeerKey> =
        Node::bind(args.bind, config)
            .await
            .map_err(|error| Failure::Bind {
                argument: format!("--bind {}", args.bind),
                error,
            })?;
    greet(node.local_addr(), key, &args);
    let form = if args.json { Form::Json } else { Form::Short };
    let log = Log::start(form, args.spoken.protocol(), io::stdout());
    let received = receive(node, log, async || interrupts.next().await).await;
    recording.finish();
    received
}

/// Why receiving ended.
enum End {
    /// The thread of the log has ended; the node too, unless writing failed.
    Written(io::Result<()>),
    /// Interrupted twice.
    AtOnce,
    /// The node has ended, and the thread of the log is still in a write: nobody reads.
    Stuck,
}

async fn receive(
    node: Node<PeerKey>,
    (log, mut written): (Log, Written),
    mut interrupt: impl AsyncFnMut(),
) -> Result<Verdict, Failure> {
    let mut incoming = node.incoming();
    let mut log = Some(log);
    let mut look_round = time::interval(Duration::from_secs(1));
    look_round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut died = false;
    let mut stopping = None;

    let end = loop {
        tokio::select! {
            biased;
            () = interrupt() => {
                if stopping.is_some() {
                    break End::AtOnce;
                }
                say("ending in good order; once more to end at once");
                stopping = Some(stop(&node, StopMode::Drain(DRAIN)));
            }
            result = written.wait() => break End::Written(result),
            () = stopped(&mut stopping) => break End::Stuck,
            taken = take_batch(&mut incoming, log.as_ref()), if log.is_some() => match taken {
                Taken::Batch => {}
                Taken::LogEnded => log = None,
                Taken::NodeEnded => {
                    log = None;
                    if stopping.is_none() {
                        died = true;
                        stopping = Some(stop(&node, StopMode::Abort));
                    }
                }
            },
            _ = look_round.tick() => tell_turned_away(&node.turned_away()),
        }
    };

    let result = match end {
        End::Written(result) => {
            if stopping.is_none() {
                // Whoever sends must not wait for the idle timeout to learn that writing failed.
                let _ = time::timeout(GRACE, node.stop(StopMode::Abort)).await;
            }
            result.map(|()| Verdict::AllIsWell)
        }
        End::AtOnce => {
            log.take().inspect(Log::abandon);
            let _ = time::timeout(GRACE, async {
                node.stop(StopMode::Abort).await;
                // Without its summary if that cannot be written: the exit code says as much.
                let _ = written.wait().await;
            })
            .await;
            Ok(Verdict::NotAll)
        }
        End::Stuck => {
            say(&format!(
                "stdout takes no more: {} accepted, and nothing that it did not take",
                figures::plural(written.messages(), "message")
            ));
            Ok(Verdict::NotAll)
        }
    };
    tell_turned_away(&node.turned_away());
    match result {
        Err(error) => {
            let rest = "what stdout did not take was not accepted";
            Err(Failure::stdout(error, rest))
        }
        Ok(_) if died => Err(Failure::NodeDied),
        Ok(verdict) => Ok(verdict),
    }
}

/// Stops the node; ends some time later, which is for the log.
fn stop(node: &Node<PeerKey>, mode: StopMode) -> JoinHandle<()> {
    let node = node.clone();
    tokio::spawn(async move {
        node.stop(mode).await;
        time::sleep(GRACE).await;
    })
}

/// Waits for the end of [`stop`]; for ever if that was not called. Cancel safe.
async fn stopped(stopping: &mut Option<JoinHandle<()>>) {
    match stopping {
        // That it was cut off means that the runtime ends, and this with it.
        Some(stopping) => drop(stopping.await),
        None => future::pending().await,
    }
}

/// What came of waiting for a batch.
enum Taken {
    /// One is on its way to the log.
    Batch,
    /// The log takes nothing more.
    LogEnded,
    /// The node has nothing more.
    NodeEnded,
}

/// Moves what has arrived to the log once that has room, all that is there in one batch.
///
/// Cancel safe: nothing is taken before there is room for it.
async fn take_batch(incoming: &mut Incoming<PeerKey>, log: Option<&Log>) -> Taken {
    const MESSAGES_MAX: usize = 1_024;
    const BYTES_MAX: usize = 4 << 20;
    let Some(room) = (match log {
        Some(log) => log.room().await,
        None => None,
    }) else {
        return Taken::LogEnded;
    };
    let Some(first) = incoming.next().await else {
        return Taken::NodeEnded;
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
    Taken::Batch
}

fn greet(address: SocketAddr, key: PeerKey, args: &ListenArgs) {
    let reachable = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let to = SocketAddr::new(reachable, address.port());
    let program = console::program();
    let make = match args.spoken.protocol() {
        Protocol::Framed => KeyKind::AckiNacki.make(),
        Protocol::Lanes | Protocol::Plain => KeyKind::Identity.make(),
    };
    let (make_key, their_key) = match args.allow_any {
        true => (
            format!("{program} keys {make} sender.key && "),
            "sender.key",
        ),
        false => (String::new(), "FILE_OF_AN_ALLOWED_KEY"),
    };
    say(&format!("listening on {address}\nour key {key}"));
    say(&format!(
        "to try it from this host:\n  {make_key}{program} send --to {to} --peer-key {key} \
         --key {their_key}{} --message hello",
        args.spoken.flags()
    ));
}

fn tell_turned_away(turned_away: &[TurnedAway]) {
    const LINES_MAX: usize = 4;
    for one in turned_away.iter().take(LINES_MAX) {
        say(&in_words(one));
    }
    let more = turned_away.len().saturating_sub(LINES_MAX);
    if more > 0 {
        say(&format!(
            "turned away {} more",
            figures::thousands(more as u64)
        ));
    }
}

/// Names a key once, and how to let it in where that is what it lacks.
fn in_words(TurnedAway { remote, key, error }: &TurnedAway) -> String {
    match (error, key) {
        (LinkError::NotAllowed { offered }, _) => format!(
            "turned away {remote}: {error}\n  to let it in: peer-sender listen ... --allow {offered}"
        ),
        (_, Some(key)) => format!("turned away {remote} with the key {key}: {error}"),
        (_, None) => format!("turned away {remote}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;

    #[test]
    fn only_a_key_that_is_not_allowed_is_offered_to_be_let_in() {
        let stranger = PeerKey([7; 32]);
        let line = |key, error| {
            let remote = "192.0.2.7:4433".parse().unwrap();
            in_words(&TurnedAway { remote, key, error })
        };
        let not_allowed = LinkError::NotAllowed { offered: stranger };
        assert_eq!(
            line(Some(stranger), not_allowed),
            format!(
                "turned away 192.0.2.7:4433: the key {stranger} is not allowed here\n  \
                 to let it in: peer-sender listen ... --allow {stranger}"
            )
        );
        let busy = line(Some(stranger), LinkError::Busy);
        let beginning = format!("turned away 192.0.2.7:4433 with the key {stranger}: ");
        assert!(
            busy.starts_with(&beginning) && !busy.contains("--allow"),
            "{busy}"
        );
        let unknown = line(None, LinkError::NotExpected);
        assert!(
            unknown.starts_with("turned away 192.0.2.7:4433: ") && !unknown.contains("--allow"),
            "{unknown}"
        );
    }

    #[tokio::test]
    async fn a_node_that_dies_by_itself_is_a_failure() {
        let config = NodeConfig::builder(keys::make().unwrap())
            .accept(Trust::Any)
            .build()
            .unwrap();
        let node: Node<PeerKey> = Node::bind("127.0.0.1:0", config).await.unwrap();
        let log = Log::start(Form::Json, Protocol::Lanes, io::sink());
        // Nobody asked this listener to end.
        let uninterrupted = async || future::pending().await;
        let (ended, ()) = tokio::join!(
            receive(node.clone(), log, uninterrupted),
            node.stop(StopMode::Abort)
        );
        let failure = ended.unwrap_err();
        assert!(matches!(failure, Failure::NodeDied), "{failure}");
        assert_eq!(failure.exit_code(), 1);
    }
}
