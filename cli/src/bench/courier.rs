//! What every contender can do, and the works made of it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::pace;
use super::plan::{Contender, Work, Workload};
use crate::failure::Failure;
use crate::latency::Latency;
use crate::runtime;

/// Carries messages to one peer.
pub(super) trait Courier {
    /// Hands a message over; waits while there is no room for it.
    async fn send(&mut self, payload: &Bytes) -> Result<(), Failure>;

    /// Lets go of what was handed over, if it was kept back to be sent together.
    async fn flush(&mut self) -> Result<(), Failure>;

    /// Waits until at least one more message is known to be delivered to the application at the
    /// other end, and says how many. Nothing is lost by dropping it. Never ends if nothing is open.
    async fn settled(&mut self) -> Result<u64, Failure>;
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    /// Messages that are known to be delivered.
    pub(super) messages: u64,
    /// From the first hand-over until the last was known to be delivered.
    pub(super) seconds: f64,
    pub(super) latency: Option<Micros>,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Micros {
    pub(super) p50: f64,
    pub(super) p99: f64,
    #[serde(rename = "p99.9")]
    pub(super) p99_9: f64,
    pub(super) max: f64,
}

/// Bytes handed over before the runtime's other tasks get a turn.
const TURN_BYTES: usize = 64 << 10;
const TURN_MESSAGES: usize = 512;

/// Does the work with these couriers, one for each peer.
pub(super) async fn work<C: Courier>(
    work: &Work,
    contender: Contender,
    couriers: &mut [C],
) -> Result<Done, Failure> {
    let payload = payload(work.size);
    let begin = Instant::now();
    let end = begin + work.span;
    let mut latency = None;
    let messages = match (work.workload, couriers) {
        (Workload::Idle, _) => {
            runtime::sleep_until(work.runtime, end.into_std()).await;
            0
        }
        (Workload::Throughput, [courier, ..]) => {
            flood(courier, &payload, work.open_max(contender), end).await?
        }
        (Workload::Latency, [courier, ..]) => {
            let mut all = Latency::new();
            let messages = pace::paced(courier, &payload, work.span, &mut all).await?;
            latency = Micros::of(&all);
            messages
        }
        (Workload::Serial | Workload::Peers, couriers) => rounds(couriers, &payload, end).await?,
        (Workload::Throughput | Workload::Latency, []) => 0,
    };
    Ok(Done {
        messages,
        seconds: begin.elapsed().as_secs_f64(),
        latency,
    })
}

/// As many messages as go, with at most so many open.
async fn flood<C: Courier>(
    courier: &mut C,
    payload: &Bytes,
    open_max: usize,
    end: Instant,
) -> Result<u64, Failure> {
    let turn = (TURN_BYTES / payload.len().max(1)).clamp(1, TURN_MESSAGES);
    let (mut open, mut delivered) = (0, 0);
    while Instant::now() < end {
        let some = turn.min(open_max - open);
        for _ in 0..some {
            courier.send(payload).await?;
        }
        courier.flush().await?;
        open += some;
        let settled = if open == open_max {
            courier.settled().await?
        } else {
            yield_now().await;
            at_once(courier.settled()).await.transpose()?.unwrap_or(0)
        };
        open = open.saturating_sub(settled as usize);
        delivered += settled;
    }
    while open > 0 {
        let settled = courier.settled().await?;
        open = open.saturating_sub(settled as usize);
        delivered += settled;
    }
    Ok(delivered)
}

/// Rounds of one message to each; the next begins when all of one are known to be delivered.
async fn rounds<C: Courier>(
    couriers: &mut [C],
    payload: &Bytes,
    end: Instant,
) -> Result<u64, Failure> {
    let mut delivered = 0;
    while Instant::now() < end {
        for courier in &mut *couriers {
            courier.send(payload).await?;
            courier.flush().await?;
        }
        for courier in &mut *couriers {
            delivered += courier.settled().await?;
        }
    }
    Ok(delivered)
}

/// Lets the runtime's other tasks have a turn.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// What it answers, if it has an answer now.
pub(super) async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn payload(size: usize) -> Bytes {
    (0..size).map(|place| (place * 31 + 7) as u8).collect()
}

impl Micros {
    fn of(latency: &Latency) -> Option<Self> {
        let at = |quantile| latency.quantile(quantile).map(|micros| micros as f64);
        Some(Self {
            p50: at(0.5)?,
            p99: at(0.99)?,
            p99_9: at(0.999)?,
            max: at(1.0)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Delivers what was flushed, some at a time, and keeps count.
    #[derive(Default)]
    struct Fake {
        kept: u64,
        open: u64,
        open_most: u64,
        delivered: u64,
    }

    impl Courier for Fake {
        async fn send(&mut self, _: &Bytes) -> Result<(), Failure> {
            self.kept += 1;
            Ok(())
        }

        async fn flush(&mut self) -> Result<(), Failure> {
            self.open += std::mem::take(&mut self.kept);
            self.open_most = self.open_most.max(self.open);
            Ok(())
        }

        async fn settled(&mut self) -> Result<u64, Failure> {
            yield_now().await;
            let some = self.open.min(7);
            self.open -= some;
            self.delivered += some;
            Ok(some)
        }
    }

    fn a_work(workload: Workload) -> Work {
        Work {
            workload,
            size: 1_024,
            peers: 1,
            listeners: 1,
            window: 64,
            span: Duration::from_millis(10),
            runtime: runtime::Name::default(),
        }
    }

    #[tokio::test]
    async fn a_flood_keeps_to_what_may_be_open_and_ends_with_nothing_open() {
        let mut couriers = [Fake::default()];
        let work_of = a_work(Workload::Throughput);
        let done = work(&work_of, Contender::Streams, &mut couriers)
            .await
            .unwrap();
        let [fake] = couriers;
        assert!(done.messages > 0 && done.messages == fake.delivered);
        assert_eq!((fake.open, fake.kept), (0, 0));
        assert_eq!(fake.open_most, work_of.open_max(Contender::Streams) as u64);
        assert!(done.seconds >= 0.01);
    }

    #[tokio::test]
    async fn a_round_has_one_message_for_each() {
        let mut couriers = [(); 3].map(|()| Fake::default());
        let done = work(&a_work(Workload::Peers), Contender::Ours, &mut couriers)
            .await
            .unwrap();
        assert!(done.messages >= 3);
        for fake in &couriers {
            assert_eq!((fake.open_most, fake.open), (1, 0));
            assert_eq!(fake.delivered * 3, done.messages);
        }
    }

    #[tokio::test]
    async fn a_paced_message_is_timed() {
        let mut couriers = [Fake::default()];
        let done = work(&a_work(Workload::Latency), Contender::Ours, &mut couriers)
            .await
            .unwrap();
        assert_eq!(done.messages, 10, "a thousand a second for 10 ms");
        let latency = done.latency.unwrap();
        assert!(latency.p50 <= latency.p99 && latency.p99 <= latency.max);
    }

    #[tokio::test]
    async fn at_once_does_not_wait() {
        assert_eq!(at_once(async { 1 }).await, Some(1));
        assert_eq!(at_once(yield_now()).await, None);
    }
}
