"""A QUIC program that knows nothing of peer-sender: each message is a unidirectional stream and FIN.

Written with aioquic, from what the README says of the plain protocol alone. `receive` prints a line of
JSON for each message, `send` sends what it reads, a line for each message in hex.
"""

import argparse
import asyncio
import datetime
import hashlib
import hmac
import json
import os
import signal
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.asyncio import server as aioquic_server
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamDataReceived, StreamReset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def say(**words):
    print(json.dumps(words), flush=True)


def identity(path):
    """A P-256 key with a certificate of its own, in one file; returns its SHA-256 as peers know it. One
    that is there already is taken again."""
    if os.path.exists(path):
        with open(path, "rb") as file:
            return known_as(serialization.load_pem_private_key(file.read(), None))
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "aioquic")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    with open(path, "wb") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return known_as(key)


def known_as(key):
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(public).hexdigest()


class Receiver(QuicConnectionProtocol):
    """Says what comes; may refuse the first messages, each by STOP_SENDING."""

    refuse, refuse_code = 0, 0
    # So many came whole; and whom nothing more is granted, if that is for anybody.
    messages, held = 0, None

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.streams, self.refused = {}, set()
        if Receiver.held is not None:
            hold(self)

    def quic_event_received(self, event):
        if isinstance(event, HandshakeCompleted):
            say(connected=event.alpn_protocol)
        elif isinstance(event, StreamReset):
            self.streams.pop(event.stream_id, None)
            say(reset=event.error_code)
        elif isinstance(event, ConnectionTerminated):
            say(closed=event.error_code)
        elif isinstance(event, StreamDataReceived):
            self.received(event)

    def received(self, event):
        if event.stream_id in self.refused:
            return
        if Receiver.refuse > 0:
            Receiver.refuse -= 1
            self.refused.add(event.stream_id)
            self._quic.stop_stream(event.stream_id, Receiver.refuse_code)
            self.transmit()
            return
        payload = self.streams.setdefault(event.stream_id, bytearray())
        payload += event.data
        if event.end_stream:
            del self.streams[event.stream_id]
            Receiver.messages += 1
            say(bytes=len(payload), sha256=hashlib.sha256(payload).hexdigest())


def hold(protocol):
    """Grants no more than the limits of the handshake: as an application that does not read."""
    Receiver.held.add(protocol)
    protocol._quic._write_connection_limits = lambda **_: None
    protocol._quic._write_stream_limits = lambda **_: None


def read_on():
    """Grants again, to all."""
    held, Receiver.held = Receiver.held, None
    for protocol in held:
        del protocol._quic._write_connection_limits, protocol._quic._write_stream_limits
        protocol.transmit()


class Forgetful(aioquic_server.QuicServer):
    """Forgets its connections when it has so many messages, as a process that is started anew, and answers
    what belongs to none with a stateless reset (RFC 9000 section 10.3), which aioquic by itself does not."""

    after, key = None, b""

    def datagram_received(self, data, address):
        connection = data[1 : 1 + self._configuration.connection_id_length]
        if Forgetful.after is not None and Receiver.messages >= Forgetful.after:
            Forgetful.after = None
            for protocol in set(self._protocols.values()):
                protocol._timer and protocol._timer.cancel()
                protocol.datagram_received = protocol.transmit = lambda *_: None
            self._protocols.clear()
            say(forgotten=True)
        if data[0] & 0x80 or connection in self._protocols:
            super().datagram_received(data, address)
        elif len(data) > 43:
            self._transport.sendto(bytes([0x40]) + os.urandom(26) + Forgetful.token(connection), address)

    @staticmethod
    def token(connection):
        return hmac.digest(Forgetful.key, connection, "sha256")[:16]


