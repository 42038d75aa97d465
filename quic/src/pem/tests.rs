//! Keys as text, there and back, and what is none.

use rustls::pki_types::pem::PemObject;

use super::*;

/// RFC 8410 section 10.3: the same key without and with its public key.
const RFC_V1: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";
const RFC_SECRET: [u8; 32] = *b"\xd4\xee\x72\xdb\xf9\x13\x58\x4a\xd5\xb6\xd8\xf1\xf7\x69\xf8\xad\
    \x3a\xfe\x7c\x28\xcb\xf1\xd4\xfb\xe0\x97\xa8\x8f\x44\x75\x58\x42";
const PUBLIC: &[u8] = b"\x19\xbf\x44\x09\x69\x84\xcd\xfe\x85\x41\xba\xc1\x67\xdc\x3b\x96\
    \xc8\x50\x86\xaa\x30\xb6\xb6\xcb\x0c\x5c\x38\xad\x70\x31\x66\xe1";

#[test]
fn the_text_is_that_of_the_standard() {
    assert_eq!(*write_secret(&RFC_SECRET), RFC_V1);
    assert_eq!(read_secret(RFC_V1).map(|secret| *secret), Ok(RFC_SECRET));
}

#[test]
fn every_secret_survives_the_text() {
    for n in 0..=255 {
        let secret = std::array::from_fn(|i| n ^ (i as u8).wrapping_mul(37));
        assert_eq!(
            read_secret(&write_secret(&secret)).map(|read| *read),
            Ok(secret)
        );
    }
}

#[test]
fn keys_of_every_length_survive_the_text_in_their_form() {
    for form in [KeyForm::Pkcs8, KeyForm::Sec1, KeyForm::Pkcs1] {
        for bytes in 0..200_u8 {
            let der = Zeroizing::new((0..bytes).map(|n| n.wrapping_mul(151)).collect());
            let text = write_key(&PrivateKey { form, der });
            assert_eq!(text.capacity(), text.len(), "it grew on the way");
            assert!(text.lines().all(|line| line.len() <= 64));
            let again = read_key(&text).unwrap();
            assert_eq!(again.form, form);
            assert!(
                (0..bytes)
                    .map(|n| n.wrapping_mul(151))
                    .eq(again.der.iter().copied())
            );

            // The reader that certificates are read with agrees on what it says.
            let theirs = PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap();
            assert_eq!(theirs.secret_der(), again.der.as_slice());
        }
    }
}

#[test]
fn line_ends_and_text_around_the_key_do_not_matter() {
    let crlf = RFC_V1.replace('\n', "\r\n");
    assert_eq!(read_secret(&crlf).map(|secret| *secret), Ok(RFC_SECRET));
    let around =
        format!("my key\n{RFC_V1}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_eq!(read_secret(&around).map(|secret| *secret), Ok(RFC_SECRET));
}

#[test]
fn a_public_key_must_belong_to_the_secret() {
    let mut v2 = pkcs8(&RFC_SECRET).to_vec();
    v2[1] += 35;
    v2[4] = 1;
    v2.extend([0x81, 0x21, 0]);
    v2.extend(PUBLIC);
    assert_eq!(secret_of(&v2).map(|secret| *secret), Ok(RFC_SECRET));

    *v2.last_mut().unwrap() ^= 1;
    assert_eq!(
        secret_of(&v2).map(|secret| *secret),
        Err(IdentityError::Key)
    );
}

#[test]
fn what_is_no_key_is_refused_by_name() {
    let block = |label: &str, body: &str| {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    };
    // A P-256 key as PKCS #8 begins like this.
    let p256 = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
    let pem = |problem| IdentityError::Pem { problem };
    let cases = [
        (String::new(), IdentityError::NoKey),
        ("hello".into(), IdentityError::NoKey),
        (block("CERTIFICATE", "AAAA"), IdentityError::NoKey),
        (block("PUBLIC KEY", "AAAA"), IdentityError::NoKey),
        (
            block("PRIVATE KEY", "AAAA===="),
            pem("a block is not valid base64"),
        ),
        (block("PRIVATE KEY", "AA=="), IdentityError::Key),
        (
            block("PRIVATE KEY", "AB=="),
            pem("a block is not valid base64"),
        ),
        (
            block("PRIVATE KEY", "AAA"),
            pem("a block is not valid base64"),
        ),
        (
            block("PRIVATE KEY", "A=AA"),
            pem("a block is not valid base64"),
        ),
        (block("EC PRIVATE KEY", "AAAA"), IdentityError::Algorithm),
        (block("RSA PRIVATE KEY", "AAAA"), IdentityError::Algorithm),
        (
            block("ENCRYPTED PRIVATE KEY", "AAAA"),
            IdentityError::Encrypted,
        ),
        (block("OPENSSH PRIVATE KEY", "AAAA"), IdentityError::OpenSsh),
        (format!("{RFC_V1}{RFC_V1}"), IdentityError::SeveralKeys),
        (block("PRIVATE KEY", p256), IdentityError::Algorithm),
        (block("PRIVATE KEY", ""), IdentityError::Key),
        (block("PRIVATE KEY", "AAAA"), IdentityError::Key),
        (
            block("PRIVATE KEY", "!!!!"),
            pem("a block is not valid base64"),
        ),
        (
            RFC_V1.replace("-----END", "-----"),
            pem("a block has no END line"),
        ),
        (
            RFC_V1.replace("KEY-----\nMC4", "KEY--\nMC4"),
            pem("a BEGIN line is malformed"),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(
            read_secret(&text).map(|secret| *secret),
            Err(expected),
            "{text}"
        );
    }
}

#[test]
fn a_damaged_key_is_never_taken_and_never_panics() {
    let der = pkcs8(&RFC_SECRET);
    for cut in 0..der.len() {
        assert!(secret_of(&der[..cut]).is_err(), "{cut}");
    }
    for at in 0..SECRET_START {
        for bit in 0..8 {
            let mut changed = der.to_vec();
            changed[at] ^= 1 << bit;
            assert!(secret_of(&changed).is_err(), "byte {at} bit {bit}");
        }
    }
    let longer = [&der[..], &[0]].concat();
    assert!(secret_of(&longer).is_err());
}
