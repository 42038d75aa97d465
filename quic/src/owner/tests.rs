//! Owners in certificates, right and wrong.

use rcgen::{CertificateParams, CustomExtension};
use ring::rand::SystemRandom;

use super::*;
use crate::{Identity, Naming, issue};

fn owner_key(number: u8) -> OwnerKey {
    OwnerKey::from_secret([number; 32])
}

fn owners(numbers: &[u8]) -> BTreeSet<Owner> {
    numbers.iter().map(|&it| owner_key(it).owner()).collect()
}

fn self_made(numbers: &[u8]) -> Identity {
    let keys: Vec<_> = numbers.iter().map(|&it| owner_key(it)).collect();
    Identity::self_made(&keys, &SystemRandom::new()).unwrap()
}

/// A self-signed certificate whose extensions of owners have these contents, made of its key.
fn with_extensions(make: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> CertificateDer<'static> {
    let key = rcgen::KeyPair::generate().unwrap();
    let info = rcgen::PublicKeyData::subject_public_key_info(&key);
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    for content in make(&info) {
        let extension = CustomExtension::from_oid_content(EXTENSION, content);
        params.custom_extensions.push(extension);
    }
    params.self_signed(&key).unwrap().der().clone()
}

#[test]
fn owners_are_read_back() {
    for numbers in [&[][..], &[1], &[1, 2, 3], &[2, 2]] {
        let identity = self_made(numbers);
        assert_eq!(identity.owners(), Ok(owners(numbers)));

        let (chain, key) = (identity.certificates_pem(), identity.to_pem());
        let again = Identity::from_chain_pem(&chain, &key).unwrap();
        assert_eq!(again.owners(), Ok(owners(numbers)));
        assert_eq!(
            again.key_as(Naming::Certificate),
            identity.key_as(Naming::Certificate)
        );
        assert_ne!(identity.key_as(Naming::Certificate), identity.key());
        assert_eq!(identity.key_as(Naming::Key), identity.key());
    }
    assert_eq!(
        Identity::from_secret([1; 32]).owners(),
        Ok(BTreeSet::new()),
        "of a certificate without extensions"
    );
}

#[test]
fn an_identity_is_made_anew_each_time_and_says_localhost() {
    let [one, other] = [self_made(&[1]), self_made(&[1])];
    assert_ne!(one.key(), other.key());
    let certificate = &one.certified().cert[0];
    assert!(certificate.windows(9).any(|it| it == b"localhost"));
    let error = Identity::self_made(&vec![owner_key(1); 33], &SystemRandom::new());
    assert_eq!(error.unwrap_err(), IdentityError::TooManyOwners);
}

#[test]
fn what_is_wrong_with_owners_has_its_name() {
    let [one, two] = [1, 2].map(owner_key);
    let entry = |info: &[u8]| one.entry(info).to_vec();
    let most = with_extensions(|info| vec![entry(info).repeat(32)]);
    assert_eq!(owners_of(&most), Ok(owners(&[1])));
    let none = with_extensions(|_| vec![vec![]]);
    assert_eq!(owners_of(&none), Ok(BTreeSet::new()));

    let malformed = [
        with_extensions(|info| vec![entry(info), two.entry(info).to_vec()]),
        with_extensions(|info| vec![entry(info), vec![]]),
        with_extensions(|info| vec![entry(info)[1..].to_vec()]),
        with_extensions(|info| vec![entry(info).repeat(33)]),
        with_extensions(|_| vec![vec![7; 97]]),
        with_extensions(|_| vec![vec![7; 1]]),
    ];
    for certificate in malformed {
        let error = owners_of(&certificate);
        assert_eq!(error, Err(CertificateProblem::OwnersMalformed));
    }

    let of_another_key = with_extensions(|_| vec![entry(b"another key")]);
    let in_anothers_name = with_extensions(|info| {
        let mut stolen = entry(info);
        stolen[..32].copy_from_slice(&two.owner().0);
        vec![stolen]
    });
    let one_of_many = with_extensions(|info| vec![[entry(info), vec![7; 96]].concat()]);
    for certificate in [of_another_key, in_anothers_name, one_of_many] {
        let error = owners_of(&certificate);
        assert_eq!(error, Err(CertificateProblem::OwnerSignature));
    }
}

#[test]
fn one_trusted_owner_is_enough() {
    let certificate = |numbers| self_made(numbers).certified().cert[0].clone();
    let judge = |numbers, trusted| {
        let trusted = owners(trusted);
        Owners::of(&certificate(numbers)).include(|it| trusted.contains(it))
    };
    assert_eq!(judge(&[1, 2], &[2, 3]), Ok(()));
    let not_trusted = Err(CertificateProblem::OwnerNotTrusted);
    assert_eq!(judge(&[1, 2], &[3]), not_trusted);
    let missing = Err(CertificateProblem::OwnersMissing);
    assert_eq!(judge(&[], &[1]), missing);
}

/// Every byte of a certificate, set to what lengths and tags are mistaken for.
#[test]
fn no_bytes_of_a_certificate_break_anything_or_make_an_owner() {
    let whole = self_made(&[1, 2]).certified().cert[0].to_vec();
    let read = |bytes: &[u8]| {
        let certificate = CertificateDer::from(bytes);
        if let Ok(found) = owners_of(&certificate) {
            assert!(found.is_subset(&owners(&[1, 2])), "{found:?}");
        }
        let _ = Naming::Certificate.key_of(&certificate);
    };
    for at in 0..whole.len() {
        read(&whole[..at]);
        for value in [0, 1, 3, 0x30, 0x7f, 0x80, 0x81, 0x82, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            read(&changed);
        }
        let mut cut_out = whole.clone();
        cut_out.remove(at);
        read(&cut_out);
    }
}

#[test]
fn an_owners_key_is_kept_as_text_and_shows_no_secret() {
    let key = owner_key(0xa7);
    let again = OwnerKey::from_pem(&key.to_pem()).unwrap();
    assert_eq!(again.owner(), key.owner());
    let shown = format!("{key:?} {key:#?}");
    assert!(shown.contains(&key.owner().to_string()) && !shown.contains("a7a7a7a7"));
    let p256 = rcgen::KeyPair::generate().unwrap();
    let error = OwnerKey::from_pem(&issue::private_key(&p256));
    assert_eq!(error.unwrap_err(), IdentityError::Algorithm);
    for text in ["", "7", &"g".repeat(64), &"a".repeat(65)] {
        assert_eq!(text.parse::<Owner>(), Err(InvalidOwner));
    }
}

/// RFC 8032 section 7.1, test 1.
#[test]
fn an_owner_is_its_public_key() {
    let secret = *b"\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\
                    \x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";
    assert_eq!(
        OwnerKey::from_secret(secret).owner().to_string(),
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    );
}
