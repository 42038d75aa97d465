//! Who is trusted: whom a dial expects, and whom the accepting side lets in.

use std::collections::BTreeSet;

use peer_sender_core::{CertificateProblem, Dialler, LinkError, PeerKey};
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::authority::{Authority, Members, PeerName, problem_of};
use crate::certificate::Parts;
use crate::owner::Owners;
use crate::tls::{self, PROVIDER};
use crate::{Naming, NodeConfig, Owner};

/// Whom the accepting side lets in. However that is decided, a dialler is known by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whoever holds one of these keys. Certificates are taken for their keys alone: neither names
    /// nor dates count.
    Keys(BTreeSet<PeerKey>),
    /// Whoever holds a certificate of this authority, valid today, and is one of these. The
    /// certificate's extended key usage, where it has one, must allow TLS clients.
    Authority(Authority, Members),
    /// Whoever holds any key: every dialler is let in, and is known by the key it proves to hold.
    Any,
    /// Whose certificate is signed by at least one of these owners, and by every other owner that it
    /// names. Certificates are taken for their keys and owners alone: neither names nor dates
    /// count.
    ///
    /// Limits of one peer (places, bytes, sessions) are those of one public key, which owners have signed:
    /// more certificates of it have no more. An owner itself can sign any number of keys; what the whole
    /// node may have holds that.
    Owners(BTreeSet<Owner>),
}

/// A dialler that is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotLetIn {
    /// Its key, if its certificate could be read.
    pub(crate) key: Option<PeerKey>,
    pub(crate) error: LinkError,
}

impl Trust {
    /// The dialler that has shown this chain, and has proven to hold its first key.
    pub(crate) fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        naming: Naming,
        now: UnixTime,
    ) -> Result<Dialler, NotLetIn> {
        let refuse = |key, why| {
            let error = LinkError::CertificateRefused { why };
            Err(NotLetIn { key, error })
        };
        let Some((end_entity, intermediates)) = chain.split_first() else {
            return refuse(None, CertificateProblem::Missing);
        };
        let (dialler, owners) = match named(end_entity, naming) {
            Ok(named) => named,
            Err(why) => return refuse(None, why),
        };
        let key = dialler.key;
        match self {
            Self::Any => Ok(dialler),
            Self::Keys(keys) if keys.contains(&key) => Ok(dialler),
            Self::Keys(_) => Err(NotLetIn {
                key: Some(key),
                error: LinkError::NotAllowed { offered: key },
            }),
            Self::Authority(authority, members) => {
                match authority.vouches_for_dialler(members, end_entity, intermediates, now) {
                    Ok(()) => Ok(dialler),
                    Err(why) => refuse(Some(key), why),
                }
            }
            Self::Owners(trusted) => match owners.include(|owner| trusted.contains(owner)) {
                Ok(()) => Ok(dialler),
                Err(why) => refuse(Some(key), why),
            },
        }
    }

    /// What is wrong with it, if it lets nobody in.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Keys(keys) if keys.is_empty() => {
                Some("must name at least one key; leave it out to only dial")
            }
            Self::Authority(_, Members::Named(names)) if names.is_empty() => {
                Some("must permit at least one name, or say `Members::Any`")
            }
            Self::Owners(owners) if owners.is_empty() => {
                Some("must name at least one owner; leave it out to only dial")
            }
            Self::Keys(_) | Self::Authority(..) | Self::Any | Self::Owners(_) => None,
        }
    }
}

/// What whoever shows this certificate is known by, if the certificate is of the form that goes with
/// such names; and its owners.
pub(crate) fn named<'a>(
    end_entity: &'a CertificateDer<'a>,
    naming: Naming,
) -> Result<(Dialler, Owners<'a>), CertificateProblem> {
    let dialler = naming.dialler_of(end_entity).map_err(problem_of)?;
    let owners = Owners::of(end_entity);
    match naming {
        Naming::Key => {}
        Naming::Certificate => {
            let parts = Parts::of(end_entity).ok_or(CertificateProblem::Malformed)?;
            if !parts.is_self_signed(&PROVIDER.signature_verification_algorithms) {
                return Err(CertificateProblem::BadSignature);
            }
            owners.get()?;
        }
    }
    Ok((dialler, owners))
}

