//! Any events whatever, into one sender or one receiver: valid, stale, doubled, out of order, with
//! time that goes back.
//!
//! The first record says which machine, and its limits; every other is one event, or time passing.

use std::time::Duration;

use peer_sender_core::{
    Action, Config, Epoch, Event, PeerReceiverMachine, PeerSenderMachine, Priority, Protocol,
    ReceiverConfig, Redelivery, SendLimits, SendPolicy, SessionId, StopMode, Time, WhenFull,
};
use peer_sender_sim::tape::{Choices, Tape};

use crate::draw::{self, Names, one_of};
use crate::judge::{self, Books};
use crate::memory;

const SEED: [u8; 32] = [7; 32];

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(mut tape) = Tape::read(bytes) else {
        return false;
    };
    let Some(mut choices) = tape.next() else {
        return false;
    };
    let protocol = draw::protocol(&mut choices, 96);
    match choices.chance(80) {
        true => receiver(protocol, choices, tape),
        false => sender(protocol, choices, tape),
    }
    true
}

/// The events of steps: each record adds one, and most end the step.
struct Steps<'a> {
    tape: Tape<'a>,
    now: Time,
    names: Names,
}

impl Iterator for Steps<'_> {
    /// What the clock says, and what has happened.
    type Item = (Time, Vec<Event>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut events = Vec::new();
        let mut clock = self.now;
        for mut choices in self.tape.by_ref() {
            match choices.below(16) {
                0..3 => {
                    self.now = self.now + draw::wait(&mut choices);
                    clock = self.now;
                }
                3 => clock = Time::from_nanos(self.now.as_nanos() / (2 + choices.below(8))),
                more => {
                    events.push(self.names.event(self.now, &mut choices));
                    if more < 13 {
                        return Some((clock, events));
                    }
                }
            }
        }
        (!events.is_empty()).then_some((clock, events))
    }
}

fn sender(protocol: Protocol, mut choices: Choices<'_>, tape: Tape<'_>) {
    let Some(config) = sender_config(protocol, &mut choices) else {
        return;
    };
    let (memory_max, actions_max) = (config.memory_max(), config.actions_per_step_max());
    let before = memory::allocated();
    let mut machine = PeerSenderMachine::new(config, SEED);
    // Told the same with a clock that never goes back, it does the same (I14, I17).
    let mut twin = machine.clone();
    let (mut books, mut latest, mut stop_by) = (Books::default(), Time::ZERO, None::<Time>);
    let mut steps = Steps {
        tape,
        now: Time::ZERO,
        names: Names::default(),
    };
    while let Some((clock, events)) = steps.next() {
        latest = latest.max(clock);
        let earlier = machine.clone();
        let mut actions = Vec::new();
        machine.handle(clock, events.iter().cloned(), &mut actions);
        judge::sound("the sender", machine.check());
        judge::timer(machine.next_deadline().map(|it| it.at), latest);
        judge::path(
            (earlier.state().standing(), earlier.visits()),
            (machine.state().standing(), machine.visits()),
        );
        judge_stale(&earlier, &machine, (clock, &events), &actions);
        let brought = events.len() + actions.iter().filter(|it| follows_bytes(it)).count();
        let few = actions.len() <= actions_max + brought;
        assert!(few, "I22 {} actions in a step", actions.len());
        books.step(&events, &actions, &machine.stats());
        books.links(&events, &actions);

        for event in &events {
            if let Event::Stop { mode } = event {
                let by = match mode {
                    StopMode::Drain(within) => latest + *within,
                    StopMode::Abort | StopMode::Remove => latest,
                };
                stop_by = Some(stop_by.map_or(by, |earlier| earlier.min(by)));
            }
        }
        let over = stop_by.is_some_and(|by| by <= latest);
        assert!(!over || machine.is_closed(), "I28 it goes on after its end");

        let mut same = Vec::new();
        twin.handle(latest, events, &mut same);
        assert_eq!(
            actions, same,
            "I14 a clock that goes back made a difference"
        );
        actions.iter().for_each(|action| steps.names.learn(action));
    }
    assert!(machine.state() == twin.state(), "I14 the states differ");
    drop(twin);
    drop(steps);
    drop(books);
    if let Some(grown) = memory::grown_since(before) {
        assert!(grown <= memory_max, "I21 {grown} bytes, of {memory_max}");
    }
}

/// An event of a connection that is not the present one, nor one that was left, changes nothing but a
/// counter.
fn judge_stale(
    before: &PeerSenderMachine,
    after: &PeerSenderMachine,
    (clock, events): (Time, &[Event]),
    actions: &[Action],
) {
    let [event] = events else { return };
    let named = match event {
        Event::Connected { attempt }
        | Event::ConnectFailed { attempt, .. }
        | Event::ConnectionLost { attempt, .. }
        | Event::StreamOpened { attempt, .. }
        | Event::BytesReceived { attempt, .. }
        | Event::StreamReset { attempt, .. }
        | Event::StreamStopped { attempt, .. }
        | Event::StreamAcknowledged { attempt, .. }
        | Event::ProbeAnswered { attempt } => *attempt,
        _ => return,
    };
    let state = before.state();
    if [state.link().attempt(), state.left()].contains(&Some(named)) {
        return;
    }
    let (mut without, mut same) = (before.clone(), Vec::new());
    without.handle(clock, [], &mut same);
    assert_eq!(actions, same, "I10 {event:?} led to something");
    let unchanged = without.state() == after.state();
    assert!(unchanged, "I10 {event:?} changed the state");
    // Under lanes it is of no interest what the other end's transport has, stale or not.
    let counted = u64::from(!matches!(event, Event::StreamAcknowledged { .. }));
    let stale = after.stats().stale_events - without.stats().stale_events;
    assert!(stale >= counted, "I10 {event:?} was not counted");
}

