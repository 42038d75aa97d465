//! What can be wrong with a connection, and who is to blame.

use alloc::string::String;
use core::fmt;

use thiserror::Error;

use crate::PeerKey;

/// Why a connection could not be made, or was lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum LinkError {
    /// The peer did not answer, or did not confirm us, within the connect deadline.
    #[error(
        "no confirmed connection within the connect deadline; is the peer running and reachable?"
    )]
    ConnectTimeout,
    /// The peer accepted the connection and did not answer the lane's OPEN within the connect
    /// deadline.
    #[error("the peer accepted the connection but does not answer; is its program stuck?")]
    NoAnswer,
    /// Nothing was heard from the peer for the idle timeout.
    #[error("nothing heard from the peer for the idle timeout")]
    IdleTimeout,
    /// The peer no longer knows the connection: a stateless reset (RFC 9000 section 10.3), as from a
    /// process that was restarted, or whose end of the connection came unheard.
    #[error(
        "the peer did not know the connection any more: it was restarted, or had ended it and was not heard"
    )]
    Reset,
    /// The network reports that nobody listens at the address.
    #[error("the network reports that nobody listens at the address")]
    Unreachable,
    /// The peer takes no further connections now.
    #[error("the peer takes no further connections now")]
    Busy,
    /// The peer speaks none of our QUIC versions.
    #[error("the peer speaks no QUIC version that we speak")]
    VersionMismatch,
    /// The peer does not speak our protocol (ALPN, RFC 7301).
    #[error("the peer does not speak {offered}; is another program there, or another version?")]
    AlpnMismatch {
        /// The protocol we offered.
        offered: String,
    },
    /// Whoever answers at the address is not the peer.
    #[error("wrong identity: expected the key {expected}, the peer offered {offered}")]
    WrongIdentity {
        /// The key that was pinned.
        expected: PeerKey,
        /// The key that the peer offered.
        offered: PeerKey,
    },
    /// The other end's certificate does not show that it belongs to whom is expected or let in.
    #[error("the certificate of the other end is refused: {why}")]
    CertificateRefused {
        /// What is wrong with it.
        why: CertificateProblem,
    },
    /// The peer does not accept our identity.
    #[error("the peer refused our identity {ours}; it must be allowed there")]
    IdentityRefused {
        /// The key that we offered.
        ours: PeerKey,
    },
    /// Who dialled us has a key that is not allowed here.
    #[error("the key {offered} is not allowed here")]
    NotAllowed {
        /// The key that the dialler offered.
        offered: PeerKey,
    },
    /// Who dialled us expected another identity here than ours: another key, or one of another owner.
    #[error("the dialler expected another identity here than ours")]
    NotExpected,
    /// The peer closed the connection with a code of `peer-sender/1`.
    #[error("the peer closed the connection: {code}{}", Reason(reason))]
    Closed {
        /// Its code.
        code: CloseCode,
        /// Its own words, as it sent them.
        reason: String,
    },
    /// The connection was closed here, with a code of `peer-sender/1`.
    #[error("the connection was closed here: {code}{}", Reason(reason))]
    ClosedHere {
        /// The code.
        code: CloseCode,
        /// Why.
        reason: String,
    },
    /// The connection was given up here for another one: the user took the peer's address back, or
    /// gave this end another identity.
    #[error("given up for another connection: the peer has moved, or we have another identity")]
    Moved,
    /// The peer's lane stream was cut by the peer with this application code.
    #[error("the peer cut the lane's stream with code {code}")]
    StreamCut {
        /// Its code.
        code: u64,
    },
    /// QUIC or TLS failed (RFC 9000 section 20).
    #[error("QUIC failed with code {code:#x}{}", Reason(reason))]
    Transport {
        /// QUIC's error code.
        code: u64,
        /// What is known of it.
        reason: String,
    },
    /// The peer broke the protocol; the connection was closed with code 1.
    #[error("the peer broke the protocol: {0}")]
    Protocol(ProtocolError),
    /// The local system refused: no address, no socket, no memory for a connection.
    #[error("the local system refused{}", Reason(reason))]
    Local {
        /// What is known of it.
        reason: String,
    },
}

