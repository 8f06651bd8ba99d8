"""SPDY/3.1 frames: cut anywhere they say the same; hostile bytes are refused; headers are compressed."""

import struct
import zlib
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.lab.kubelet import spdy
from kube46.lab.kubelet.spdy import Data, Event, Frames, Goodbye, Opened, Ping, Reset, SpdyError, Why


class Client:
    """What a client sends, with its compression's state."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=spdy.dictionary())

    def block(self, headers: dict[str, str]) -> bytes:
        flat = struct.pack("!I", len(headers))
        for text in (text for pair in headers.items() for text in pair):
            flat += struct.pack("!I", len(text)) + text.encode("latin-1")
        return self._deflate.compress(flat) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def open(self, stream: int, headers: dict[str, str], *, end: bool = False) -> bytes:
        return control(1, struct.pack("!IIH", stream, 0, 0) + self.block(headers), int(end))


def control(kind: int, payload: bytes, flags: int = 0, version: int = 3) -> bytes:
    return struct.pack("!HHI", 0x8000 | version, kind, flags << 24 | len(payload)) + payload


def data(stream: int, content: bytes, *, end: bool = False) -> bytes:
    return struct.pack("!II", stream, (1 << 24 if end else 0) | len(content)) + content


def joined(events: Iterable[Event]) -> list[Event]:
    """The events, neighbouring data of one stream as one."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, Data) and isinstance(last, Data) and last.stream == event.stream and not last.end:
            found[-1] = Data(event.stream, last.data + event.data, event.end)
        elif event != Data(getattr(event, "stream", 0), b""):
            found.append(event)
    return found


def test_the_dictionary_is_the_drafts() -> None:
    """Its checksum is the one that zlib streams of SPDY/3 carry."""
    assert zlib.adler32(spdy.dictionary()) == 0xE3C6A7C2


names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
headers = st.dictionaries(names, st.text(st.characters(max_codepoint=255), max_size=40), max_size=6)
steps = st.lists(st.one_of(headers, st.binary(max_size=300), st.integers(0, 200).map(lambda n: 2 * n + 1)), max_size=12)


@given(steps, st.lists(st.integers(0, 4000), max_size=10))
def test_cuts_change_nothing(steps: list[dict[str, str] | bytes | int], cuts: list[int]) -> None:
    """Frames cut at any bytes give the same events as frames in one piece."""
    client, sent, expected = Client(), b"", []
    stream = 1
    for step in steps:
        if isinstance(step, dict):
            stream += 2
            sent += client.open(stream, step)
            expected.append(Opened(stream, step))
        elif isinstance(step, bytes):
            sent += data(stream, step, end=len(step) % 2 == 1)
            expected.append(Data(stream, step, end=len(step) % 2 == 1))
        else:
            sent += control(6, struct.pack("!I", step))
            expected.append(Ping(step))
    places = sorted({min(cut, len(sent)) for cut in cuts} | {0, len(sent)})
    frames = Frames()
    pieces = [sent[a:b] for a, b in pairwise(places)]
    assert joined(event for piece in pieces for event in frames.receive(piece)) == joined(expected)


@given(st.binary(max_size=400))
def test_hostile_bytes_are_refused_or_understood(content: bytes) -> None:
    """Any bytes give events or a SpdyError, nothing else, and nothing is kept beyond one control frame."""
    frames = Frames()
    try:
        for _ in frames.receive(content):
            pass
    except SpdyError:
        return
    assert len(frames._buffer) <= spdy.LONGEST_CONTROL + 8


@given(st.integers(0, 10), st.binary(max_size=60), st.integers(0, 255))
def test_hostile_control_frames(kind: int, payload: bytes, flags: int) -> None:
    """A control frame with any content is refused or understood."""
    try:
        list(Frames().receive(control(kind, payload, flags)))
    except SpdyError as error:
        assert str(error)


def flat(*numbers: int) -> bytes:
    """A compressed header block of raw numbers."""
    deflate = zlib.compressobj(zdict=spdy.dictionary())
    return deflate.compress(struct.pack(f"!{len(numbers)}I", *numbers)) + deflate.flush(zlib.Z_SYNC_FLUSH)


def bomb() -> bytes:
    """Few bytes that inflate to many."""
    deflate = zlib.compressobj(zdict=spdy.dictionary())
    return deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (control(1, bytes(10), version=2), "version 2"),
        (control(5, b""), "type 5"),
        (control(1, struct.pack("!IIH", 1, 0, 0) + b"plain"), "inflated"),
        (control(1, struct.pack("!IIH", 1, 0, 0) + bomb()), "more than 16384"),
        (control(1, struct.pack("!IIH", 2, 0, 0) + flat(0)), "stream 2"),
        (control(1, struct.pack("!IIH", 1, 0, 0) + flat(1 << 31)), "cut short"),
        (control(1, struct.pack("!IIH", 1, 0, 0) + flat(1, 900, 0)), "cut short"),
        (Client().open(1, {"Upper": "x"}), "upper case"),
        (Client().open(3, {}) + Client().open(3, {}), "inflated"),
        (struct.pack("!HHI", 0x8003, 1, 20_000), "too long"),
        (data(0, b"x"), "stream 0"),
    ],
)
def test_what_is_wrong_is_named(frame: bytes, text: str) -> None:
    """Each kind of wrong frame has its own message."""
    with pytest.raises(SpdyError, match=text):
        list(Frames().receive(frame))


def test_streams_are_opened_once_and_upwards() -> None:
    """A number that was had, or a lower one, ends the connection."""
    client = Client()
    frames = Frames()
    assert list(frames.receive(client.open(5, {"streamtype": "data"}, end=True))) == [
        Opened(5, {"streamtype": "data"}, end=True)
    ]
    with pytest.raises(SpdyError, match="stream 3 after stream 5"):
        list(frames.receive(client.open(3, {})))


def test_what_has_no_meaning_is_passed_over() -> None:
    """Settings, window updates, replies and answers to pings are read and say nothing; resets and goodbyes do."""
    client = Client()
    sent = control(4, struct.pack("!III", 1, 7, 65536)) + control(9, struct.pack("!II", 1, 100))
    sent += control(8, struct.pack("!I", 1) + client.block({"a": "b"})) + control(6, struct.pack("!I", 2))
    sent += client.open(1, {"c": "d"}) + control(3, struct.pack("!II", 1, 5)) + control(7, bytes(8))
    assert list(Frames().receive(sent)) == [Opened(1, {"c": "d"}), Reset(1), Goodbye()]


def test_what_is_sent_is_what_a_client_reads() -> None:
    """Replies carry compressed empty headers, also the second; data, resets and pings are as the draft draws them."""
    frames, inflate = Frames(), zlib.decompressobj(zdict=spdy.dictionary())
    for stream in (1, 3):
        reply = frames.reply(stream)
        assert struct.unpack_from("!HHII", reply) == (0x8003, 2, len(reply) - 8, stream)
        assert inflate.decompress(reply[12:]) == bytes(4)
    assert frames.data(3, b"hello", end=True) == data(3, b"hello", end=True)
    assert frames.reset(3, Why.CANCEL) == control(3, struct.pack("!II", 3, 5))
    assert frames.ping(7) == control(6, struct.pack("!I", 7))
