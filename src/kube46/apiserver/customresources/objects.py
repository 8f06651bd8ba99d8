"""The rules of custom objects on the write path: what their definition's schema says of them.

Source: apiextensions-apiserver pkg/registry/customresource/{strategy,status_strategy,validator}.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import metadata, names
from kube46.api.errors import FieldError, invalid
from kube46.apiserver.customresources import embedded, lists, validation
from kube46.apiserver.customresources.conversion_rules import MARK
from kube46.apiserver.customresources.defaulting import default, has_defaults
from kube46.apiserver.customresources.fieldpaths import steps
from kube46.apiserver.customresources.normal import everywhere
from kube46.apiserver.customresources.pruning import prune, prune_nulls
from kube46.apiserver.strategy import Context, Object, Strategy

if TYPE_CHECKING:
    from kube46.apiserver.customresources.kinds import CustomKind

# with one of these, rules are not asked: they would stumble over the same
BLOCKING = ("NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid")
UNCHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)
STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")
GO_TYPES = {str: "string", float: "float64", bool: "bool", list: "[]interface {}"}
MOST_REPLICAS = (1 << 31) - 1


class CustomObjects(Strategy):
    """The objects of one custom kind in one version."""

    unconditional_update = False

    def __init__(self, kind: CustomKind) -> None:
        self._kind, self._schema = kind, kind.version_of.schema
        self._defaults = has_defaults(self._schema)
        self._ruled = any("x-kubernetes-validations" in one for one in everywhere(self._schema))

    def default(self, obj: Object) -> None:
        """The schema's defaults."""
        if self._defaults:
            default(obj, self._schema)

    def on_read(self, obj: Object) -> None:
        """As this version's present schema has it, whatever schema it was written under."""
        obj["metadata"].pop(MARK, None)
        prune(obj, self._schema)
        content = {name: value for name, value in obj.items() if name != "metadata"}
        prune_nulls(content, self._schema)
        for name in [name for name in obj if name != "metadata" and name not in content]:
            del obj[name]
        self.default(obj)

    def validate_create(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Metadata, then the schema."""
        namespaced = self._kind.namespaced
        found = metadata.validate_create(obj, names.subdomain, namespaced=namespaced, core=False)
        whole = self._whole(obj)
        found += validation.validate(whole, self._schema)
        found += self._replicas(obj, "specReplicasPath") + self._status_replicas(obj)
        found += embedded.problems(obj, self._schema) + lists.problems(obj, self._schema)
        return found + self._rules(found, whole, None)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The same; what is as it was passes, however a changed schema may see it."""
        found = metadata.validate_update(new, old, namespaced=self._kind.namespaced, core=False)
        whole, before = self._whole(new), self._whole(old)
        if ctx.subresource == "status":
            found += self._status_errors(new, old)
        else:
            found += validation.validate(whole, self._schema, old=before)
            found += self._replicas(new, "specReplicasPath")
            found += embedded.problems(new, self._schema)
        found += self._status_replicas(new)
        if wrong := lists.problems(new, self._schema):
            found += [] if lists.problems(old, self._schema) else wrong
        return found + self._rules(found, whole, before)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Finalizers whose names may clash with others'."""
        before = () if old is None else old["metadata"].get("finalizers") or ()
        added = sorted(set(new["metadata"].get("finalizers") or ()) - set(before))
        return [text for name in added for text in _finalizer(name)]

    def _whole(self, obj: Object) -> Object:
        return {**obj, "apiVersion": self._kind.api_version, "kind": self._kind.kind}

    def _status_errors(self, new: Object, old: Object) -> list[FieldError]:
        schema = (self._schema.get("properties") or {}).get("status")
        if schema is None or "status" not in new:
            return []
        before = old.get("status", validation.MISSING)
        return validation.validate(new["status"], schema, old=before, prefix="status")

    def _replicas(self, obj: Object, name: str) -> list[FieldError]:
        path = self._kind.version_of.scale.get(name)
        if not path:
            return []
        found: Any = obj
        for step in steps(path) or ():
            found = found.get(step) if isinstance(found, dict) else None
        if found is None or (isinstance(found, int) and 0 <= found <= MOST_REPLICAS):
            return []
        if not isinstance(found, int) or isinstance(found, bool):
            dotted = path.removeprefix(".")
            kind = GO_TYPES.get(type(found), "map[string]interface {}")
            text = f".{dotted} accessor error: {found} is of the type {kind}, expected int64"
            return [invalid(path, 0, text)]
        text = "should be a non-negative integer" if found < 0 else f"should be less than or equal to {MOST_REPLICAS}"
        return [invalid(path, found, text)]

    def _status_replicas(self, obj: Object) -> list[FieldError]:
        return self._replicas(obj, "statusReplicasPath")

    def _rules(self, found: list[FieldError], whole: Object, old: Object | None) -> list[FieldError]:
        if not self._ruled:
            return []
        if any(error.reason.removeprefix("FieldValue") in BLOCKING for error in found):
            return [invalid("<nil>", None, UNCHECKED)]
        from kube46.apiserver.customresources import rules  # loads the evaluator

        return rules.problems(self._schema, whole, old)


def _finalizer(name: str) -> list[str]:
    found = [f'metadata.finalizers: "{name}": {text}' for text in names.qualified(name)]
    if "/" not in name and name not in STANDARD_FINALIZERS:
        path = " including a path (/)" if "." in name else ""
        text = (
            f"prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers"
        )
        found.append(f'metadata.finalizers: "{name}": {text}')
    return found
