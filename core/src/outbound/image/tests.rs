use alloc::vec;

use super::*;
use crate::outbound::Flow;
use crate::trace::image::{self, Kind};
use crate::{Lane, MessageOptions, SendPolicy};

/// What comes back of what is saved.
fn copied<T>(
    save: impl FnOnce(&mut Writer<'_>),
    restore: impl FnOnce(&mut Reader<'_>) -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    let mut bytes = Vec::new();
    image::write(Kind::Sender, &mut bytes, save);
    image::read(Kind::Sender, &bytes, restore)
}

/// A connection with a message on it.
fn carrier(protocol: Protocol) -> Carrier {
    let limits = SendLimits {
        policy: SendPolicy::default(),
        ..SendLimits::default()
    };
    let mut outbound = match protocol {
        Protocol::Lanes => Outbound::new(limits, SessionId([1; 16])),
        Protocol::Plain | Protocol::Framed => Outbound::without_lanes(limits, protocol),
    };
    outbound.attach(Attempt(0), Time::ZERO);
    let (id, options) = (MessageId(0), MessageOptions::default());
    let queued = outbound.queue(Time::ZERO, id, Lane(0), vec![7].into(), options);
    assert_eq!(queued, Ok(()));
    outbound.open_lanes(false, Time::MAX);
    outbound.write(Flow::Running, &mut 0, &mut Vec::new());
    outbound.carrier.unwrap()
}

#[test]
fn a_connection_has_streams_of_its_protocol_alone() {
    let all = [Protocol::Lanes, Protocol::Plain, Protocol::Framed];
    for of in all {
        let carrier = carrier(of);
        for protocol in all {
            let again = copied(
                |out| carrier.save(out),
                |image| Carrier::restore(image, protocol),
            );
            // The one stream of the framed protocol comes behind what the others have.
            let expected = of == protocol;
            assert_eq!(again.is_ok(), expected, "{of:?} as {protocol:?}: {again:?}");
            assert!(!expected || again == Ok(carrier.clone()));
        }
    }
}

#[test]
fn the_one_stream_is_not_behind_streams_of_another_protocol() {
    let framed = carrier(Protocol::Framed);
    let Way::Framed(one) = &framed.way else {
        panic!("{framed:?}")
    };
    for (of, expected) in [
        (Protocol::Framed, true),
        (Protocol::Lanes, false),
        (Protocol::Plain, false),
    ] {
        let other = carrier(of);
        let again = copied(
            |out| {
                other.save(out);
                if of != Protocol::Framed {
                    one.save(out);
                }
            },
            |image| Carrier::restore(image, Protocol::Framed),
        );
        assert_eq!(again.is_ok(), expected, "behind {of:?}: {again:?}");
    }
}

#[test]
fn streams_of_messages_can_be_told_apart() {
    let stream = |index, id, transfer| PlainStream {
        index,
        id: MessageId(id),
        transfer: crate::TransferId(transfer),
        writing: index == 1,
    };
    let with = |opened, second| PlainStreams {
        open: [stream(0, 3, 5), second].into(),
        opened,
        last: Some(MessageId(4)),
    };
    for (streams, holds) in [
        (with(2, stream(1, 4, 6)), true),
        (with(COUNT_MAX, stream(1, 4, 6)), true),
        (with(COUNT_MAX + 1, stream(1, 4, 6)), false),
        (with(1, stream(1, 4, 6)), false),
        (with(2, stream(0, 4, 6)), false),
        (with(2, stream(1, 3, 6)), false),
        (with(2, stream(1, 5, 6)), false),
        (with(2, stream(1, 4, 5)), false),
    ] {
        let again = copied(|out| streams.save(out), PlainStreams::restore);
        assert_eq!(again.is_ok(), holds, "{streams:?}");
    }
}
