//! `send` and `listen` through a relay that does to their datagrams what a bad network does.

#![cfg(unix)]

mod common;
#[path = "common/relay.rs"]
mod relay;

use std::net::UdpSocket;

use common::pair::Pair;
use common::{Running, assert_accounted, assert_counts, json};
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

#[test]
fn the_senders_address_may_change_in_the_midst_of_it() {
    let pair = Pair::new("rebound");
    let mut listener = pair.listen("127.0.0.1:0");
    let [front, back, other_back] = [(); 3].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let to = front.local_addr().unwrap();
    let behind = listener.address.parse().unwrap();
    let relay = Relay::start(front, back, behind, 1).unwrap();
    let mut sending = Running::start_with_stdin(&pair.send_line(&to.to_string(), "-"));
    sending.say("before\n");
    let first = listener.process.stdout_line();
    relay.rebind(other_back);
    sending.say("after\n");
    let second = listener.process.stdout_line();
    assert!(first != second);
    sending.close_stdin();
    let sent = sending.end();
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let counts = [("accepted", 2), ("delivered", 2), ("reconnects", 0)];
    assert_counts(&json(&sent.stdout), &counts);
    let (log, _) = listener.finish();
    let numbers = log.iter().map(|line| line.number);
    assert!(numbers.eq(0..2), "once each, and in order");
}
