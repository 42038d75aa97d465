//! Identities that made their own certificate, and those of an authority.

use super::*;
use crate::issue::{self, Ca};

#[test]
fn the_same_secret_gives_the_same_certificate() {
    let [one, again, other] = [1, 1, 2].map(|n| Identity::from_secret([n; 32]));
    assert_eq!(one.certified().cert, again.certified().cert);
    assert_eq!(one.key(), again.key());
    assert_ne!(one.key(), other.key());
}

#[test]
fn the_certificate_has_fixed_dates_and_no_end() {
    let identity = Identity::from_secret([1; 32]);
    let certificate = &identity.certified().cert[0];
    let holds = |text: &[u8]| certificate.windows(text.len()).any(|window| window == text);
    assert!(holds(b"000101000000Z") && holds(b"99991231235959Z"));
}

/// RFC 8032 section 7.1, test 1: the private key and its public key.
#[test]
fn the_key_is_the_hash_of_the_public_key_info() {
    let secret = *b"\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\
                    \x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";
    let public = b"\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a\
                   \x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a";
    // SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 section 4).
    let info = [
        b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00",
        &public[..],
    ]
    .concat();
    let hash = ring::digest::digest(&ring::digest::SHA256, &info);
    assert_eq!(&Identity::from_secret(secret).key().0[..], hash.as_ref());
}

#[test]
fn debug_shows_the_key_and_no_secret() {
    let identity = Identity::from_secret([0xa7; 32]);
    let shown = format!("{identity:?} {identity:#?}");
    assert!(shown.contains(&identity.key().to_string()));
    assert!(
        !shown.contains("a7a7") && !shown.contains("167, 167"),
        "{shown}"
    );
}

#[test]
fn keys_of_every_kind_may_be_certified() {
    let ca = Ca::new();
    for algorithm in [
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
    ] {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let own = ca.issue(&["a.example"], &key);
        let above = ca.certificate();
        let identity = issue::identity(&[&own, &above], &key);
        assert_eq!(identity.key(), Naming::Key.key_of(&own).unwrap());
        assert_eq!(identity.certified().cert, [own.clone(), above]);
        assert_eq!(*identity.to_pem(), issue::private_key(&key));

        // A new certificate of the same key changes nothing that peers know it by.
        let renewed = ca.issue(&["b.example"], &key);
        let renewed = issue::identity(&[&renewed], &key);
        assert_eq!(renewed.key(), identity.key());
        let secret = |of: &Identity| of.derive().bytes(b"x");
        assert_eq!(secret(&renewed), secret(&identity));

        let both = issue::certificates([&own]) + &issue::private_key(&key);
        let from_one_file = Identity::from_chain_pem(&both, &both).unwrap();
        assert_eq!(from_one_file.key(), identity.key());
    }
}

/// An RSA key of 2,048 bits in the form of RFC 8017, and its certificate, made with OpenSSL.
#[test]
fn an_rsa_key_in_the_older_form_is_taken() {
    let both = include_str!("rsa.pem");
    let identity = Identity::from_chain_pem(both, both).unwrap();
    assert!(both.ends_with(identity.to_pem().as_str()));
}

#[test]
fn what_does_not_go_together_is_refused_by_name() {
    let ca = Ca::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let (chain, text) = (
        issue::certificates([&ca.issue(&["a.example"], &key)]),
        issue::private_key(&key),
    );
    let other = issue::private_key(&rcgen::KeyPair::generate().unwrap());
    let authority = issue::certificates([&ca.certificate()]);
    let block = |label, bytes: &[u8]| pem::write(label, bytes).to_string();
    let cases = [
        ("", text.as_str(), IdentityError::NoCertificate),
        (&text, &text, IdentityError::NoCertificate),
        (&chain, "", IdentityError::NoKey),
        (&chain, &other, IdentityError::OtherKey),
        (&(authority + &chain), &text, IdentityError::OtherKey),
        (
            &block("CERTIFICATE", b"no certificate"),
            &text,
            IdentityError::Certificate,
        ),
        (
            &chain,
            &block("PRIVATE KEY", b"no key"),
            IdentityError::Unsupported,
        ),
        (&chain.repeat(50), &text, IdentityError::ChainTooLarge),
    ];
    for (chain, key, expected) in cases {
        let error = Identity::from_chain_pem(chain, key).expect_err(&expected.to_string());
        assert_eq!(error, expected);
    }
}

#[test]
fn derived_keys_follow_the_identity() {
    let [one, again, other] = [1, 1, 2].map(|n| Identity::from_secret([n; 32]));
    assert_eq!(one.derive().bytes(b"x"), again.derive().bytes(b"x"));
    assert_ne!(one.derive().bytes(b"x"), other.derive().bytes(b"x"));
}
