//! Congestion control that a close is exempt from.
//!
//! A packet that holds nothing but ACK and CONNECTION_CLOSE does not count towards the limits of
//! congestion control (RFC 9002 section 2). `quinn-proto` holds it back all the same while there
//! is anything else that the connection would have sent: until the window opens, which it never
//! does, as a closed connection hears no acknowledgement; or until the pacer allows it, when the
//! process may be gone already. Either way the other end would keep the connection until its idle
//! timeout.
//!
//! So each connection's controller has a switch that opens its window for good. It is for
//! connections that have nothing to send but their close.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use quinn_proto::congestion::{Controller, ControllerFactory, ControllerMetrics, CubicConfig};
use quinn_proto::{Connection, RttEstimator};

/// The window of a connection that closes. Above 2^32, where `quinn-proto` does not pace either;
/// and low enough to be reckoned with.
const CLOSING_WINDOW: u64 = 1 << 40;

/// Makes the controllers of a connection's paths: CUBIC (RFC 9438), which obeys
/// [`exempt_close`]. Not BBR, which draws from the system's randomness and is slower here.
#[derive(Debug, Default)]
pub(crate) struct CongestionControl {
    cubic: Arc<CubicConfig>,
}

impl ControllerFactory for CongestionControl {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        Box::new(ExemptsClose {
            inner: Arc::clone(&self.cubic).build(now, mtu),
            closing: Arc::default(),
        })
    }
}

/// Lets the connection send its close at once. It has to be closed before it is asked for
/// datagrams again, as nothing else that it sends may go unchecked.
pub(crate) fn exempt_close(connection: &Connection) {
    // QUIC shows its controller and does not lend it; a copy has the same switch.
    let copy = connection.congestion_state().clone_box().into_any();
    if let Ok(controller) = copy.downcast::<ExemptsClose>() {
        controller.closing.store(true, Ordering::Relaxed);
    }
}

struct ExemptsClose {
    inner: Box<dyn Controller>,
    /// Shared with its copies, which are of the same connection.
    closing: Arc<AtomicBool>,
}

impl Controller for ExemptsClose {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.inner.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.inner.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.inner
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.inner
            .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        match self.closing.load(Ordering::Relaxed) {
            true => CLOSING_WINDOW,
            false => self.inner.window(),
        }
    }

    fn metrics(&self) -> ControllerMetrics {
        self.inner.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            inner: self.inner.clone_box(),
            closing: Arc::clone(&self.closing),
        })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
