mod cancel;
mod end;
mod handles;
mod policies;
mod wakers;

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use peer_sender_core::{Capacity, Level, Outcome, SendLimits, SendPolicy, StopReason};

use super::*;
use crate::bell::{Bell, lock};
use crate::mailbox::{Accepted, Queued};
use crate::testing::{CountingWaker, clock};

const DELIVERED: Outcome = Outcome::Delivered(Level::Application);

/// A sender, and the driver's side of it by hand.
struct Bench {
    peer: PeerSender,
    limits: SendLimits,
    /// Handed over and not settled.
    in_flight: Vec<MessageId>,
    taken: Vec<Queued>,
    stopped: bool,
}

impl Bench {
    /// With so many places in the queue of each lane.
    fn new(queue_messages_max: usize) -> Self {
        Self::of(Kind::Dialled, queue_messages_max)
    }

    fn of(kind: Kind, queue_messages_max: usize) -> Self {
        Self::with(kind, queue_messages_max, SendPolicy::default())
    }

    fn with(kind: Kind, queue_messages_max: usize, policy: SendPolicy) -> Self {
        let limits = SendLimits {
            lanes: 2,
            queue_messages_max,
            message_bytes_max: 100,
            policy,
            ..SendLimits::default()
        };
        let shared = PeerShared::new(kind, Arc::new(Bell::new()), limits.clone(), clock());
        Self {
            peer: PeerSender::new(Arc::new(shared)),
            limits,
            in_flight: Vec::new(),
            taken: Vec::new(),
            stopped: false,
        }
    }

    /// The driver's turn: everything that the mailbox holds is taken, and what was taken is no
    /// longer queued.
    fn turn(&mut self) {
        let mut messages = Accepted::default();
        let news = lock(&self.peer.shared.mailbox).take(&mut messages);
        for message in messages {
            self.in_flight.push(message.id);
            self.taken.push(message);
        }
        for to in news.stats {
            to.send(PeerStats::default());
        }
        drop(news.snapshots);
        let capacity = Capacity {
            messages: self.limits.queue_messages_max,
            bytes: self.limits.queue_bytes_max,
        };
        for lane in 0..self.limits.lanes {
            self.peer
                .shared
                .apart(|mailbox, wakers| mailbox.set_room(Lane(lane), capacity, wakers));
        }
        if news.stop.is_some() && !std::mem::replace(&mut self.stopped, true) {
            let reason = StopReason::Aborted;
            self.peer.shared.finish(reason, PeerStats::default());
        }
    }

    /// The peer answers everything that was handed over.
    fn answer(&mut self) {
        for id in self.in_flight.drain(..) {
            self.peer
                .shared
                .apart(|mailbox, wakers| mailbox.settle(id, DELIVERED, wakers));
        }
    }

    /// How many messages were accepted so far.
    fn accepted(&self) -> u64 {
        lock(&self.peer.shared.mailbox).slots.next().0 - 1
    }

    fn mailbox<T>(&self, look: impl FnOnce(&mut Mailbox) -> T) -> T {
        look(&mut lock(&self.peer.shared.mailbox))
    }
}

/// Polls it once.
fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>, waker: &Waker) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// The answer of what must not wait.
fn now<F: Future>(future: F) -> F::Output {
    match poll(&mut Box::pin(future), Waker::noop()) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}
