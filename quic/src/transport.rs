//! What QUIC is configured with.
#![allow(clippy::todo, unused, missing_docs)]

use std::sync::Arc;

use peer_sender_core::PeerKey;
use quinn_proto::{ClientConfig, EndpointConfig, ServerConfig};

use crate::tls::OfferedKey;
use crate::{Identity, NodeConfig};

/// The settings of an endpoint, for dialling and accepting alike.
pub(crate) fn endpoint_config(identity: &Identity, seed: [u8; 32]) -> EndpointConfig {
    todo!()
}

/// The settings of the accepting side.
pub(crate) fn server_config(config: &NodeConfig, seed: [u8; 32]) -> Arc<ServerConfig> {
    todo!()
}

/// The settings of one dial, which succeeds only with the holder of the key `pin`; and where to
/// read which key was offered.
pub(crate) fn client_config(
    config: &NodeConfig,
    pin: PeerKey,
    seed: [u8; 32],
) -> (ClientConfig, OfferedKey) {
    todo!()
}
