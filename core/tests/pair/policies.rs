//! How the messages of a seed are treated: for how long they may wait, how often they may be sent,
//! who gives way to whom.

use std::time::Duration;

use peer_sender_core::{MessageOptions, Priority, Redelivery, SendPolicy, Time, WhenFull};

use crate::faults::on;
use crate::rng::Rng;

pub(crate) fn draw_policy(rng: &mut Rng, lanes: u8) -> SendPolicy {
    let ms = Duration::from_millis;
    let longest = rng.pick(&[ms(300), ms(10_000), ms(120_000)]);
    let mut policy = SendPolicy {
        redelivery: on(rng).map_or(Redelivery::AtLeastOnce, |_| Redelivery::AtMostOnce),
        when_full: on(rng).map_or(WhenFull::Reject, |_| WhenFull::DropOldest),
        ttl: on(rng).map(|rng| rng.wait_between(Duration::from_micros(1), longest)),
        patience: on(rng).map_or(Duration::MAX, draw_patience),
        priorities: SendPolicy::default().priorities,
    };
    if rng.chance(500) {
        for class in policy.priorities.iter_mut().take(usize::from(lanes)) {
            *class = rng.pick(&[Priority::Low, Priority::Normal, Priority::High]);
        }
    }
    policy
}

fn draw_patience(rng: &mut Rng) -> Duration {
    let longest = Duration::from_millis(rng.pick(&[0, 100, 3_000, 20_000]));
    rng.wait_between(Duration::ZERO, longest)
}

/// What one message asks for, by the clock of its machine: to expire in its own step, before or
/// after it has begun, or hardly ever.
pub(crate) fn draw_options(
    rng: &mut Rng,
    expiries: u64,
    now: Time,
    soon: Duration,
) -> MessageOptions {
    let mut options = MessageOptions::default();
    if rng.chance(expiries) {
        options.expires_at = Some(match rng.below(10) {
            0 => Time::ZERO,
            1 => now,
            2..7 => now + rng.wait(soon),
            7 => Time::MAX,
            _ => now + rng.wait(Duration::from_secs(60)),
        });
    }
    options
}
