//! `send`: hands messages to one peer and reports the outcome of each.

mod report;

use std::fs;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use peer_sender_tokio::{
    Config, ConfigError, Lane, NodeConfig, PeerConfig, Protocol, Redelivery, StopMode,
    load_identity,
};
use tokio::time::{self, MissedTickBehavior};

use crate::Verdict;
use crate::args::SendArgs;
use crate::console::{self, Screen};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::link::LinkWatch;
use crate::recording::Recording;
use crate::runtime::{self, Node};
use crate::transfer::source::{MadeUp, Reading, Texts};
use crate::transfer::{NetMessages, NotAMessage, Pump, Source, Tally};

use report::{Report, shortcomings};

/// How long what is under way may take after the first interrupt.
const DRAIN: Duration = Duration::from_secs(10);
/// How long the good order of an end may take once everything has its outcome.
const FAREWELL: Duration = Duration::from_secs(2);
/// A person waits: an hour between attempts, as suits a service, is no help.
const BACKOFF_MAX: Duration = Duration::from_millis(500);

pub(crate) async fn run(args: SendArgs) -> Result<Verdict, Failure> {
    let identity = load_identity(&args.key)?;
    let config = config(&args)?;
    runtime::choose(args.nodes.runtime);
    let recording = Recording::start(&args.recording)?;
    let builder = recording.of(NodeConfig::builder(identity));
    let node_config = args.spoken.speak(builder)?.build()?;
    let mut peer_config = match (args.peer_key, args.peer_owner) {
        (Some(key), _) => PeerConfig::with(key, config.clone()),
        (None, Some(owner)) => PeerConfig::with_owner(owner, config.clone()),
        // The arguments are checked for one of both.
        (None, None) => return Err(ConfigError::new("--peer-key", "is missing").into()),
    };
    if let Some(name) = &args.server_name {
        peer_config = peer_config.with_server_name(name)?;
    }
    let (mut source, total) = source(&args, config.message_bytes_max())?;
    if args.spoken.protocol() == Protocol::Framed {
        source = Box::new(NetMessages::new(source));
    }
    let mut interrupts = Interrupts::new().map_err(|error| Failure::Runtime { error })?;
    let any_port = any_port_towards(args.to);
    let node: Node<SocketAddr> =
        Node::bind(any_port, node_config)
            .await
            .map_err(|error| Failure::Bind {
                argument: format!("--to {}", args.to),
                error,
            })?;
    let peer = node.peer(args.to, peer_config)?;
    let mut events = peer.events();
    let mut stopped = false;
    let mut link = LinkWatch::new(args.to);
    let clock = node.clone();
    let lanes = (0..args.lanes).map(|lane| peer.lane(Lane(lane))).collect();
    let mut pump = Pump::new(lanes, source, move || clock.now());

    let screen = Screen::new();
    let bar = screen.bar("send", total);
    let mut tick = time::interval(Duration::from_millis(100));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupted = 0u32;
    let mut gave_up = false;
    let stop = |mode| {
        let peer = peer.clone();
        tokio::spawn(async move { peer.stop(mode).await });
    };

    loop {
        tokio::select! {
            biased;
            () = interrupts.next() => {
                interrupted = interrupted.saturating_add(1);
                pump.withdraw();
                if interrupted == 1 {
                    screen.say("finishing what was handed over (10 s at most); once more to end at once");
                    stop(StopMode::Drain(DRAIN));
                } else {
                    stop(StopMode::Abort);
                }
            }
            event = events.next(), if !stopped => match event {
                Some(event) => {
                    let line = link.note(&event, node.now());
                    show(&bar, pump.tally(), link.words(node.now()));
                    if let Some(line) = line {
                        screen.say(&line);
                    }
                }
                None => stopped = true,
            },
            () = poll_fn(|cx| pump.poll(cx)) => break,
            _ = tick.tick() => {
                show(&bar, pump.tally(), link.words(node.now()));
                if !gave_up && args.give_up.is_some_and(|limit| pump.stalled_for() >= limit) {
                    gave_up = true;
                    screen.say("giving up: nothing got through for the time of --give-up");
                    pump.withdraw();
                    stop(StopMode::Abort);
                }
            }
        }
        say_all(pump.take_complaints(), &screen);
    }
    say_all(pump.take_complaints(), &screen);
    screen.clear();
    tokio::select! {
        () = node.stop(StopMode::Drain(FAREWELL)) => {}
        () = interrupts.next() => node.stop(StopMode::Abort).await,
    }

    let report = Report::new(pump.tally(), link.reconnects(), args.spoken.protocol());
    let text = match args.json {
        true => report.json(),
        false => report.table(),
    };
    let printed = console::print(&text, &report.in_short());
    for line in shortcomings(pump.tally(), pump.is_whole()) {
        console::say(&line);
    }
    recording.finish();
    printed?;
    let whole = pump.is_whole() && pump.tally().is_all_good();
    Ok(if whole {
        Verdict::AllIsWell
    } else {
        Verdict::NotAll
    })
}

