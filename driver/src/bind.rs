//! Why a node cannot be bound, and to which of several addresses.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use thiserror::Error;

/// Why a node could not be bound.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another program listens there.
    #[error(
        "{address} is in use; stop what listens there, or bind to another port (0: any free one)"
    )]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The host has no such address.
    #[error(
        "{address} is not an address of this host; bind to one that it has, or to 0.0.0.0 or [::] for all"
    )]
    AddressNotAvailable {
        /// The address.
        address: SocketAddr,
    },
    /// The system does not allow it.
    #[error("not allowed to bind to {address}; ports below 1024 usually need a privilege")]
    PermissionDenied {
        /// The address.
        address: SocketAddr,
    },
    /// The name has no address.
    #[error("the given name has no address to bind to{}", Text(text))]
    NoAddress {
        /// What the resolver says; empty if it found nothing.
        text: String,
    },
    /// The system refused otherwise.
    #[error("cannot open a UDP socket at {address}{}", Text(text))]
    Io {
        /// The address.
        address: SocketAddr,
        /// The kind of the system's error.
        kind: io::ErrorKind,
        /// The system's words.
        text: String,
    },
    /// There is no runtime here, or it cannot watch the socket.
    #[error(
        "the runtime does not take the socket; bind within the runtime of the adapter{}",
        Text(text)
    )]
    Runtime {
        /// The runtime's words.
        text: String,
    },
    /// The system has no random bytes, without which no node is safe.
    #[error("the system gives no random bytes{}", Text(text))]
    Entropy {
        /// The system's words.
        text: String,
    },
}

/// Binds to the first of the addresses at which there can be a socket.
pub(crate) fn at_first<S>(
    addresses: impl ToSocketAddrs,
    bind: impl Fn(SocketAddr) -> Result<S, BindError>,
) -> Result<S, BindError> {
    let addresses = addresses
        .to_socket_addrs()
        .map_err(|error| BindError::NoAddress {
            text: error.to_string(),
        })?;
    let mut last = BindError::NoAddress {
        text: String::new(),
    };
    for address in addresses {
        match bind(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl BindError {
    /// Why there is no socket at this address.
    pub(crate) fn from_io(address: SocketAddr, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse { address },
            io::ErrorKind::AddrNotAvailable => Self::AddressNotAvailable { address },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { address },
            kind => Self::Io {
                address,
                kind,
                text: error.to_string(),
            },
        }
    }

    /// The runtime does not take a socket, or the task of a node.
    pub(crate) fn from_runtime(error: &io::Error) -> Self {
        Self::Runtime {
            text: error.to_string(),
        }
    }

    /// There is no chance.
    pub(crate) fn from_entropy(error: &io::Error) -> Self {
        Self::Entropy {
            text: error.to_string(),
        }
    }
}

/// Prints the system's words after a colon, if it has any.
struct Text<'a>(&'a str);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            "" => Ok(()),
            text => write!(f, ": {text}"),
        }
    }
}
