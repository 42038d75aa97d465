//! The limits of both ends' machines that a seed draws.

use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::{Config, Lane, ReceiverConfig, SendLimits, SendPolicy, SessionsConfig};

use crate::faults::on;
use crate::policies::draw_policy;
use crate::rng::Rng;

/// The sender's configuration in numbers, for the oracle.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) message_bytes_max: usize,
    pub(crate) queue_messages_max: usize,
    pub(crate) queue_bytes_max: usize,
    pub(crate) flight_messages_max: usize,
    pub(crate) flight_bytes_max: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) backoff: (Duration, Duration),
    pub(crate) refusal_backoff: (Duration, Duration),
    pub(crate) health_after: Duration,
    pub(crate) lanes: u8,
    pub(crate) inbound_bytes_max: usize,
    pub(crate) jitter: bool,
    pub(crate) attempts_max: Option<u32>,
    pub(crate) give_up_after: Option<Duration>,
    pub(crate) disconnect_after: Option<Duration>,
    pub(crate) slow_after: Option<Duration>,
    /// How messages are treated, and how replies are.
    pub(crate) policy: SendPolicy,
    pub(crate) reply_policy: SendPolicy,
}

impl Limits {
    /// The same of what is sent, for replies.
    pub(crate) fn sends(&self) -> SendLimits {
        SendLimits {
            lanes: self.lanes,
            message_bytes_max: self.message_bytes_max,
            queue_messages_max: self.queue_messages_max,
            queue_bytes_max: self.queue_bytes_max,
            flight_messages_max: self.flight_messages_max,
            flight_bytes_max: self.flight_bytes_max,
            policy: self.reply_policy.clone(),
            ..SendLimits::default()
        }
    }

    pub(crate) fn config(&self, addresses: &[SocketAddr]) -> Config {
        let policy = &self.policy;
        let mut builder = Config::builder(([192, 0, 2, 1], 4_433).into());
        for lane in (0..self.lanes).map(Lane) {
            builder = builder.priority(lane, policy.priority(lane));
        }
        builder
            .addresses(addresses.to_vec())
            .lanes(self.lanes)
            .message_bytes_max(self.message_bytes_max)
            .queue_messages_max(self.queue_messages_max)
            .queue_bytes_max(self.queue_bytes_max)
            .flight_messages_max(self.flight_messages_max)
            .flight_bytes_max(self.flight_bytes_max)
            .redelivery(policy.redelivery)
            .when_full(policy.when_full)
            .ttl(policy.ttl)
            .patience(policy.patience)
            .slow_after(self.slow_after)
            .connect_timeout(self.connect_timeout)
            .backoff_min(self.backoff.0)
            .backoff_max(self.backoff.1)
            .refusal_backoff_min(self.refusal_backoff.0)
            .refusal_backoff_max(self.refusal_backoff.1)
            .health_after(self.health_after)
            .inbound_bytes_max(self.inbound_bytes_max)
            .jitter(self.jitter)
            .attempts_max(self.attempts_max)
            .give_up_after(self.give_up_after)
            .disconnect_after(self.disconnect_after)
            .build()
            .expect("a usable configuration")
    }
}

pub(crate) fn draw_limits(rng: &mut Rng, lanes: u8, payload_bytes_max: u64) -> Limits {
    let ms = Duration::from_millis;
    let payload = payload_bytes_max.max(1);
    let message_bytes_max = if rng.chance(200) {
        payload - payload / 10
    } else {
        payload
    };
    let backoff_min = ms(rng.pick(&[1, 1, 20, 20, 100, 100, 100, 100, 2_500]));
    let refusal_min = ms(rng.pick(&[50, 5_000]));
    Limits {
        message_bytes_max: message_bytes_max.max(1) as usize,
        queue_messages_max: rng.pick(&[1, 5, 100, 8_192]),
        queue_bytes_max: (payload * rng.pick(&[1, 3, 1_000])) as usize,
        flight_messages_max: rng.pick(&[1, 2, 10, 100, 8_192]),
        flight_bytes_max: rng.pick(&[1, 100, 10_000, 4 << 20]),
        connect_timeout: rng.pick(&[ms(5_000), ms(500), ms(4_000)]),
        backoff: (backoff_min, backoff_min * rng.pick(&[1, 7, 300])),
        refusal_backoff: (refusal_min, refusal_min * rng.pick(&[1, 10])),
        health_after: rng.pick(&[ms(10_000), ms(10_000), ms(100), ms(1)]),
        lanes,
        inbound_bytes_max: message_bytes_max.max(1) as usize * rng.pick(&[1, 2, 100]),
        jitter: rng.chance(300),
        attempts_max: rng.chance(100).then(|| rng.between(1, 12) as u32),
        give_up_after: rng.chance(100).then(|| rng.wait(ms(60_000)) + ms(1)),
        disconnect_after: on(rng).map(|rng| ms(1_000) + rng.wait(ms(20_000))),
        slow_after: on(rng).map(|rng| rng.wait(ms(20_000)) + Duration::from_nanos(1)),
        policy: draw_policy(&mut rng.fork(5), lanes),
        reply_policy: draw_policy(&mut rng.fork(6), lanes),
    }
}

pub(crate) fn draw_sessions(
    rng: &mut Rng,
    replies: SendLimits,
    payload_bytes_max: u64,
) -> (SessionsConfig, usize) {
    let payload = payload_bytes_max.max(1) as usize;
    // Some receivers take less than what is sent: those messages must not block the others.
    let message_bytes_max = if rng.chance(200) {
        payload - payload / 4
    } else {
        payload * 2
    };
    let message_bytes_max = message_bytes_max.max(1);
    let inbound = message_bytes_max * rng.pick(&[1, 2, 100, 100_000]);
    let receiver = ReceiverConfig::new(message_bytes_max, inbound.min(1 << 30));
    let receiver = receiver.and_then(|receiver| receiver.with_replies(replies));
    let config = SessionsConfig {
        receiver: receiver.expect("usable limits"),
        key_bytes_max: rng.pick(&[inbound / 8, inbound, inbound.saturating_mul(100)]),
        node_bytes_max: rng.pick(&[inbound / 4, inbound, inbound.saturating_mul(300)]),
        sessions_max: rng.pick(&[1, 2, 4_096]),
        sessions_per_key_max: rng.pick(&[1, 2, 16]),
        session_ttl: rng.pick(&[
            Duration::from_millis(300),
            Duration::from_secs(10),
            Duration::from_secs(3_600),
        ]),
    };
    (config, message_bytes_max)
}
