#!/usr/bin/env python3
"""The plain protocol between `peer-sender` and aioquic, in both directions: run.py BINARY

Every case starts both ends on loopback and ends by itself. Prints a line for each; fails if one does.
"""

import hashlib
import json
import os
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).parent
# Far longer than anything here takes on a busy machine.
PATIENCE = 60
ALPN = "greetings/1"


class Program:
    """A process that says what it does in lines of JSON."""

    def __init__(self, *command, stdin=None):
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines, self.errors, self.words = queue.Queue(), [], queue.Queue()
        self.readers = [threading.Thread(target=it, daemon=True) for it in (self.read, self.read_errors)]
        for reader in self.readers:
            reader.start()
        if stdin is not None:
            self.process.stdin.write(stdin)
            self.process.stdin.close()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)
            self.words.put(line)

    def next(self, key=None):
        """The next line; with a key, the next that has it."""
        while (line := self.lines.get(timeout=PATIENCE)) is not None:
            if key is None or key in line:
                return line
        raise AssertionError(f"it ended: {''.join(self.errors)}")

    def says(self, start):
        """What follows on the next line of stderr that begins so."""
        while not (line := self.words.get(timeout=PATIENCE)).startswith(start):
            pass
        return line[len(start) :].strip()

    def end(self):
        """Waits until it has ended by itself: its code, and what it said on stderr."""
        code = self.process.wait(PATIENCE)
        for reader in self.readers:
            reader.join(PATIENCE)
        return code, "".join(self.errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(PATIENCE)


class Place:
    """Where the keys of one case are, and how its programs are started."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, pathlib.Path(folder)
        made = subprocess.run([binary, "keys", "new", self.folder / "ours.key"], capture_output=True, text=True, check=True)
        self.key = made.stdout.split()[-1]

    def aioquic(self, role, *words, stdin=None):
        peer = HERE / "aioquic_peer.py"
        return Program(sys.executable, peer, role, "--key", self.folder / "theirs.pem", *words, stdin=stdin)

    def ours(self, command, *words):
        plain = ["--protocol", "plain", "--json", "--key", self.folder / "ours.key"]
        return Program(self.binary, command, *plain, *words)

    def send(self, receiver, *words, alpn=ALPN, key=None):
        """Our sender to their receiver, to its end: its code, its figures (if any), its words."""
        at = receiver.next("port")
        to = ["--to", f"127.0.0.1:{at['port']}", "--peer-key", key or at["key"], "--alpn", alpn]
        with self.ours("send", *to, *words) as sender:
            code, errors = sender.end()
            line = sender.lines.get(timeout=PATIENCE)
            return code, line or {}, errors

    def listen(self, *words):
        """Our listener, and where it is."""
        listener = self.ours("listen", "--bind", "127.0.0.1:0", "--allow-any", "--alpn", ALPN, *words)
        return listener, listener.says("listening on ")


def lines_of(payloads):
    return "".join(payload.hex() + "\n" for payload in payloads)


def digests(payloads):
    return sorted(hashlib.sha256(payload).hexdigest() for payload in payloads)


PAYLOADS = [bytes([number % 251]) * size for number, size in enumerate([1, 2, 100, 1_200, 1_201, 65_536, 300_000] * 20)]


def our_messages_arrive_whole(place):
    with place.aioquic("receive") as receiver:
        code, figures, errors = place.send(receiver, "--count", "500", "--size", "3000")
        assert (code, figures.get("delivered")) == (0, 500), (code, figures, errors)
        came = [receiver.next("sha256") for _ in range(500)]
        assert {it["bytes"] for it in came} == {3000}
        assert len({it["sha256"] for it in came}) == 500, "each is another"


def each_byte_of_ours_is_what_was_handed_over(place):
    words = ["hello", "wörld", "x" * 5000]
    with place.aioquic("receive", "--retry") as receiver:
        messages = [word for text in words for word in ("--message", text)]
        code, figures, errors = place.send(receiver, *messages)
        assert (code, figures.get("delivered")) == (0, 3), (code, figures, errors)
        came = sorted(receiver.next("sha256")["sha256"] for _ in words)
        assert came == digests([word.encode() for word in words])


def what_their_receiver_stops_is_refused_with_its_code(place):
    with place.aioquic("receive", "--refuse", "1", "--refuse-code", "7") as receiver:
        # Far more than fits into one flight: else all is acknowledged before it is stopped.
        code, figures, errors = place.send(receiver, "--count", "2", "--size", "1000000")
        assert code == 1, (code, figures, errors)
        assert (figures["refused"], figures["delivered"]) == (1, 1), figures


def another_name_of_the_protocol_is_told(place):
    with place.aioquic("receive", "--alpn", "else/9") as receiver:
        code, figures, errors = place.send(receiver, "--message", "hello", "--give-up", "2")
        assert code == 1 and figures.get("delivered", 0) == 0, (code, figures, errors)
        assert f"does not speak {ALPN}" in errors, errors


def another_key_gets_nothing(place):
    with place.aioquic("receive") as receiver:
        code, figures, errors = place.send(receiver, "--message", "hello", "--give-up", "2", key=place.key)
        assert code == 1 and figures.get("delivered", 0) == 0, (code, figures, errors)
        assert place.key in errors, errors


def a_receiver_that_is_killed_and_started_anew_gets_the_rest(place):
    """Nobody tells of the kill: the connection goes when it has been silent for too long."""
    with place.aioquic("receive") as first:
        at = first.next("port")
        to = ["--to", f"127.0.0.1:{at['port']}", "--peer-key", at["key"], "--alpn", ALPN]
        with place.ours("send", *to, "--count", "3000", "--size", "20000") as sender:
            came = [first.next("sha256")["sha256"] for _ in range(100)]
            first.process.kill()
            first.process.wait(PATIENCE)
            with place.aioquic("receive", "--port", at["port"]) as second:
                code, errors = sender.end()
                figures = sender.lines.get(timeout=PATIENCE)
                assert (code, figures.get("delivered")) == (0, 3000), (code, figures, errors)
                assert figures["reconnects"] >= 1, figures
                first.end()
                came += [line["sha256"] for line in list(first.lines.queue) if line]
                while len(set(came)) < 3000:
                    came.append(second.next("sha256")["sha256"])


def their_messages_arrive_whole(place):
    listener, address = place.listen()
    with listener, place.aioquic("send", "--to", address, "--update-keys", stdin=lines_of(PAYLOADS)) as sender:
        assert sender.next("sent")["sent"] == len(PAYLOADS)
        came = sorted(listener.next("sha256")["sha256"] for _ in PAYLOADS)
        assert came == digests(PAYLOADS)


def half_a_message_is_none(place):
    listener, address = place.listen()
    with listener, place.aioquic("send", "--to", address, "--reset", "2", stdin=lines_of(PAYLOADS[:9])) as sender:
        sender.next("sent")
        came = sorted(listener.next("sha256")["sha256"] for _ in PAYLOADS[2:9])
        assert came == digests(PAYLOADS[2:9]), "those that were reset are not among them"


def who_shows_no_certificate_is_turned_away(place):
    listener, address = place.listen()
    with listener, place.aioquic("send", "--to", address, "--no-certificate", stdin=lines_of([b"hello"])) as sender:
        code, _ = sender.end()
        assert code != 0, "its connection was refused"
        listener.process.terminate()
        assert listener.next("messages")["messages"] == 0


CASES = [
    our_messages_arrive_whole,
    each_byte_of_ours_is_what_was_handed_over,
    what_their_receiver_stops_is_refused_with_its_code,
    another_name_of_the_protocol_is_told,
    another_key_gets_nothing,
    a_receiver_that_is_killed_and_started_anew_gets_the_rest,
    their_messages_arrive_whole,
    half_a_message_is_none,
    who_shows_no_certificate_is_turned_away,
]


def main(binary):
    failed = 0
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(Place(os.path.abspath(binary), folder))
                said = "ok"
            except Exception as error:
                failed += 1
                said = f"FAILED: {type(error).__name__}: {error}"
        print(f"{case.__name__.replace('_', ' ')}: {said}", flush=True)
    print(f"{len(CASES) - failed} of {len(CASES)} cases of interoperation with aioquic pass")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
