use std::future::{pending, poll_fn};

use super::*;
use crate::runtime::AsyncTimer;

async fn until(at: Instant) {
    let mut timer = Timer::new();
    timer.reset(at);
    poll_fn(|cx| timer.poll(cx)).await;
}

#[test]
fn a_wait_for_something_that_never_comes_ends_in_time() {
    let begin = now();
    let limit = Duration::from_millis(5);
    assert_eq!(block_on_for(limit, pending::<()>()), None);
    assert!(begin.elapsed() >= limit);
    assert_eq!(block_on_for(Duration::MAX, async { 7 }), Some(7));
}

#[test]
fn a_timer_wakes_a_thread_that_has_waited_for_another_meanwhile() {
    let soon = now() + Duration::from_millis(5);
    let later = soon + Duration::from_millis(5);
    let mut outer = pin!(until(later));
    block_on(poll_fn(|cx| {
        let polled = outer.as_mut().poll(cx);
        if polled.is_pending() {
            block_on(until(soon));
        }
        polled
    }));
    assert!(now() >= later);
}

#[test]
fn a_timer_that_was_never_armed_is_silent() {
    let mut timer = Timer::new();
    let rings = poll_fn(|cx| timer.poll(cx));
    assert_eq!(block_on_for(Duration::from_millis(1), rings), None);
}

#[test]
fn a_socket_says_on_a_thread_of_others_that_nobody_watches_it() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut socket = Socket::new(socket);
    let ready = block_on(poll_fn(|cx| {
        crate::runtime::AsyncUdp::poll_readable(&mut socket, cx)
    }));
    assert!(ready.is_err());
}

#[test]
fn a_task_that_wakes_itself_still_hears_of_its_socket() {
    let (to, from) = std::sync::mpsc::channel();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    let mut socket = Socket::new(socket);
    let busy = poll_fn(move |cx| {
        cx.waker().wake_by_ref();
        let ready = crate::runtime::AsyncUdp::poll_readable(&mut socket, cx);
        ready.map(|ready| to.send(ready.is_ok()).unwrap())
    });
    Blocking::spawn(busy).unwrap();
    let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    other.send_to(b"hello", address).unwrap();
    assert_eq!(from.recv_timeout(Duration::from_secs(30)), Ok(true));
}
