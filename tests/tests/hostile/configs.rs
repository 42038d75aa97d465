//! Configurations at their limits and beyond: refused by name, or good for a live node.

use std::collections::BTreeSet;
use std::time::Duration;

use peer_sender_tokio::{
    Config, ConfigBuilder, Node, NodeConfig, NodeConfigBuilder, PeerConfig, StopMode, Trust,
};

use super::scene::{honest, live, run};

const NS: Duration = Duration::from_nanos(1);
const MS: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn every_unusable_value_of_a_peer_is_refused_by_name() {
    type Set = fn(ConfigBuilder) -> ConfigBuilder;
    let cases: &[(&str, Set)] = &[
        ("address", |c| {
            c.addresses(vec!["127.0.0.1:0".parse().unwrap()])
        }),
        ("address", |c| {
            c.addresses(vec!["0.0.0.0:1".parse().unwrap()])
        }),
        ("address", |c| c.addresses(vec!["[::]:1".parse().unwrap()])),
        ("lanes", |c| c.lanes(0)),
        ("lanes", |c| c.lanes(9)),
        ("lanes", |c| c.lanes(u8::MAX)),
        ("message_bytes_max", |c| c.message_bytes_max(0)),
        ("message_bytes_max", |c| c.message_bytes_max((1 << 30) + 1)),
        ("message_bytes_max", |c| c.message_bytes_max(usize::MAX)),
        ("queue_messages_max", |c| c.queue_messages_max(0)),
        ("queue_bytes_max", |c| c.queue_bytes_max(0)),
        ("queue_bytes_max", |c| {
            c.message_bytes_max(9).queue_bytes_max(8)
        }),
        ("queue_bytes_max", |c| c.message_bytes_max(1 << 30)),
        ("flight_messages_max", |c| c.flight_messages_max(0)),
        ("flight_bytes_max", |c| c.flight_bytes_max(0)),
        ("inbound_bytes_max", |c| c.inbound_bytes_max(0)),
        ("inbound_bytes_max", |c| {
            c.message_bytes_max(9).inbound_bytes_max(8)
        }),
        ("connect_timeout", |c| c.connect_timeout(Duration::ZERO)),
        ("health_after", |c| c.health_after(Duration::ZERO)),
        ("backoff_min", |c| c.backoff_min(Duration::ZERO)),
        ("backoff_min", |c| c.backoff_min(MS - NS)),
        ("backoff_max", |c| c.backoff_max(Duration::ZERO)),
        ("backoff_max", |c| {
            c.backoff_min(9 * MS).backoff_max(9 * MS - NS)
        }),
        ("backoff_max", |c| c.backoff_min(Duration::MAX)),
        ("refusal_backoff_min", |c| {
            c.refusal_backoff_min(Duration::ZERO)
        }),
        ("refusal_backoff_min", |c| c.refusal_backoff_min(MS - NS)),
        ("refusal_backoff_max", |c| {
            c.refusal_backoff_max(Duration::ZERO)
        }),
        ("refusal_backoff_max", |c| {
            c.refusal_backoff_min(Duration::MAX)
        }),
        ("attempts_max", |c| c.attempts_max(Some(0))),
        ("give_up_after", |c| c.give_up_after(Some(Duration::ZERO))),
        ("disconnect_after", |c| {
            c.disconnect_after(Some(Duration::ZERO))
        }),
        ("disconnect_after", |c| {
            c.disconnect_after(Some(1_000 * MS - NS))
        }),
    ];
    for (number, (field, set)) in cases.iter().enumerate() {
        let builder = Config::builder("127.0.0.1:1".parse().unwrap());
        let error = set(builder).build().expect_err(field);
        assert_eq!(error.field, *field, "case {number}: {error}");
        assert!(error.to_string().starts_with(field), "{error}");
    }
}

#[test]
fn every_unusable_value_of_a_node_is_refused_by_name() {
    type Set = fn(NodeConfigBuilder) -> NodeConfigBuilder;
    let cases: &[(&str, Set)] = &[
        ("accept", |c| c.accept(Trust::Keys(BTreeSet::new()))),
        ("message_bytes_max", |c| c.message_bytes_max(0)),
        ("message_bytes_max", |c| c.message_bytes_max(usize::MAX)),
        ("inbound_bytes_max", |c| c.inbound_bytes_max(0)),
        ("inbound_bytes_max", |c| c.message_bytes_max(1 << 30)),
        ("inbound_bytes_total_max", |c| c.inbound_bytes_total_max(0)),
        ("inbound_bytes_total_max", |c| c.inbound_bytes_max(1 << 40)),
        ("idle_timeout", |c| c.idle_timeout(Duration::ZERO)),
        ("idle_timeout", |c| c.idle_timeout(100 * MS - NS)),
        ("idle_timeout", |c| c.idle_timeout(DAY + NS)),
        ("idle_timeout", |c| c.idle_timeout(Duration::MAX)),
        ("keep_alive", |c| c.keep_alive(Duration::ZERO)),
        ("keep_alive", |c| c.keep_alive(Duration::MAX)),
        ("keep_alive", |c| {
            c.idle_timeout(100 * MS).keep_alive(100 * MS)
        }),
        ("session_ttl", |c| c.session_ttl(Duration::ZERO)),
        ("session_ttl", |c| c.idle_timeout(DAY)),
        ("connections_max", |c| c.connections_max(0)),
        ("handshakes_max", |c| c.handshakes_max(0)),
        ("sessions_max", |c| c.sessions_max(0)),
        ("sessions_per_key_max", |c| c.sessions_per_key_max(0)),
    ];
    for (number, (field, set)) in cases.iter().enumerate() {
        let error = set(NodeConfig::builder(live())).build().expect_err(field);
        assert_eq!(error.field, *field, "case {number}: {error}");
        assert!(error.to_string().starts_with(field), "{error}");
    }
}