/// How far the accepting side judges a certificate within TLS, before the dialler has proven to hold
/// its key. [`Trust::judge`] has the last word.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    naming: Naming,
    /// Whose diallers are let in; anybody's if there is none.
    owners: Option<BTreeSet<Owner>>,
}

impl Admission {
    pub(crate) fn of(config: &NodeConfig) -> Self {
        let owners = match &config.accept {
            Some(Trust::Owners(owners)) => Some(owners.clone()),
            Some(Trust::Keys(_) | Trust::Authority(..) | Trust::Any) | None => None,
        };
        Self {
            naming: config.naming(),
            owners,
        }
    }

    /// Whether a certificate may be refused for more than that it cannot be read.
    pub(crate) fn is_strict(&self) -> bool {
        self.naming == Naming::Certificate || self.owners.is_some()
    }

    /// The key of the certificate, if it is one that the dialler may go on with.
    pub(crate) fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<PeerKey, LinkError> {
        let refuse = |why| LinkError::CertificateRefused { why };
        if !tls::is_small(end_entity, intermediates) {
            return Err(refuse(CertificateProblem::TooLarge));
        }
        let (Dialler { key, .. }, owners) = named(end_entity, self.naming).map_err(refuse)?;
        if let Some(trusted) = &self.owners {
            let included = owners.include(|owner| trusted.contains(owner));
            included.map_err(refuse)?;
        }
        Ok(key)
    }
}

/// Whom a peer's configuration expects at its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The holder of this key, whatever its certificate says.
    Key(PeerKey),
    /// Whoever holds a certificate of this authority for this name, valid today. The certificate's
    /// extended key usage, where it has one, must allow TLS servers.
    Name(Authority, PeerName),
    /// Whoever holds a certificate that this owner has signed, and every other owner that it names.
    Owner(Owner),
}

impl Expected {
    /// The key that the peer must have; none if it is expected by its name or its owner.
    pub fn key(&self) -> Option<PeerKey> {
        match self {
            &Self::Key(key) => Some(key),
            Self::Name(..) | Self::Owner(_) => None,
        }
    }

    /// The expectation of a dial that is made now.
    pub(crate) fn at(&self, now: UnixTime, naming: Naming) -> Expectation {
        Expectation {
            expected: self.clone(),
            naming,
            now,
        }
    }
}

/// Whom one dial expects. A dial takes seconds, so it is judged by the time at which it began.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    expected: Expected,
    naming: Naming,
    now: UnixTime,
}

impl Expectation {
    /// The key of a certificate, whoever is expected, if it can be read.
    pub(crate) fn key_of(&self, end_entity: &CertificateDer<'_>) -> Option<PeerKey> {
        self.naming.key_of(end_entity).ok()
    }

    /// The key of a certificate that is as expected.
    pub(crate) fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<PeerKey, LinkError> {
        let refuse = |why| LinkError::CertificateRefused { why };
        if !tls::is_small(end_entity, intermediates) {
            return Err(refuse(CertificateProblem::TooLarge));
        }
        let (Dialler { key, .. }, owners) = named(end_entity, self.naming).map_err(refuse)?;
        match &self.expected {
            &Expected::Key(expected) if key == expected => Ok(key),
            &Expected::Key(expected) => Err(LinkError::WrongIdentity {
                expected,
                offered: key,
            }),
            Expected::Name(authority, name) => authority
                .vouches_for_listener(name, end_entity, intermediates, self.now)
                .map(|()| key)
                .map_err(refuse),
            Expected::Owner(expected) => owners
                .include(|owner| owner == expected)
                .map(|()| key)
                .map_err(refuse),
        }
    }
}

/// A key is the same at all times.
impl From<PeerKey> for Expectation {
    fn from(key: PeerKey) -> Self {
        let now = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        Expected::Key(key).at(now, Naming::Key)
    }
}
