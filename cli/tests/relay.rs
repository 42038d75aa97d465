//! `send` and `listen` through a relay that does to their datagrams what a bad network does.

#![cfg(unix)]

mod common;
#[path = "common/relay.rs"]
mod relay;

use std::net::UdpSocket;

use common::pair::Pair;
use common::{assert_accounted, assert_counts, json};
use relay::{Relay, bad_weather};

#[test]
fn messages_arrive_once_and_in_order_through_bad_weather() {
    const COUNT: u64 = 5_000;
    let pair = Pair::new("relay");
    let listener = pair.listen("127.0.0.1:0");
    let [front, back] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let to = front.local_addr().unwrap();
    let behind = listener.address.parse().unwrap();
    let relay = Relay::start(front, back, behind, 1).unwrap();
    relay.set(bad_weather());

    let sent = pair.send(&to.to_string(), &format!("--count {COUNT} --size 200"));
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let report = json(&sent.stdout);
    assert_counts(&report, &[("accepted", COUNT), ("delivered", COUNT)]);
    assert_accounted(&report);

    let (log, summary) = listener.finish();
    let numbers = log.iter().map(|line| line.number);
    assert!(numbers.eq(0..COUNT), "once each, and in order");
    assert_counts(&summary, &[("messages", COUNT), ("bytes", COUNT * 200)]);

    let seen = relay.seen();
    assert!(
        seen.lost > 0 && seen.corrupted > 0 && seen.duplicated > 0 && seen.reordered > 0,
        "{seen:?}"
    );
    assert_eq!(seen.overflowed, 0, "{seen:?}");
}
