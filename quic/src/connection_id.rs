//! Connection ids that a later process of the same identity still recognises.

use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};
use ring::hmac;

use crate::derive::Derive;

const NONCE_BYTES: usize = 8;
const TAG_BYTES: usize = 4;
const ID_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// Makes connection ids of a nonce, which only the seed's owner can foresee, and a tag over it
/// under a key of the identity's.
///
/// A restarted listener knows none of its old connections, but finds its own tag in their ids: so
/// it answers their packets with stateless resets (RFC 9000 section 10.3), and spends nothing on
/// packets that were never its own.
pub(crate) struct ConnectionIds {
    tag_key: hmac::Key,
    nonce_key: hmac::Key,
    issued: u64,
}

impl ConnectionIds {
    /// `identity` is the same in every process of the identity, `seed` is not.
    pub(crate) fn new(identity: &Derive, seed: &Derive) -> Self {
        Self {
            tag_key: identity.hmac_key(b"connection id tag"),
            nonce_key: seed.hmac_key(b"connection id nonce"),
            issued: 0,
        }
    }

    fn tag(&self, nonce: &[u8]) -> [u8; TAG_BYTES] {
        first_bytes(hmac::sign(&self.tag_key, nonce))
    }
}

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let nonce: [u8; NONCE_BYTES] =
            first_bytes(hmac::sign(&self.nonce_key, &self.issued.to_be_bytes()));
        self.issued += 1;

        let mut id = [0; ID_BYTES];
        let (head, tail) = id.split_at_mut(NONCE_BYTES);
        head.copy_from_slice(&nonce);
        tail.copy_from_slice(&self.tag(&nonce));
        ConnectionId::new(&id)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        // Not in constant time: who forges a tag gains a stateless reset, which is smaller than
        // what it sent for it.
        match id.split_at_checked(NONCE_BYTES) {
            Some((nonce, tag)) if *tag == self.tag(nonce) => Ok(()),
            _ => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

fn first_bytes<const N: usize>(tag: hmac::Tag) -> [u8; N] {
    let mut bytes = [0; N];
    bytes
        .iter_mut()
        .zip(tag.as_ref())
        .for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ids(identity: u8, seed: u8) -> ConnectionIds {
        ConnectionIds::new(&Derive::from(&[identity; 32]), &Derive::from(&[seed; 32]))
    }

    #[test]
    fn another_process_of_the_identity_recognises_an_id() {
        let id = ids(1, 1).generate_cid();
        assert!(ids(1, 2).validate(&id).is_ok());
        assert!(ids(2, 1).validate(&id).is_err());
    }

    #[test]
    fn a_changed_or_cut_id_is_not_recognised() {
        let mut generator = ids(1, 1);
        let id = generator.generate_cid();
        assert_eq!(id.len(), generator.cid_len());
        for bit in 0..8 * id.len() {
            let mut bytes = id.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(
                generator.validate(&ConnectionId::new(&bytes)).is_err(),
                "bit {bit}"
            );
        }
        for length in 0..id.len() {
            assert!(
                generator
                    .validate(&ConnectionId::new(&id[..length]))
                    .is_err()
            );
        }
    }

    #[test]
    fn ids_follow_the_seed_and_do_not_repeat() {
        let draw = |seed| {
            let mut generator = ids(1, seed);
            (0..1_000)
                .map(|_| generator.generate_cid().to_vec())
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        let distinct: BTreeSet<_> = draw(1).into_iter().chain(draw(2)).collect();
        assert_eq!(distinct.len(), 2_000);
    }
}
