//! What one seed does to the machines: limits, shapes and faults, each fault class off in about
//! half of the seeds, since faults that are always on hide what others would show.

use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::{Config, SendPolicy, SessionsConfig, StopMode, Time, WhenFull};

use crate::faults::{Fault, draw_faults, draw_stops, on};
use crate::limits::{Limits, draw_limits, draw_sessions};
use crate::receiver_checks::{LANE_FIRST_BYTES_MAX, MESSAGE_OVERHEAD};
use crate::rng::Rng;

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Whether machines are followed by twins that are made again from images.
    pub(crate) followed: bool,
    pub(crate) config: Config,
    /// Where the peer is at first, and may be; the last of them are dead.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) dead: usize,
    /// Those that the sender knows from the start.
    pub(crate) first: Vec<SocketAddr>,
    pub(crate) limits: Limits,
    pub(crate) sessions: SessionsConfig,
    pub(crate) receiver_message_bytes_max: usize,
    /// Messages that are offered before the faults end, and how they are spread.
    pub(crate) messages: u64,
    pub(crate) burst_max: u64,
    pub(crate) offer_gap_max: Duration,
    pub(crate) payload_bytes_max: u64,
    /// Lanes that they are offered on.
    pub(crate) lanes: u64,
    /// Replies, per mille of messages answered, and how they are spread.
    pub(crate) replies: u64,
    pub(crate) reply_lanes: u64,
    pub(crate) reply_burst_max: u64,
    pub(crate) reply_bytes_max: u64,
    /// Messages, and replies, that are taken back: per mille.
    pub(crate) cancels: u64,
    /// Those that bring an end of their own: per mille.
    pub(crate) expiries: u64,
    /// A lane that the accepting application does not read until all others are settled.
    pub(crate) deaf: Option<u8>,
    /// The network.
    pub(crate) delay_min: Duration,
    pub(crate) delay_max: Duration,
    pub(crate) segment_bytes_max: u64,
    pub(crate) window: u64,
    /// Events of one moment that become one step, and reads that are cut: per mille.
    pub(crate) split_steps: u64,
    pub(crate) split_reads: u64,
    pub(crate) take_delay_max: Duration,
    /// Times are rounded up to multiples of this, so that events meet in one step.
    pub(crate) turn: Duration,
    /// Faults of connections, per mille of attempts.
    pub(crate) cut: u64,
    /// Of the cuts, those that leave the way down whole.
    pub(crate) down_only: u64,
    pub(crate) linger: u64,
    pub(crate) cut_bytes_max: u64,
    /// The sender's node reads nothing of it before it is lost: what came back counts only then.
    pub(crate) dies_unread: u64,
    pub(crate) connect_fails: u64,
    pub(crate) connect_silent: u64,
    pub(crate) connect_refused: u64,
    pub(crate) confirmed_then_closed: u64,
    pub(crate) sessions_refused: u64,
    pub(crate) notice_max: Duration,
    pub(crate) reads_paused_at_loss: bool,
    pub(crate) faults: Vec<(Time, Fault)>,
    /// The receiving application.
    pub(crate) answer_max: Duration,
    pub(crate) refuses: u64,
    pub(crate) out_of_order: bool,
    pub(crate) stalls: bool,
    /// Clocks, timers and stale events, per mille of steps.
    pub(crate) time_back: u64,
    pub(crate) timer_late_max: Duration,
    pub(crate) timer_spurious: u64,
    pub(crate) stale: u64,
    /// Stops in the very first step, before anything was dialled.
    pub(crate) stop_first: Option<StopMode>,
    pub(crate) stops: Vec<(Time, StopMode)>,
    /// A lost connection is followed by a stop, per mille.
    pub(crate) stop_at_loss: u64,
    /// A RESUME that came with its connection's end is followed by a stop, per mille: what it
    /// has shown of earlier connections' messages then decides how they end.
    pub(crate) stop_at_judgement: u64,
    /// The end of a lane is followed by other addresses, a loss, or a stop: per mille.
    pub(crate) strikes_at_fin: u64,
    /// Stops after that many steps of the sender, whatever the time.
    pub(crate) stop_after_step: Option<(u64, StopMode)>,
    /// When the faults end.
    pub(crate) heals_at: Time,
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let rng = &mut rng;
        let sizes = rng.below(10);
        let payload_bytes_max = match sizes {
            0 => 0,
            1..=5 => 60,
            6..=7 => 2_000,
            8 => 20_000,
            _ => 300_000,
        };
        let messages = match sizes {
            8 => rng.between(10, 60),
            9 => rng.between(3, 12),
            _ => rng.between(10, 500),
        };
        let lanes = rng.pick(&[1, 1, 2, 3, 8]);
        let limits = draw_limits(rng, lanes, payload_bytes_max);
        let replies = limits.sends();
        let (sessions, receiver_message_bytes_max) = draw_sessions(rng, replies, payload_bytes_max);
        let deaf = draw_deaf(rng, lanes, &sessions, payload_bytes_max);
        let (addresses, dead) = draw_addresses(rng);
        let mut first = addresses.clone();
        first.rotate_left(rng.below(addresses.len() as u64) as usize);
        if rng.chance(30) {
            first.clear();
        }
        let span = Duration::from_millis(rng.between(500, 120_000));
        let ms = Duration::from_millis;
        let delay_max = ms(rng.scale(1_500));
        let mut plan = Self {
            seed,
            followed: false,
            config: limits.config(&first),
            addresses,
            first,
            dead,
            limits,
            sessions,
            receiver_message_bytes_max,
            messages,
            burst_max: rng.between(1, 20),
            offer_gap_max: span / (messages as u32 / 4 + 1),
            payload_bytes_max,
            lanes: u64::from(lanes),
            replies: on(rng).map_or(0, |rng| rng.between(20, 900)),
            reply_lanes: u64::from(lanes),
            reply_burst_max: rng.pick(&[1, 1, 4]),
            reply_bytes_max: payload_bytes_max,
            cancels: on(rng).map_or(0, |rng| rng.between(10, 400)),
            expiries: on(rng).map_or(0, |rng| rng.between(10, 400)),
            deaf,
            delay_min: delay_max / rng.between(1, 8) as u32,
            delay_max,
            segment_bytes_max: draw_segments(rng, payload_bytes_max),
            window: (payload_bytes_max / 50).max(rng.scale(500_000)).max(24),
            split_steps: rng.pick(&[0, 200, 800, 1_000]),
            split_reads: rng.pick(&[0, 100, 600]),
            take_delay_max: on(rng).map_or(Duration::ZERO, |rng| ms(rng.scale(500))),
            turn: Duration::from_micros(rng.pick(&[1, 1_000, 20_000])),
            cut: on(rng).map_or(0, |rng| rng.between(50, 900)),
            down_only: rng.pick(&[0, 300]),
            linger: on(rng).map_or(0, |rng| rng.between(50, 700)),
            cut_bytes_max: rng.pick(&[40, 400, 4_000, 100_000]),
            dies_unread: on(rng).map_or(0, |rng| rng.between(50, 800)),
            connect_fails: on(rng).map_or(0, |rng| rng.between(50, 600)),
            connect_silent: on(rng).map_or(0, |rng| rng.between(20, 400)),
            connect_refused: on(rng).map_or(0, |rng| rng.between(10, 150)),
            confirmed_then_closed: on(rng).map_or(0, |rng| rng.between(20, 300)),
            sessions_refused: if rng.chance(200) {
                rng.between(100, 700)
            } else {
                0
            },
            notice_max: rng.pick(&[ms(5), ms(1_000), ms(12_000)]),
            reads_paused_at_loss: rng.chance(500),
            faults: draw_faults(rng, span),
            answer_max: rng.pick(&[ms(0), ms(5), ms(300), ms(8_000)]),
            refuses: on(rng).map_or(0, |rng| rng.between(5, 400)),
            out_of_order: rng.chance(300),
            stalls: rng.chance(100),
            time_back: on(rng).map_or(0, |rng| rng.between(1, 200)),
            timer_late_max: rng.pick(&[ms(0), ms(0), ms(20), ms(10_000)]),
            timer_spurious: on(rng).map_or(0, |rng| rng.between(1, 100)),
            stale: on(rng).map_or(0, |rng| rng.between(1, 200)),
            stop_first: rng.chance(10).then(|| StopMode::Drain(rng.wait(span))),
            stops: draw_stops(rng, span),
            stop_at_judgement: 0,
            stop_at_loss: if rng.chance(250) {
                rng.between(20, 300)
            } else {
                0
            },
            strikes_at_fin: on(rng).map_or(0, |rng| rng.between(200, 900)),
            stop_after_step: None,
            heals_at: Time::ZERO + span,
        };
        match rng.below(100) {
            0..25 => plan.shorten_lives(rng, span),
            25 => plan.refuse_everything(rng),
            26..36 => plan.stay_away(rng),
            _ => {}
        }
        plan
    }

    /// Whether the peer is at this address.
    pub(crate) fn is_reachable(&self, address: SocketAddr) -> bool {
        let place = self.addresses.iter().position(|one| *one == address);
        place.is_some_and(|place| place < self.addresses.len() - self.dead)
    }

    /// Few messages, and connections that get hardly further than RESUME: what it proves of
    /// earlier ones then still stands when the sender is stopped.
    fn shorten_lives(&mut self, rng: &mut Rng, span: Duration) {
        self.messages = self.messages.min(rng.between(3, 30));
        self.cut = rng.between(300, 700);
        self.cut_bytes_max = rng.pick(&[60, 400]);
        self.down_only = 700;
        self.dies_unread = rng.between(300, 700);
        self.confirmed_then_closed = rng.pick(&[0, 100]);
        self.sessions_refused = rng.pick(&[0, 600, 800]);
        self.connect_fails = 0;
        self.connect_silent = 0;
        self.stop_at_judgement = rng.pick(&[200, 600]);
        self.stops.clear();
        self.offer_gap_max = self.offer_gap_max.min(Duration::from_millis(500));
        for _ in 0..rng.between(0, 5) {
            let crash = Fault::Crash(rng.wait(Duration::from_millis(500)));
            self.faults.push((rng.moment_before(span / 2), crash));
        }
        self.faults.sort_by_key(|(at, _)| *at);
    }

    /// Messages and replies that are given up once they have begun, and ends that are away for about
    /// as long as there is patience with them.
    fn stay_away(&mut self, rng: &mut Rng) {
        let ms = Duration::from_millis;
        self.messages = self.messages.min(rng.between(3, 60));
        self.expiries = 400;
        self.cancels = rng.pick(&[100, 400]);
        self.replies = rng.between(200, 900);
        self.answer_max = rng.pick(&[ms(300), ms(8_000)]);
        self.stalls = rng.chance(700);
        self.linger = 0;
        self.cut = rng.pick(&[0, 300]);
        self.connect_silent = 0;
        for _ in 0..rng.between(2, 8) {
            let drain = StopMode::Drain(rng.wait(ms(5_000)));
            let fault = match rng.below(3) {
                0 => Fault::GoAway(drain, rng.wait(ms(2_000))),
                _ => Fault::Linger,
            };
            let span = self.heals_at.saturating_since(Time::ZERO);
            self.faults.push((rng.moment_before(span), fault));
        }
        self.faults.sort_by_key(|(at, _)| *at);
        let mut replies = self.sessions.receiver.replies().clone();
        for policy in [&mut self.limits.policy, &mut replies.policy] {
            policy.when_full = WhenFull::Reject;
            policy.ttl = on(rng).map(|rng| rng.wait_between(ms(100), ms(10_000)));
            policy.patience = rng.wait_between(Duration::ZERO, ms(4_000));
        }
        let receiver = self.sessions.receiver.clone().with_replies(replies);
        self.sessions.receiver = receiver.expect("usable limits");
        self.config = self.limits.config(&self.first);
    }

    /// More refusals than a receiver remembers.
    fn refuse_everything(&mut self, rng: &mut Rng) {
        self.messages = rng.between(1_100, 2_600);
        self.burst_max = 200;
        self.payload_bytes_max = self.payload_bytes_max.min(10);
        self.limits.queue_messages_max = 8_192;
        self.limits.attempts_max = None;
        self.limits.give_up_after = None;
        self.limits.policy = SendPolicy::default();
        self.config = self.limits.config(&self.first);
        self.expiries = 0;
        self.refuses = 995;
        self.lanes = 1;
        self.deaf = None;
        self.cancels = 0;
        self.cut = self.cut.min(100);
        self.segment_bytes_max = 1 << 20;
    }

    /// The same offers over a network that only loses connections and nodes that only refuse by
    /// message: what becomes of each message then no longer depends on when steps were taken.
    pub(crate) fn outcomes_fixed(mut self) -> Self {
        self.stop_first = None;
        self.stops.clear();
        self.stop_at_loss = 0;
        self.stop_at_judgement = 0;
        self.faults
            .retain(|(_, fault)| matches!(fault, Fault::Cut | Fault::Linger));
        self.sessions = SessionsConfig {
            sessions_max: 64,
            sessions_per_key_max: 16,
            session_ttl: Duration::from_secs(100_000_000),
            ..self.sessions
        };
        self.confirmed_then_closed = 0;
        self.sessions_refused = 0;
        self.limits.queue_messages_max = 8_192;
        self.limits.queue_bytes_max = 1 << 30;
        self.limits.attempts_max = None;
        self.limits.give_up_after = None;
        self.limits.policy.ttl = None;
        self.expiries = 0;
        self.cancels = 0;
        self.strikes_at_fin = 0;
        // Whether the receiver may have taken what is too large depends on whether it was heard of
        // before its connection was lost.
        let taken = self.receiver_message_bytes_max as u64;
        self.payload_bytes_max = self.payload_bytes_max.min(taken);
        self.config = self.limits.config(&self.first);
        self
    }
}

