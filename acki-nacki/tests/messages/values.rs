//! Values of a user's own types.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};

use peer_sender_acki_nacki::{
    BadPayload, BadValue, Limits, NetMessage, UnencodableMessage, Version,
};
use serde::de::{DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::cases::{Everything, carrying, everything};
use crate::goldens::case;

fn limits() -> Limits {
    Limits::default()
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, BadValue> {
    carrying(Version::V1, payload).value(&limits())
}

#[track_caller]
fn goes_round<T: Serialize + DeserializeOwned + Debug + PartialEq>(value: T) {
    let message = NetMessage::from_value(&value, 5, "id", &limits()).unwrap();
    assert_eq!(message.label, format!("{value:#?}"));
    let payload = message.payload(&limits()).unwrap();
    assert_eq!(payload, bincode1::serialize(&value).unwrap());
    assert_eq!(message.value::<T>(&limits()).unwrap(), value);
}

#[test]
fn values_are_laid_out_as_bincode_1_does() {
    goes_round(everything());
    goes_round(());
    goes_round(String::new());
    goes_round(vec![vec![0_u8; 2_000], Vec::new()]);
    goes_round(BTreeMap::from([(1_u8, Some("a".to_owned())), (2, None)]));
    goes_round((u128::MAX, i128::MIN, f32::MIN_POSITIVE, '\u{10ffff}'));
    goes_round(vec![(); 60_000]);
    let vector = case("v1_value").message;
    assert_eq!(vector.value::<Everything>(&limits()).unwrap(), everything());
}

#[test]
fn every_cut_and_changed_byte_of_a_value_is_refused_or_read() {
    let payload = bincode1::serialize(&everything()).unwrap();
    for length in 0..payload.len() {
        assert!(
            read::<Everything>(&payload[..length]).is_err(),
            "cut to {length}"
        );
    }
    for index in 0..payload.len() {
        for bit in 0..8 {
            let mut changed = payload.clone();
            changed[index] ^= 1 << bit;
            let old = bincode1::deserialize::<Everything>(&changed).ok();
            // By its text: a float may be none that equals itself.
            let (new, old) = (read::<Everything>(&changed).ok(), old);
            if let Some(new) = new {
                assert_eq!(
                    format!("{new:?}"),
                    format!("{:?}", old.unwrap()),
                    "byte {index}"
                );
            }
        }
    }
}

#[test]
fn a_value_ends_where_its_payload_does() {
    let refused = read::<u8>(&[1, 2, 3]);
    assert_eq!(
        refused,
        Err(BadValue::BytesLeftOver {
            offset: 1,
            count: 2
        })
    );
    assert!(matches!(read::<u16>(&[1]), Err(BadValue::Malformed { .. })));
    assert!(matches!(
        read::<bool>(&[2]),
        Err(BadValue::Malformed { .. })
    ));
}

#[test]
fn a_length_that_lies_makes_no_room() {
    for length in [1_u64 << 20, 1 << 40, 1 << 62, u64::MAX] {
        let payload = length.to_le_bytes();
        assert!(read::<String>(&payload).is_err());
        assert!(read::<Vec<u8>>(&payload).is_err());
        assert!(read::<Vec<u64>>(&payload).is_err());
        assert!(read::<Vec<String>>(&payload).is_err());
        assert!(read::<BTreeMap<u8, u8>>(&payload).is_err());
    }
}

/// What a sequence says of its length before its elements are asked for.
struct Hint(Option<usize>);

impl<'de> Deserialize<'de> for Hint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Asks;
        impl<'de> Visitor<'de> for Asks {
            type Value = Hint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Hint, A::Error> {
                Ok(Hint(access.size_hint()))
            }
        }
        deserializer.deserialize_seq(Asks)
    }
}

#[test]
fn a_length_is_passed_on_only_as_far_as_there_may_be_elements() {
    let hint = |length: u64| read::<Hint>(&length.to_le_bytes()).unwrap().0;
    assert_eq!(hint(7), Some(7));
    assert_eq!(hint(u64::MAX), Some(8 + (1 << 16)));
}

#[test]
fn elements_without_bytes_come_to_an_end() {
    let max = 8 + (1 << 16);
    for length in [max as u64 + 1, 1 << 40, u64::MAX] {
        let refused = read::<Vec<()>>(&length.to_le_bytes());
        assert_eq!(refused, Err(BadValue::TooManyElements { max }));
        let refused = read::<BTreeMap<(), ()>>(&length.to_le_bytes());
        assert_eq!(refused, Err(BadValue::TooManyElements { max }));
    }
    assert_eq!(
        read::<Vec<()>>(&(max as u64).to_le_bytes()).unwrap().len(),
        max
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum List {
    End,
    Item(Box<List>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tree(Vec<Tree>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

#[test]
fn a_value_is_nested_only_so_deep() {
    fn list(items: usize) -> Vec<u8> {
        let item = 1_u32.to_le_bytes().repeat(items);
        [item, vec![0; 4]].concat()
    }
    let too_deep = BadValue::TooDeep { max: 32 };
    assert!(read::<List>(&list(31)).is_ok());
    assert_eq!(read::<List>(&list(32)), Err(too_deep.clone()));
    assert_eq!(read::<List>(&list(1_000_000)), Err(too_deep.clone()));
    assert_eq!(
        read::<Tree>(&1_u64.to_le_bytes().repeat(500_000)),
        Err(too_deep.clone())
    );
    assert_eq!(read::<Chain>(&vec![1; 1_000_000]), Err(too_deep));
    let deeper = Limits {
        depth_max: 40,
        ..limits()
    };
    assert!(
        carrying(Version::V1, &list(39))
            .value::<List>(&deeper)
            .is_ok()
    );
}

/// Nothing that is behind one another counts as nested.
#[test]
fn what_is_long_is_not_deep() {
    goes_round(
        (0..10_000)
            .map(|it| Some(it.to_string()))
            .collect::<Vec<_>>(),
    );
    goes_round(
        (0..100)
            .map(|_| Tree(vec![Tree(Vec::new())]))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn a_payload_that_cannot_be_had_is_no_value() {
    let mut message = carrying(Version::V1, b"no frame");
    message.compressed = true;
    let refused = message.value::<u8>(&limits());
    assert_eq!(refused, Err(BadValue::Payload(BadPayload::NotZstd)));
}

#[test]
fn what_has_no_layout_is_not_sent() {
    #[derive(Debug)]
    struct Unknown;
    impl Serialize for Unknown {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serde::ser::SerializeSeq::end(serializer.serialize_seq(None)?)
        }
    }
    let unsent = NetMessage::from_value(&Unknown, 0, "", &limits());
    assert!(
        matches!(unsent, Err(UnencodableMessage::Unserializable { .. })),
        "{unsent:?}"
    );
}
