//! Messages that wait for their peers to be resolved, and where those of the resolved ones go.

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use peer_sender_driver::{Expected, FailReason, Outcome, PeerSender, Receipt};

use super::error::DirectReason;
use super::metrics::{DirectMetrics, Phase};
use super::receipt::{DirectReceipt, Slot};
use super::sender::DirectConfig;

/// A message that waits. Dropped without an outcome, it has failed: nobody is left to send it.
#[derive(Debug)]
pub(super) struct Waiting {
    bytes: Bytes,
    since: Instant,
    until: Instant,
    slot: Arc<Slot>,
    metrics: DirectMetrics,
    settled: bool,
}

impl Waiting {
    pub(super) fn payload(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The peer's sender has it. Hands back who waits for its outcome.
    pub(super) fn sent(mut self, receipt: Receipt, now: Instant) -> Option<Waker> {
        self.settled = true;
        let waited = now.saturating_duration_since(self.since);
        self.metrics.took(Phase::Unresolved, waited);
        self.slot.sent(receipt)
    }

    /// It never left the room. Hands back who waits for its outcome.
    pub(super) fn settle(mut self, outcome: Outcome, now: Instant) -> Option<Waker> {
        let waited = now.saturating_duration_since(self.since);
        self.metrics.took(Phase::Unresolved, waited);
        self.decide(outcome)
    }

    fn decide(&mut self, outcome: Outcome) -> Option<Waker> {
        self.settled = true;
        self.metrics.settled(&outcome, self.bytes.len());
        self.slot.settle(outcome)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.settled
            && let Some(waker) = self.decide(Outcome::Failed(FailReason::Stopped))
        {
            waker.wake();
        }
    }
}

/// Where the messages of one peer go.
#[derive(Debug)]
pub(super) enum Route {
    /// Nobody knows where the peer is.
    Unresolved(VecDeque<Waiting>),
    /// Its sender's queue had no room for all that waited: a task hands the rest over, and what comes
    /// waits behind it.
    Moving(Resolved, VecDeque<Waiting>),
    /// To its sender.
    Open(Resolved),
}

/// A peer whose whereabouts are known.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub(super) sender: PeerSender,
    pub(super) expected: Expected,
    /// Tells one resolution from the next.
    pub(super) generation: u64,
}

/// All routes, and what the rooms hold.
#[derive(Debug)]
pub(super) struct Table<P> {
    pub(super) routes: BTreeMap<P, Route>,
    /// Peers that are not resolved.
    unresolved: usize,
    /// Bytes in all rooms.
    bytes: usize,
    generation: u64,
    pub(super) stopped: bool,
    /// The task that looks after the rooms: to be woken when the first message waits.
    pub(super) keeper: Option<Waker>,
    /// It has a moment to wait for, and none is earlier.
    armed: bool,
}

impl<P: Clone + Ord> Table<P> {
    pub(super) fn new() -> Self {
        Self {
            routes: BTreeMap::new(),
            unresolved: 0,
            bytes: 0,
            generation: 0,
            stopped: false,
            keeper: None,
            armed: false,
        }
    }

    /// The sender to the peer, if nothing waits for it.
    pub(super) fn open(&self, id: &P) -> Option<&Resolved> {
        match self.routes.get(id)? {
            Route::Open(resolved) => Some(resolved),
            Route::Unresolved(_) | Route::Moving(..) => None,
        }
    }

    /// The peer's resolution, if there is one.
    pub(super) fn resolved(&self, id: &P) -> Option<&Resolved> {
        match self.routes.get(id)? {
            Route::Open(resolved) | Route::Moving(resolved, _) => Some(resolved),
            Route::Unresolved(_) => None,
        }
    }

