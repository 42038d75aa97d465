//! What QUIC is configured with. Each setting whose default would hand memory, time or chance to
//! the other end is set here, with its reason.

use std::sync::Arc;
use std::time::Duration;

use peer_sender_core::{LANES_MAX, PLAIN_STREAM_WINDOW, PLAIN_STREAMS, Protocol};
use quinn_proto::{
    AckFrequencyConfig, ClientConfig, ConnectionId, EndpointConfig, IdleTimeout,
    MtuDiscoveryConfig, NoneTokenLog, NoneTokenStore, ServerConfig, TransportConfig,
    ValidationTokenConfig, VarInt, crypto,
};
use ring::{hkdf, hmac};

use crate::congestion::CongestionControl;
use crate::connection_id::ConnectionIds;
use crate::derive::Derive;
use crate::tls::{NoClock, Offered};
use crate::trust::{Admission, Expectation};
use crate::{Identity, NodeConfig};

/// What the stream of a lane may send before its reader has taken anything.
pub(crate) const STREAM_WINDOW: u32 = 512 << 10;

/// What is left of a connection's window when every stream that the peer may open is full: the ways
/// back of our own lanes share it, so that receipts get through whatever the applications do.
const SPARE_WINDOW: u32 = 1 << 20;

/// What is written and not acknowledged, at most, on a connection.
const SEND_WINDOW: u64 = 8 << 20;

/// How long the other end is asked to wait with the acknowledgement of a lone packet
/// (draft-ietf-quic-ack-frequency), instead of its own 25 ms or so (RFC 9000 section 18.2): under
/// the plain protocol it settles the message. More is not gained, since this is also the least that
/// QUIC implementations offer; and with several packets under way every other one is acknowledged
/// at once, asked or not.
const ACK_DELAY: Duration = Duration::from_millis(1);

/// The largest UDP payload that fits an Ethernet frame over IPv4. Path MTU discovery stops below.
const UDP_PAYLOAD_MAX: u16 = 1_472;

/// What may wait for a decision on one connection that is being accepted. The node decides in the
/// step that brings it, so it is little.
const INCOMING_BYTES_MAX: u64 = 16 << 10;

/// The settings of an endpoint, for dialling and accepting alike. For one endpoint only: a second
/// one would draw the same random numbers.
pub(crate) fn endpoint_config(identity: &Identity, seed: [u8; 32]) -> EndpointConfig {
    let lasting = identity.derive();
    let own = Derive::from(&seed);

    // The same in each process of the identity, so that a restarted listener's resets are believed.
    let reset_key = lasting.hmac_key(b"stateless reset");
    let mut config = EndpointConfig::new(Arc::new(reset_key));
    config.rng_seed(Some(own.bytes(b"endpoint")));
    config.cid_generator(move || Box::new(ConnectionIds::new(&lasting, &own)));
    config
        .max_udp_payload_size(UDP_PAYLOAD_MAX)
        .expect("the limit is within QUIC's, 1,200 to 65,527");
    // Without an interval, since all peers of a restarted listener are to be reset at once. The ids'
    // tags keep strangers from asking for resets, and each is smaller than what asked for it.
    config.min_reset_interval(Duration::ZERO);
    config
}

/// The settings of the accepting side.
pub(crate) fn server_config(config: &NodeConfig, seed: [u8; 32]) -> Arc<ServerConfig> {
    let (crypto, _) = accepting(config);
    let token_key = hkdf::Salt::new(hkdf::HKDF_SHA256, b"address validation").extract(&seed);
    let mut server = ServerConfig::new(crypto, Arc::new(token_key));

    let mut transport = transport_config(config);
    // The dialling end keeps the connection up. Where it is gone, nobody should.
    transport.keep_alive_interval(None);
    server.transport_config(Arc::new(transport));

    // Tokens of Retry packets are tied to an address and to this process's key; without a clock
    // they last as long as the process. None are handed out for later connections.
    server.time_source(Arc::new(NoClock));
    let mut tokens = ValidationTokenConfig::default();
    tokens.sent(0).log(Arc::new(NoneTokenLog));
    server.validation_token_config(tokens);

    server.max_incoming(config.handshakes_max);
    server.incoming_buffer_size(INCOMING_BYTES_MAX);
    server.incoming_buffer_size_total(
        INCOMING_BYTES_MAX.saturating_mul(config.handshakes_max as u64),
    );
    Arc::new(server)
}

/// The settings of one connection that is accepted; and where to read what was offered to it. None
/// where those of the accepting side are enough, since nothing is judged that has to be told of.
pub(crate) fn admission_config(
    config: &NodeConfig,
    server: &ServerConfig,
) -> Option<(Arc<ServerConfig>, Offered)> {
    if !Admission::of(config).is_strict() {
        return None;
    }
    let mut server = server.clone();
    let (crypto, offered) = accepting(config);
    server.crypto = crypto;
    Some((Arc::new(server), offered))
}

/// The same accepting side, as the identity that the node has now, and with whom it trusts now.
pub(crate) fn renewed(config: &NodeConfig, server: &ServerConfig) -> Arc<ServerConfig> {
    let mut server = server.clone();
    server.crypto = accepting(config).0;
    Arc::new(server)
}

