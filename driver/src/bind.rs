//! Opening the socket.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};

use socket2::SockRef;
use thiserror::Error;

/// What is asked of the kernel for each direction: with many peers small buffers cost most of the
/// throughput.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

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

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) socket: UdpSocket,
    pub(crate) address: SocketAddr,
    /// What the kernel gave: receive, send, in bytes.
    pub(crate) buffers: (usize, usize),
}

/// Binds to the first of the addresses that the system gives, and asks for buffers.
pub(crate) fn open(addresses: impl ToSocketAddrs) -> Result<Bound, BindError> {
    let addresses = addresses
        .to_socket_addrs()
        .map_err(|error| BindError::NoAddress {
            text: error.to_string(),
        })?;
    let mut last = BindError::NoAddress {
        text: String::new(),
    };
    for address in addresses {
        match open_at(address) {
            Ok(bound) => return Ok(bound),
            Err(error) => last = BindError::from_io(address, &error),
        }
    }
    Err(last)
}

fn open_at(address: SocketAddr) -> io::Result<Bound> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let buffers = enlarge_buffers(&SockRef::from(&socket));
    Ok(Bound {
        socket,
        address,
        buffers,
    })
}

/// Buffers that stay small make a node slow, not unusable: what was given is reported.
fn enlarge_buffers(socket: &SockRef<'_>) -> (usize, usize) {
    let asked = [
        socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES),
        socket.set_send_buffer_size(SOCKET_BUFFER_BYTES),
    ];
    for error in asked.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "the system refuses larger socket buffers");
    }
    let receive = socket.recv_buffer_size().unwrap_or(0);
    let send = socket.send_buffer_size().unwrap_or(0);
    (usable(receive), usable(send))
}

/// Linux reports twice what it gives, to count its own books in (socket(7)).
fn usable(reported: usize) -> usize {
    if cfg!(any(target_os = "linux", target_os = "android")) {
        reported / 2
    } else {
        reported
    }
}

impl BindError {
    fn from_io(address: SocketAddr, error: &io::Error) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_named() {
        let first = open("127.0.0.1:0").unwrap();
        let error = open(first.address).unwrap_err();
        assert_eq!(
            error,
            BindError::AddressInUse {
                address: first.address
            }
        );
        assert!(error.to_string().starts_with(&first.address.to_string()));
    }

    #[test]
    fn an_address_of_another_host_is_named() {
        let address: SocketAddr = "192.0.2.1:0".parse().unwrap();
        assert_eq!(
            open(address).unwrap_err(),
            BindError::AddressNotAvailable { address }
        );
    }

    #[test]
    fn the_first_address_that_works_is_taken() {
        let used = open("127.0.0.1:0").unwrap();
        let addresses = [used.address, "127.0.0.1:0".parse().unwrap()];
        let bound = open(&addresses[..]).unwrap();
        assert_ne!(bound.address, used.address);
        assert!(bound.buffers.0 > 0 && bound.buffers.1 > 0);
        let none: &[SocketAddr] = &[];
        assert_eq!(
            open(none).unwrap_err(),
            BindError::NoAddress {
                text: String::new()
            }
        );
        assert!(matches!(open("no port"), Err(BindError::NoAddress { .. })));
    }
}
