//! Payloads as messages of the Acki Nacki network.

use std::task::{Context, Poll};

use bytes::Bytes;
use peer_sender_acki_nacki::{Limits, NetMessage, message_id};

use super::{NotAMessage, Source};
use crate::date::unix_nanos;

/// What another source gives, each as the payload of a message that begins its way when it is asked for.
pub(crate) struct NetMessages<S> {
    payloads: S,
    limits: Limits,
    /// The time in the last message's name: no two have the same.
    last_nanos: u128,
}

impl<S> NetMessages<S> {
    /// What a person reads of the payload, which is bytes to this program.
    const LABEL: &str = "bytes";

    pub(crate) fn new(payloads: S) -> Self {
        Self {
            payloads,
            limits: Limits::default(),
            last_nanos: 0,
        }
    }

    fn message(&mut self, payload: Bytes) -> Result<Bytes, NotAMessage> {
        self.last_nanos = unix_nanos().max(self.last_nanos + 1);
        let started_ms = (self.last_nanos / 1_000_000) as u64;
        let id = message_id(self.last_nanos, None);
        let limits = &self.limits;
        NetMessage::from_payload(payload, Self::LABEL, started_ms, id, limits)
            .and_then(|message| message.encode(limits))
            .map_err(|error| NotAMessage(error.to_string()))
    }
}

impl<S: Source> Source for NetMessages<S> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, NotAMessage>>> {
        let payload = self.payloads.poll_next(cx);
        payload.map(|payload| {
            let payload = payload?;
            Some(payload.and_then(|payload| self.message(payload)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::transfer::source::MadeUp;

    #[test]
    fn each_payload_is_a_message_with_a_name_of_its_own() {
        let mut payloads = MadeUp::new(0, 100, 2_000);
        let mut messages = NetMessages::new(payloads.clone());
        let mut last = 0;
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(message)) = messages.poll_next(&mut cx) {
            let message = NetMessage::decode(&message.unwrap(), &Limits::default()).unwrap();
            let id: u128 = message.id.parse().unwrap();
            assert!(id > last);
            last = id;
            assert_eq!(
                u128::from(message.delivery_start_timestamp_ms),
                id / 1_000_000
            );
            assert!(message.compressed);
            assert_eq!(message.payload(&Limits::default()).ok(), payloads.next());
        }
        assert!(last > 0 && payloads.next().is_none());
    }
}
