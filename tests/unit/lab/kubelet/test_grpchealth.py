"""gRPC health checks: what is asked, and what is made of answers however they are cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.lab.kubelet.grpchealth import ACK, END_STREAM, PADDED, PREFACE, Answer, Frame, Kind, question

SETTINGS = Frame(Kind.SETTINGS, 0, 0, b"\0\3\0\0\0\x64")
HEADERS = Frame(Kind.HEADERS, 4, 1, b"\x88")
TRAILERS = Frame(Kind.HEADERS, 5, 1, b"\x88")


def data(message, flags=0):
    """A gRPC message in a frame."""
    return Frame(Kind.DATA, flags, 1, b"\0" + len(message).to_bytes(4) + message)


def fed(frames, cuts=()):
    """The answer to these frames, cut at places, and what was said to them."""
    whole = b"".join(frame.encoded() for frame in frames)
    places = [0, *sorted({cut % (len(whole) + 1) for cut in cuts}), len(whole)]
    answer, said = Answer(), b""
    for begin, end in itertools.pairwise(places):
        said += answer.feed(whole[begin:end])
    return answer, said


@pytest.mark.parametrize(
    ("frames", "status"),
    [
        ([SETTINGS, HEADERS, data(b"\x08\x01"), TRAILERS], "SERVING"),
        ([SETTINGS, HEADERS, data(b"\x08\x02"), TRAILERS], "NOT_SERVING"),
        ([SETTINGS, HEADERS, data(b"\x08\x03"), TRAILERS], "SERVICE_UNKNOWN"),
        ([SETTINGS, HEADERS, data(b""), TRAILERS], "UNKNOWN"),
        ([SETTINGS, HEADERS, Frame(Kind.DATA, PADDED, 1, b"\2\0\0\0\0\2\x08\x01xx"), TRAILERS], "SERVING"),
        ([SETTINGS, TRAILERS], ""),
        ([SETTINGS, Frame(Kind.RST_STREAM, 0, 1, b"\0\0\0\2")], ""),
        ([SETTINGS, Frame(Kind.GOAWAY, 0, 0, b"\0" * 8)], ""),
        ([SETTINGS, HEADERS, Frame(Kind.DATA, 0, 3, b"\0\0\0\0\2\x08\x01"), TRAILERS], ""),
    ],
)
@given(st.lists(st.integers(0, 200), max_size=6))
def test_answers(frames, status, cuts):
    """The status is the message's; an end without one, or of another stream, is none."""
    answer, said = fed(frames, cuts)
    assert (answer.status, answer.over) == (status, True)
    assert said == Frame(Kind.SETTINGS, ACK, 0).encoded()


def test_a_ping_is_answered():
    """With its own bytes, once."""
    answer, said = fed([Frame(Kind.PING, 0, 0, b"12345678"), Frame(Kind.PING, ACK, 0, b"abcdefgh")])
    assert said == Frame(Kind.PING, ACK, 0, b"12345678").encoded() and not answer.over


def test_what_is_no_http_is_refused():
    """A web server's page is not waited for to its end."""
    with pytest.raises(ValueError, match="no HTTP/2"):
        Answer().feed(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@given(st.text(max_size=300), st.text(st.characters(codec="ascii"), max_size=300))
def test_the_question_is_three_frames(service, authority):
    """Settings, headers and the message, which ends our side."""
    said = question(authority, service, "agent")
    assert said.startswith(PREFACE)
    rest, kinds = said.removeprefix(PREFACE), []
    while rest:
        size = int.from_bytes(rest[:3])
        kinds.append((rest[3], rest[4]))
        last, rest = rest[9 : 9 + size], rest[9 + size :]
    assert kinds == [(Kind.SETTINGS, 0), (Kind.HEADERS, 4), (Kind.DATA, END_STREAM)]
    assert last[1:5] == (len(last) - 5).to_bytes(4) and last.endswith(service.encode())