impl LinkError {
    /// Whether trying again soon makes sense.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::VersionMismatch
            | Self::AlpnMismatch { .. }
            | Self::WrongIdentity { .. }
            | Self::CertificateRefused { .. }
            | Self::IdentityRefused { .. }
            | Self::NotAllowed { .. }
            | Self::NotExpected => ErrorClass::Permanent,
            Self::ConnectTimeout
            | Self::NoAnswer
            | Self::IdleTimeout
            | Self::Reset
            | Self::Unreachable
            | Self::Busy
            | Self::Closed { .. }
            | Self::ClosedHere { .. }
            | Self::Moved
            | Self::StreamCut { .. }
            | Self::Transport { .. }
            | Self::Protocol(_)
            | Self::Local { .. } => ErrorClass::Transient,
        }
    }
}

/// Why a certificate is refused (RFC 5280).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum CertificateProblem {
    /// None of the trusted authorities has issued it, or its chain does not lead to one.
    #[error("no trusted authority has issued it, or intermediate certificates are missing")]
    UnknownAuthority,
    /// It is not made for the name that is expected or permitted.
    #[error("it is not made for a name that is expected here")]
    WrongName,
    /// It, or a certificate above it, is no longer valid.
    #[error("it has expired; if it has not, this host's clock is wrong")]
    Expired,
    /// It, or a certificate above it, is not valid yet.
    #[error("it is not valid yet; if it is, this host's clock is wrong")]
    NotYetValid,
    /// Its authority did not make it for this end of a connection (extended key usage).
    #[error("it is not made for this end of a connection (extended key usage)")]
    WrongPurpose,
    /// A signature in its chain is not that of the authority that it names, or of an algorithm that
    /// is not supported.
    #[error(
        "a signature in its chain is not by the key of the authority that it names, or of an \
         unsupported algorithm; did the authority change its key?"
    )]
    BadSignature,
    /// Who shows it has not proven to hold its key.
    #[error("whoever shows it did not prove to hold its key")]
    NotProven,
    /// With all that was sent along it is larger than is read.
    #[error("its chain is larger than 16 KiB")]
    TooLarge,
    /// It cannot be read, or breaks a rule of its form.
    #[error("it is malformed, or breaks a rule of its form")]
    Malformed,
    /// There is none.
    #[error("there is none")]
    Missing,
    /// Its extension of owners (1.2.3.4.5.6) is there twice, is no list of keys and signatures, or
    /// has more than 32 of them.
    #[error(
        "its extension of owners is malformed: not a multiple of 96 bytes, more than 32 owners, or \
         there twice"
    )]
    OwnersMalformed,
    /// It names no owner, and one is expected.
    #[error("it names no owner, and only those of certain owners are taken here")]
    OwnersMissing,
    /// A signature in its extension of owners is not the owner's of its key.
    #[error("an owner that it names has not signed its key")]
    OwnerSignature,
    /// None of its owners is expected or trusted.
    #[error("none of its owners is trusted here")]
    OwnerNotTrusted,
}

/// Whether an error passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum ErrorClass {
    /// It may: retried with the ordinary backoff.
    Transient,
    /// Somebody must change something first: retried with the slower backoff for refusals.
    Permanent,
}

/// The application's close codes of `peer-sender/1` (`docs/wire.md`, close codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum CloseCode {
    /// 0: all was done.
    Done,
    /// 1: the other end broke the protocol.
    Protocol,
    /// 2: a fault of the closing end's own.
    Internal,
    /// 3: the closing end stops.
    GoingAway,
    /// 4: the other end's identity is not accepted.
    IdentityRefused,
    /// 5: a message is larger than the closing end takes.
    MessageTooLarge,
    /// 6: the other end asks for too much.
    ExcessiveLoad,
    /// 7: a newer connection took the lane over.
    Superseded,
    /// A code that this version has no name for.
    Other(u64),
}

impl CloseCode {
    /// The number on the wire.
    pub fn to_wire(self) -> u64 {
        match self {
            Self::Done => 0,
            Self::Protocol => 1,
            Self::Internal => 2,
            Self::GoingAway => 3,
            Self::IdentityRefused => 4,
            Self::MessageTooLarge => 5,
            Self::ExcessiveLoad => 6,
            Self::Superseded => 7,
            Self::Other(code) => code,
        }
    }

