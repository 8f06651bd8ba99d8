"""Answers of servers that a tenant chose: webhooks, converters, API servers behind this one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from kube46.apiserver import responses
from kube46.apiserver.admission import reviews
from kube46.apiserver.customresources import conversion_rules
from kube46.apiserver.responses import BadResponse, Response

if TYPE_CHECKING:
    from collections.abc import Callable

DEEP = b"[" * 100_000


def of_webhook() -> None:
    with pytest.raises(reviews.BadAnswer, match="json parse error"):
        reviews.verdict(DEEP, "v1", "u", mutating=True)


def of_converter() -> None:
    objects = [{"apiVersion": "example.com/v1", "kind": "Thing"}]
    with pytest.raises(conversion_rules.BadConversion, match="json parse error"):
        conversion_rules.converted(DEEP, "v1", "u", objects, "example.com/v2")


@pytest.mark.parametrize("answer", [of_webhook, of_converter])
def test_what_is_nested_too_deeply_is_no_answer(answer: Callable[[], None]) -> None:
    """JSON of a hundred thousand levels is the webhook's fault, and its failure policy decides; not the client's."""
    answer()


def read(sent: bytes, most: int = 100) -> bytes:
    """The body of an answer as bytes of a connection."""

    async def made() -> bytes:
        reader = asyncio.StreamReader()
        reader.feed_data(sent)
        reader.feed_eof()
        response = Response(reader)
        await response.read_head()
        return await response.whole(most)

    return asyncio.run(made())


def test_a_body_has_an_end() -> None:
    """A body is read whole up to what is taken, and not a byte further."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
    assert read(head % 100 + b"x" * 100) == b"x" * 100
    with pytest.raises(BadResponse, match="too large"):
        read(head % 101 + b"x" * 101)


@pytest.mark.parametrize("headers", [b"a: b\r\n", b"a" * (1 << 16)])
def test_a_head_has_an_end(headers: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers that never end, many or one, are not kept for ever."""
    monkeypatch.setattr(responses, "MOST_HEAD", 1 << 20)
    with pytest.raises(BadResponse, match="headers exceeded"):
        read(b"HTTP/1.1 200 OK\r\n" + headers * ((3 << 20) // len(headers)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"allowed": "yes"},
        {"status": 5},
        {"status": {"message": 5}},
        {"status": {"code": "403"}},
        {"status": {"details": []}},
        {"patch": 5},
        {"patch": "not base64"},
        {"warnings": "text"},
        {"warnings": [5]},
        {"auditAnnotations": {"a": 1}},
    ],
)
@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_webhooks_answer_has_types(version: str, wrong: dict[str, object]) -> None:
    """What is of another type is a bad answer, as Go cannot read it: the failure policy decides."""
    review = {"apiVersion": f"admission.k8s.io/{version}", "kind": "AdmissionReview"}
    body = msgspec.json.encode({**review, "response": {"uid": "u", "allowed": False, **wrong}})
    with pytest.raises(reviews.BadAnswer, match="can't be read"):
        reviews.verdict(body, version, "u", mutating=True)