fn accepting(config: &NodeConfig) -> (Arc<dyn crypto::ServerConfig>, Offered) {
    let (identity, alpn) = (&config.identity, config.alpn());
    let admission = Admission::of(config);
    config.security.accepting(identity, alpn, admission)
}

/// The settings of one dial, which succeeds only with whom it expects; and where to read what was
/// offered. `names`: whether the name that is dialled is told to the other end (SNI, RFC 6066).
/// `seed` is never used for another dial.
pub(crate) fn client_config(
    config: &NodeConfig,
    expected: impl Into<Expectation>,
    names: bool,
    seed: [u8; 32],
) -> (ClientConfig, Offered) {
    let (identity, alpn) = (&config.identity, config.alpn());
    let (crypto, offered) = config.security.dialling(identity, expected, alpn, names);
    let mut client = ClientConfig::new(crypto);

    let mut transport = transport_config(config);
    transport.keep_alive_interval(Some(config.keep_alive));
    client.transport_config(Arc::new(transport));

    let first_id = first_destination_id(seed);
    client.initial_dst_cid_provider(Arc::new(move || first_id));
    client.token_store(Arc::new(NoneTokenStore));
    (client, offered)
}

/// Both ends may open as many streams: the dialling end for its messages, the accepting end for its
/// replies.
fn transport_config(config: &NodeConfig) -> TransportConfig {
    let (lanes, messages, stream_window) = match config.protocol() {
        Protocol::Lanes => (u32::from(LANES_MAX), 0, STREAM_WINDOW),
        Protocol::Plain => (0, u32::from(PLAIN_STREAMS), PLAIN_STREAM_WINDOW),
        Protocol::Framed => (0, 1, STREAM_WINDOW),
    };
    let mut transport = TransportConfig::default();
    transport.max_concurrent_bidi_streams(lanes.into());
    transport.max_concurrent_uni_streams(messages.into());
    let idle_timeout =
        IdleTimeout::try_from(config.idle_timeout).unwrap_or_else(|_| VarInt::MAX.into());
    transport.max_idle_timeout(Some(idle_timeout));

    transport.stream_receive_window(stream_window.into());
    // The default is unlimited. With less, streams that are not read now could keep one that is
    // from ever getting its bytes.
    let streams = lanes + messages;
    transport.receive_window((streams * stream_window + SPARE_WINDOW).into());
    transport.send_window(SEND_WINDOW);
    // No datagrams (RFC 9221): they would be buffered, and nobody reads them.
    transport.datagram_receive_buffer_size(None);
    transport.datagram_send_buffer_size(0);

    if config.protocol() == Protocol::Plain {
        let mut acknowledgements = AckFrequencyConfig::default();
        acknowledgements.max_ack_delay(Some(ACK_DELAY));
        transport.ack_frequency_config(Some(acknowledgements));
    }
    transport.congestion_controller_factory(Arc::new(CongestionControl::default()));
    transport.mtu_discovery_config(Some(MtuDiscoveryConfig::default()));
    transport
}

/// Unpredictable, as RFC 9000 section 7.2 demands, to whom the seed is.
fn first_destination_id(seed: [u8; 32]) -> ConnectionId {
    const BYTES: usize = 16;
    let key = Derive::from(&seed).hmac_key(b"first destination id");
    let id = hmac::sign(&key, &[]);
    ConnectionId::new(id.as_ref().get(..BYTES).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_destination_id_follows_the_seed() {
        let [one, again, other] = [1, 1, 2].map(|n| first_destination_id([n; 32]));
        assert_eq!(one.len(), 16);
        assert_eq!(one, again);
        assert_ne!(one, other);
    }

    #[test]
    fn full_lanes_leave_room_for_the_ways_back() {
        let config = NodeConfig::new(Identity::from_secret([1; 32]));
        let window = 8 * (512 << 10) + (1 << 20);
        assert_settings(
            &config,
            &[
                &format!(" receive_window: {window}"),
                "stream_receive_window: 524288",
                "send_window: 8388608",
                "max_concurrent_bidi_streams: 8",
                "max_concurrent_uni_streams: 0",
                "max_idle_timeout: Some(10000)",
                "datagram_receive_buffer_size: None",
                "ack_frequency_config: None",
            ],
        );
    }

    #[test]
    fn full_streams_of_the_plain_protocol_leave_room_for_the_one_that_is_read() {
        let identity = Identity::from_secret([1; 32]);
        let config = NodeConfig::builder(identity).plain("p").build().unwrap();
        let window = 128 * (128 << 10) + (1 << 20);
        assert_settings(
            &config,
            &[
                &format!(" receive_window: {window}"),
                "stream_receive_window: 131072",
                "send_window: 8388608",
                "max_concurrent_bidi_streams: 0",
                "max_concurrent_uni_streams: 128",
                "max_ack_delay: Some(1ms)",
            ],
        );
    }

    fn assert_settings(config: &NodeConfig, settings: &[&str]) {
        let shown = format!("{:?}", transport_config(config));
        for &setting in settings {
            assert!(shown.contains(setting), "{setting} in {shown}");
        }
    }
}