/// How to send.
fn config(args: &SendArgs) -> Result<Config, ConfigError> {
    if args.lanes > 1 && args.spoken.protocol() != Protocol::Lanes {
        let problem = "only peer-sender/1 has more than one lane; leave it out";
        return Err(ConfigError::new("--lanes", problem));
    }
    let redelivery = match args.at_most_once {
        true => Redelivery::AtMostOnce,
        false => Redelivery::AtLeastOnce,
    };
    Config::builder(args.to)
        .backoff_max(BACKOFF_MAX)
        .lanes(args.lanes)
        .redelivery(redelivery)
        .ttl(args.ttl)
        .build()
}

/// Where the messages come from, and how many there will be if that is known. Looks at files
/// before anything is sent, so that a slip in a name is noticed first.
fn source(args: &SendArgs, bytes_max: usize) -> Result<(Box<dyn Source>, Option<u64>), Failure> {
    let too_large = |what: String, bytes| Failure::MessageTooLarge {
        what,
        bytes,
        max: bytes_max,
    };
    if let Some(count) = args.count {
        if args.size > bytes_max {
            return Err(too_large("--size".to_owned(), args.size as u64));
        }
        return Ok((Box::new(MadeUp::new(0, count, args.size)), Some(count)));
    }
    if !args.message.is_empty() {
        let total = args.message.len() as u64;
        return Ok((
            Box::new(Texts(args.message.clone().into_iter())),
            Some(total),
        ));
    }
    let is_stdin = |file: &Path| file == "-";
    if args.files.iter().any(|file| is_stdin(file)) {
        return match args.files.len() {
            1 => Ok((Box::new(Reading::lines_of_stdin(bytes_max)), None)),
            _ => Err(Failure::StdinAndFiles),
        };
    }
    for file in &args.files {
        let unreadable = |error| Failure::MessageFile {
            file: file.clone(),
            error,
        };
        // Opening a named pipe would wait for somebody who writes to it, so this looks first.
        let found = fs::metadata(file).map_err(unreadable)?;
        if found.is_dir() {
            return Err(unreadable(io::ErrorKind::IsADirectory.into()));
        }
        if !found.is_file() {
            return Err(Failure::NoRegularFile { file: file.clone() });
        }
        fs::File::open(file).map_err(unreadable)?;
        if found.len() > bytes_max as u64 {
            return Err(too_large(file.display().to_string(), found.len()));
        }
    }
    let total = args.files.len() as u64;
    Ok((
        Box::new(Reading::files(args.files.clone(), bytes_max)),
        Some(total),
    ))
}

fn any_port_towards(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

fn show(bar: &ProgressBar, tally: &Tally, link: String) {
    // Each of the two draws the bar, so the words come first: nothing is delivered on the screen
    // while it still says that there is no connection.
    bar.set_message(link);
    bar.set_position(tally.good());
}

fn say_all(complaints: Vec<NotAMessage>, screen: &Screen) {
    for NotAMessage(complaint) in complaints {
        screen.say(&format!("not sent: {complaint}"));
    }
}
