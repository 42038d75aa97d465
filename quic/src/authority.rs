//! Authorities that vouch for peers by name (RFC 5280).

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use peer_sender_core::CertificateProblem;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, Error, RootCertStore};
use thiserror::Error;

use crate::pem;
use crate::tls::PROVIDER;

/// One or more certificate authorities whose word is taken for who somebody is.
///
/// Whoever holds the key of one of them, or of an intermediate authority under it, can make
/// certificates of every name, so it had better be an authority of your own. Revocation lists are
/// not read: who is to be shut out before its certificate ends is shut out by another authority,
/// or by [`Trust::Keys`](crate::Trust::Keys).
///
/// Cheap to clone. `Debug` shows how many authorities there are.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    /// To tell whether two are the same.
    roots: BTreeSet<Vec<u8>>,
    of_listeners: Arc<WebPkiServerVerifier>,
    of_diallers: Arc<dyn ClientCertVerifier>,
}

impl Authority {
    /// The authorities whose certificates are in this text, as PEM (RFC 7468 section 5). Text
    /// around them and blocks of other kinds are passed over.
    ///
    /// # Errors
    ///
    /// There is no certificate in it, the text is damaged, or a certificate cannot be read.
    pub fn from_pem(pem: &str) -> Result<Self, AuthorityError> {
        let mut roots = BTreeSet::new();
        let mut store = RootCertStore::empty();
        let certificates =
            pem::read_certificates(pem).map_err(|problem| AuthorityError::Pem { problem })?;
        for root in certificates {
            roots.insert(root.to_vec());
            store.add(root).map_err(|_| AuthorityError::Certificate)?;
        }
        if roots.is_empty() {
            return Err(AuthorityError::NoCertificate);
        }
        let store = Arc::new(store);
        let of_listeners =
            WebPkiServerVerifier::builder_with_provider(store.clone(), PROVIDER.clone())
                .build()
                .map_err(|_| AuthorityError::Certificate)?;
        let of_diallers = WebPkiClientVerifier::builder_with_provider(store, PROVIDER.clone())
            .build()
            .map_err(|_| AuthorityError::Certificate)?;
        Ok(Self(Arc::new(Inner {
            roots,
            of_listeners,
            of_diallers,
        })))
    }

    /// Whether this is the chain of a listener of that name.
    pub(crate) fn vouches_for_listener(
        &self,
        name: &PeerName,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), CertificateProblem> {
        self.0
            .of_listeners
            .verify_server_cert(end_entity, intermediates, &name.name, &[], now)
            .map(drop)
            .map_err(problem_of)
    }

    /// Whether this is the chain of a dialler who is one of these.
    pub(crate) fn vouches_for_dialler(
        &self,
        members: &Members,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), CertificateProblem> {
        self.0
            .of_diallers
            .verify_client_cert(end_entity, intermediates, now)
            .map_err(problem_of)?;
        let certificate = ParsedCertificate::try_from(end_entity).map_err(problem_of)?;
        let is_named = |name: &PeerName| verify_server_name(&certificate, &name.name).is_ok();
        match members {
            Members::Any => Ok(()),
            Members::Named(names) if names.iter().any(is_named) => Ok(()),
            Members::Named(_) => Err(CertificateProblem::WrongName),
        }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("roots", &self.0.roots.len())
            .finish()
    }
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        self.0.roots == other.0.roots
    }
}

impl Eq for Authority {}

/// Which holders of an authority's certificates are let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// Whose certificate is made for at least one of these names.
    Named(BTreeSet<PeerName>),
    /// Every holder of a certificate of the authority, whatever name it is made for.
    Any,
}

/// A name that a certificate may be made for: a DNS name, or an IP address.
///
/// It is compared without regard to case, as DNS does. It has no wildcards; those in certificates
/// are honoured.
///
/// ```
/// use peer_sender_quic::PeerName;
///
/// let name: PeerName = "Mail.example.org".parse().unwrap();
/// assert_eq!(name.as_str(), "mail.example.org");
/// assert!("*.example.org".parse::<PeerName>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PeerName {
    text: String,
    name: ServerName<'static>,
}

impl PeerName {
    /// The name in lower case; an address in its shortest form.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for PeerName {
    type Err = InvalidPeerName;

    fn from_str(text: &str) -> Result<Self, InvalidPeerName> {
        let name = ServerName::try_from(text.to_ascii_lowercase()).map_err(|_| InvalidPeerName)?;
        let text = name.to_str().into_owned();
        Ok(Self { text, name })
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerName").field(&self.text).finish()
    }
}

impl PartialOrd for PeerName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PeerName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

/// A text is neither a DNS name nor an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("neither a DNS name nor an IP address; wildcards stand in certificates only")]
pub struct InvalidPeerName;

