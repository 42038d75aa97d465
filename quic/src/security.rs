//! What protects a node's connections: TLS with ring, and in simulations also something else.

use std::sync::Arc;

use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::crypto::{ClientConfig, ServerConfig};

use crate::Identity;
#[cfg(feature = "simulation")]
use crate::simulation::null;
use crate::tls::{Offered, Tls};
use crate::trust::{Admission, Expectation};

/// What protects a node's connections. A node has TLS with ring's cryptography, and tells nobody its
/// secrets, unless a simulation wants it otherwise.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    not(feature = "simulation"),
    expect(unreachable_pub, reason = "users see it in simulations alone")
)]
pub struct Security(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Tls(Tls),
    #[cfg(feature = "simulation")]
    Null,
}

impl Default for Kind {
    fn default() -> Self {
        Self::Tls(Tls::default())
    }
}

#[cfg(feature = "simulation")]
impl Security {
    /// TLS that computes and draws its random numbers with this provider. It needs the cipher suite
    /// TLS_AES_128_GCM_SHA256, by which QUIC protects its first packets.
    pub fn with_provider(provider: Arc<rustls::crypto::CryptoProvider>) -> Self {
        Self(Kind::Tls(Tls {
            provider,
            ..Tls::default()
        }))
    }

    /// The same, and every secret of TLS is told to this log, so that a capture can be read. Changes
    /// nothing where there is no TLS.
    pub fn with_key_log(self, key_log: Arc<dyn rustls::KeyLog>) -> Self {
        match self.0 {
            Kind::Tls(tls) => Self(Kind::Tls(Tls { key_log, ..tls })),
            Kind::Null => self,
        }
    }

    /// No protection at all ([`null`](crate::simulation::null)).
    pub fn null() -> Self {
        Self(Kind::Null)
    }
}

impl Security {
    /// The accepting side of the protocol of this name; and where to read what was offered to it,
    /// where it is for one connection only.
    pub(crate) fn accepting(
        &self,
        identity: &Identity,
        alpn: &[u8],
        admission: Admission,
    ) -> (Arc<dyn ServerConfig>, Offered) {
        match &self.0 {
            Kind::Tls(tls) => {
                let (config, offered) = tls.accepting(identity, alpn, admission);
                let config = QuicServerConfig::try_from(config)
                    .expect("the provider has the cipher suite of Initial packets");
                (Arc::new(config), offered)
            }
            #[cfg(feature = "simulation")]
            Kind::Null => null::admitting(identity, alpn, admission),
        }
    }

    /// The dialling side of one dial, which takes only whom it expects; and where to read what was
    /// offered. `names`: whether the name that is dialled is told to the other end.
    pub(crate) fn dialling(
        &self,
        identity: &Identity,
        expected: impl Into<Expectation>,
        alpn: &[u8],
        names: bool,
    ) -> (Arc<dyn ClientConfig>, Offered) {
        match &self.0 {
            Kind::Tls(tls) => {
                let (mut config, offered) = tls.dialling(identity, expected, alpn);
                config.enable_sni = names;
                let config = QuicClientConfig::try_from(config)
                    .expect("the provider has the cipher suite of Initial packets");
                (Arc::new(config), offered)
            }
            #[cfg(feature = "simulation")]
            Kind::Null => null::expecting(identity, expected.into(), alpn, names),
        }
    }
}
