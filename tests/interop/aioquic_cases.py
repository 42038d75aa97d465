"""What is to hold between `peer-sender` and aioquic."""

import signal

from programs import ALPN, PATIENCE, PAYLOADS, digests, lines_of, peak_mib


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


def a_receiver_that_stops_reading_is_waited_for_within_bounds(place):
    """It grants nothing beyond the limits of its handshake, 1 MiB in all, for longer than messages live:
    what has not begun by then expires, while memory stays within the queue; then it reads on."""
    count, size = 15_000, 10_000
    with place.aioquic("receive", "--hold") as receiver:
        at = receiver.next("port")
        to = ["--to", f"127.0.0.1:{at['port']}", "--peer-key", at["key"], "--alpn", ALPN]
        words = ["--count", str(count), "--size", str(size), "--ttl", "0.5"]
        with place.ours("send", *to, *words) as sender:
            sender.says(" is slow: ")
            peak = peak_mib(sender)
            receiver.process.send_signal(signal.SIGUSR1)
            code, errors = sender.end()
            figures = sender.lines.get(timeout=PATIENCE)
            assert code == 1 and "connection lost" not in errors, (code, figures, errors)
            # Of what had begun when its time came, the fate may be unknown.
            delivered, expired, unknown = (figures[fate] for fate in ["delivered", "expired", "unknown"])
            assert delivered + expired + unknown == count, figures
            # As much was begun as fits into its limits, and far more was not.
            assert size * delivered >= 1_000_000 and expired > count // 2, figures
            came = {receiver.next("sha256")["sha256"] for _ in range(delivered)}
            assert len(came) == delivered, "each of them came"
            assert peak is None or peak < 100, f"{peak} MiB for messages of {count * size >> 20} MiB"


def a_receiver_that_falls_silent_is_noticed_and_tried_again(place):
    with place.aioquic("receive") as receiver:
        at = receiver.next("port")
        to = ["--to", f"127.0.0.1:{at['port']}", "--peer-key", at["key"], "--alpn", ALPN]
        with place.ours("send", *to, "--count", "3000", "--size", "20000") as sender:
            came = {receiver.next("sha256")["sha256"] for _ in range(100)}
            receiver.process.send_signal(signal.SIGSTOP)
            sender.says("nothing heard from the peer for the idle timeout")
            receiver.process.send_signal(signal.SIGCONT)
            code, errors = sender.end()
            figures = sender.lines.get(timeout=PATIENCE)
            assert (code, figures.get("delivered")) == (0, 3000), (code, figures, errors)
            assert figures["reconnects"] >= 1, figures
            while len(came) < 3000:
                came.add(receiver.next("sha256")["sha256"])


def what_a_silent_receiver_may_have_is_not_sent_twice_unless_that_is_wanted(place):
    with place.aioquic("receive") as receiver:
        at = receiver.next("port")
        to = ["--to", f"127.0.0.1:{at['port']}", "--peer-key", at["key"], "--alpn", ALPN]
        words = ["--count", "3000", "--size", "20000", "--at-most-once", "--give-up", "5"]
        with place.ours("send", *to, *words) as sender:
            receiver.next("sha256")
            receiver.process.send_signal(signal.SIGSTOP)
            code, errors = sender.end()
            figures = sender.lines.get(timeout=PATIENCE)
            assert code == 1 and figures["unknown"] > 0, (code, figures, errors)
            told = sum(figures[fate] for fate in ["delivered", "unknown", "failed"])
            assert told == figures["accepted"], figures


def a_receiver_that_has_forgotten_the_connection_says_so(place):
    """As one that was started anew does: by a stateless reset, long before the idle timeout."""
    with place.aioquic("receive", "--forget-after", "100") as receiver:
        code, figures, errors = place.send(receiver, "--count", "3000", "--size", "20000")
        receiver.next("forgotten")
        assert (code, figures.get("delivered")) == (0, 3000), (code, figures, errors)
        assert "the peer did not know the connection any more" in errors, errors
        assert "idle timeout" not in errors, errors


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


def a_dialler_that_falls_silent_is_forgotten(place):
    """Then what it sends is answered with a stateless reset, by the token that it was given."""
    listener, address = place.listen()
    with listener, place.aioquic("send", "--to", address, "--mute", stdin=lines_of([b"hello"])) as sender:
        assert listener.next("sha256")["sha256"] == digests([b"hello"])[0]
        after = sender.next("reset_after")["reset_after"]
        assert 8 < after < 40, f"forgotten after {after} s, with an idle timeout of 10"


CASES = [
    our_messages_arrive_whole,
    each_byte_of_ours_is_what_was_handed_over,
    what_their_receiver_stops_is_refused_with_its_code,
    another_name_of_the_protocol_is_told,
    another_key_gets_nothing,
    a_receiver_that_is_killed_and_started_anew_gets_the_rest,
    a_receiver_that_stops_reading_is_waited_for_within_bounds,
    a_receiver_that_falls_silent_is_noticed_and_tried_again,
    what_a_silent_receiver_may_have_is_not_sent_twice_unless_that_is_wanted,
    a_receiver_that_has_forgotten_the_connection_says_so,
    their_messages_arrive_whole,
    half_a_message_is_none,
    who_shows_no_certificate_is_turned_away,
    a_dialler_that_falls_silent_is_forgotten,
]
