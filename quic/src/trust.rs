//! Who is trusted: whom a dial expects, and whom the accepting side lets in.

use std::collections::BTreeSet;

use peer_sender_core::{CertificateProblem, LinkError, PeerKey};
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::authority::{Authority, Members, PeerName, problem_of};
use crate::tls;

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
}

/// A dialler that is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotLetIn {
    /// Its key, if its certificate could be read.
    pub(crate) key: Option<PeerKey>,
    pub(crate) error: LinkError,
}

impl Trust {
    /// The key of the dialler that has shown this chain, and has proven to hold its first key.
    pub(crate) fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<PeerKey, NotLetIn> {
        let refuse = |key, why| {
            let error = LinkError::CertificateRefused { why };
            Err(NotLetIn { key, error })
        };
        let Some((end_entity, intermediates)) = chain.split_first() else {
            return refuse(None, CertificateProblem::Missing);
        };
        let key = match tls::key_of(end_entity) {
            Ok(key) => key,
            Err(error) => return refuse(None, problem_of(error)),
        };
        match self {
            Self::Any => Ok(key),
            Self::Keys(keys) if keys.contains(&key) => Ok(key),
            Self::Keys(_) => Err(NotLetIn {
                key: Some(key),
                error: LinkError::NotAllowed { offered: key },
            }),
            Self::Authority(authority, members) => {
                match authority.vouches_for_dialler(members, end_entity, intermediates, now) {
                    Ok(()) => Ok(key),
                    Err(why) => refuse(Some(key), why),
                }
            }
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
            Self::Keys(_) | Self::Authority(..) | Self::Any => None,
        }
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
}

impl Expected {
    /// The key that the peer must have; none if it is expected by its name.
    pub fn key(&self) -> Option<PeerKey> {
        match self {
            &Self::Key(key) => Some(key),
            Self::Name(..) => None,
        }
    }

    /// The expectation of a dial that is made now.
    pub(crate) fn at(&self, now: UnixTime) -> Expectation {
        Expectation {
            expected: self.clone(),
            now,
        }
    }
}

/// Whom one dial expects. A dial takes seconds, so it is judged by the time at which it began.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    expected: Expected,
    now: UnixTime,
}

impl Expectation {
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
        let key = tls::key_of(end_entity).map_err(|error| refuse(problem_of(error)))?;
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
        }
    }
}

/// A key is the same at all times.
impl From<PeerKey> for Expectation {
    fn from(key: PeerKey) -> Self {
        Expected::Key(key).at(UnixTime::since_unix_epoch(std::time::Duration::ZERO))
    }
}