    /// The code that this number on the wire stands for.
    pub fn from_wire(code: u64) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::Protocol,
            2 => Self::Internal,
            3 => Self::GoingAway,
            4 => Self::IdentityRefused,
            5 => Self::MessageTooLarge,
            6 => Self::ExcessiveLoad,
            7 => Self::Superseded,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Done => "done",
            Self::Protocol => "protocol error",
            Self::Internal => "internal error",
            Self::GoingAway => "going away",
            Self::IdentityRefused => "identity refused",
            Self::MessageTooLarge => "message too large",
            Self::ExcessiveLoad => "excessive load",
            Self::Superseded => "superseded",
            Self::Other(_) => "unknown code",
        };
        write!(f, "{words} ({})", self.to_wire())
    }
}

/// A word of our own. Its name keeps serde from borrowing it out of what it reads.
type Word = &'static str;

/// How the other end broke `peer-sender/1`; each closes the connection with code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum ProtocolError {
    /// A frame kind that is neither known nor an extension.
    #[error("unknown critical frame {kind:#04x}")]
    UnknownFrame {
        /// Its kind.
        kind: u8,
    },
    /// A known frame where it may not stand.
    #[error("unexpected {frame} frame")]
    Unexpected {
        /// The frame's name.
        #[cfg_attr(feature = "trace", serde(with = "crate::trace::word"))]
        frame: Word,
    },
    /// A frame's body is too short or too long for its kind.
    #[error("malformed {frame} frame: its body has {length} bytes")]
    BodyLength {
        /// The frame's name.
        #[cfg_attr(feature = "trace", serde(with = "crate::trace::word"))]
        frame: Word,
        /// The announced length of the body.
        length: u64,
    },
    /// A field holds what it may not.
    #[error("malformed {frame} frame: bad {field}")]
    Field {
        /// The frame's name.
        #[cfg_attr(feature = "trace", serde(with = "crate::trace::word"))]
        frame: Word,
        /// The field's name.
        #[cfg_attr(feature = "trace", serde(with = "crate::trace::word"))]
        field: Word,
    },
    /// An integer that is not in its shortest form (`docs/wire.md`).
    #[error("an integer is not in its shortest form")]
    IntegerForm,
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// A RESUME names what no correct receiver can know.
    #[error("RESUME with {field} out of range")]
    ResumeRange {
        /// The field's name.
        #[cfg_attr(feature = "trace", serde(with = "crate::trace::word"))]
        field: Word,
    },
    /// A RECEIPT covers a number that was never assigned.
    #[error("RECEIPT covers a message that was never sent")]
    ReceiptAhead,
    /// A RECEIPT covers less than the one before.
    #[error("RECEIPT going back")]
    ReceiptBack,
    /// A REFUSE names a number that was never assigned, or that is settled otherwise.
    #[error("REFUSE of a message that cannot be refused")]
    RefuseRange,
    /// A position or count above 2^62 - 1.
    #[error("a number beyond 2^62 - 1")]
    NumberRange,
    /// An OPEN that says `fresh` for a session and lane that is known already.
    #[error("the session was used before")]
    SessionReused,
    /// An OPEN with another session than this connection's first.
    #[error("a second session in one connection")]
    SessionChanged,
    /// A second OPEN of one lane in one connection.
    #[error("lane {lane} opened twice in one connection")]
    LaneTwice {
        /// The lane.
        lane: u64,
    },
    /// A lane that the receiver does not take.
    #[error("lane {lane} is beyond the lanes that are taken here")]
    LaneRange {
        /// The lane.
        lane: u64,
    },
    /// The application could not read a message, under a protocol that cannot refuse it alone.
    #[error("a message is not what the application's format says")]
    Malformed,
    /// The other end opened a further stream, under a protocol that has one.
    #[error("a second stream, where all messages go on one")]
    SecondStream,
}

/// An invariant that does not hold: a fault of this program, never of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("invariant {id} does not hold: {what}")]
pub struct Violation {
    /// The invariant's number, as in `docs/invariants.md`.
    pub id: &'static str,
    /// What was seen.
    pub what: &'static str,
}

/// Prints a peer's or library's own words after a colon, control characters escaped.
struct Reason<'a>(&'a str);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            text => write!(f, ": {}", text.escape_debug()),
        }
    }
}