    /// Lets a message wait, of a peer that is not [open](Self::open). Hands back who is to be woken.
    pub(super) fn wait(
        &mut self,
        id: &P,
        bytes: &Bytes,
        now: Instant,
        config: &DirectConfig,
        metrics: &DirectMetrics,
    ) -> Result<(DirectReceipt, Option<Waker>), DirectReason> {
        let messages_max = config.room_messages_max;
        let (bytes_max, peers_max) = (config.room_bytes_max, config.unresolved_peers_max);
        let known = self.routes.get(id);
        let waiting = known.map_or(0, |route| route.waiting().map_or(0, VecDeque::len));
        if known.is_none() && self.unresolved >= peers_max {
            return Err(DirectReason::UnresolvedPeers { peers_max });
        }
        if waiting >= messages_max {
            return Err(DirectReason::RoomFull { messages_max });
        }
        if self.bytes.saturating_add(bytes.len()) > bytes_max {
            return Err(DirectReason::RoomBytes { bytes_max });
        }
        let slot = Arc::new(Slot::default());
        let receipt = DirectReceipt::of_waiting(&slot);
        let message = Waiting {
            bytes: bytes.clone(),
            since: now,
            until: later(now, config.room_ttl),
            slot,
            metrics: metrics.clone(),
            settled: false,
        };
        self.bytes += bytes.len();
        match self.routes.entry(id.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert(Route::Unresolved(VecDeque::from([message])));
                self.unresolved += 1;
            }
            Entry::Occupied(mut known) => match known.get_mut() {
                Route::Unresolved(room) | Route::Moving(_, room) => room.push_back(message),
                // Not asked for, by the word above.
                Route::Open(_) => return Err(DirectReason::Stopped),
            },
        }
        // Later ones wait for longer.
        let first = !std::mem::replace(&mut self.armed, true);
        let keeper = self.keeper.take_if(|_| first);
        Ok((receipt, keeper))
    }

    /// Takes out of the room what waits for the peer, who is resolved now, or given up.
    pub(super) fn take(&mut self, id: &P) -> (Option<Resolved>, VecDeque<Waiting>) {
        let (resolved, room) = match self.routes.remove(id) {
            None => (None, VecDeque::new()),
            Some(Route::Open(resolved)) => (Some(resolved), VecDeque::new()),
            Some(Route::Moving(resolved, room)) => (Some(resolved), room),
            Some(Route::Unresolved(room)) => {
                self.unresolved -= 1;
                (None, room)
            }
        };
        self.bytes -= bytes_of(&room);
        (resolved, room)
    }

    /// The peer is resolved, and this is left of what waited. Returns the name of this resolution.
    pub(super) fn resolve(
        &mut self,
        id: P,
        sender: PeerSender,
        expected: Expected,
        rest: VecDeque<Waiting>,
    ) -> u64 {
        self.generation += 1;
        let generation = self.generation;
        let resolved = Resolved {
            sender,
            expected,
            generation,
        };
        self.bytes += bytes_of(&rest);
        let route = match rest.is_empty() {
            true => Route::Open(resolved),
            false => Route::Moving(resolved, rest),
        };
        self.routes.insert(id, route);
        generation
    }

    /// The next message to hand over to the peer of this resolution; with none left its route is open.
    pub(super) fn next_to_move(&mut self, id: &P, generation: u64) -> Option<Waiting> {
        let route = self.routes.get_mut(id)?;
        let Route::Moving(resolved, room) = route else {
            return None;
        };
        if resolved.generation != generation {
            return None;
        }
        let Some(next) = room.pop_front() else {
            *route = Route::Open(resolved.clone());
            return None;
        };
        self.bytes -= next.bytes.len();
        Some(next)
    }

    /// The sender of this resolution has ended: the peer is not resolved any more, and what waits for
    /// it goes on waiting, with this one in front. Hands that back if the resolution is an older one.
    pub(super) fn unresolve(
        &mut self,
        id: &P,
        generation: u64,
        front: Option<Waiting>,
    ) -> Option<Waiting> {
        let is_this = self.routes.get(id).is_some_and(|route| match route {
            Route::Open(resolved) | Route::Moving(resolved, _) => resolved.generation == generation,
            Route::Unresolved(_) => false,
        });
        if !is_this {
            return front;
        }
        let (_, mut room) = self.take(id);
        if let Some(front) = front {
            room.push_front(front);
        }
        if !room.is_empty() {
            self.put_back(id.clone(), room);
        }
        None
    }

    /// A peer that could not be resolved: what was [taken](Self::take) goes on waiting.
    pub(super) fn put_back(&mut self, id: P, room: VecDeque<Waiting>) {
        if !room.is_empty() {
            self.bytes += bytes_of(&room);
            self.unresolved += 1;
            self.routes.insert(id, Route::Unresolved(room));
        }
    }

    /// Takes out what has waited for too long. Says when the next one will have.
    pub(super) fn expire(&mut self, now: Instant) -> (Vec<Waiting>, Option<Instant>) {
        let mut expired = Vec::new();
        let mut next: Option<Instant> = None;
        self.routes.retain(|_, route| {
            let Route::Unresolved(room) = route else {
                return true;
            };
            while room.front().is_some_and(|message| message.until <= now) {
                expired.extend(room.pop_front());
            }
            let first = room.front().map(|message| message.until);
            next = next.into_iter().chain(first).min();
            self.unresolved -= usize::from(room.is_empty());
            !room.is_empty()
        });
        let bytes = expired.iter().map(|message| message.bytes.len());
        self.bytes -= bytes.sum::<usize>();
        self.armed = next.is_some();
        (expired, next)
    }

    /// Nothing is accepted from here on. What waits is handed back, to be dropped, and so are the
    /// senders.
    pub(super) fn stop(&mut self) -> BTreeMap<P, Route> {
        self.stopped = true;
        (self.unresolved, self.bytes) = (0, 0);
        std::mem::take(&mut self.routes)
    }

    /// Peers, messages and bytes that wait.
    pub(super) fn waiting(&self) -> (usize, usize, usize) {
        let rooms = self.routes.values().filter_map(Route::waiting);
        (self.unresolved, rooms.map(VecDeque::len).sum(), self.bytes)
    }
}

impl Route {
    fn waiting(&self) -> Option<&VecDeque<Waiting>> {
        match self {
            Self::Unresolved(room) | Self::Moving(_, room) => Some(room),
            Self::Open(_) => None,
        }
    }
}

fn bytes_of(room: &VecDeque<Waiting>) -> usize {
    room.iter().map(|message| message.bytes.len()).sum()
}

/// A moment that cannot be told is never.
fn later(now: Instant, time: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);
    now.checked_add(time.min(NEVER)).unwrap_or(now)
}
