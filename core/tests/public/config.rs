//! What is set is what is told and kept, and what is out of range is refused by its name.

use std::time::Duration;

use peer_sender_core::{
    Config, ConfigBuilder, ConfigError, LANES_MAX, Lane, PLAIN_STREAM_WINDOW, PLAIN_STREAMS,
    Priority, Protocol, ReceiverConfig, Redelivery, SendLimits, SendPolicy,
};

const MS: Duration = Duration::from_millis(1);
const LESS: Duration = Duration::from_nanos(999_999);
const ZERO: Duration = Duration::ZERO;

fn builder() -> ConfigBuilder {
    Config::builder("192.0.2.1:4433".parse().unwrap())
}

fn refused(set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Option<&'static str> {
    let built = set(builder()).build();
    built.err().map(|ConfigError { field, .. }| field)
}

#[test]
fn a_configuration_tells_what_was_set() {
    let config = builder()
        .protocol(Protocol::Plain)
        .message_bytes_max(33)
        .queue_messages_max(11)
        .queue_bytes_max(222)
        .inbound_bytes_max(444)
        .redelivery(Redelivery::AtMostOnce)
        .build()
        .unwrap();
    assert_eq!(config.protocol(), Protocol::Plain);
    assert_eq!(config.message_bytes_max(), 33);
    assert_eq!(config.queue_messages_max(), 11);
    assert_eq!(config.queue_bytes_max(), 222);
    assert_eq!(config.inbound_bytes_max(), 444);
    let policy = SendPolicy {
        redelivery: Redelivery::AtMostOnce,
        ..SendPolicy::default()
    };
    assert_eq!(config.send_policy(), &policy);
    assert_eq!(config.addresses(), ["192.0.2.1:4433".parse().unwrap()]);
}

#[test]
fn a_receiver_tells_what_was_set() {
    let config = ReceiverConfig::new(33, 44).unwrap();
    let told = (config.message_bytes_max(), config.inbound_bytes_max());
    assert_eq!(told, (33, 44));
    let replies = SendLimits {
        queue_messages_max: 5,
        ..SendLimits::default()
    };
    let config = config.with_replies(replies.clone()).unwrap();
    assert_eq!(config.replies(), &replies);
}

#[test]
fn what_is_at_the_edge_of_its_range_is_taken() {
    let config = builder()
        .message_bytes_max(1)
        .queue_messages_max(1)
        .queue_bytes_max(1)
        .flight_messages_max(1)
        .flight_bytes_max(1)
        .streams_max(1)
        .inbound_bytes_max(1)
        .lanes(1)
        .connect_timeout(Duration::from_nanos(1))
        .health_after(Duration::from_nanos(1))
        .backoff_min(MS)
        .backoff_max(MS)
        .refusal_backoff_min(MS)
        .refusal_backoff_max(MS)
        .attempts_max(Some(1))
        .give_up_after(Some(Duration::from_nanos(1)))
        .disconnect_after(Some(Duration::from_secs(1)))
        .slow_after(Some(Duration::from_nanos(1)))
        .ttl(Some(Duration::from_nanos(1)))
        .patience(ZERO);
    assert!(config.build().is_ok());
    let largest = builder()
        .message_bytes_max(1 << 30)
        .queue_bytes_max(1 << 30)
        .inbound_bytes_max(1 << 30);
    assert!(largest.build().is_ok());
    assert_eq!(
        refused(|it| it.backoff_min(2 * MS).backoff_max(3 * MS)),
        None
    );
    let longer = |it: ConfigBuilder| it.refusal_backoff_min(2 * MS).refusal_backoff_max(3 * MS);
    assert_eq!(refused(longer), None);
    assert!(ReceiverConfig::new(1, 1).is_ok());
    assert!(ReceiverConfig::new(1 << 30, 1 << 30).is_ok());
}

