"""The webhooks that are configured at this moment, in the order in which they are asked.

Source: k8s.io/apiserver pkg/admission/configuration/*_webhook_manager.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver.admission.rules import exempt, may_concern
from kube46.apiserver.kinds import KINDS
from kube46.apiserver.transactions import decode

if TYPE_CHECKING:
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.storage import Store
    from kube46.apiserver.writes import Call

Object = dict[str, Any]
SECONDS = 10
MOST_PLACES = 1024  # of which it is remembered whether any webhook may be about them


@dataclass(frozen=True, slots=True)
class Hook:
    """One entry of a configuration; `uid` tells it from others of the same name."""

    uid: str
    entry: Object
    written: bytes  # the entry as JSON: what was said is asked again when it differs

    @property
    def name(self) -> str:
        """As errors name it."""
        return str(self.entry.get("name") or "")

    @property
    def ignores(self) -> bool:
        """Whether a request passes when this webhook can't be asked."""
        return self.entry.get("failurePolicy") == "Ignore"

    @property
    def seconds(self) -> float:
        """How long a call may take."""
        return float(self.entry.get("timeoutSeconds") or SECONDS)

    @property
    def harmless(self) -> bool:
        """Whether asking about a dry run has no effects."""
        return self.entry.get("sideEffects") in ("None", "NoneOnDryRun")

    @property
    def again(self) -> bool:
        """Whether it wants to see what others have changed after it."""
        return self.entry.get("reinvocationPolicy") == "IfNeeded"


class Hooks:
    """Follows the committed configurations of one kind; looks at them again when one has changed."""

    def __init__(self, store: Store, plural: str) -> None:
        self._collection = store.collection(plural)
        self._seen, self._hooks = -1, tuple[Hook, ...]()
        self._concerned: dict[tuple[str, str, str], bool] = {}

    def any(self) -> bool:
        """Whether there are configurations."""
        return bool(self._collection.keys)

    @property
    def edition(self) -> int:
        """Changes with the configurations."""
        return self._collection.changed

    def current(self) -> tuple[Hook, ...]:
        """All, by the names of their configurations and their order there."""
        if self._seen != self.edition:
            stored = (decode.decode(self._collection.records[key].value) for key in self._collection.keys)
            self._hooks = tuple(hook for configuration in stored for hook in of(configuration))
            self._seen = self.edition
            self._concerned = {}
        return self._hooks

    def concern(self, call: Call) -> bool:
        """Whether a write may be any of their business, whatever its operation and object; asked at each write."""
        hooks, kind, subresource = self.current(), call.kind, "scale" if call.scales else call.subresource
        place = kind.group, kind.plural, subresource
        found = self._concerned.get(place)
        if found is None:
            groups = _groups(kind)
            found = not exempt(kind) and any(
                may_concern(hook.entry.get("rules") or (), groups, kind.plural, subresource) for hook in hooks
            )
            if len(self._concerned) >= MOST_PLACES:  # custom kinds may come and go for ever
                self._concerned.clear()
            self._concerned[place] = found
        return found


def _groups(kind: Kind) -> set[str]:
    """Those in which the same objects are served."""
    return {kind.group, *(one.group for one in KINDS if (one.resource, one.kind) == (kind.resource, kind.kind))}


def of(configuration: Object) -> tuple[Hook, ...]:
    """The webhooks of a configuration, whose names need not be unique."""
    found: list[Hook] = []
    count: dict[str, int] = {}
    for entry in configuration.get("webhooks") or ():
        name = str(entry.get("name") or "")
        uid = f"{configuration['metadata']['name']}/{name}/{count.get(name, 0)}"
        found.append(Hook(uid, entry, msgspec.json.encode(entry)))
        count[name] = count.get(name, 0) + 1
    return tuple(found)
