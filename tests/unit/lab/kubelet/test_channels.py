"""The channel protocols of exec, and WebSocket under them."""

import asyncio
import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Ping

from kube46.lab.kubelet.channels import V4, V5, Channel, Input, Resize, exit_status, message, parse, resized
from kube46.lab.kubelet.wire import LARGEST_MESSAGE, WebSocket


@pytest.mark.parametrize(
    ("raw", "protocol", "expected"),
    [
        (b"\x00abc", V5, Input(b"abc")),
        (b"\x00", V5, None),
        (b"", V5, None),
        (b"\xff\x00", V5, Input(b"", end=True)),
        (b"\xff\x00", V4, None),
        (b"\xff\x01", V5, None),
        (b'\x04{"Width":80,"Height":24}', V4, Resize(80, 24)),
        (b"\x04nonsense", V5, None),
        (b"\x09x", V5, None),
    ],
    ids=["input", "empty input", "empty", "end", "v4 has no end", "other end", "resize", "bad resize", "unknown"],
)
def test_client_messages(raw, protocol, expected):
    """Each message of a client means input, its end, a size, or nothing."""
    assert parse(raw, protocol) == expected


@given(st.binary(min_size=1), st.sampled_from([V4, V5]))
def test_input_round_trip(data, protocol):
    """Any bytes come through the input channel."""
    assert parse(message(Channel.STDIN, data), protocol) == Input(data)


@given(st.binary(max_size=200), st.sampled_from([V4, V5]))
def test_no_message_breaks_the_parser(raw, protocol):
    """Hostile messages are at worst nothing."""
    parse(raw, protocol)


@pytest.mark.parametrize(
    "size", [b"", b"{", b"[]", b'{"Width":0,"Height":9}', b'{"Width":65536,"Height":9}', b'{"Width":-1}']
)
def test_sizes_that_are_none(size):
    """A terminal has one to 65535 columns and lines."""
    assert resized(size) is None
    assert resized(b'{"Width":65535,"Height":1}') == Resize(65535, 1)


def test_exit_status():
    """Zero is a success; another code is in the cause ExitCode, where kubectl looks."""
    assert exit_status(0)["status"] == "Success"
    assert exit_status(3)["details"] == {"causes": [{"reason": "ExitCode", "message": "3"}]}
    assert json.dumps(exit_status(3)["reason"]) == '"NonZeroExitCode"'


class Sink:
    """A writer that keeps what is written."""

    def __init__(self):
        self.data = b""

    def write(self, data):
        """As asyncio.StreamWriter."""
        self.data += data

    async def drain(self):
        """As asyncio.StreamWriter."""


def conversation(data, cuts=()):
    """(messages the server got, events the client got) when the client's bytes come cut at those places."""

    async def run():
        reader, sink = asyncio.StreamReader(), Sink()
        socket = WebSocket(reader, sink, b"")
        got = []
        places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]

        async def listen():
            got.extend([raw async for raw in socket.messages()])

        async with asyncio.TaskGroup() as group:
            group.create_task(listen())
            for start, end in pairwise(places):
                reader.feed_data(data[start:end])
                await asyncio.sleep(0)
            reader.feed_eof()
        return got, sink.data

    got, answer = asyncio.run(run())
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(answer)
    return got, list(client.events())


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=300), max_size=4), st.lists(st.integers(0, 2000), max_size=5))
def test_messages_come_whole(messages, cuts):
    """However the network cuts the bytes, the messages are those that were sent."""
    client = Connection(ConnectionType.CLIENT)
    data = b"".join(client.send(BytesMessage(data=m)) for m in messages)

    assert conversation(data, cuts)[0] == messages


def test_fragments_pings_and_goodbye():
    """Fragments are joined, pings answered, a close is echoed."""
    client = Connection(ConnectionType.CLIENT)
    data = client.send(BytesMessage(data=b"ab", message_finished=False))
    data += (
        client.send(Ping(payload=b"x")) + client.send(BytesMessage(data=b"c")) + client.send(CloseConnection(code=1000))
    )
    got, answers = conversation(data)

    assert got == [b"abc"]
    assert [type(a).__name__ for a in answers] == ["Pong", "CloseConnection"]


def test_too_large_a_message_ends_the_conversation():
    """Memory is bounded: a message over the limit is answered with code 1009."""
    client = Connection(ConnectionType.CLIENT)
    got, answers = conversation(client.send(BytesMessage(data=bytes(LARGEST_MESSAGE + 1))))

    assert got == []
    assert answers[0].code == 1009


def test_garbage_ends_the_conversation():
    """Bytes that are no frames (unmasked ones) end it without a fault."""
    assert conversation(b"\x82\x02ab")[0] == []
