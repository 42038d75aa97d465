"""The programs of a case, ours and theirs, as processes that say what they do."""

import hashlib
import json
import pathlib
import queue
import re
import subprocess
import sys
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

    def says(self, words):
        """What follows these words on the next line of stderr that has them."""
        while words not in (line := self.words.get(timeout=PATIENCE)):
            pass
        return line.partition(words)[2].strip()

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

    def __init__(self, binary, s2n, folder):
        self.binary, self.s2n_binary, self.folder = binary, s2n, pathlib.Path(folder)
        made = subprocess.run([binary, "keys", "new", self.folder / "ours.key"], capture_output=True, text=True, check=True)
        self.key = made.stdout.split()[-1]

    def aioquic(self, role, *words, stdin=None):
        peer = HERE / "aioquic_peer.py"
        return Program(sys.executable, peer, role, "--key", self.folder / "theirs.pem", *words, stdin=stdin)

    def s2n(self, role, *words, stdin=None):
        return Program(self.s2n_binary, role, *words, stdin=stdin)

    def node(self, role, *words, stdin=None):
        peer = HERE / "acki_nacki_peer.py"
        return Program(sys.executable, peer, role, "--key", self.folder / "theirs.pem", *words, stdin=stdin)

    def ours(self, command, *words, protocol=("--protocol", "plain")):
        return Program(self.binary, command, *protocol, "--json", "--key", self.folder / "ours.key", *words)

    def send(self, receiver, *words, alpn=ALPN, key=None):
        """Our sender to their receiver, to its end: its code, its figures (if any), its words."""
        at = receiver.next("port")
        to = ["--to", f"127.0.0.1:{at['port']}", "--peer-key", key or at["key"], "--alpn", alpn]
        with self.ours("send", *to, *words) as sender:
            code, errors = sender.end()
            line = sender.lines.get(timeout=PATIENCE)
            return code, line or {}, errors

    def listen(self, *words, allow=None):
        """Our listener, and where it is. It lets anybody in, or one key."""
        trust = ["--allow", allow] if allow else ["--allow-any"]
        listener = self.ours("listen", "--bind", "127.0.0.1:0", "--alpn", ALPN, *trust, *words)
        return listener, listener.says("listening on ")


def lines_of(payloads):
    return "".join(payload.hex() + "\n" for payload in payloads)


def digests(payloads):
    return sorted(hashlib.sha256(payload).hexdigest() for payload in payloads)


PAYLOADS = [bytes([number % 251]) * size for number, size in enumerate([1, 2, 100, 1_200, 1_201, 65_536, 300_000] * 20)]


def peak_mib(program):
    """The most memory that it has had, where the system tells."""
    try:
        status = pathlib.Path(f"/proc/{program.process.pid}/status").read_text()
    except OSError:
        return None
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) >> 10
