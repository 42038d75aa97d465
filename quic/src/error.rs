//! QUIC's errors in the machines' terms.

use peer_sender_core::{CertificateProblem, CloseCode, LinkError, PeerKey};
use quinn_proto::{ConnectionError, TransportError, TransportErrorCode};

use crate::tls::Offered;

/// What is known of a connection that we dialled.
#[derive(Clone, Debug)]
pub(crate) struct DialContext {
    /// The key that we offer.
    pub(crate) ours: PeerKey,
    /// What the peer offered.
    pub(crate) offered: Offered,
}

/// Why a connection ended. `alpn`: the protocol that this end speaks. `dial`: none for one that was
/// accepted.
pub(crate) fn link_error(
    error: &ConnectionError,
    alpn: &str,
    dial: Option<&DialContext>,
) -> LinkError {
    match error {
        ConnectionError::VersionMismatch => LinkError::VersionMismatch,
        ConnectionError::TimedOut => LinkError::IdleTimeout,
        ConnectionError::Reset => LinkError::Reset,
        ConnectionError::TransportError(found) => found_here(found, alpn, dial),
        ConnectionError::ConnectionClosed(close) => {
            told_by_the_peer(close.error_code, &close.reason, alpn, dial)
        }
        ConnectionError::ApplicationClosed(close) => {
            let code = CloseCode::from_wire(close.error_code.into_inner());
            match (code, dial) {
                (CloseCode::IdentityRefused, Some(dial)) => {
                    LinkError::IdentityRefused { ours: dial.ours }
                }
                _ => LinkError::Closed {
                    code,
                    reason: words(&close.reason),
                },
            }
        }
        ConnectionError::LocallyClosed => LinkError::Local {
            reason: "the connection was closed by this end".into(),
        },
        ConnectionError::CidsExhausted => LinkError::Local {
            reason: "no connection ids are left".into(),
        },
    }
}

/// This end found the fault.
fn found_here(found: &TransportError, alpn: &str, dial: Option<&DialContext>) -> LinkError {
    let alert = alert(found.code);
    if let (Some(_), Some(dial)) = (alert, dial)
        && let Some(refused) = dial.offered.refused()
    {
        return refused.clone();
    }
    // What is wrong with a listener's certificate was found above. A dialler's certificate is only
    // looked at in TLS as far as these go; the rest is judged after the handshake.
    let why = match (alert, dial) {
        (Some(NO_APPLICATION_PROTOCOL), _) => return alpn_mismatch(alpn),
        (Some(DECRYPT_ERROR), None) => Some(CertificateProblem::NotProven),
        (Some(DECRYPT_ERROR), Some(dial)) if dial.offered.is_taken() => {
            Some(CertificateProblem::NotProven)
        }
        (Some(BAD_CERTIFICATE), None) => Some(CertificateProblem::Malformed),
        (Some(ACCESS_DENIED), None) => Some(CertificateProblem::TooLarge),
        (Some(CERTIFICATE_REQUIRED), None) => Some(CertificateProblem::Missing),
        _ if found.reason.ends_with(TLS_TOO_LARGE) => Some(CertificateProblem::TooLarge),
        _ => None,
    };
    match why {
        Some(why) => LinkError::CertificateRefused { why },
        None => LinkError::Transport {
            code: found.code.into(),
            reason: found.reason.clone(),
        },
    }
}

/// Whether this only says that the other end left before the handshake was complete, which closes
/// no protocol and has no words of its application (RFC 9000 section 10.2.3).
pub(crate) fn is_farewell(error: &LinkError) -> bool {
    let left = u64::from(TransportErrorCode::APPLICATION_ERROR);
    matches!(error, LinkError::Transport { code, .. } if *code == left)
}

