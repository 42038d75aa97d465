//! What one seed does to the machines: limits, shapes and faults, each fault class off in about
//! half of the seeds, since faults that are always on hide what others would show.

use std::time::Duration;

use peer_sender_core::{Config, ReceiverConfig, SessionsConfig, StopMode, Time};

use crate::rng::Rng;

pub(crate) const ADDRESS: &str = "192.0.2.1:4433";
/// The longest that an end takes to notice a dead path: QUIC's idle timeout.
pub(crate) const IDLE: Duration = Duration::from_secs(10);

/// What happens at a moment drawn beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The live connection's path dies.
    Cut,
    /// The dialler loses the live connection; what it sent comes late.
    Linger,
    /// The accepting process dies, and is back after this time.
    Crash(Duration),
    /// The accepting node stops in good order, and its process is back after this time.
    GoAway(StopMode, Duration),
    /// Somebody else connects, with this key (of two) and a session of that name (of two).
    Stranger { same_key: bool, same_session: bool },
    /// One end's clock jumps ahead.
    Jump { dialler: bool, by: Duration },
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) config: Config,
    pub(crate) limits: Limits,
    pub(crate) sessions: SessionsConfig,
    pub(crate) receiver_message_bytes_max: usize,
    /// Messages that are offered before the faults end, and how they are spread.
    pub(crate) messages: u64,
    pub(crate) burst_max: u64,
    pub(crate) offer_gap_max: Duration,
    pub(crate) payload_bytes_max: u64,
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
    /// Stops after that many steps of the sender, whatever the time.
    pub(crate) stop_after_step: Option<(u64, StopMode)>,
    /// When the faults end.
    pub(crate) heals_at: Time,
}

/// The sender's configuration in numbers, for the oracle.
#[derive(Clone, Copy, Debug)]
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
        let limits = draw_limits(rng, payload_bytes_max);
        let (sessions, receiver_message_bytes_max) = draw_sessions(rng, payload_bytes_max);
        let span = Duration::from_millis(rng.between(500, 120_000));
        let ms = Duration::from_millis;
        let delay_max = ms(rng.scale(1_500));
        let mut plan = Self {
            seed,
            config: limits.config(),
            limits,
            sessions,
            receiver_message_bytes_max,
            messages,
            burst_max: rng.between(1, 20),
            offer_gap_max: span / (messages as u32 / 4 + 1),
            payload_bytes_max,
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
            stop_after_step: None,
            heals_at: Time::ZERO + span,
        };
        match rng.below(100) {
            0..25 => plan.shorten_lives(rng, span),
            25 => plan.refuse_everything(rng),
            _ => {}
        }
        plan
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

    /// More refusals than a receiver remembers.
    fn refuse_everything(&mut self, rng: &mut Rng) {
        self.messages = rng.between(1_100, 2_600);
        self.burst_max = 200;
        self.payload_bytes_max = self.payload_bytes_max.min(10);
        self.limits.queue_messages_max = 8_192;
        self.config = self.limits.config();
        self.refuses = 995;
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
        self.config = self.limits.config();
        self
    }
}

impl Limits {
    fn config(&self) -> Config {
        Config::builder(ADDRESS.parse().expect("an address"))
            .message_bytes_max(self.message_bytes_max)
            .disconnect_after(None)
            .queue_messages_max(self.queue_messages_max)
            .queue_bytes_max(self.queue_bytes_max)
            .flight_messages_max(self.flight_messages_max)
            .flight_bytes_max(self.flight_bytes_max)
            .connect_timeout(self.connect_timeout)
            .backoff_min(self.backoff.0)
            .backoff_max(self.backoff.1)
            .refusal_backoff_min(self.refusal_backoff.0)
            .refusal_backoff_max(self.refusal_backoff.1)
            .health_after(self.health_after)
            .build()
            .expect("a usable configuration")
    }
}

/// The generator itself in about half of the calls: one fault class on.
fn on(rng: &mut Rng) -> Option<&mut Rng> {
    if rng.chance(500) { Some(rng) } else { None }
}

fn draw_limits(rng: &mut Rng, payload_bytes_max: u64) -> Limits {
    let ms = Duration::from_millis;
    let payload = payload_bytes_max.max(1);
    let message_bytes_max = if rng.chance(200) {
        payload - payload / 10
    } else {
        payload
    };
    let backoff_min = ms(rng.pick(&[1, 20, 100, 100]));
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
    }
}

fn draw_sessions(rng: &mut Rng, payload_bytes_max: u64) -> (SessionsConfig, usize) {
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
    let config = SessionsConfig {
        receiver: receiver.expect("usable limits"),
        key_bytes_max: usize::MAX,
        node_bytes_max: usize::MAX,
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

/// Chunks of single bytes only where there are few of them.
fn draw_segments(rng: &mut Rng, payload_bytes_max: u64) -> u64 {
    match payload_bytes_max {
        0..=60 => rng.pick(&[1, 7, 100, 1_200, 1 << 20]),
        61..=2_000 => rng.pick(&[30, 1_200, 1 << 20]),
        _ => rng.pick(&[1_200, 20_000, 1 << 20]),
    }
}

fn draw_faults(rng: &mut Rng, span: Duration) -> Vec<(Time, Fault)> {
    let mut faults = Vec::new();
    let mut some = |rng: &mut Rng, most: u64, fault: &mut dyn FnMut(&mut Rng) -> Fault| {
        for _ in 0..on(rng).map_or(0, |rng| rng.between(1, most)) {
            faults.push((rng.moment_before(span), fault(rng)));
        }
    };
    let down = Duration::from_secs(15);
    some(rng, 12, &mut |_| Fault::Cut);
    some(rng, 8, &mut |_| Fault::Linger);
    some(rng, 3, &mut |rng| Fault::Crash(rng.wait(down)));
    some(rng, 2, &mut |rng| {
        let drain = StopMode::Drain(rng.wait(Duration::from_secs(12)));
        let mode = if rng.chance(700) {
            drain
        } else {
            StopMode::Abort
        };
        Fault::GoAway(mode, rng.wait(down))
    });
    some(rng, 8, &mut |rng| {
        let same_key = rng.chance(500);
        Fault::Stranger {
            same_key,
            same_session: !same_key && rng.chance(500),
        }
    });
    if rng.chance(150) {
        some(rng, 2, &mut |rng| Fault::Jump {
            dialler: rng.chance(500),
            by: rng.wait(Duration::from_secs(30 * 24 * 3_600)),
        });
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}

fn draw_stops(rng: &mut Rng, span: Duration) -> Vec<(Time, StopMode)> {
    if !rng.chance(400) {
        return Vec::new();
    }
    let mut stops: Vec<_> = (0..rng.between(1, 3))
        .map(|_| {
            let drain = StopMode::Drain(rng.wait(Duration::from_secs(20)));
            let mode = if rng.chance(600) {
                drain
            } else {
                StopMode::Abort
            };
            (rng.moment_before(span), mode)
        })
        .collect();
    stops.sort_by_key(|(at, _)| *at);
    stops
}
