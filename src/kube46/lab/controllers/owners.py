"""Controllers and what they control: owner references, and which orphans a selector claims.

Source: kubernetes/pkg/controller/controller_ref_manager.go.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from kube46.api.objects import LabelSelector, Object, OwnerReference
from kube46.api.resources import Resource
from kube46.controllers.selectors import matches

T = TypeVar("T", bound=Object)


def controller_of(value: Object) -> OwnerReference | None:
    """The one owner that controls the object, if any."""
    return next((o for o in value.metadata.owner_references if o.controller), None)


def controller_uid(value: Object) -> list[str]:
    """The controller's uid, as an index wants it; "" stands for none."""
    owner = controller_of(value)
    return [owner.uid if owner else ""]


def reference(resource: Resource[Any], owner: Object) -> OwnerReference:
    """A reference that makes `owner` the controller of another object."""
    meta = owner.metadata
    return OwnerReference(resource.api_version, resource.kind, meta.name, meta.uid, True, True)


@dataclass(slots=True)
class Claim(Generic[T]):
    """What a selector says about objects: `keep` are controlled already, `adopt` and `release` are to be patched."""

    keep: list[T] = field(default_factory=list)
    adopt: list[T] = field(default_factory=list)
    release: list[T] = field(default_factory=list)


def claim(owner: Object, selector: LabelSelector, controlled: Iterable[T], orphans: Iterable[T]) -> Claim[T]:
    """Sorts what `owner` controls and its namespace's orphans; a dying owner neither adopts nor releases."""
    result: Claim[T] = Claim()
    dying = owner.metadata.deletion_timestamp is not None
    for value in controlled:
        if dying or matches(selector, value.metadata.labels):
            result.keep.append(value)
        elif value.metadata.deletion_timestamp is None:
            result.release.append(value)
    if not dying:
        result.adopt = [
            o for o in orphans if o.metadata.deletion_timestamp is None and matches(selector, o.metadata.labels)
        ]
    return result


def adoption(owner: OwnerReference, value: Object) -> dict[str, Any]:
    """A merge patch that makes `value` controlled; the uid keeps it off another object of the name."""
    return _owners(value, [*value.metadata.owner_references, owner])


def without(value: Object, gone: Callable[[OwnerReference], bool]) -> dict[str, Any]:
    """A merge patch that takes the owners away for which `gone` is true."""
    return _owners(value, [o for o in value.metadata.owner_references if not gone(o)])


def unblocked(value: Object) -> dict[str, Any]:
    """A merge patch by which no owner that goes in the foreground waits for `value` any more."""
    return _owners(
        value, [msgspec.structs.replace(o, block_owner_deletion=False) for o in value.metadata.owner_references]
    )


def _owners(value: Object, owners: Iterable[OwnerReference]) -> dict[str, Any]:
    """Replaces the list, so the patch names the version that the list was read from."""
    meta = value.metadata
    return {
        "metadata": {
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
            "ownerReferences": [msgspec.to_builtins(o) for o in owners] or None,
        }
    }