/// What comes of each stream's bytes, on top of what a step does by itself.
fn follows_bytes(action: &Action) -> bool {
    matches!(
        action,
        Action::Deliver(_)
            | Action::PauseReading { .. }
            | Action::ResumeReading { .. }
            | Action::StopSending { .. }
            | Action::ResetStream { .. }
            | Action::ForgetDelivered
    )
}

fn receiver(protocol: Protocol, mut choices: Choices<'_>, tape: Tape<'_>) {
    let Some(config) = receiver_config(protocol, &mut choices) else {
        return;
    };
    let (session, epoch, replies) = (SessionId([0; 16]), Epoch([1; 16]), SessionId([9; 16]));
    let mut machine = match protocol {
        Protocol::Lanes => PeerReceiverMachine::new(config, session, epoch, 0, replies),
        Protocol::Plain => PeerReceiverMachine::plain(config),
        Protocol::Framed => PeerReceiverMachine::framed(config),
    };
    let mut twin = machine.clone();
    let (mut books, mut latest) = (Books::default(), Time::ZERO);
    let mut steps = Steps {
        tape,
        now: Time::ZERO,
        names: Names::default(),
    };
    while let Some((clock, events)) = steps.next() {
        latest = latest.max(clock);
        let mut actions = Vec::new();
        machine.handle(clock, events.iter().cloned(), &mut actions);
        judge::sound("the receiver", machine.check());
        judge::timer(machine.next_deadline().map(|it| it.at), latest);
        books.step(&events, &actions, &machine.reply_stats());
        let mut same = Vec::new();
        twin.handle(latest, events, &mut same);
        assert_eq!(
            actions, same,
            "I14 a clock that goes back made a difference"
        );
        actions.iter().for_each(|action| steps.names.learn(action));
    }
    assert!(machine == twin, "I14 the states differ");
}

/// Limits that are met soon. None if they contradict each other.
fn sender_config(protocol: Protocol, choices: &mut Choices<'_>) -> Option<Config> {
    let limits = send_limits(choices);
    let mut builder = Config::builder(draw::address(choices))
        .lanes(limits.lanes)
        .message_bytes_max(limits.message_bytes_max)
        .inbound_bytes_max(limits.message_bytes_max + choices.below(200) as usize)
        .queue_messages_max(limits.queue_messages_max)
        .queue_bytes_max(limits.queue_bytes_max)
        .flight_messages_max(limits.flight_messages_max)
        .flight_bytes_max(limits.flight_bytes_max)
        .streams_max(limits.streams_max)
        .redelivery(limits.policy.redelivery)
        .when_full(limits.policy.when_full)
        .ttl(limits.policy.ttl)
        .patience(limits.policy.patience)
        .connect_timeout(ms(choices, 1, 6_000))
        .backoff_min(ms(choices, 1, 300))
        .jitter(choices.chance(64))
        .health_after(ms(choices, 1, 12_000))
        .attempts_max(choices.chance(32).then(|| 1 + choices.below(4) as u32))
        .give_up_after(choices.chance(32).then(|| ms(choices, 1, 5_000)))
        .disconnect_after(choices.chance(180).then(|| ms(choices, 1_000, 30_000)))
        .slow_after(choices.chance(100).then(|| ms(choices, 1, 8_000)));
    if choices.chance(32) {
        builder = builder.addresses(Vec::new());
    }
    let class = one_of(choices, &[Priority::Normal, Priority::High, Priority::Low]);
    builder = builder.priority(draw::lane(choices), class);
    builder.build().ok()?.with_protocol(protocol).ok()
}

pub(crate) fn receiver_config(
    protocol: Protocol,
    choices: &mut Choices<'_>,
) -> Option<ReceiverConfig> {
    let replies = send_limits(choices);
    let bytes = 1 + choices.below(80) as usize;
    ReceiverConfig::new(bytes, bytes + choices.below(600) as usize)
        .ok()?
        .with_replies(replies)
        .ok()?
        .with_protocol(protocol)
        .ok()
}

fn send_limits(choices: &mut Choices<'_>) -> SendLimits {
    let message_bytes_max = match choices.below(4) {
        0..3 => 20 + choices.below(200) as usize,
        _ => 1 + choices.below(20) as usize,
    };
    SendLimits {
        lanes: match choices.below(8) {
            0 => 1,
            lanes => lanes as u8 + 1,
        },
        message_bytes_max,
        queue_messages_max: 1 + choices.below(8) as usize,
        queue_bytes_max: message_bytes_max + choices.below(200) as usize,
        flight_messages_max: 1 + choices.below(6) as usize,
        flight_bytes_max: 1 + choices.below(300) as usize,
        streams_max: 1 + choices.below(5) as u16,
        policy: SendPolicy {
            redelivery: one_of(choices, &[Redelivery::AtLeastOnce, Redelivery::AtMostOnce]),
            when_full: one_of(choices, &[WhenFull::Reject, WhenFull::DropOldest]),
            ttl: choices.chance(64).then(|| ms(choices, 1, 6_000)),
            patience: ms(choices, 0, 6_000),
            ..SendPolicy::default()
        },
    }
}

fn ms(choices: &mut Choices<'_>, min: u64, max: u64) -> Duration {
    Duration::from_millis(min + choices.below(max - min + 1))
}
