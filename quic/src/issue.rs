//! Certificate authorities for tests.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ED25519,
    PublicKeyData,
};
use rustls::pki_types::CertificateDer;

use crate::{Authority, Identity, pem};

/// An authority, or an intermediate one.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(crate) fn new() -> Self {
        Self::called("authority")
    }

    /// One with a key of its own, like each.
    pub(crate) fn called(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// One that is bound to something.
    pub(crate) fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority(name);
        change(&mut params);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
        Self(ca.unwrap())
    }

    /// An authority whose word this one vouches for.
    pub(crate) fn intermediate(&self) -> Self {
        self.intermediate_with(|_| {})
    }

    pub(crate) fn intermediate_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority("intermediate");
        change(&mut params);
        let ca = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.0);
        Self(ca.unwrap())
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(crate) fn authority(&self) -> Authority {
        Authority::from_pem(&certificates([&self.certificate()])).unwrap()
    }

    /// A certificate for these names.
    pub(crate) fn issue(
        &self,
        names: &[&str],
        key: &impl PublicKeyData,
    ) -> CertificateDer<'static> {
        self.issue_with(names, key, |_| {})
    }

    pub(crate) fn issue_with(
        &self,
        names: &[&str],
        key: &impl PublicKeyData,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let certificate = params.signed_by(key, &self.0).unwrap();
        certificate.der().clone()
    }

    /// Somebody of these names.
    pub(crate) fn member(&self, names: &[&str]) -> Identity {
        self.member_with(names, |_| {})
    }

    pub(crate) fn member_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        identity(&[&self.issue_with(names, &key, change)], &key)
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Whoever holds this key and shows this chain.
pub(crate) fn identity(chain: &[&CertificateDer<'_>], key: &KeyPair) -> Identity {
    let chain = certificates(chain.iter().copied());
    Identity::from_chain_pem(&chain, &private_key(key)).unwrap()
}

pub(crate) fn private_key(key: &KeyPair) -> String {
    pem::write("PRIVATE KEY", key.serialized_der()).to_string()
}

/// These certificates as text.
pub(crate) fn certificates<'a>(chain: impl IntoIterator<Item = &'a CertificateDer<'a>>) -> String {
    let blocks = chain.into_iter().map(|one| pem::write_certificate(one));
    blocks.map(|block| block.to_string()).collect()
}
