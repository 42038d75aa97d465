//! Send messages to peers over QUIC, on tokio, with one truthful outcome for each.
//!
//! This page is the guide. The programs that it names are in `adapter-tokio/examples`, and run with
//! `cargo run -p peer-sender-tokio --example NAME`.
//!
//! 1. [Quick start](#quick-start)
//! 2. [Connecting](#connecting)
//! 3. [Trust](#trust)
//! 4. [Outcomes](#outcomes)
//! 5. [Lanes](#lanes)
//! 6. [Back-pressure](#back-pressure)
//! 7. [Receiving](#receiving)
//! 8. [Replies](#replies)
//! 9. [Peers that are not peer-sender](#peers-that-are-not-peer-sender)
//! 10. [Watching](#watching)
//! 11. [Stopping](#stopping), and [dropping handles](#dropping-handles)
//! 12. [Tuning](#tuning)
//! 13. [Runtimes](#runtimes)
//!
//! # Quick start
//!
//! Two nodes on loopback: one listens and accepts what it is sent, the other sends and learns what
//! became of its message.
//!
//! ```
//! use std::time::Duration;
//!
//! use peer_sender_tokio::{Identity, Node, NodeConfig, PeerConfig, StopMode, Trust};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // An identity is 32 secret random bytes; a peer is known by the key that goes with them.
//!     let [alice, bob] = [1, 2].map(|byte| Identity::from_secret([byte; 32]));
//!
//!     // Bob lets Alice in.
//!     let trust = Trust::Keys([alice.key()].into());
//!     let config = NodeConfig::builder(bob.clone()).accept(trust).build()?;
//!     let listener = Node::<String>::bind("127.0.0.1:0", config).await?;
//!     let mut incoming = listener.incoming();
//!
//!     // Alice dials Bob, and nobody but him.
//!     let node = Node::bind("127.0.0.1:0", NodeConfig::new(alice)).await?;
//!     let config = PeerConfig::new(bob.key(), listener.local_addr())?;
//!     let peer = node.peer("bob".to_string(), config)?;
//!     let receipt = peer.send("hello").await?;
//!
//!     let message = incoming.next().await.ok_or("the listener has stopped")?;
//!     assert_eq!(message.payload(), "hello");
//!     message.accept();
//!     assert!(receipt.await.is_delivered());
//!
//!     node.stop(StopMode::Drain(Duration::from_secs(10))).await;
//!     Ok(())
//! }
//! ```
//!
//! The same as a program of its own: `quickstart.rs`. One node sends to any number of peers, each
//! under a name that the program chooses: `many_peers.rs`, which also shows
//! [`broadcast`](Node::broadcast).
//!
//! # Connecting
//!
//! [`Node::peer`] starts a [`PeerSender`]. It dials at once, and again after every loss, until it
//! is stopped: a lost connection is no error that a program has to handle. Messages may be sent
//! from the first moment on; they wait in the queue.
//!
//! ```
//! use std::time::Duration;
//!
//! use peer_sender_tokio::{Config, Identity, PeerConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = Identity::from_secret([2; 32]).key(); // what Bob's `peer-sender keys show` prints
//! let (home, office) = ("192.0.2.1:4433".parse()?, "198.51.100.7:4433".parse()?);
//! let config = Config::builder(home)
//!     .addresses(vec![home, office])
//!     .wan()
//!     .give_up_after(Some(Duration::from_secs(24 * 3_600)))
//!     .build()?;
//! let bob = PeerConfig::with(key, config);
//! # assert_eq!(bob.machine().addresses().len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! - **Several addresses** ([`addresses`](ConfigBuilder::addresses)) are tried in turn, one an
//!   attempt. [`set_addresses`](PeerSender::set_addresses) changes them and keeps the queue; with
//!   an empty list the sender waits until there are some. Host names are for the program to look
//!   up.
//! - **Backoff.** After each failure the sender waits: 100 ms times 1, 1, 2, 3, 5, 8 and so on, up
//!   to an hour. Only proof of health ends the series: an answer to a message, or a connection that
//!   stands for 10 s. Errors that do not pass by themselves, such as a wrong key, are tried again
//!   after 5 s to 5 min.
//! - **Profiles.** [`wan`](ConfigBuilder::wan) waits for 30 s at most, [`lan`](ConfigBuilder::lan)
//!   for 2 s; both spread the waits at random, so that many senders do not come back at one moment.
//! - **Wake.** [`wake`](PeerSender::wake) dials now instead of at the end of the wait, and
//!   [`Node::network_changed`] does so for every peer. It happens by itself when the peer dials
//!   this node, and when it is given a new address.
//! - **Giving up** is not the default. [`attempts_max`](ConfigBuilder::attempts_max) and
//!   [`give_up_after`](ConfigBuilder::give_up_after) set an end, at which every message is settled
//!   and the sender has stopped.
//! - **Idle** connections are ended in good order after 5 min, and dialled again by the next
//!   message ([`disconnect_after`](ConfigBuilder::disconnect_after); none keeps them), unless the
//!   peer has replied before.
//!
//! # Trust
//!
//! Both ends show a certificate, and prove that they hold its private key (TLS 1.3). There are
//! three ways to say who is trusted:
//!
//! | | who is dialled | who is let in |
//! |---|---|---|
//! | by key | [`PeerConfig::new`], [`PeerConfig::with`] | [`Trust::Keys`] |
//! | by an authority and a name | [`PeerConfig::with_name`] | [`Trust::Authority`] |
//! | anybody | never | [`Trust::Any`]; [`from`](IncomingMessage::from) tells who it is |
//!
//! A node without [`accept`](NodeConfigBuilder::accept) only dials. [`Node::set_trust`] replaces
//! whom it lets in while it runs, and cuts off at once whoever is no longer among them.
//! [`load_identity`] reads the file that `peer-sender keys new` writes, and
//! [`load_certified_identity`] a key with the certificates of an authority; both refuse a key that
//! other users may read.
//!
//! A connection that fails for lack of trust says so in its [`LinkError`], at both ends:
//! `mutual_tls.rs` shows a stranger who is turned away, and a peer that is not who it should be.
//!
//! # Outcomes
//!
//! A message that is not accepted is handed back at once, with the reason ([`Rejected`]). An
//! accepted one has exactly one [`Outcome`], which never changes:
//!
//! | outcome | it means | what to do |
//! |---|---|---|
//! | [`Delivered`](Outcome::Delivered) | the receiving application accepted it | nothing |
//! | [`Refused`](Outcome::Refused) | the receiver refused this very message; it is not sent again | find out why |
//! | [`Cancelled`](Outcome::Cancelled) | [`cancel`](PeerSender::cancel) came in time: it did not arrive and never will | nothing |
//! | [`Expired`](Outcome::Expired) | its time to live was over first: it did not arrive and never will | nothing |
//! | [`Failed`](Outcome::Failed) | its sender was stopped, gave the peer up or removed it, or answered a dialler that is gone, or a newer message [displaced](FailReason::Displaced) it; it did not arrive and never will | send it elsewhere, or later |
//! | [`Unknown`](Outcome::Unknown) | it may have arrived; the evidence is gone | what is right for a message that may come twice |
//!
//! A lost connection is no outcome: the two ends find out what arrived, and the rest is sent again
//! in its place. The application sees each message of a lane once and in order. That memory is in
//! the two processes: a receiver that is started anew may see again what its predecessor took and
//! had not answered, and a sender that ends takes its queue with it.
//!
//! [`send`](PeerSender::send) returns a [`Receipt`], which is the future of that message's outcome.
//! [`post`](PeerSender::post) returns the message's id, and the outcomes of all messages come as
//! one stream:
//!
//! ```
//! use peer_sender_tokio::{PeerSender, Rejected};
//!
//! /// Sends the lines, and tells of each that the peer does not have.
//! async fn post_all(peer: &PeerSender, lines: Vec<String>) -> Result<(), Rejected> {
//!     let mut outcomes = peer.outcomes(); // of what is posted from here on
//!     tokio::spawn(async move {
//!         while let Some((id, outcome)) = outcomes.next().await {
//!             if !outcome.is_delivered() {
//!                 eprintln!("{id:?}: {outcome:?}");
//!             }
//!         }
//!     });
//!     for line in lines {
//!         peer.post(line).await?;
//!     }
//!     peer.flush().await; // every message has its outcome
//!     Ok(())
//! }
//! ```
//!
//! Outcomes that nobody reads hold posting back, so that none is lost: read them in a task of their
//! own, as here, or do not ask for them; [`stats`](PeerSender::stats) counts them in any case.
//!
//! **Time to live.** [`PeerSender::ttl`] is the same sender, whose messages expire; a peer's messages
//! may all do so ([`ConfigBuilder::ttl`]), and the shorter counts. The time begins when a message is
//! accepted. One that has begun to be sent by then goes on, since it may be there already; it expires
//! only if its connection is lost and the peer proves that it does not have it. If the peer stays
//! away for longer than [`patience`](ConfigBuilder::patience), 10 s, it is
//! [`Unknown`](UnknownReason::Patience). The same holds of what is [cancelled](PeerSender::cancel).
//!
//! **At most once.** What a receiver that has died may have taken is sent again to its successor,
//! which may see it a second time. Where that is worse than a loss, ask for
//! [`Redelivery::AtMostOnce`] ([`ConfigBuilder::redelivery`]): such a message is
//! [`Unknown`](UnknownReason::Forgotten) instead. A receiver that lives can always say what it has,
//! so a cut connection costs no message. The first message of each lane waits for one round trip.
//!
//! # Lanes
//!
//! A peer has up to eight lanes. A lane is in order; lanes are independent of each other, each with
//! a queue and limits of its own, so that a lane whose messages are not taken never holds up
//! another. [`PeerSender::lane`] is the same sender on another lane, and [`IncomingMessage::lane`]
//! tells the receiver which it was: bulk on one, commands on the other. A lane that is not used
//! costs nothing.
//!
//! Each lane is of one of three classes ([`ConfigBuilder::priority`], [`Priority`]). Where the
//! connection does not take all, the lanes of the highest class go first, and none starves: every
//! other lane that has enough to send gets about a twentieth of what a busy lane of a higher class
//! gets, measured on a line of 10 Mbit/s. A lane that is not read holds up none of any class.
//!
//! # Back-pressure
//!
//! The queue of each lane is bounded in messages and bytes, and nothing is dropped to make room,
//! unless the peer's configuration says so. What to do when it is full is the caller's choice:
//!
//! | | when the queue is full | the outcome goes to |
//! |---|---|---|
//! | [`send`](PeerSender::send) | waits for room, in line | a [`Receipt`] |
//! | [`try_send`](PeerSender::try_send) | hands the message back ([`QueueFull`](RejectReason::QueueFull)) | a [`Receipt`] |
//! | [`reserve`](PeerSender::reserve) | waits for room; [`Permit::send`] then does not wait | a [`Receipt`] |
//! | [`post`](PeerSender::post), [`try_post`](PeerSender::try_post) | as `send`, as `try_send` | [`outcomes`](PeerSender::outcomes) |
//! | [`sink`](PeerSender::sink) | is not ready | [`outcomes`](PeerSender::outcomes) |
//! | [`broadcast`](Node::broadcast) | hands back the copy of that peer | a [`Receipt`] each |
//!
//! Where only the newest is worth sending, [`WhenFull::DropOldest`] ([`ConfigBuilder::when_full`])
//! makes room by putting out the oldest messages that wait: each fails at once as
//! [`Displaced`](FailReason::Displaced), whatever has begun stays, nobody waits for room, and there
//! is none to [`reserve`](RejectReason::NothingToReserve). What waits for the driver is bounded by the
//! limits of the queue, and what waits in the machine as well.
//!
//! [`flush`](PeerSender::flush) waits until everything accepted so far has its outcome. A receiving
//! application that is slow fills the sender's flight, then its queue, then whoever sends waits:
//! `backpressure.rs`.
//!
//! # Receiving
//!
//! [`Node::incoming`] yields messages of all senders, fairly. The sender learns of a delivery only
//! when the application [accepts](IncomingMessage::accept) the message, so accept it when it is
//! where it should be: written, applied, passed on. [`refuse`](IncomingMessage::refuse) refuses it
//! for good, and so does dropping it. For an application that has nothing to add there is
//! [`Incoming::auto`], which accepts each message when the next one is asked for.
//!
//! Messages may be answered in any order; receipts cover a lane up to its first unanswered message.
//! What is not answered is bounded, for all diallers with one key by
//! [`inbound_bytes_max`](NodeConfigBuilder::inbound_bytes_max), for all diallers together by
//! [`inbound_bytes_total_max`](NodeConfigBuilder::inbound_bytes_total_max), for the replies of a
//! dialled peer by [`ConfigBuilder::inbound_bytes_max`]. At these bounds senders are held back, and
//! nothing is lost.
//!
//! # Replies
//!
//! Whoever was dialled can send as well: [`IncomingMessage::peer`] is a sender to whoever sent the
//! message, with lanes, receipts and limits ([`replies`](NodeConfigBuilder::replies)) like any
//! other. The dialling end takes replies from its own [`Node::incoming`], and needs no open port.
//! Accepting a request and replying to it are two things; which reply belongs to which request is
//! said by the payload: `replies.rs`.
//!
//! A reply goes to the *session* of its dialler, which outlives its connections, by default by an
//! hour ([`session_ttl`](NodeConfigBuilder::session_ttl)). What has not been sent by then is
//! [`Failed`](FailReason::SessionForgotten). To reach somebody who does not dial, dial them. A
//! dialler whose first reply may take longer than `disconnect_after` sets that to none: it would
//! have parted by then, and come back with its next message only.
//!
//! # Peers that are not peer-sender
//!
//! A node that is made with [`plain`](NodeConfigBuilder::plain) speaks with any QUIC program that has
//! TLS 1.3, a certificate, and the same protocol name (ALPN): each message is a unidirectional
//! stream of its own, the payload and then FIN. The handles are the same, and so are limits, time to
//! live, redelivery and stopping. What differs:
//!
//! - A message is [`Delivered`](Outcome::Delivered) at [`Level::Transport`] once the peer's QUIC has
//!   acknowledged all of it. Its application may not have seen it, and may never.
//! - There is one lane, and no order in it: a small message overtakes a large one.
//! - After a lost connection nobody can be asked what arrived. By default what was open is sent
//!   again, and may arrive twice; under [`Redelivery::AtMostOnce`] it is
//!   [`Unknown`](UnknownReason::ConnectionLost), unless it surely did not arrive whole.
//! - [`accept`](IncomingMessage::accept) and [`refuse`](IncomingMessage::refuse) give the room of a
//!   message back, and are told to nobody. What arrived stays in [`Node::incoming`] when its
//!   connection has ended, until it is answered.
//! - A session is one connection: replies that it leaves open, or that are sent after its end, are
//!   [`Failed`](FailReason::ConnectionLost) or [`Unknown`](UnknownReason::ConnectionLost).
//! - A peer is still known by its key: SHA-256 of its certificate's SubjectPublicKeyInfo. One that is
//!   dialled may be told by which name ([`PeerConfig::with_server_name`]); one that dials has to show a
//!   certificate.
//!
//! ```
//! # use std::time::Duration;
//! # use peer_sender_tokio::{Identity, Level, Node, NodeConfig, Outcome, PeerConfig, StopMode, Trust};
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let [alice, bob] = [1, 2].map(|byte| Identity::from_secret([byte; 32]));
//! // Here the other end is one of our own; it could be anything that speaks QUIC.
//! let config = NodeConfig::builder(bob.clone()).accept(Trust::Any).plain("greetings/1");
//! let listener = Node::<String>::bind("127.0.0.1:0", config.build()?).await?;
//!
//! let config = NodeConfig::builder(alice).plain("greetings/1").build()?;
//! let node = Node::bind("127.0.0.1:0", config).await?;
//! let config = PeerConfig::new(bob.key(), listener.local_addr())?;
//! let peer = node.peer("bob".to_string(), config)?;
//! let receipt = peer.send("hello").await?;
//! assert_eq!(receipt.await, Outcome::Delivered(Level::Transport));
//! # node.stop(StopMode::Drain(Duration::from_secs(10))).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Watching
//!
//! - [`PeerSender::events`]: connecting, connected, disconnected and why, from then on. A peer whose
//!   oldest message is unanswered for [`slow_after`](ConfigBuilder::slow_after), 10 s, is a
//!   [slow one](PeerEvent::SlowPeer), until it is half as far behind
//!   ([`SlowPeerCleared`](PeerEvent::SlowPeerCleared)).
//! - [`PeerSender::snapshot`]: how it stands now. `snapshot.machine.holdup` is the answer to "why
//!   does nothing arrive?" in one [`Holdup`], and prints as a sentence; beside it are the last
//!   error, the next attempt, the queue, the round trip and the loss.
//! - [`PeerSender::stats`], [`Node::stats`]: counters, for metrics.
//! - [`PeerSender::transfers`]: how long each message waited and was under way, for histograms; where
//!   [`NodeConfigBuilder::transfers`] has the node keep times. [`IncomingMessage::buffered`]: how long one
//!   that came in has waited.
//! - [`Node::turned_away`]: who dialled and was not let in.
//! - [`TraceFile`] and [`FlightRecorder`] record all that a node is told and does, into a file or into
//!   memory until something happens ([`NodeConfigBuilder::trace`]); `peer-sender trace` explains,
//!   replays and draws it, and [`trace`] is what it is made of.
//! - The same news go to [`tracing`](https://docs.rs/tracing), at level debug and without payloads
//!   or secrets.
//!
//! # Stopping
//!
//! [`PeerSender::stop`] and [`Node::stop`] accept nothing more, then finish what was accepted
//! within a time ([`StopMode::Drain`]), or settle everything at once ([`StopMode::Abort`]). When
//! they return, every message has its outcome. A second stop may only shorten the first, which
//! makes a good Ctrl-C: `graceful_shutdown.rs`. [`PeerSender::stop`] hands back what failed because
//! of it ([`Stopped::unsent`]), to be sent by another way. [`PeerSender::remove`] removes a peer: its
//! messages are settled as removed, and its name is free at once. Stop whoever sends before whoever receives; a
//! receiver that goes first costs nothing but the senders' attempts to reach it.
//!
//! # Dropping handles
//!
//! | dropped | what happens |
//! |---|---|
//! | the last [`Node`], or the runtime | everything is settled at once; streams end, waiters wake |
//! | a [`PeerSender`] | nothing: the peer stays, and [`Node::get`] finds it again |
//! | a [`Receipt`] | nothing: the message goes on, its outcome is only counted |
//! | the future of a [`send`](PeerSender::send) that waits | the message was not accepted, and is dropped |
//! | a [`Permit`] | its room goes to the next in line |
//! | [`Outcomes`], [`Events`] | nobody is held back by it any more; what it had not yielded is gone |
//! | an [`IncomingMessage`] | it is refused, so that it does not hold up those behind it |
//! | [`Incoming`] | messages wait for another one |
//! | [`AutoIncoming`] | the same, and the last message that it yielded is refused |
//!
//! Every async function says under "Cancel safety" what dropping its future does. No receipt is
//! ever left hanging.
//!
//! # Tuning
//!
//! What to look at first where the defaults do not suit:
//!
//! - **Memory.** [`Config::memory_max`] is the most that one peer can come to hold; with eight
//!   lanes of 16 MiB and more that is a lot, on paper. Where peers are not trusted to read, lower
//!   [`lanes`](ConfigBuilder::lanes), [`queue_bytes_max`](ConfigBuilder::queue_bytes_max) and
//!   [`flight_bytes_max`](ConfigBuilder::flight_bytes_max), and on the accepting side
//!   [`inbound_bytes_max`](NodeConfigBuilder::inbound_bytes_max).
//! - **Long, fast paths.** What is in flight bounds the throughput: at least the bandwidth times
//!   the round trip, plus what the application takes to answer, belongs in
//!   [`flight_bytes_max`](ConfigBuilder::flight_bytes_max).
//! - **Large messages.** [`message_bytes_max`](ConfigBuilder::message_bytes_max) has to be raised
//!   at both ends, up to 1 GiB, and with it `queue_bytes_max` and `inbound_bytes_max`, which must
//!   not be below it.
//! - **Small messages.** [`accept_all`](IncomingMessage::accept_all) is much cheaper than one
//!   [`accept`](IncomingMessage::accept) each, and [`post`](PeerSender::post) saves the receipts.
//! - **Loss is noticed** after [`idle_timeout`](NodeConfigBuilder::idle_timeout), 10 s, by the end
//!   that hears nothing; the lower value of the two ends holds.
//!   [`keep_alive`](NodeConfigBuilder::keep_alive) must be well below it.
//! - **The kernel's buffers.** [`Node::socket_buffers`] tells what the system gave; on Linux
//!   `net.core.rmem_max` and `net.core.wmem_max` bound it.
//!
//! # Runtimes
//!
//! Both flavours of tokio's runtime work, with I/O and time enabled
//! ([`enable_all`](tokio::runtime::Builder::enable_all)); without them tokio panics in
//! [`Node::bind`]. Handles may be used from any thread and any executor; only `bind` has to be
//! called inside of the runtime that the node is to run on. A node is one task and uses one core:
//! for more, bind several nodes and spread the peers over them; those that listen as one identity
//! share what they remember of sessions ([`Node::records`]). The driver below knows no runtime:
//! [`Runtime`], [`AsyncUdp`] and [`AsyncTimer`] are what another one has to bring, or [`Datagrams`] for
//! a network of its own. For smol and
//! async-std there are `peer-sender-smol` and `peer-sender-async-std`, with the same names as this
//! crate; for programs without async `peer_sender_driver::blocking`, behind a feature.

mod runtime;

pub use peer_sender_driver::*;
pub use runtime::{Socket, Timer, Tokio};

/// A node on tokio; see [`peer_sender_driver::Node`].
pub type Node<P> = peer_sender_driver::Node<P, Tokio>;
