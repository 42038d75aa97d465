//! Any bytes whatever as the certificate that somebody shows: who that is, and who owns it.

use peer_sender_core::{CertificateProblem, PeerKey};
use peer_sender_quic::simulation::{known_by_certificate, owners_of};
use ring::digest;

pub(crate) fn run(bytes: &[u8]) -> bool {
    let (known, owners) = (known_by_certificate(bytes), owners_of(bytes));
    if let Ok(PeerKey(hash)) = known {
        let expected = digest::digest(&digest::SHA256, bytes);
        assert_eq!(hash, expected.as_ref(), "I13 another certificate's name");
        assert!(owners.is_ok(), "I13 known, and with owners that are not");
    }
    match owners {
        Ok(owners) => assert!(owners.len() <= 32, "I21 {} owners", owners.len()),
        Err(problem) => assert!(
            matches!(
                problem,
                CertificateProblem::Malformed
                    | CertificateProblem::OwnersMalformed
                    | CertificateProblem::OwnerSignature
            ),
            "I13 {problem:?}"
        ),
    }
    true
}
