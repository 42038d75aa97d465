//! What comes in, well formed or not.

use std::time::Duration;

use peer_sender_acki_nacki::direct::Incident;
use peer_sender_acki_nacki::{ClockAhead, MalformedMessage};

use super::*;

#[tokio::test]
async fn what_is_no_message_is_told_and_not_delivered() {
    let listener = listener(2).await;
    let (mut incoming, metrics) = reading(&listener);
    let direct = direct(DirectConfig::default()).await;
    let mut cut = message(0).encode(&Limits::default()).unwrap();
    cut.truncate(20);
    direct.resolve(bob(), found(2, &listener)).unwrap();
    let _receipt = direct.send_bytes(&bob(), cut.clone()).unwrap();

    let told = within(incoming.next()).await.unwrap().unwrap_err();
    assert_eq!((told.from.key, told.bytes), (key(1), 20));
    assert!(matches!(
        told.error,
        MalformedMessage::EndsEarly { .. } | MalformedMessage::LengthBeyondEnd { .. }
    ));
    let counters = metrics.read();
    assert_eq!(counters.received_messages, 0);
    assert_eq!(
        counters.errors(),
        counters.incident(Incident::from(&told.error))
    );
    assert!(counters.errors() > 0);
    // Its connection is closed for that.
    within(async { while listener.stats().await.protocol_errors == 0 {} }).await;
}

#[tokio::test]
async fn the_time_under_way_is_told_by_the_caller_s_clock() {
    let listener = listener(2).await;
    let (mut incoming, metrics) = reading(&listener);
    let direct = direct(DirectConfig::default()).await;
    direct.resolve(bob(), found(2, &listener)).unwrap();
    let _receipt = direct.send(&bob(), message(0)).unwrap();
    let read = within(incoming.next()).await.unwrap().unwrap();
    let told = read.delivery_duration(|| 1_250);
    assert_eq!(told, Ok(Duration::from_millis(250)));
    assert_eq!(metrics.read().warnings(), 0);
    let told = read.delivery_duration(|| 900);
    assert_eq!(told, Err(ClockAhead { ahead_ms: 100 }));
    assert_eq!(metrics.read().incident(Incident::ClockAhead), 1);
    assert!(read.received_at() + read.buffered() <= listener.now());
    assert_eq!(read.refuse(), message(0));
}
