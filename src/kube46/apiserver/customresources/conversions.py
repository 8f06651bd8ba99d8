"""Custom objects between the versions of their definition, where a webhook converts them.

A stored object says in which version it is. Within a write what has to be converted is asked between passes
(`admission.passes`); readers' objects are converted all at once. Where no webhook is named, versions differ in their
name only, and nothing of this is needed.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver.admission.passes import Question
from kube46.apiserver.customresources import conversion_rules as rules
from kube46.apiserver.customresources.conversion_rules import MARK
from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import copied, decode
from kube46.apiserver.webhooks.calls import CallFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.webhooks.calls import Caller
    from kube46.apiserver.writes import Call

Object = dict[str, Any]
SECONDS = 30.0  # of one call
encode = msgspec.json.Encoder().encode


def asks(kind: Kind) -> bool:
    """Whether a webhook converts objects of a kind."""
    return isinstance(kind, CustomKind) and kind.several and bool(kind.webhook)


class Conversions:
    """Converts by way of a caller, which the server gives; a registry without one knows no such kinds."""

    caller: Caller

    # Within a write

    def current(self, call: Call, stored: Object | None) -> Object | None:
        """A stored object in the version that is asked for; raises Question while that is not known."""
        kind = call.kind
        if stored is None or not isinstance(kind, CustomKind) or not kind.several:
            return stored
        version = stored["metadata"].pop(MARK, kind.first)
        call.stale = version != kind.stores
        return self._answer(call, kind, stored, version, kind.version) if asks(kind) else stored

    def stored(self, call: Call, obj: Object) -> Object:
        """An object as it is to be stored; raises Question while that is not known."""
        kind = call.kind
        if not isinstance(kind, CustomKind) or not kind.several:
            return obj
        made = self._answer(call, kind, obj, kind.version, kind.stores) if asks(kind) else obj
        return {**made, "metadata": {**made["metadata"], MARK: kind.stores}}

    def _answer(self, call: Call, kind: CustomKind, obj: Object, source: str, target: str) -> Object:
        if source == target:
            return obj
        assert call.round is not None
        answers, key = call.round.answers, ("convert", kind.qualified, source, target, encode(obj))
        if key not in answers:
            asked = copied(obj)

            async def ask() -> None:
                answers[key] = (await self.convert(kind, [asked], source, target))[0]

            raise Question(ask)
        return copied(answers[key])

    # For readers

    async def shown(self, kind: Kind, values: Sequence[bytes]) -> list[bytes]:
        """Stored objects in the version that is asked for; raises StatusError 500."""
        assert isinstance(kind, CustomKind)
        objects = [decode.decode(value) for value in values]
        versions = [obj["metadata"].pop(MARK, kind.first) for obj in objects]
        for version in dict.fromkeys(versions):
            if version == kind.version:
                continue
            places = [place for place, own in enumerate(versions) if own == version]
            made = await self.convert(kind, [objects[place] for place in places], version, kind.version)
            for place, obj in zip(places, made, strict=True):
                objects[place] = obj
        return [encode(obj) for obj in objects]

    async def one(self, kind: Kind, obj: Object) -> Object:
        """The same of a single one that is decoded already."""
        return decode.decode((await self.shown(kind, [encode(obj)]))[0])

    async def convert(self, kind: CustomKind, objects: Sequence[Object], source: str, target: str) -> list[Object]:
        """Objects of one version in another; raises StatusError 500 in upstream's words."""
        identity, desired = {"apiVersion": f"{kind.group}/{source}", "kind": kind.kind}, f"{kind.group}/{target}"
        version = rules.review_version(kind.webhook.get("conversionReviewVersions") or ())
        if not version:
            raise StatusError(500, "", "no supported conversion review versions")
        uid, sent = str(uuid.uuid4()), [{**obj, **identity} for obj in objects]
        try:
            body = rules.review(version, uid, sent, desired)
            answer = await self.caller.post(dict(kind.webhook.get("clientConfig") or {}), body, SECONDS, told=False)
            made = rules.converted(answer, version, uid, sent, desired)
        except CallFailed as failed:
            text = f"conversion webhook for {kind.group}/{source}, Kind={kind.kind} failed: {failed}"
            raise StatusError(500, "", text) from None
        except rules.BadConversion as bad:
            raise StatusError(500, "", str(bad)) from None
        return [{name: value for name, value in obj.items() if name not in identity} for obj in made]
