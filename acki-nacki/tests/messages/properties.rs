//! Any message goes round, and is what the network's own encoder makes of it.

use bytes::Bytes;
use peer_sender_acki_nacki::{Limits, NetMessage, UnencodableMessage, Version};
use proptest::prelude::*;

use crate::oracle;

fn messages() -> impl Strategy<Value = NetMessage> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let texts = (any::<String>(), any::<String>(), any::<Option<String>>());
    let data = proptest::collection::vec(any::<u8>(), 0..200);
    (any::<u64>(), flags, texts, data).prop_map(|(at, flags, texts, data)| NetMessage {
        version: match flags.0 {
            true => Version::V0,
            false => Version::V1,
        },
        delivery_start_timestamp_ms: at,
        id: texts.0,
        label: texts.1,
        compressed: flags.1,
        data: data.into(),
        last_sender_is_proxy: flags.2,
        direct_receiver: texts.2.filter(|_| !flags.0),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_goes_round(message in messages()) {
        let limits = Limits::default();
        match message.encode(&limits) {
            Ok(bytes) => {
                prop_assert_eq!(&bytes, &oracle::encode(&message));
                prop_assert_eq!(NetMessage::decode(&bytes, &limits), Ok(message));
            }
            Err(error) => prop_assert_eq!(error, UnencodableMessage::LooksLikeVersion1),
        }
    }

    /// Whatever is taken, a node takes as well, and reads it as the same.
    #[test]
    fn any_bytes_are_refused_or_read_as_they_stand(
        message in messages(),
        cut in any::<prop::sample::Index>(),
        spliced in proptest::collection::vec(any::<u8>(), 0..12),
    ) {
        let limits = Limits::default();
        let bytes = oracle::encode(&message);
        let (before, behind) = bytes.split_at(cut.index(bytes.len()));
        let skipped = behind.get(spliced.len()..).unwrap_or_default();
        for bytes in [[before, &spliced, behind].concat(), [before, &spliced, skipped].concat()] {
            if let Ok(read) = NetMessage::decode(&Bytes::from(bytes.clone()), &limits) {
                prop_assert_eq!(read.encode(&limits).unwrap(), &bytes);
                prop_assert_eq!(oracle::decode(&bytes), Some(read));
            }
        }
    }
}
