use alloc::string::String;
use alloc::vec;

use bytes::Bytes;

use super::*;
use crate::wire::{Frame, Open};
use crate::{
    Attempt, Config, Event, Lane, MessageId, MessageOptions, PeerKey, PeerSenderMachine,
    ReceiverStats, SessionId, Sessions, SessionsConfig, Side, Stats, StreamId, Time,
};

fn sender() -> PeerSenderMachine {
    let config = Config::new("192.0.2.1:4433".parse().unwrap()).unwrap();
    PeerSenderMachine::new(config, [7; 32])
}

fn image(machine: &impl Image) -> Vec<u8> {
    let mut image = Vec::new();
    machine.save(&mut image);
    image
}

#[test]
fn numbers_of_every_length_are_read_back() {
    let borders = (0..64).map(|bit| 1_u64 << bit).chain([0, u64::MAX]);
    for number in borders.flat_map(|it| [it.wrapping_sub(1), it, it.wrapping_add(1)]) {
        let save = |out: &mut Writer<'_>| out.number(number);
        let (read, image) = copied(save, |image| image.number());
        assert_eq!(read, Ok(number));
        let bits = 64 - number.leading_zeros() as usize;
        assert_eq!(image.len(), 10 + bits.div_ceil(7).max(1));
    }
    for (bytes, what) in [
        (&[0x80; 9][..], "it ends within a number"),
        (&[0xff; 11], "a number above 64 bits"),
        (
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
            "a number above 64 bits",
        ),
    ] {
        let mut reader = Reader::new(bytes, bytes.len(), 0).unwrap();
        let Err(ImageError::Damaged { what: told, .. }) = reader.number() else {
            panic!("{bytes:?}");
        };
        assert_eq!(told, what);
    }
}

#[test]
fn payloads_are_zeros_of_one_buffer_as_long_as_the_longest() {
    let lengths = [3, 10, 0];
    let save = |out: &mut Writer<'_>| {
        for length in lengths {
            out.payload(&Bytes::from(vec![1; length]));
        }
    };
    let restore = |image: &mut Reader<'_>| (0..3).map(|_| image.payload()).collect();
    let (payloads, _): (Result<Vec<Bytes>, _>, _) = copied(save, restore);
    let payloads = payloads.unwrap();
    for (payload, length) in payloads.iter().zip(lengths) {
        assert_eq!(*payload, vec![0; length]);
    }
    assert_eq!(payloads[0].as_ptr(), payloads[1].as_ptr());
    let (above, _) = copied(|out| out.size(1), |image| image.payload());
    let (offset, what) = (11, "a payload above the longest");
    assert_eq!(above, Err(ImageError::Damaged { offset, what }));
}

#[test]
fn no_more_is_set_aside_than_is_restored_whatever_is_claimed() {
    let most = RESTORED_BYTES_MAX as u64;
    assert!(Reader::new(&[], 0, most).is_ok());
    let too_large = |bytes| Err(ImageError::TooLarge { bytes });
    for bytes in [most + 1, u64::MAX] {
        assert_eq!(Reader::new(&[], 0, bytes).map(|_| ()), too_large(bytes));
    }
    let (half, _) = copied(
        |out| (0..3).for_each(|_| out.size(RESTORED_BYTES_MAX / 2)),
        |image| {
            assert_eq!(image.buffer()?.len(), RESTORED_BYTES_MAX / 2);
            image.buffer()?;
            image.buffer()
        },
    );
    assert_eq!(half.map(|_| ()), too_large(most / 2));
    let (all, _) = copied(|out| out.number(u64::MAX), |image| image.buffer());
    assert_eq!(all.map(|_| ()), too_large(u64::MAX));
    let (items, _) = copied(
        |out| out.number(1 << 40),
        |image| image.each::<u64, Vec<_>>(Reader::number),
    );
    let (offset, what) = (16, "more items than there are bytes");
    assert_eq!(items, Err(ImageError::Damaged { offset, what }));
    let (bytes, _) = copied(
        |out| out.number(1 << 40),
        |image| image.bytes().map(<[u8]>::len),
    );
    let what = "it ends within bytes";
    assert_eq!(bytes, Err(ImageError::Damaged { offset, what }));
    let (value, _) = copied(|_| (), |image| image.value::<u64>());
    let (offset, what) = (10, "a value that is none");
    assert_eq!(value, Err(ImageError::Damaged { offset, what }));
}