/// The peer's QUIC or TLS found the fault and closed the connection.
fn told_by_the_peer(
    code: TransportErrorCode,
    reason: &[u8],
    alpn: &str,
    dial: Option<&DialContext>,
) -> LinkError {
    match (alert(code), dial) {
        (Some(NO_APPLICATION_PROTOCOL), _) => alpn_mismatch(alpn),
        (Some(alert), Some(dial)) if CERTIFICATE_REFUSALS.contains(&alert) => {
            LinkError::IdentityRefused { ours: dial.ours }
        }
        (Some(alert), None) if CERTIFICATE_REFUSALS.contains(&alert) => LinkError::NotExpected,
        _ if code == TransportErrorCode::CONNECTION_REFUSED => LinkError::Busy,
        _ => LinkError::Transport {
            code: code.into(),
            reason: words(reason),
        },
    }
}

fn alpn_mismatch(alpn: &str) -> LinkError {
    LinkError::AlpnMismatch {
        offered: alpn.to_owned(),
    }
}

/// How rustls ends what it says of a handshake message above 64 KiB, for which there is no alert. Of
/// all messages only certificates can be so large and make sense.
const TLS_TOO_LARGE: &str = "HandshakePayloadTooLarge";

/// The TLS alert in an error code (RFC 9001 section 4.8).
fn alert(code: TransportErrorCode) -> Option<u8> {
    u64::from(code)
        .checked_sub(CRYPTO_ERROR)
        .and_then(|alert| u8::try_from(alert).ok())
}

const CRYPTO_ERROR: u64 = 0x100;

/// RFC 7301 section 3.2.
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// RFC 8446 section 6.2.
const BAD_CERTIFICATE: u8 = 42;
const ACCESS_DENIED: u8 = 49;
const DECRYPT_ERROR: u8 = 51;
const CERTIFICATE_REQUIRED: u8 = 116;

/// RFC 8446 section 6.2: bad_certificate, unsupported_certificate, certificate_revoked,
/// certificate_expired, certificate_unknown, unknown_ca, access_denied, certificate_required.
const CERTIFICATE_REFUSALS: [u8; 8] = [42, 43, 44, 45, 46, 48, 49, 116];