#[test]
fn with_every_value_at_its_smallest_messages_arrive() {
    let node = |config: NodeConfigBuilder| {
        config
            .message_bytes_max(1)
            .inbound_bytes_max(1)
            .inbound_bytes_total_max(1)
            .idle_timeout(100 * MS)
            .keep_alive(10 * MS)
            .connections_max(1)
            .handshakes_max(1)
            .sessions_max(1)
            .sessions_per_key_max(1)
            // Longer than the least: a session that is forgotten while this host is busy would
            // have its messages come twice.
            .session_ttl(30_000 * MS)
    };
    let peer = |config: ConfigBuilder| {
        config
            .lanes(1)
            .message_bytes_max(1)
            .queue_messages_max(1)
            .queue_bytes_max(1)
            .flight_messages_max(1)
            .flight_bytes_max(1)
            .inbound_bytes_max(1)
            .connect_timeout(5_000 * MS)
            .backoff_min(MS)
            .backoff_max(MS)
            .refusal_backoff_min(MS)
            .refusal_backoff_max(MS)
            .health_after(NS)
            .disconnect_after(Some(1_000 * MS))
    };
    run(messages_arrive(node, peer));
}

#[test]
fn with_every_value_at_its_largest_messages_arrive() {
    let node = |config: NodeConfigBuilder| {
        config
            .message_bytes_max(1 << 30)
            .inbound_bytes_max(usize::MAX)
            .inbound_bytes_total_max(usize::MAX)
            .idle_timeout(DAY)
            .keep_alive(DAY - NS)
            .connections_max(usize::MAX)
            .handshakes_max(usize::MAX)
            .sessions_max(usize::MAX)
            .sessions_per_key_max(usize::MAX)
            .session_ttl(Duration::MAX)
    };
    let peer = |config: ConfigBuilder| {
        config
            .lanes(8)
            .message_bytes_max(1 << 30)
            .queue_messages_max(usize::MAX)
            .queue_bytes_max(usize::MAX)
            .flight_messages_max(usize::MAX)
            .flight_bytes_max(usize::MAX)
            .inbound_bytes_max(usize::MAX)
            .connect_timeout(Duration::MAX)
            .backoff_min(MS)
            .backoff_max(Duration::MAX)
            .refusal_backoff_min(Duration::MAX)
            .refusal_backoff_max(Duration::MAX)
            .health_after(Duration::MAX)
            .attempts_max(Some(u32::MAX))
            .give_up_after(Some(Duration::MAX))
            .disconnect_after(Some(Duration::MAX))
    };
    run(messages_arrive(node, peer));
}

/// Messages of one byte arrive, a cut connection between them, and both ends stop in good order.
async fn messages_arrive(
    node: impl Fn(NodeConfigBuilder) -> NodeConfigBuilder,
    peer: impl Fn(ConfigBuilder) -> ConfigBuilder,
) {
    const ANY: &str = "127.0.0.1:0";
    let trust = Trust::Keys([honest().key()].into());
    let config = node(NodeConfig::builder(live()).accept(trust))
        .build()
        .unwrap();
    let listener = Node::<String>::bind(ANY, config).await.unwrap();
    let config = node(NodeConfig::builder(honest())).build().unwrap();
    let dialler = Node::<String>::bind(ANY, config).await.unwrap();
    let config = peer(Config::builder(listener.local_addr()))
        .build()
        .unwrap();
    let config = PeerConfig::with(live().key(), config);
    let sender = dialler.peer("live".into(), config).unwrap();
    let mut incoming = listener.incoming();
    for number in 0..40 {
        if number == 20 {
            listener.cut_accepted();
        }
        let receipt = sender.send(vec![number]).await.unwrap();
        let message = incoming.next().await.unwrap();
        assert_eq!(message.accept(), vec![number]);
        assert!(receipt.await.is_delivered());
    }
    let soon = StopMode::Drain(Duration::from_secs(5));
    sender.stop(soon).await;
    listener.stop(soon).await;
    dialler.stop(soon).await;
}
