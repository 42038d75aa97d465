//! Messages at a fixed rate, whatever becomes of those before: an open loop.

use std::collections::VecDeque;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::courier::Courier;
use super::plan::RATE;
use crate::failure::Failure;
use crate::latency::Latency;

/// How long before its time the pacing thread wakes up, to spin until then: a sleep ends some tens
/// of microseconds late.
const EARLY: Duration = Duration::from_micros(100);

/// Sends for so long, and records for each message the time from when it was due until it was
/// known to be delivered. What is late because the sender could not keep up so counts as long as it
/// was late (no coordinated omission).
pub(super) async fn paced<C: Courier>(
    courier: &mut C,
    payload: &Bytes,
    span: Duration,
    latency: &mut Latency,
) -> Result<u64, Failure> {
    let (to, mut due) = mpsc::unbounded_channel();
    let count = (span.as_secs_f64() * f64::from(RATE)) as u32;
    thread::spawn(move || beat(count, &to));

    let mut open: VecDeque<Instant> = VecDeque::new();
    let (mut all_sent, mut delivered) = (false, 0);
    while !all_sent || !open.is_empty() {
        tokio::select! {
            settled = courier.settled(), if !open.is_empty() => {
                let settled = settled?;
                let now = Instant::now();
                for since in open.drain(..open.len().min(settled as usize)) {
                    latency.record(now - since);
                }
                delivered += settled;
            }
            at = due.recv(), if !all_sent => match at {
                Some(at) => {
                    open.push_back(at);
                    courier.send(payload).await?;
                    courier.flush().await?;
                }
                None => all_sent = true,
            },
        }
    }
    Ok(delivered)
}

/// Tells when each message is due, at that moment. A thread of its own does it: the runtime's timer
/// has a resolution of a millisecond, and is not free of what the runtime is busy with.
fn beat(count: u32, to: &mpsc::UnboundedSender<Instant>) {
    let begin = Instant::now() + 2 * EARLY;
    let interval = Duration::from_secs(1) / RATE;
    for number in 0..count {
        let due = begin + interval * number;
        thread::sleep((due - EARLY).saturating_duration_since(Instant::now()));
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        if to.send(due).is_err() {
            return;
        }
    }
}