/// The peer's words, cut to what a log line bears.
fn words(bytes: &[u8]) -> String {
    const CHARS_MAX: usize = 256;
    String::from_utf8_lossy(bytes)
        .chars()
        .take(CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quinn_proto::{ApplicationClose, ConnectionClose, VarInt};

    use super::*;

    const ALPN: &str = "spoken/7";
    const OURS: PeerKey = PeerKey([1; 32]);
    const PIN: PeerKey = PeerKey([2; 32]);

    fn dial() -> DialContext {
        DialContext {
            ours: OURS,
            offered: Offered::default(),
        }
    }

    fn from_peer(code: TransportErrorCode) -> ConnectionError {
        let reason = Bytes::from_static(b"why");
        ConnectionError::ConnectionClosed(ConnectionClose {
            error_code: code,
            frame_type: None,
            reason,
        })
    }

    fn from_application(code: u32, reason: &'static [u8]) -> ConnectionError {
        ConnectionError::ApplicationClosed(ApplicationClose {
            error_code: VarInt::from_u32(code),
            reason: Bytes::from_static(reason),
        })
    }

    fn transport(code: u64) -> LinkError {
        LinkError::Transport {
            code,
            reason: "why".into(),
        }
    }

    #[test]
    fn plain_ends_have_their_names() {
        let error = |error| link_error(&error, ALPN, Some(&dial()));
        assert_eq!(error(ConnectionError::TimedOut), LinkError::IdleTimeout);
        assert_eq!(error(ConnectionError::Reset), LinkError::Reset);
        assert_eq!(
            error(ConnectionError::VersionMismatch),
            LinkError::VersionMismatch
        );
        assert_eq!(
            error(from_peer(TransportErrorCode::CONNECTION_REFUSED)),
            LinkError::Busy
        );
        let other = TransportErrorCode::FLOW_CONTROL_ERROR;
        assert_eq!(error(from_peer(other)), transport(3));
        for error in [
            ConnectionError::LocallyClosed,
            ConnectionError::CidsExhausted,
        ] {
            assert!(matches!(
                link_error(&error, ALPN, None),
                LinkError::Local { .. }
            ));
        }
    }

    #[test]
    fn alerts_of_the_peer_that_refuse_our_certificate() {
        for alert in 0..=u8::MAX {
            let error = from_peer(TransportErrorCode::crypto(alert));
            let expected = match alert {
                42 | 43 | 44 | 45 | 46 | 48 | 49 | 116 => LinkError::IdentityRefused { ours: OURS },
                120 => LinkError::AlpnMismatch {
                    offered: ALPN.into(),
                },
                _ => transport(0x100 + u64::from(alert)),
            };
            assert_eq!(
                link_error(&error, ALPN, Some(&dial())),
                expected,
                "alert {alert}"
            );
            let accepted = link_error(&error, ALPN, None);
            assert!(
                !matches!(accepted, LinkError::IdentityRefused { .. }),
                "alert {alert}"
            );
        }
    }

    #[test]
    fn close_codes_keep_code_and_words() {
        for code in [0, 1, 2, 3, 5, 6, 7, 99] {
            let expected = LinkError::Closed {
                code: CloseCode::from_wire(code.into()),
                reason: "bye".into(),
            };
            assert_eq!(
                link_error(&from_application(code, b"bye"), ALPN, Some(&dial())),
                expected
            );
        }
        let refused = from_application(4, b"bye");
        assert_eq!(
            link_error(&refused, ALPN, Some(&dial())),
            LinkError::IdentityRefused { ours: OURS }
        );
        let code = CloseCode::IdentityRefused;
        assert_eq!(
            link_error(&refused, ALPN, None),
            LinkError::Closed {
                code,
                reason: "bye".into()
            }
        );
    }

    #[test]
    fn only_our_own_refusal_of_a_certificate_is_one() {
        let own = |code| ConnectionError::TransportError(TransportError::from(code));
        let refusal = own(TransportErrorCode::crypto(49));
        let plain = |code| LinkError::Transport {
            code,
            reason: String::new(),
        };
        assert_eq!(link_error(&refusal, ALPN, Some(&dial())), plain(0x131));

        let matching = dial();
        matching.offered.set(Some(PIN), None);
        assert_eq!(link_error(&refusal, ALPN, Some(&matching)), plain(0x131));

        let wrong = dial();
        let expected = LinkError::WrongIdentity {
            expected: PIN,
            offered: PeerKey([3; 32]),
        };
        wrong
            .offered
            .set(Some(PeerKey([3; 32])), Some(expected.clone()));
        assert_eq!(link_error(&refusal, ALPN, Some(&wrong)), expected);
        let later = own(TransportErrorCode::FLOW_CONTROL_ERROR);
        assert_eq!(link_error(&later, ALPN, Some(&wrong)), plain(3));
    }

    #[test]
    fn what_is_wrong_with_a_diallers_certificate_in_tls_has_its_name() {
        let own = |alert| {
            let code = TransportErrorCode::crypto(alert);
            ConnectionError::TransportError(TransportError::from(code))
        };
        for (alert, why) in [
            (42, CertificateProblem::Malformed),
            (49, CertificateProblem::TooLarge),
            (51, CertificateProblem::NotProven),
            (116, CertificateProblem::Missing),
        ] {
            let expected = LinkError::CertificateRefused { why };
            assert_eq!(
                link_error(&own(alert), ALPN, None),
                expected,
                "alert {alert}"
            );
        }
        let other = link_error(&own(40), ALPN, None);
        assert!(matches!(other, LinkError::Transport { .. }), "{other:?}");

        // Nothing was shown whose key could have been proven.
        let nothing_shown = link_error(&own(51), ALPN, Some(&dial()));
        assert!(matches!(nothing_shown, LinkError::Transport { .. }));
    }

    #[test]
    fn words_are_cut_and_need_not_be_text() {
        static LONG: [u8; 10_000] = [b'x'; 10_000];
        let LinkError::Closed { reason, .. } = link_error(&from_application(3, &LONG), ALPN, None)
        else {
            panic!("not a close");
        };
        assert_eq!(reason.len(), 256);
        let LinkError::Closed { reason, .. } =
            link_error(&from_application(3, b"\xff"), ALPN, None)
        else {
            panic!("not a close");
        };
        assert_eq!(reason, "\u{fffd}");
    }
}