/// Why a text names no authority.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// It holds no certificate.
    #[error("no certificate in it (no `-----BEGIN CERTIFICATE-----`); name the authority's own")]
    NoCertificate,
    /// The PEM text is damaged.
    #[error("damaged PEM text ({problem}); restore the file from a copy")]
    Pem {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A certificate in it cannot be read.
    #[error("a certificate in it is malformed; restore the file from a copy")]
    Certificate,
}

/// What a certificate lacks, in our terms.
pub(crate) fn problem_of(error: Error) -> CertificateProblem {
    let Error::InvalidCertificate(error) = error else {
        return CertificateProblem::Malformed;
    };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateProblem::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateProblem::NotYetValid
        }
        CertificateError::UnknownIssuer => CertificateProblem::UnknownAuthority,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateProblem::WrongName
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            CertificateProblem::WrongPurpose
        }
        CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            CertificateProblem::BadSignature
        }
        _ => CertificateProblem::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, GeneralSubtree, IsCa, KeyPair, NameConstraints};

    use super::*;
    use crate::issue::{self, Ca};

    #[test]
    fn several_authorities_are_one_trust_whatever_their_order() {
        let [one, other] = ["one", "other"].map(|name| Ca::called(name).certificate());
        let pem = |these: &[&CertificateDer<'static>]| {
            let text = issue::certificates(these.iter().copied());
            Authority::from_pem(&format!("words\n{text}")).unwrap()
        };
        assert_eq!(pem(&[&one, &other]), pem(&[&other, &one, &one]));
        assert_ne!(pem(&[&one]), pem(&[&other]));
        assert_eq!(
            format!("{:?}", pem(&[&one, &other])),
            "Authority { roots: 2 }"
        );
    }

    #[test]
    fn what_names_no_authority_is_refused_by_name() {
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let block =
            |body| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        let good = issue::certificates([&Ca::new().certificate()]);
        let damaged = |problem| AuthorityError::Pem { problem };
        for (text, expected) in [
            (String::new(), AuthorityError::NoCertificate),
            (key.into(), AuthorityError::NoCertificate),
            (block("AAAA"), AuthorityError::Certificate),
            (good.clone() + &block("AAAA"), AuthorityError::Certificate),
            (block("!"), damaged("a block is not valid base64")),
            (
                good.replace("-----END", "--"),
                damaged("a block is not valid base64"),
            ),
            (
                good.replace("-----END", "-----"),
                damaged("a block has no END line"),
            ),
        ] {
            assert_eq!(Authority::from_pem(&text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn what_an_authority_is_bound_to_binds_whom_it_certifies() {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_767_225_600));
        let judge = |ca: &Ca, chain: &[&CertificateDer<'static>]| {
            let above: Vec<_> = chain[1..].iter().map(|&one| one.clone()).collect();
            let name = "a.inside.example".parse().unwrap();
            ca.authority()
                .vouches_for_listener(&name, chain[0], &above, now)
        };
        let key = KeyPair::generate().unwrap();
        let names = ["a.inside.example"];

        // Only for names of one domain (RFC 5280 section 4.2.1.10).
        for (domain, is_taken) in [("inside.example", true), ("outside.example", false)] {
            let ca = Ca::with("authority", |params| {
                params.name_constraints = Some(NameConstraints {
                    permitted_subtrees: vec![GeneralSubtree::DnsName(domain.into())],
                    excluded_subtrees: vec![],
                });
            });
            let judged = judge(&ca, &[&ca.issue(&names, &key)]);
            assert_eq!(judged.is_ok(), is_taken, "{domain}: {judged:?}");
        }

        // Who may certify members, and no further authority (RFC 5280 section 4.2.1.9).
        let ca = Ca::new();
        let between = ca.intermediate();
        let below = between.intermediate();
        let chain = [
            &below.issue(&names, &key),
            &below.certificate(),
            &between.certificate(),
        ];
        assert_eq!(judge(&ca, &chain), Ok(()));
        let between = ca.intermediate_with(|params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        });
        let below = between.intermediate();
        let chain = [
            &below.issue(&names, &key),
            &below.certificate(),
            &between.certificate(),
        ];
        assert!(judge(&ca, &chain).is_err());

        // A member is no authority.
        let member = ca.intermediate_with(|params| params.is_ca = IsCa::ExplicitNoCa);
        let chain = [&member.issue(&names, &key), &member.certificate()];
        assert!(judge(&ca, &chain).is_err());
    }

    #[test]
    fn names_are_dns_names_and_addresses() {
        for (text, name) in [
            ("a", "a"),
            ("A.Example", "a.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
        ] {
            assert_eq!(text.parse::<PeerName>().unwrap().as_str(), name);
        }
        for text in [
            "",
            ".",
            "*.example",
            "a b",
            "a..b",
            "-a",
            "[::1]",
            "1.2.3",
            "a:1",
        ] {
            assert_eq!(text.parse::<PeerName>(), Err(InvalidPeerName), "{text}");
        }
    }
}