/// Chunks of single bytes only where there are few of them.
fn draw_segments(rng: &mut Rng, payload_bytes_max: u64) -> u64 {
    match payload_bytes_max {
        0..=60 => rng.pick(&[1, 7, 100, 1_200, 1 << 20]),
        61..=2_000 => rng.pick(&[30, 1_200, 1 << 20]),
        _ => rng.pick(&[1_200, 20_000, 1 << 20]),
    }
}

/// A lane that is not read, where what each of the others may take in any case fits any message.
fn draw_deaf(
    rng: &mut Rng,
    lanes: u8,
    sessions: &SessionsConfig,
    payload_bytes_max: u64,
) -> Option<u8> {
    // Sessions of the past may hold what they were told on that lane for as long.
    let alone = sessions.receiver.inbound_bytes_max().saturating_mul(100);
    let small = payload_bytes_max as usize + MESSAGE_OVERHEAD <= LANE_FIRST_BYTES_MAX;
    let spare = small || sessions.key_bytes_max.min(sessions.node_bytes_max) >= alone;
    let deaf = rng.below(u64::from(lanes)) as u8;
    (lanes > 1 && spare && rng.chance(800)).then_some(deaf)
}

/// One to four addresses, and how many of them are dead; the order is drawn where they are used.
fn draw_addresses(rng: &mut Rng) -> (Vec<SocketAddr>, usize) {
    let several = rng.chance(400);
    let count = if several { rng.between(2, 4) } else { 1 };
    let at = |place| SocketAddr::from(([192, 0, 2, 1 + place as u8], 4_433));
    ((0..count).map(at).collect(), rng.below(count) as usize)
}
