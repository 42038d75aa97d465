"""What is to hold between `peer-sender --protocol acki-nacki` and a node that aioquic makes."""

from programs import PATIENCE, PAYLOADS, digests, lines_of

DIRECT = ["--protocol", "acki-nacki"]


def send(place, receiver, *words):
    """Our sender to their node, to its end: its code, its figures (if any), its words."""
    at = receiver.next("port")
    to = ["--to", f"127.0.0.1:{at['port']}", "--peer-key", at["key"]]
    with place.ours("send", *to, *words, protocol=DIRECT) as sender:
        code, errors = sender.end()
        return code, sender.lines.get(timeout=PATIENCE) or {}, errors


def listen(place, *words):
    listener = place.ours("listen", "--bind", "127.0.0.1:0", "--allow-any", *words, protocol=DIRECT)
    return listener, listener.says("listening on ")


def a_node_gets_our_messages_in_order_on_one_stream(place):
    with place.node("receive") as receiver:
        code, figures, errors = send(place, receiver, "--count", "3000", "--size", "1500")
        assert (code, figures.get("written"), figures.get("delivered")) == (0, 3000, 0), (code, figures, errors)
        came = [receiver.next("sha256") for _ in range(3000)]
        assert {it["bytes"] for it in came} == {1500} and {it["stream"] for it in came} == {2}
        names = [int(it["id"]) for it in came]
        assert names == sorted(set(names)), "in their order"
        first = came[0]
        assert (first["version"], first["compressed"], first["proxy"], first["receiver"]) == (1, True, False, None)
        # The stream was never ended, and the connection ended well.
        assert receiver.next("closed")["closed"] == 0
        assert not any("finished" in line or "reset" in line for line in list(receiver.lines.queue) if line)


def payloads_of_every_size_are_what_was_handed_over(place):
    words = ["hello", "wörld", "x" * 999, "y" * 1000, "z" * 1001, "w" * 100_000]
    with place.node("receive") as receiver:
        messages = [word for text in words for word in ("--message", text)]
        code, figures, errors = send(place, receiver, *messages)
        assert (code, figures.get("written")) == (0, len(words)), (code, figures, errors)
        came = [receiver.next("sha256") for _ in words]
        assert sorted(it["sha256"] for it in came) == digests([word.encode() for word in words])
        assert [it["compressed"] for it in came] == [False, False, False, False, True, True]


def what_a_node_sends_is_taken_in_order(place):
    for version in (1, 0):
        listener, at = listen(place)
        with listener, place.node("send", "--to", at, "--version", version, stdin=lines_of(PAYLOADS)) as sender:
            assert sender.next("sent")["sent"] == len(PAYLOADS)
            came = [listener.next("sha256") for _ in PAYLOADS]
            assert [it["number"] for it in came] == list(range(len(PAYLOADS)))
            assert sorted(it["sha256"] for it in came) == digests(PAYLOADS)
            assert all(it["under_way_ms"] is not None and it["id"].isdigit() for it in came)


def what_is_no_message_ends_the_connection_and_what_came_before_counts(place):
    listener, at = listen(place)
    with listener, place.node("send", "--to", at, "--spoil", 7, stdin=lines_of(PAYLOADS[:20])) as sender:
        assert sender.next("closed")["closed"] == 1, "the protocol was broken"
        came = [listener.next("sha256") for _ in range(7)]
        assert [it["number"] for it in came] == list(range(7))
        said = listener.says("is none, its connection is closed: ")
        assert said, "and why"


def a_node_that_refuses_after_the_handshake_is_written_nothing(place):
    with place.node("receive", "--refuse-after", "0.02") as receiver:
        code, figures, errors = send(place, receiver, "--message", "one", "--message", "two", "--message", "three",
                                     "--at-most-once", "--give-up", "3")
        assert code == 1, (code, figures, errors)
        assert (figures.get("written"), figures.get("delivered"), figures.get("unknown")) == (0, 0, 3), figures


CASES = [
    a_node_gets_our_messages_in_order_on_one_stream,
    payloads_of_every_size_are_what_was_handed_over,
    what_a_node_sends_is_taken_in_order,
    what_is_no_message_ends_the_connection_and_what_came_before_counts,
    a_node_that_refuses_after_the_handshake_is_written_nothing,
]
