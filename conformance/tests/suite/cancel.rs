//! Futures that are dropped, at every point at which they wait.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use peer_sender_driver::{PeerSender, Runtime, StopMode};

use crate::nodes::*;

/// More often than any of these futures is polled before it has to wait for somebody else.
const POLLS_MAX: usize = 6;

type Unfinished<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// Polls a future so many times at most, each time when it asks for it, and drops it. Whether it was
/// done by then.
async fn dropped_after(polls: usize, mut future: Unfinished<'_>) -> Option<bool> {
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            // Somebody may never wake it, since nothing happens that it waits for.
            Poll::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    })
    .await
}

/// All that a sender can be asked and that waits while its one place in flight and its one place in
/// the queue are taken; with whether it must not be done by then.
fn asked_in_vain(peer: &PeerSender) -> Vec<Unfinished<'_>> {
    vec![
        Box::pin(async { peer.send("given up").await.is_ok() }),
        Box::pin(async { peer.post("given up").await.is_ok() }),
        Box::pin(async { peer.reserve(8).await.is_ok() }),
        Box::pin(async {
            peer.flush().await;
            true
        }),
    ]
}

pub(crate) async fn what_waits_for_room_may_be_dropped_at_any_point<R: Runtime>() {
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = peer_with(&node, bob().key(), listener.local_addr(), |config| {
        config.queue_messages_max(1).flight_messages_max(1)
    });
    let mut incoming = listener.incoming();
    let first = peer.send("first").await.unwrap();
    let held = incoming.next().await.unwrap();
    let second = peer.send("second").await.unwrap();
    while peer.stats().await.machine.queued == 0 {}
    for polls in 0..POLLS_MAX {
        for asked in asked_in_vain(&peer) {
            assert_eq!(dropped_after(polls, asked).await, None, "{polls} polls");
        }
    }
    // Two at once: the place in line of the first goes to the second.
    let waiting = {
        let peer = peer.clone();
        spawn::<R, _>(async move { peer.send("third").await.unwrap().await })
    };
    held.accept();
    for expected in ["second", "third"] {
        assert_eq!(incoming.next().await.unwrap().accept(), expected);
    }
    assert!(first.await.is_delivered() && second.await.is_delivered());
    assert!(waiting.await.unwrap().is_delivered());
    assert_eq!(peer.stats().await.machine.accepted, 3, "and nothing else");
}

pub(crate) async fn what_waits_for_news_loses_none_where_it_is_dropped<R: Runtime>() {
    const COUNT: u64 = 40;
    let listener = listener::<R>().await;
    let node = dialler::<R>().await;
    let peer = peer(&node, listener.local_addr());
    let mut incoming = listener.incoming();
    let (mut outcomes, mut events) = (peer.outcomes(), peer.events());
    for number in 0..COUNT {
        peer.post(numbered(number)).await.unwrap();
    }
    let (mut polls, mut taken) = (0, 0);
    while taken < COUNT {
        polls = (polls + 1) % POLLS_MAX;
        let mut message = None;
        let next = Box::pin(async {
            message = incoming.next().await;
            true
        });
        dropped_after(polls, next).await;
        if let Some(message) = message {
            assert_eq!(message.accept(), numbered(taken));
            taken += 1;
        }
    }
    let mut settled = Vec::new();
    while settled.len() < COUNT as usize {
        polls = (polls + 1) % POLLS_MAX;
        let mut outcome = None;
        let next = Box::pin(async {
            outcome = outcomes.next().await;
            true
        });
        dropped_after(polls, next).await;
        settled.extend(outcome);
    }
    assert!(settled.iter().all(|(_, outcome)| outcome.is_delivered()));
    let ids: Vec<u64> = settled.iter().map(|(id, _)| id.0).collect();
    assert_eq!(ids, (ids[0]..ids[0] + COUNT).collect::<Vec<_>>());

    // What is asked of a node and dropped changes nothing; a stop that was polled goes on.
    for polls in 0..POLLS_MAX {
        let asked: [Unfinished<'_>; 4] = [
            Box::pin(async { peer.stats().await.machine.accepted == COUNT }),
            Box::pin(async { peer.snapshot().await.is_some() }),
            Box::pin(async { node.stats().await.connections == 1 }),
            Box::pin(async { events.next().await.is_some() }),
        ];
        for asked in asked {
            assert_ne!(dropped_after(polls, asked).await, Some(false));
        }
    }
    let mode = StopMode::Drain(Duration::from_secs(20));
    let stopping = Box::pin(async {
        peer.stop(mode).await;
        true
    });
    dropped_after(1, stopping).await;
    assert!(peer.try_send("late").is_err(), "it is stopping");
    let stopping = Box::pin(async {
        node.stop(mode).await;
        true
    });
    dropped_after(1, stopping).await;
    node.stop(mode).await;
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        all.push(event);
    }
    let last = format!("{:?}", all.last());
    assert!(last.contains("SenderStopped"), "{last}");
}