class Remembered(aioquic_server.QuicConnection):
    """Its tokens for stateless resets follow from its connection ids and a key."""

    def __init__(self, **options):
        super().__init__(**options)
        self.name_tokens()

    def _replenish_connection_ids(self):
        super()._replenish_connection_ids()
        self.name_tokens()

    def name_tokens(self):
        for connection in self._host_cids:
            connection.stateless_reset_token = Forgetful.token(connection.cid)


async def receive(args):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=[args.alpn])
    key = identity(args.key)
    configuration.load_cert_chain(args.key, args.key)
    Receiver.refuse, Receiver.refuse_code = args.refuse, args.refuse_code
    if args.hold:
        Receiver.held = set()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, read_on)
    if args.forget_after:
        Forgetful.after, Forgetful.key = args.forget_after, os.urandom(32)
        aioquic_server.QuicServer, aioquic_server.QuicConnection = Forgetful, Remembered
    server = await serve("127.0.0.1", args.port, configuration=configuration, create_protocol=Receiver, retry=args.retry)
    say(port=server._transport.get_extra_info("sockname")[1], key=key)
    await asyncio.Event().wait()


async def send(args):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=[args.alpn])
    configuration.verify_mode = ssl.CERT_NONE
    say(key=identity(args.key))
    if not args.no_certificate:
        configuration.load_cert_chain(args.key, args.key)
    lines = [line.strip() for line in sys.stdin]
    host, port = args.to.rsplit(":", 1)
    async with connect(host, int(port), configuration=configuration) as client:
        client.peer = client._quic._network_paths[0].addr
        for number, line in enumerate(lines):
            if args.update_keys and number == len(lines) // 2:
                client._quic.request_key_update()
            _, writer = await client.create_stream(is_unidirectional=True)
            writer.write(bytes.fromhex(line))
            if number < args.reset:
                await writer.drain()
                client._quic.reset_stream(writer.get_extra_info("stream_id"), 9)
                client.transmit()
            else:
                writer.write_eof()
        # Everything is acknowledged when a ping that is sent behind it is, and nothing is sent again.
        while client._quic._loss.bytes_in_flight or any(
            not stream.is_finished for stream in client._quic._streams.values()
        ):
            await client.ping()
        say(sent=len(lines))
        if args.mute:
            say(reset_after=await mute(client))


async def mute(client):
    """Says nothing more that belongs to the connection, and asks now and then with what belongs to none
    that anybody could read whether the other end still knows it: seconds until it does not."""
    loop, known = asyncio.get_running_loop(), asyncio.Event()
    token = client._quic._peer_cid.stateless_reset_token
    transport, begin = client._transport, loop.time()
    client.datagram_received = lambda data, _: known.set() if data[-16:] == token else None
    client.transmit = lambda: None
    client._timer and client._timer.cancel()
    while not known.is_set():
        transport.sendto(bytes([0x40]) + client._quic._peer_cid.cid + os.urandom(100), client.peer)
        try:
            await asyncio.wait_for(known.wait(), 0.25)
        except asyncio.TimeoutError:
            pass
    return loop.time() - begin


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["receive", "send"])
    parser.add_argument("--key", required=True, help="a file for a key, or with one")
    parser.add_argument("--alpn", default="greetings/1")
    parser.add_argument("--retry", action="store_true", help="prove every address by a Retry")
    parser.add_argument("--refuse", type=int, default=0, help="so many messages, by STOP_SENDING")
    parser.add_argument("--refuse-code", type=int, default=7)
    parser.add_argument("--hold", action="store_true", help="read nothing more until SIGUSR1 comes")
    parser.add_argument("--forget-after", type=int, help="so many messages: every connection")
    parser.add_argument("--mute", action="store_true", help="after all, until the other end has forgotten us")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--to")
    parser.add_argument("--no-certificate", action="store_true")
    parser.add_argument("--update-keys", action="store_true", help="in the midst of it")
    parser.add_argument("--reset", type=int, default=0, help="so many messages, before their end")
    args = parser.parse_args()
    asyncio.run({"receive": receive, "send": send}[args.role](args))


if __name__ == "__main__":
    main()
