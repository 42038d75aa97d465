//! What goes on beside the callers: messages that have waited for too long, those that a peer's queue had
//! no room for, and the times of those that were sent.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use peer_sender_driver::{
    AsyncTimer, FailReason, Outcome, PeerId, PeerSender, RejectReason, Rejected, Runtime, Transfers,
};

use super::lock;
use super::metrics::{DirectMetrics, Incident};
use super::room::Waiting;
use super::sender::{Shared, TOO_LARGE};

/// What becomes of a message whose peer is given up while it is handed over.
const REMOVED: Outcome = Outcome::Failed(FailReason::Removed);

/// A task for the runtime.
pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Settles what has waited for too long, for as long as there is anybody who sends. Ends with its
/// runtime, and everything that waits with it.
pub(super) fn keep_rooms<P: PeerId, R: Runtime>(
    shared: &Arc<Shared<P, R>>,
) -> impl Future<Output = ()> + Send + use<P, R> {
    let mut keeper = Keeper {
        shared: Arc::downgrade(shared),
        timer: R::timer(),
    };
    poll_fn(move |cx| keeper.poll(cx))
}

struct Keeper<P: PeerId, R: Runtime> {
    shared: Weak<Shared<P, R>>,
    timer: R::Timer,
}

impl<P: PeerId, R: Runtime> Keeper<P, R> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(shared) = self.shared.upgrade() else {
                return Poll::Ready(());
            };
            let now = R::now();
            let (expired, next) = {
                let mut table = lock(&shared.table);
                if table.stopped {
                    return Poll::Ready(());
                }
                let expired = table.expire(now);
                table.keeper = Some(cx.waker().clone());
                expired
            };
            settle_all(expired, &Outcome::Expired, now);
            // Its last handle may be this one.
            drop(shared);
            let Some(next) = next else {
                return Poll::Pending;
            };
            self.timer.reset(next);
            if self.timer.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl<P: PeerId, R: Runtime> Drop for Keeper<P, R> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.close();
        }
    }
}

fn settle_all(messages: Vec<Waiting>, outcome: &Outcome, now: Instant) {
    for message in messages {
        let waker = message.settle(outcome.clone(), now);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Hands over what waits for a peer that is resolved, as its queue makes room, until nothing waits.
pub(super) fn hand_over<P: PeerId, R: Runtime>(
    shared: &Arc<Shared<P, R>>,
    id: P,
    sender: PeerSender,
    generation: u64,
) -> impl Future<Output = ()> + Send + use<P, R> {
    let mover = Mover {
        shared: Arc::downgrade(shared),
        id,
        generation,
        message: None,
        over: false,
    };
    mover.run(sender)
}

struct Mover<P: PeerId, R: Runtime> {
    shared: Weak<Shared<P, R>>,
    id: P,
    generation: u64,
    /// The one that is being handed over.
    message: Option<Waiting>,
    /// Nothing waits any more.
    over: bool,
}

impl<P: PeerId, R: Runtime> Mover<P, R> {
    async fn run(mut self, sender: PeerSender) {
        while let Some(payload) = self.next() {
            let sent = sender.send(payload).await;
            let Some(message) = self.message.take() else {
                return;
            };
            let waker = match sent {
                Ok(receipt) => message.sent(receipt, R::now()),
                Err(Rejected {
                    reason: RejectReason::Stopped,
                    ..
                }) => {
                    self.message = Some(message);
                    return;
                }
                Err(_too_large) => message.settle(TOO_LARGE, R::now()),
            };
            waker.into_iter().for_each(Waker::wake);
        }
        self.over = true;
    }

    /// Takes the next message that waits.
    fn next(&mut self) -> Option<bytes::Bytes> {
        let shared = self.shared.upgrade()?;
        self.message = lock(&shared.table).next_to_move(&self.id, self.generation);
        self.message.as_ref().map(Waiting::payload)
    }
}

impl<P: PeerId, R: Runtime> Drop for Mover<P, R> {
    /// The sender, or the runtime, has ended before everything was handed over.
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let message = self.message.take();
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let (given_up, keeper) = {
            let mut table = lock(&shared.table);
            let left = table.unresolve(&self.id, self.generation, message);
            // Where everything was stopped it has failed as that, dropped behind the lock.
            let given_up = left.map(|message| (message, table.stopped));
            (given_up, table.keeper.take())
        };
        if let Some((message, false)) = given_up {
            settle_all(vec![message], &REMOVED, R::now());
        }
        keeper.into_iter().for_each(Waker::wake);
    }
}

/// Counts what becomes of a peer's messages, until its sender has stopped.
pub(super) async fn count_transfers(mut transfers: Transfers, metrics: DirectMetrics) {
    let mut told = 0;
    while let Some(transfer) = transfers.next().await {
        metrics.transferred(&transfer);
        let missed = transfers.missed();
        metrics.happened_times(Incident::TimesMissed, missed - told);
        told = missed;
    }
}