#[test]
fn what_is_out_of_range_is_refused_by_its_name() {
    let above = (1 << 30) + 1;
    let refusals = [
        (
            refused(|it| it.addresses(vec!["192.0.2.1:0".parse().unwrap()])),
            "address",
        ),
        (
            refused(|it| it.addresses(vec!["0.0.0.0:1".parse().unwrap()])),
            "address",
        ),
        (
            refused(|it| it.addresses(vec!["[::]:1".parse().unwrap()])),
            "address",
        ),
        (refused(|it| it.message_bytes_max(0)), "message_bytes_max"),
        (
            refused(|it| {
                it.message_bytes_max(above)
                    .queue_bytes_max(above)
                    .inbound_bytes_max(above)
            }),
            "message_bytes_max",
        ),
        (refused(|it| it.queue_messages_max(0)), "queue_messages_max"),
        (
            refused(|it| it.message_bytes_max(9).queue_bytes_max(8)),
            "queue_bytes_max",
        ),
        (
            refused(|it| it.flight_messages_max(0)),
            "flight_messages_max",
        ),
        (refused(|it| it.flight_bytes_max(0)), "flight_bytes_max"),
        (refused(|it| it.streams_max(0)), "streams_max"),
        (
            refused(|it| it.message_bytes_max(9).inbound_bytes_max(8)),
            "inbound_bytes_max",
        ),
        (refused(|it| it.lanes(0)), "lanes"),
        (refused(|it| it.lanes(9)), "lanes"),
        (refused(|it| it.lanes(2).protocol(Protocol::Plain)), "lanes"),
        (
            refused(|it| it.lanes(1).priority(Lane(1), Priority::High)),
            "priority",
        ),
        (
            refused(|it| it.priority(Lane(8), Priority::Normal)),
            "priority",
        ),
        (refused(|it| it.connect_timeout(ZERO)), "connect_timeout"),
        (refused(|it| it.health_after(ZERO)), "health_after"),
        (refused(|it| it.backoff_min(LESS)), "backoff_min"),
        (
            refused(|it| it.backoff_min(2 * MS).backoff_max(MS)),
            "backoff_max",
        ),
        (
            refused(|it| it.refusal_backoff_min(LESS)),
            "refusal_backoff_min",
        ),
        (
            refused(|it| it.refusal_backoff_min(2 * MS).refusal_backoff_max(MS)),
            "refusal_backoff_max",
        ),
        (refused(|it| it.attempts_max(Some(0))), "attempts_max"),
        (refused(|it| it.give_up_after(Some(ZERO))), "give_up_after"),
        (
            refused(|it| it.disconnect_after(Some(Duration::from_millis(999)))),
            "disconnect_after",
        ),
        (refused(|it| it.slow_after(Some(ZERO))), "slow_after"),
        (refused(|it| it.ttl(Some(ZERO))), "ttl"),
    ];
    for (refused, field) in refusals {
        assert_eq!(refused, Some(field));
    }
    let field = |config: Result<ReceiverConfig, ConfigError>| config.unwrap_err().field;
    assert_eq!(field(ReceiverConfig::new(0, 9)), "message_bytes_max");
    assert_eq!(
        field(ReceiverConfig::new(above, above)),
        "message_bytes_max"
    );
    assert_eq!(field(ReceiverConfig::new(9, 8)), "inbound_bytes_max");
}

/// Two lanes of 1,000 bytes and 3 messages queued, 500 bytes and 4 messages in flight.
fn limits() -> SendLimits {
    SendLimits {
        lanes: 2,
        message_bytes_max: 100,
        queue_messages_max: 3,
        queue_bytes_max: 1_000,
        flight_messages_max: 4,
        flight_bytes_max: 500,
        ..SendLimits::default()
    }
}

/// Of one lane: its payloads, one message beyond its flight's limit, the books of seven messages,
/// and two writes of 256 KiB, one composed and one that waits.
const OF_A_LANE: usize = 1_000 + 500 + 100 + 7 * 320 + 2 * (256 << 10);

#[test]
fn the_memory_of_a_sending_half_is_what_its_lanes_may_hold() {
    assert_eq!(limits().memory_max(), 2 * OF_A_LANE);
    let one_lane = SendLimits {
        lanes: 1,
        ..limits()
    };
    assert_eq!(one_lane.memory_max(), OF_A_LANE);
}

#[test]
fn the_memory_of_a_machine_is_that_of_both_its_halves() {
    let config = |protocol, lanes| {
        let limits = limits();
        let builder = builder()
            .protocol(protocol)
            .lanes(lanes)
            .message_bytes_max(limits.message_bytes_max)
            .queue_messages_max(limits.queue_messages_max)
            .queue_bytes_max(limits.queue_bytes_max)
            .flight_messages_max(limits.flight_messages_max)
            .flight_bytes_max(limits.flight_bytes_max)
            .inbound_bytes_max(4_000);
        builder.build().unwrap()
    };
    let lanes = usize::from(LANES_MAX);
    // A buffer may be twice as large as what is in it; a message of each lane but one may be above
    // the budget, and a stream of each lane may have been read for a turn.
    let inbound = 2 * (4_000 + (lanes - 1) * 100) + lanes * (260 << 10);
    let of_lanes = config(Protocol::Lanes, 2);
    assert_eq!(of_lanes.memory_max(), 2 * OF_A_LANE + inbound);
    let stream = 2 * PLAIN_STREAM_WINDOW as usize + 128;
    let inbound = 2 * 4_000 + 3 * usize::from(PLAIN_STREAMS) * stream;
    let plain = config(Protocol::Plain, 1);
    assert_eq!(plain.memory_max(), OF_A_LANE + inbound);
}

#[test]
fn a_step_settles_at_most_what_may_be_there() {
    let config = builder()
        .lanes(2)
        .queue_messages_max(3)
        .flight_messages_max(4)
        .streams_max(5)
        .build()
        .unwrap();
    assert_eq!(
        config.actions_per_step_max(),
        2 * (2 * (3 + 4) + 4) + 5 + 16
    );
}

#[test]
fn presets_for_wide_and_local_networks_spread_their_waits() {
    let spread = |config: ConfigBuilder| config.jitter(true).build();
    let wan = spread(builder().backoff_max(Duration::from_secs(30)));
    assert_eq!(builder().wan().build(), wan);
    let lan = spread(builder().backoff_max(Duration::from_secs(2)));
    assert_eq!(builder().lan().build(), lan);
}
