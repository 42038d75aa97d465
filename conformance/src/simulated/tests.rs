use std::future::poll_fn;
use std::sync::{Arc, Mutex};

use super::*;

async fn until(after: Duration) {
    let mut timer = Simulated::timer();
    timer.reset(Simulated::now() + after);
    poll_fn(|cx| timer.poll(cx)).await;
}

#[test]
fn the_clock_jumps_to_the_earliest_timer_and_no_further() {
    block_on(async {
        let begin = Simulated::now();
        let told = Arc::new(Mutex::new(Vec::new()));
        for hours in [3, 1, 2] {
            let told = Arc::clone(&told);
            let task = async move {
                until(Duration::from_secs(hours * 3_600)).await;
                told.lock().unwrap().push(hours);
            };
            Simulated::spawn(task).unwrap();
        }
        until(Duration::from_secs(4 * 3_600)).await;
        assert_eq!(*told.lock().unwrap(), [1, 2, 3]);
        let took = Simulated::now() - begin;
        assert!(took < Duration::from_secs(4 * 3_600 + 1), "{took:?}");
    });
}

#[test]
#[should_panic(expected = "nothing can happen any more")]
fn what_can_never_end_is_told() {
    block_on(std::future::pending::<()>());
}

#[test]
fn what_is_left_is_dropped_and_the_next_world_is_new() {
    let held = Arc::new(());
    for _ in 0..2 {
        let held = Arc::clone(&held);
        let address = block_on(async move {
            let task = async move {
                let _held = held;
                std::future::pending().await
            };
            Simulated::spawn(task).unwrap();
            until(Duration::from_millis(1)).await;
            let any = SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), 0);
            Simulated::bind(any).unwrap().local_addr()
        });
        assert_eq!(address.port(), 1_024);
    }
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(Simulated::spawn(async {}).is_err());
}
