"""A node of the Acki Nacki network as far as direct messages go, written with aioquic from the description
of that protocol in `docs/acki-nacki.md` alone.

`receive` prints a line of JSON for each message, `send` sends what it reads, a line for each payload in
hex. As nodes do, each end opens one unidirectional stream on its first message and never ends it.
"""

import argparse
import asyncio
import datetime
import hashlib
import json
import os
import ssl
import struct
import sys
import time

import zstandard
from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamDataReceived, StreamReset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ALPN = "acki-nacki-direct"
TAG = b"acknck\x00\x01"
COMPRESSED_ABOVE = 1000


def say(**words):
    print(json.dumps(words), flush=True)


def identity(path):
    """A P-256 key and a certificate of its own for `localhost`, in one file; returns by what peers know it:
    the SHA-256 of the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    certificate = builder.sign(key, hashes.SHA256())
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    with open(path, "wb") as file:
        file.write(certificate.public_bytes(pem))
        file.write(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def framed(payload, version=1):
    """A message with this payload, behind its length."""
    compressed = len(payload) > COMPRESSED_ABOVE
    if compressed:
        payload = zstandard.ZstdCompressor(level=3, write_content_size=False).compress(payload)
    now = time.time_ns()
    sized = lambda data: struct.pack("<Q", len(data)) + data
    message = struct.pack("<Q", now // 1_000_000) + sized(str(now).encode()) + sized("bytes\n".encode())
    message += bytes([compressed]) + sized(payload) + b"\0"
    if version == 1:
        message += b"\0" + TAG
    return struct.pack(">I", len(message)) + message


def understood(message):
    """The fields of a message; fails where it is none."""
    version = 1 if message.endswith(TAG) else 0
    fields, at = message[: len(message) - len(TAG)] if version else message, 0

    def take(count):
        nonlocal at
        if at + count > len(fields):
            raise ValueError(f"cut short at {at}")
        at += count
        return fields[at - count : at]

    def flag():
        byte = take(1)[0]
        if byte > 1:
            raise ValueError(f"no flag at {at - 1}")
        return byte == 1

    sized = lambda: take(struct.unpack("<Q", take(8))[0])
    started_ms = struct.unpack("<Q", take(8))[0]
    name, label, compressed, data = sized().decode(), sized().decode(), flag(), sized()
    proxy = flag()
    receiver = sized().decode() if version and flag() else None
    if at != len(fields):
        raise ValueError(f"{len(fields) - at} bytes too many")
    if compressed:
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return dict(version=version, started_ms=started_ms, id=name, label=label, compressed=compressed,
                bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), proxy=proxy, receiver=receiver)


class Node(QuicConnectionProtocol):
    """Says what comes."""

    refuse_after = None

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.streams = {}

    def quic_event_received(self, event):
        if isinstance(event, HandshakeCompleted):
            say(connected=event.alpn_protocol)
            if Node.refuse_after is not None:
                asyncio.get_running_loop().call_later(Node.refuse_after, self.drop)
        elif isinstance(event, StreamReset):
            say(reset=event.error_code)
        elif isinstance(event, ConnectionTerminated):
            say(closed=event.error_code)
        elif isinstance(event, StreamDataReceived):
            received = self.streams.setdefault(event.stream_id, bytearray())
            received += event.data
            if event.end_stream:
                say(finished=event.stream_id)
            while len(received) >= 4 and len(received) >= 4 + (length := struct.unpack(">I", received[:4])[0]):
                say(**understood(bytes(received[4 : 4 + length])), stream=event.stream_id)
                del received[: 4 + length]

    def drop(self):
        """As a node turns away a key that is not in its topology, as far as aioquic does that: a node says
        nothing, and answers what still comes with a stateless reset."""
        self.close(error_code=0)


async def receive(args):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=[ALPN])
    key = identity(args.key)
    configuration.load_cert_chain(args.key, args.key)
    Node.refuse_after = args.refuse_after
    server = await serve("127.0.0.1", args.port, configuration=configuration, create_protocol=Node)
    say(port=server._transport.get_extra_info("sockname")[1], key=key)
    await asyncio.Event().wait()


async def send(args):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=[ALPN])
    configuration.verify_mode = ssl.CERT_NONE
    say(key=identity(args.key))
    configuration.load_cert_chain(args.key, args.key)
    lines = [bytes.fromhex(line.strip()) for line in sys.stdin]
    host, port = args.to.rsplit(":", 1)
    async with connect(host, int(port), configuration=configuration, create_protocol=Node) as client:
        _, writer = await client.create_stream(is_unidirectional=True)
        for number, payload in enumerate(lines):
            if number == args.spoil:
                writer.write(struct.pack(">I", 3) + b"\xff\xff\xff")
            writer.write(framed(payload, version=args.version))
        sent, stream = len(lines), client._quic._streams[writer.get_extra_info("stream_id")]
        while stream.sender._buffer and client._quic._close_event is None:
            await asyncio.sleep(0.01)
        say(sent=sent)
        if args.spoil is not None:
            await client.wait_closed()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["receive", "send"])
    parser.add_argument("--key", required=True, help="a file for a key")
    parser.add_argument("--refuse-after", type=float, help="seconds after each handshake")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--to")
    parser.add_argument("--version", type=int, default=1)
    parser.add_argument("--spoil", type=int, help="something that is no message before the one of this number")
    args = parser.parse_args()
    asyncio.run({"receive": receive, "send": send}[args.role](args))


if __name__ == "__main__":
    main()
