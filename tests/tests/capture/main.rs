//! Captures of what nodes send, read by Wireshark's command: with the secrets of TLS in the file it
//! shows in clear what was said on the streams. Skipped where there is no tshark.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails where it cannot go on"
)]

mod nodes;
mod tshark;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use peer_sender_core::Lane;
use peer_sender_core::wire::{Decoder, Frame, Item};
use peer_sender_sim::net::Scenario;
use tshark::{PORT, Shark};

/// The bidirectional streams that the dialling end opens first (RFC 9000 section 2.1).
const STREAMS: [u64; 2] = [0, 4];

/// One for each lane in turn, from some bytes to several packets.
fn messages() -> Vec<(Lane, Bytes)> {
    (0..40)
        .map(|n| {
            let text = format!("message {n:06}").repeat(1 + n * 5);
            (Lane((n % 2) as u8), text.into())
        })
        .collect()
}

fn assert_shows_all_in_clear(name: &str, addresses: [SocketAddr; 2]) {
    let mut run = nodes::run(addresses, &messages());
    run.capture.key_log(&run.key_log);
    let Some(shark) = Shark::new(name, &run.capture.to_bytes()) else {
        return;
    };
    let packets = shark.fields(&[
        "frame.time_relative",
        "ip.checksum.status",
        "udp.checksum.status",
        "tls.handshake.extensions_alpn_str",
        "_ws.malformed",
    ]);
    assert_eq!(packets.len(), run.datagrams);
    for packet in &packets {
        let [_, ip, udp, _, malformed] = &packet[..] else {
            panic!("not five fields: {packet:?}")
        };
        let good = if addresses[0].is_ipv4() { "1" } else { "" };
        assert_eq!((&ip[..], &udp[..], &malformed[..]), (good, "1", ""));
    }
    let protocols: Vec<&str> = packets.iter().map(|it| &it[3][..]).collect();
    assert_eq!(
        protocols[..2],
        ["peer-sender/1"; 2],
        "what was offered, and taken"
    );
    let last: f64 = packets.last().unwrap()[0].parse().unwrap();
    assert!(last <= run.took.as_secs_f64(), "{last} of {:?}", run.took);

    let streams = shark.streams(STREAMS);
    let mut lanes = Vec::new();
    for [dialler, listener] in streams.values() {
        let (frames, said) = parse(dialler);
        let [Frame::Open(open)] = frames[..] else {
            panic!("{frames:?}")
        };
        let wanted = messages()
            .into_iter()
            .filter(|it| u64::from(it.0.0) == open.lane);
        assert!(said.iter().cloned().eq(wanted.map(|it| it.1)));
        let (frames, said) = parse(listener);
        let taken = Frame::Receipt { taken: 20 };
        assert!(matches!(frames[0], Frame::Resume(_)), "{frames:?}");
        assert!(frames.ends_with(&[taken]) && said.is_empty(), "{frames:?}");
        lanes.push(open.lane);
    }
    lanes.sort();
    assert_eq!(lanes, [0, 1]);
}

/// The frames and the messages among what was said.
fn parse(bytes: &[u8]) -> (Vec<Frame>, Vec<Bytes>) {
    let mut input = Bytes::copy_from_slice(bytes);
    let mut decoder = Decoder::default();
    let (mut frames, mut messages) = (Vec::new(), Vec::new());
    while let Some(item) = decoder.next(&mut input).unwrap() {
        match item {
            Item::Frame(frame) => frames.push(frame),
            Item::MessageBegins { .. } => {}
            Item::Message(payload) => messages.push(payload),
        }
    }
    (frames, messages)
}

#[test]
fn over_ipv4_it_shows_all_in_clear() {
    let [dialler, listener] = [1, 2].map(|n| Ipv4Addr::new(192, 0, 2, n));
    let addresses = [(dialler, 40_000).into(), (listener, PORT).into()];
    assert_shows_all_in_clear("ipv4", addresses);
}

#[test]
fn over_ipv6_it_shows_all_in_clear() {
    let [dialler, listener] = [1, 2].map(|n| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n));
    let addresses = [(dialler, 40_000).into(), (listener, PORT).into()];
    assert_shows_all_in_clear("ipv6", addresses);
}

#[test]
fn of_a_simulated_run_it_shows_all_in_clear() {
    let scenario: Scenario = "
set layer quic
set nodes 2
set listen 0
set dial 1>0
set end 5s
at 1s send 1>0 lane 0 count 100 bytes 1000
"
    .parse()
    .unwrap();
    let (report, capture) = scenario.run_captured();
    report.unwrap();
    let Some(shark) = Shark::new("simulated", &capture.to_pcapng()) else {
        return;
    };
    let packets = shark.fields(&["frame.time_epoch", "udp.checksum.status"]);
    assert_eq!(packets.len(), capture.datagrams.len());
    assert!(packets.iter().all(|it| it[1] == "1"), "right check sums");
    // 2026-01-01.
    assert!(packets[0][0].starts_with("17672256"), "{:?}", packets[0]);
    let [dialler, listener] = &shark.streams([0])[&0];
    let (_, said) = parse(dialler);
    let sizes: Vec<usize> = said.iter().map(Bytes::len).collect();
    // In the end some more are sent, to see that all is well.
    assert!(sizes.starts_with(&[1_000; 100]), "{sizes:?}");
    let (frames, _) = parse(listener);
    let taken = said.len() as u64;
    assert_eq!(frames.last(), Some(&Frame::Receipt { taken }));
}

#[test]
fn without_the_secrets_it_shows_nothing() {
    let addresses = [1, 2].map(|n| (Ipv4Addr::new(192, 0, 2, n), PORT).into());
    let run = nodes::run(addresses, &messages());
    let Some(shark) = Shark::new("secret", &run.capture.to_bytes()) else {
        return;
    };
    assert_eq!(shark.streams(STREAMS)[&0], [vec![], vec![]]);
}