#[test]
fn what_is_no_whole_image_of_such_a_machine_is_refused() {
    let (image, table) = (
        image(&sender()),
        image(&Sessions::new(SessionsConfig::default(), [1; 32])),
    );
    let kind = |machine| ImageError::Kind { machine };
    let of = |bytes: &[u8]| PeerSenderMachine::restore(bytes).map(|_| ());
    let of_table = |bytes: &[u8]| Sessions::restore(bytes).map(|_| ());
    assert_eq!((of(&image), of_table(&table)), (Ok(()), Ok(())));
    assert_eq!(of(&table), Err(kind("a sender")));
    assert_eq!(of_table(&image), Err(kind("a table of sessions")));
    let mut newer = image.clone();
    newer[1] += 1;
    assert_eq!(of(&newer), Err(kind("a sender")));
    for end in 0..image.len() {
        let cut = of(&image[..end]).unwrap_err();
        let expected =
            matches!(cut, ImageError::Damaged { .. }) || end < 10 && cut == kind("a sender");
        assert!(expected, "{end}: {cut}");
    }
    for more in 1..3 {
        let longer = [&image[..], &[0; 2][..more]].concat();
        assert_eq!(of(&longer), Err(ImageError::Trailing { bytes: more }));
    }
}

/// Fails where the layout of images changes: `VERSION` must become another one then.
#[test]
fn the_layout_is_that_of_its_version() {
    let hash = |image: Vec<u8>| xxhash_rust::xxh3::xxh3_64(&image);
    let mut table = Sessions::new(SessionsConfig::default(), [1; 32]);
    let mut actions = Vec::new();
    for attempt in [Attempt(1), Attempt(2)] {
        table.accepted(Time::ZERO, attempt, PeerKey([7; 32]), &mut actions);
    }
    let mut bytes = Vec::new();
    let (session, lane, base) = (SessionId([5; 16]), 0, 0);
    Frame::Open(Open {
        fresh: true,
        session,
        lane,
        base,
    })
    .encode(&mut bytes);
    let (attempt, stream) = (
        Attempt(1),
        StreamId {
            opener: Side::Remote,
            index: 0,
        },
    );
    let events = [
        Event::StreamOpened { attempt, stream },
        Event::BytesReceived {
            attempt,
            stream,
            bytes: bytes.into(),
            fin: false,
        },
    ];
    table.handle_connection(Time::ZERO, attempt, events, &mut actions);
    assert_eq!(table.len(), 1);
    let mut sender = sender();
    let queued = Event::MessageQueued {
        id: MessageId(1),
        lane: Lane(0),
        payload: Bytes::from_static(b"m"),
        options: MessageOptions::default(),
    };
    let attempt = Attempt(0);
    sender.handle(
        Time::ZERO,
        [queued, Event::Connected { attempt }],
        &mut actions,
    );
    let layout = (VERSION, hash(image(&sender)), hash(image(&table)));
    assert_eq!(
        layout,
        (2, 1_236_900_935_496_088_736, 6_584_563_340_822_669_397)
    );
}

#[test]
fn an_error_says_what_is_wrong() {
    let texts: Vec<String> = [
        ImageError::Kind {
            machine: "a sender",
        },
        ImageError::Damaged {
            offset: 12,
            what: "no other half",
        },
        ImageError::Trailing { bytes: 3 },
        ImageError::TooLarge { bytes: 1 << 31 },
        ImageError::Config(ConfigError::new("ttl", "must be above 0")),
        ImageError::Unsound(Violation {
            id: "I2",
            what: "the books differ",
        }),
    ]
    .iter()
    .map(alloc::string::ToString::to_string)
    .collect();
    let expected = [
        "no image of a sender in the layout of this version",
        "the image is damaged before byte 12: no other half",
        "3 bytes follow the image",
        "the image claims 2147483648 bytes of payload, more than are restored",
        "the image has a configuration that cannot be used: ttl: must be above 0",
        "the image has a state that cannot be: invariant I2 does not hold: the books differ",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn counters_have_room_to_grow() {
    assert!(is_count(COUNT_MAX) && !is_count(COUNT_MAX + 1));
    let above = COUNT_MAX + 1;
    macro_rules! each {
        ($stats:ident: $($field:ident)*) => {$(
            let mut stats = $stats::default();
            stats.$field = COUNT_MAX;
            assert!(stats.are_counts());
            stats.$field = above;
            assert!(!stats.are_counts(), stringify!($field));
        )*};
    }
    each!(Stats: accepted rejected delivered refused expired cancelled failed unknown queued);
    each!(Stats: queued_bytes in_flight in_flight_bytes written redelivered connects connected);
    each!(Stats: stale_events protocol_errors);
    each!(ReceiverStats: delivered delivered_bytes refused duplicates incomplete held_bytes);
    each!(ReceiverStats: taken_over stale_events protocol_errors);
}

#[test]
fn the_counters_of_all_together_have_room_to_grow() {
    let refused = |refused| ReceiverStats {
        refused,
        ..ReceiverStats::default()
    };
    let all = |each: &[u64]| count_all(each.iter().copied().map(refused));
    assert_eq!(all(&[COUNT_MAX - 1, 1]), Some(refused(COUNT_MAX)));
    assert_eq!(all(&[COUNT_MAX, 1]), None);
    assert_eq!(all(&[COUNT_MAX + 1]), None);
    assert_eq!(all(&[u64::MAX, u64::MAX]), None);
    assert_eq!(all(&[]), Some(refused(0)));
}
