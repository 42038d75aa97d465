//! What can happen in a world of nodes.

use std::time::Duration;

use super::path::PathChange;
use super::share::Share;

/// A node, by its place among the nodes.
pub type Place = u8;

/// One thing that happens. What makes no sense at its moment (a crash of a node that is down) does
/// nothing, so that any part of a scenario is a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A user hands over messages for a peer that its node dials.
    Send(Burst),
    /// An application replies to whoever dialled its node, on the session that it heard from last.
    Reply(Burst),
    /// A user cancels messages for a peer: of those without an outcome `skip` are left alone, and
    /// the next `count` are cancelled.
    Cancel {
        /// Whose.
        from: Place,
        /// For whom they are.
        to: Place,
        /// The oldest that are left alone.
        skip: u32,
        /// How many are cancelled.
        count: u32,
    },
    /// Something about paths changes; none is all.
    Path {
        /// From this node.
        from: Option<Place>,
        /// To this one.
        to: Option<Place>,
        /// What.
        change: PathChange,
    },
    /// A node's process ends without a word.
    Crash(Place),
    /// It begins anew, with the same key or another one.
    Restart {
        /// Which.
        node: Place,
        /// Whether with another key than its own.
        other_key: bool,
    },
    /// A node gets no time: its socket fills up, and its clock goes on.
    Freeze(Place),
    /// It goes on.
    Thaw(Place),
    /// How the application of a node takes messages from here on.
    Reader(Place, Reader),
    /// The application refuses each message whose turn it is: one of so many, none at 0.
    Refuse(Place, u32),
    /// A node stands at another address from here on, and knows it; its diallers are told.
    Move(Place),
    /// A dialler is told that a peer has no address, or the right one again.
    Addresses {
        /// Who is told.
        from: Place,
        /// About whom.
        to: Place,
        /// Whether there is one.
        known: bool,
    },
    /// A NAT gives a dialling node another port, or another address; the node does not know.
    Rebind {
        /// Which.
        node: Place,
        /// Whether the address changes as well.
        address: bool,
    },
    /// Whom a listener lets in: everybody who belongs to the world, or nobody.
    Trust(Place, bool),
    /// A user stops a peer: it drains within this time, or aborts.
    Stop {
        /// Whose.
        from: Place,
        /// The peer.
        to: Place,
        /// None to abort.
        drain: Option<Duration>,
    },
    /// A user removes what is left of a peer, and adds it anew.
    Dial {
        /// Whose.
        from: Place,
        /// The peer.
        to: Place,
    },
    /// A node's clock shows multiples of this only; zero for every nanosecond.
    Tick(Place, Duration),
    /// A node's timers fire up to so much late.
    Late(Place, Duration),
    /// A node's clock leaps forward by this.
    Jump(Place, Duration),
    /// Of the batches that a node sends so many are refused midway.
    Batch(Place, Share),
    /// A node forgets every accepted connection.
    CutAccepted(Place),
    /// A node is told that its network has changed.
    Changed(Place),
    /// Somebody who is no node sends one so many datagrams, one each so often.
    Stranger {
        /// To whom.
        to: Place,
        /// Of which kind.
        what: Junk,
        /// How many.
        count: u32,
        /// How often.
        every: Duration,
    },
}

/// What somebody sends who is no node, and has no secret of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Junk {
    /// First packets of connections, each from an address that is not the sender's.
    FirstPackets,
    /// Random bytes, some of them as if from another node.
    Random,
    /// What nodes have sent it before, from an address of the stranger's.
    Replays,
    /// What looks like version negotiation, or asks for it.
    Versions,
    /// What looks like a stateless reset.
    Resets,
}

/// Messages that are handed over at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Whose.
    pub from: Place,
    /// For whom.
    pub to: Place,
    /// On this lane.
    pub lane: u8,
    /// So many.
    pub count: u32,
    /// Of so many bytes.
    pub bytes: u32,
    /// With this time to live; none for as long as it takes.
    pub ttl: Option<Duration>,
}

/// How an application takes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// In the moment in which they come.
    Instant,
    /// One in each such time.
    Every(Duration),
    /// Not at all.
    Stopped,
}
