"""What is to hold between `peer-sender` and s2n-quic."""

from programs import ALPN, PAYLOADS, digests, lines_of


def s2n_gets_our_messages_whole(place):
    with place.s2n("receive") as receiver:
        words = ["hello", "wörld", "x" * 100_000]
        messages = [word for text in words for word in ("--message", text)]
        code, figures, errors = place.send(receiver, *messages)
        assert (code, figures.get("delivered")) == (0, 3), (code, figures, errors)
        assert sorted(receiver.next("sha256")["sha256"] for _ in words) == digests([word.encode() for word in words])
    for count, size in [(500, 1), (500, 1_200), (300, 20_000), (4, 5_000_000)]:
        with place.s2n("receive") as receiver:
            code, figures, errors = place.send(receiver, "--count", str(count), "--size", str(size))
            assert (code, figures.get("delivered")) == (0, count), (code, figures, errors)
            assert {receiver.next("sha256")["bytes"] for _ in range(count)} == {size}


def s2n_gets_nothing_by_another_name_of_the_protocol(place):
    """It does not say why: s2n-quic answers nothing where TLS fails in a connection's first packet."""
    with place.s2n("receive", "--alpn", "else/9") as receiver:
        # For longer than connecting may take.
        code, figures, errors = place.send(receiver, "--message", "hello", "--give-up", "7")
        assert code == 1 and figures.get("delivered", 0) == 0, (code, figures, errors)
        assert "no confirmed connection within the connect deadline" in errors, errors


def s2n_gets_nothing_under_another_key(place):
    with place.s2n("receive") as receiver:
        code, figures, errors = place.send(receiver, "--message", "hello", "--give-up", "2", key=place.key)
        assert code == 1 and figures.get("delivered", 0) == 0, (code, figures, errors)
        assert "wrong identity" in errors and place.key in errors, errors


def s2n_lets_us_in_by_our_key_alone(place):
    with place.s2n("receive", "--peer-key", place.key) as receiver:
        code, figures, errors = place.send(receiver, "--message", "hello")
        assert (code, figures.get("delivered")) == (0, 1), (code, figures, errors)
    with place.s2n("receive", "--peer-key", "00" * 32) as receiver:
        code, figures, errors = place.send(receiver, "--message", "hello", "--give-up", "2")
        assert code == 1 and figures.get("delivered", 0) == 0, (code, figures, errors)


def what_s2n_stops_is_refused_with_its_code(place):
    with place.s2n("receive", "--refuse", "1", "--refuse-code", "7") as receiver:
        code, figures, errors = place.send(receiver, "--count", "2", "--size", "1000000")
        assert code == 1, (code, figures, errors)
        assert (figures["refused"], figures["delivered"]) == (1, 1), figures


def s2n_sends_us_messages_whole(place):
    listener, address = place.listen()
    with listener, place.s2n("send", "--to", address, "--peer-key", place.key, stdin=lines_of(PAYLOADS)) as sender:
        assert sender.next("sent")["sent"] == len(PAYLOADS)
        came = sorted(listener.next("sha256")["sha256"] for _ in PAYLOADS)
        assert came == digests(PAYLOADS)


def half_a_message_of_s2n_is_none(place):
    listener, address = place.listen()
    with listener, place.s2n("send", "--to", address, "--reset", "2", stdin=lines_of(PAYLOADS[:9])) as sender:
        assert sender.next("sent")["sent"] == 7
        came = sorted(listener.next("sha256")["sha256"] for _ in PAYLOADS[2:9])
        assert came == digests(PAYLOADS[2:9]), "those that were reset are not among them"


def s2n_learns_that_its_message_is_too_large(place):
    """By STOP_SENDING, while the others go through."""
    listener, address = place.listen()
    payloads = [b"hello", bytes(40 << 20)]
    with listener, place.s2n("send", "--to", address, stdin=lines_of(payloads)) as sender:
        sender.next("stopped")
        assert sender.next("sent")["sent"] == 1
        assert listener.next("sha256")["sha256"] == digests(payloads[:1])[0]


def s2n_gets_in_with_the_right_key_protocol_and_certificate_alone(place):
    for words, allow in [
        (["--alpn", "else/9"], None),
        (["--certificate", "none"], None),
        (["--peer-key", "00" * 32], None),
        ([], place.key),
    ]:
        listener, address = place.listen(allow=allow)
        with listener, place.s2n("send", "--to", address, *words, stdin=lines_of([b"hello"])) as sender:
            code, _ = sender.end()
            # Where only our decision is against it, its transport may have been told of the arrival before.
            assert code != 0 or allow, f"with {words}"
            listener.process.terminate()
            assert listener.next("messages")["messages"] == 0, f"with {words} and {allow}"


CASES = [
    s2n_gets_our_messages_whole,
    s2n_gets_nothing_by_another_name_of_the_protocol,
    s2n_gets_nothing_under_another_key,
    s2n_lets_us_in_by_our_key_alone,
    what_s2n_stops_is_refused_with_its_code,
    s2n_sends_us_messages_whole,
    half_a_message_of_s2n_is_none,
    s2n_learns_that_its_message_is_too_large,
    s2n_gets_in_with_the_right_key_protocol_and_certificate_alone,
]
