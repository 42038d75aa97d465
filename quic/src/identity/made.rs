//! Certificates of our own making.

use std::time::Duration;

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, PKCS_ECDSA_P256_SHA256,
    PKCS_ED25519, PublicKeyData, SigningKey, date_time_ymd,
};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use crate::owner::{self, OwnerKey};
use crate::tls;

/// The dates are fixed, since nobody looks at them and the certificate must be the same each time:
/// from 2000 on, without end (RFC 5280 section 4.1.2.5).
pub(super) fn self_signed(key: &OwnKey) -> Result<rcgen::Certificate, rcgen::Error> {
    params(CertificateParams::default()).self_signed(key)
}

fn params(mut params: CertificateParams) -> CertificateParams {
    const LAST_SECOND_OF_THE_DAY: Duration = Duration::from_secs(86_399);
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, tls::SERVER_NAME);
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31) + LAST_SECOND_OF_THE_DAY;
    params
}

/// A new P-256 key. What it signs is drawn from the same source.
pub(super) struct NodeKey<'a> {
    pub(super) pkcs8: Zeroizing<Vec<u8>>,
    pair: EcdsaKeyPair,
    random: &'a dyn SecureRandom,
}

impl<'a> NodeKey<'a> {
    pub(super) fn generate(random: &'a dyn SecureRandom) -> Option<Self> {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, random).ok()?;
        let pkcs8 = Zeroizing::new(document.as_ref().to_vec());
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8, random).ok()?;
        Some(Self {
            pkcs8,
            pair,
            random,
        })
    }

    pub(super) fn certificate(
        &self,
        owners: &[OwnerKey],
    ) -> Result<rcgen::Certificate, rcgen::Error> {
        let mut params = params(CertificateParams::new(vec![String::from("localhost")])?);
        if !owners.is_empty() {
            let content = owner::extension(owners, &self.subject_public_key_info());
            let extension = CustomExtension::from_oid_content(owner::EXTENSION, content);
            params.custom_extensions.push(extension);
        }
        params.self_signed(self)
    }
}

impl SigningKey for NodeKey<'_> {
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signed = self.pair.sign(self.random, text);
        let signature = signed.map_err(|_| rcgen::Error::RingUnspecified)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl PublicKeyData for NodeKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// Signs a certificate. Rcgen's own key would keep a copy of the secret that nobody wipes.
pub(super) struct OwnKey(Ed25519KeyPair);

impl OwnKey {
    pub(super) fn from(pkcs8: &PrivatePkcs8KeyDer<'_>) -> Option<Self> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8.secret_pkcs8_der())
            .ok()
            .map(Self)
    }
}

impl SigningKey for OwnKey {
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.sign(text).as_ref().to_vec())
    }
}

impl PublicKeyData for OwnKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ED25519
    }
}
