"""ConversionReview: what a conversion webhook is sent, and what it may have changed.

Source: apiextensions-apiserver pkg/apiserver/conversion/webhook_converter.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kube46.api import metadata
from kube46.api.errors import go_quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Object = dict[str, Any]
GROUP = "apiextensions.k8s.io"
VERSIONS = ("v1", "v1beta1")
# in metadata of stored objects of kinds with several versions: the version they are in; nobody can write it there
MARK = "storedVersion"
SAME = (("name", "name"), ("namespace", "namespace"), ("uid", "UID"))


class BadConversion(Exception):
    """The webhook's answer is none that can be used; the text is upstream's."""


def review_version(accepted: Iterable[str]) -> str:
    """The version of the review to send: the first that both sides know."""
    return next((version for version in accepted if version in VERSIONS), "")


def review(version: str, uid: str, objects: Sequence[Object], desired: str) -> bytes:
    """The request, as JSON; `desired` is an apiVersion."""
    request = {"uid": uid, "desiredAPIVersion": desired, "objects": objects}
    return msgspec.json.encode({"kind": "ConversionReview", "apiVersion": f"{GROUP}/{version}", "request": request})


def converted(body: bytes, version: str, uid: str, objects: Sequence[Object], desired: str) -> list[Object]:
    """The objects of an answer, whose metadata stays but for labels and annotations; raises BadConversion."""
    who = f"conversion webhook for {objects[0]['apiVersion']}, Kind={objects[0]['kind']}"
    try:
        found = _objects(body, version, uid)
    except BadConversion as bad:
        raise BadConversion(f"{who} failed: {bad}") from None
    if len(found) != len(objects):
        raise BadConversion(f"{who} returned {len(found)} objects, expected {len(objects)}")
    pairs = zip(objects, found, strict=True)
    return [_checked(who, index, old, new, desired) for index, (old, new) in enumerate(pairs)]


def _objects(body: bytes, version: str, uid: str) -> list[Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadConversion(f"couldn't get version/kind; json parse error: {error}") from None
    found = found if isinstance(found, dict) else {}
    told = str(found.get("apiVersion") or ""), str(found.get("kind") or "")
    if version == "v1" and told != (f"{GROUP}/v1", "ConversionReview"):
        got = f"{told[0] if '/' in told[0] else '/' + told[0]}, Kind={told[1]}"
        raise BadConversion(f"expected webhook response of {GROUP}/v1, Kind=ConversionReview, got {got}")
    response = found.get("response")
    if not isinstance(response, dict):
        raise BadConversion("no response provided")
    if version == "v1" and response.get("uid") != uid:
        given = go_quote(str(response.get("uid") or ""))
        raise BadConversion(f"expected response.uid={go_quote(uid)}, got {given}")
    result = response.get("result")
    result = result if isinstance(result, dict) else {}
    if result.get("status") != "Success":
        status = result.get("status") or ""
        raise BadConversion(str(result.get("message") or f"response.result.status was '{status}', not 'Success'"))
    objects = response.get("convertedObjects")
    return objects if isinstance(objects, list) else []


def _checked(who: str, index: int, old: Object, new: Any, desired: str) -> Object:
    invalid = f"{who} returned invalid converted object at index {index}"
    if not isinstance(new, dict):
        raise BadConversion(f"{invalid}: it is no object")
    if new.get("apiVersion") != desired:
        raise BadConversion(f"{invalid}: invalid groupVersion (expected {desired}, received {new.get('apiVersion')})")
    if new.get("kind") != old["kind"]:
        raise BadConversion(f"{invalid}: invalid kind (expected {old['kind']}, received {new.get('kind')})")
    meta = new.get("metadata")
    if not isinstance(meta, dict):
        text = "missing metadata" if meta is None else "invalid metadata"
        raise BadConversion(f"{who} returned invalid metadata in object at index {index}: {text} in converted object")
    for name, words in SAME:
        had, has = old["metadata"].get(name) or "", meta.get(name) or ""
        if had != has:
            raise BadConversion(f"{invalid}: must have the same {words}: {had} != {has}")
    kept = {name: value for name, value in old["metadata"].items() if name not in ("labels", "annotations")}
    for name in ("labels", "annotations"):
        if meta.get(name) is not None:
            kept[name] = _texts(who, index, name, meta[name])
    return {**new, "metadata": kept}


def _texts(who: str, index: int, name: str, value: Any) -> dict[str, str]:
    """Labels or annotations as they may be."""
    invalid = f"{who} returned invalid metadata in object at index {index}"
    if not isinstance(value, dict):
        raise BadConversion(f"{invalid}: invalid metadata.{name} in converted object")
    for key, text in value.items():
        if not isinstance(text, str):
            raise BadConversion(f"{invalid}: metadata.{name}[{key}] must be a string in converted object")
    check = metadata.labels_valid if name == "labels" else metadata.annotations_valid
    if problems := check(value, f"metadata.{name}"):
        raise BadConversion(f"{invalid}: {problems[0].text}")
    return value
