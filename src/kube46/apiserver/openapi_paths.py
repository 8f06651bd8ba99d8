"""The paths of OpenAPI: the operations of a kind, with the parameters that kubectl looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver.customresources.documents import model_name
from kube46.apiserver.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from kube46.apiserver.discovery import Kind, Subresource

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
PRETTY = ("pretty", "string", "If 'true', then the output is pretty printed.")
DRY_RUN = (
    "dryRun",
    "string",
    "When present, indicates that modifications should not be persisted. Valid values are: - All",
)
MANAGER = (
    "fieldManager",
    "string",
    "fieldManager is a name associated with the actor or entity that is making these changes.",
)
VALIDATION = ("fieldValidation", "string", "How to handle unknown or duplicate fields of objects in the request. "
              "Valid values are: - Ignore - Warn - Strict")  # fmt: skip
FORCE = ("force", "boolean", 'Force is going to "force" Apply requests. It must be unset for non-apply patch requests.')
WRITE = (DRY_RUN, MANAGER, VALIDATION)
DELETE = (
    DRY_RUN,
    ("gracePeriodSeconds", "integer", "The duration in seconds before the object should be deleted."),
    ("orphanDependents", "boolean", "Deprecated: please use the PropagationPolicy."),
    (
        "propagationPolicy",
        "string",
        "Whether and how garbage collection will be performed: 'Orphan', 'Background' or 'Foreground'.",
    ),
)
LIST = (
    ("allowWatchBookmarks", "boolean", "allowWatchBookmarks requests watch events with type \"BOOKMARK\"."),
    ("continue", "string", "The continue option should be set when retrieving more results from the server."),
    ("fieldSelector", "string", "A selector to restrict the list of returned objects by their fields."),
    ("labelSelector", "string", "A selector to restrict the list of returned objects by their labels."),
    ("limit", "integer", "limit is a maximum number of responses to return for a list call."),
    ("resourceVersion", "string", "resourceVersion constrains what resource versions a request may be served from."),
    ("resourceVersionMatch", "string", "resourceVersionMatch determines how resourceVersion is applied to list calls."),
    ("sendInitialEvents", "boolean", "sendInitialEvents begins a watch with the objects that are there."),
    ("timeoutSeconds", "integer", "Timeout for the list/watch call."),
    ("watch", "boolean", "Watch for changes to the described resources."),
)  # fmt: skip
Parameters = tuple[tuple[str, str, str], ...]


def paths(kinds: Sequence[Kind], version: int) -> dict[str, Any]:
    """Path → operations, for OpenAPI 2 or 3."""
    custom = {(k.group, k.version, name) for k in kinds if k.custom for name in (k.kind, k.list_kind)}
    builder = _Builder(version, custom)
    found: dict[str, Any] = {}
    for kind in kinds:
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        scoped = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
        found[f"{root}/"] = {"get": builder.resources(kind)}
        found[scoped] = builder.collection(kind)
        found[f"{scoped}/{{name}}"] = builder.single(kind)
        for sub in kind.subresources:
            found[f"{scoped}/{{name}}/{sub.name}"] = builder.subresource(kind, sub)
        if kind.namespaced and "list" in kind.verbs:
            item = builder.item(builder.operation(kind, "list", kind.list_kind, LIST, everywhere=True))
            found[f"{root}/{kind.plural}"] = item
    return {path: found[path] for path in sorted(found)}


class _Builder:
    """Writes operations in the form of one OpenAPI version."""

    def __init__(self, version: int, custom: Collection[tuple[str, str, str]]) -> None:
        self.version, self.custom = version, custom
        self.schemas = Schemas.load()

    def item(self, operation: dict[str, Any]) -> dict[str, Any]:
        return {"get": operation, "parameters": [self.parameter(*PRETTY)]}

    def collection(self, kind: Kind) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if "list" in kind.verbs:
            found["get"] = self.operation(kind, "list", kind.list_kind, LIST)
        if "create" in kind.verbs:
            found["post"] = self.operation(kind, "create", kind.kind, WRITE, body=kind.kind)
        if "deletecollection" in kind.verbs:
            found["delete"] = self.operation(kind, "deletecollection", "Status", (*LIST, *DELETE), body="DeleteOptions")
        return {**found, "parameters": self.shared(kind, named=False)}

    def single(self, kind: Kind) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for verb, method, parameters, body in _SINGLE:
            if verb in kind.verbs:
                answer = "Status" if verb == "delete" else kind.kind
                found[method] = self.operation(
                    kind, verb, answer, parameters, body=kind.kind if verb == "update" else body
                )
        return {**found, "parameters": self.shared(kind, named=True)}

    def subresource(self, kind: Kind, sub: Subresource) -> dict[str, Any]:
        found: dict[str, Any] = {}
        identity = (sub.group or kind.group, sub.version or kind.version, sub.kind or kind.kind)
        methods = {"get": "get", "update": "put", "patch": "patch", "create": "post", "delete": "delete"}
        for verb in sub.verbs:
            body = {"patch": "Patch", "update": identity[2], "create": identity[2]}.get(verb)
            parameters = {"patch": (*WRITE, FORCE), "get": ()}.get(verb, WRITE)
            found[methods[verb]] = self.operation(
                kind, verb, identity[2], parameters, body=body, identity=identity, suffix=sub.name
            )
        return {**found, "parameters": self.shared(kind, named=True)}

    def shared(self, kind: Kind, *, named: bool) -> list[dict[str, Any]]:
        found = [self.parameter("name", "string", f"name of the {kind.kind}", "path")] if named else []
        if kind.namespaced:
            found.append(
                self.parameter(
                    "namespace", "string", "object name and auth scope, such as for teams and projects", "path"
                )
            )
        return [*found, self.parameter(*PRETTY)]

    def parameter(self, name: str, kind: str, text: str, place: str = "query") -> dict[str, Any]:
        typed = {"type": kind, "uniqueItems": True}
        made = {"name": name, "in": place, "description": text, **({"required": True} if place == "path" else {})}
        return {**made, **typed} if self.version == 2 else {**made, "schema": typed}

    def resources(self, kind: Kind) -> dict[str, Any]:
        made = {
            "description": "get available resources",
            "operationId": f"get{_title(kind.group)}{_title(kind.version)}APIResources",
        }
        return {
            **made,
            "responses": {"200": self.response(self.reference(f"{META}APIResourceList"))},
            **self.media(None),
        }

    def operation(
        self, kind: Kind, verb: str, answer: str, parameters: Parameters, *, body: str | None = None,
        identity: tuple[str, str, str] | None = None, suffix: str = "", everywhere: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """One operation; `identity` is the kind of a subresource's body where that is not the parent's."""
        group, version, name = identity or (kind.group, kind.version, kind.kind)
        made = self.reference(self.definition(group, version, answer))
        operation: dict[str, Any] = {
            "description": f"{verb} {kind.kind}{' ' + suffix if suffix else ''}",
            "operationId": _operation_id(kind, verb, suffix, everywhere),
            "tags": [f"{_tag(kind.group)}_{kind.version}"],
            "responses": {code: self.response(made) for code in _CODES.get(verb, ("200",))}
            | {"401": {"description": "Unauthorized"}},
            "x-kubernetes-action": _ACTIONS.get(verb, verb),
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": name},
            **self.media(verb, kind),
        }
        listed = [self.parameter(*parameter) for parameter in parameters]
        if body is not None:
            schema = self.reference(self.definition(group, version, body))
            if self.version == 2:
                listed.append({"name": "body", "in": "body", "required": body != "DeleteOptions", "schema": schema})
            else:
                types = _patches(kind) if verb == "patch" else ("*/*",)
                operation["requestBody"] = {
                    "content": {media: {"schema": schema} for media in types},
                    "required": body != "DeleteOptions",
                }
        return {**operation, **({"parameters": listed} if listed else {})}

    def definition(self, group: str, version: str, kind: str) -> str:
        if kind in ("Status", "DeleteOptions", "Patch"):
            return META + kind
        if (group, version, kind) in self.custom:
            return model_name(group, version, kind)
        return self.schemas.definition(group, version, kind) if self.schemas.knows(group, version, kind) else ""

    def reference(self, definition: str) -> dict[str, Any]:
        if not definition:
            return {"type": "string"}
        return {"$ref": f"#/{'definitions' if self.version == 2 else 'components/schemas'}/{definition}"}

    def response(self, schema: dict[str, Any]) -> dict[str, Any]:
        if self.version == 2:
            return {"description": "OK", "schema": schema}
        return {
            "description": "OK",
            "content": {media: {"schema": schema} for media in ("application/json", "application/yaml")},
        }

    def media(self, verb: str | None, kind: Kind | None = None) -> dict[str, Any]:
        if self.version == 3:
            return {}
        consumed = _patches(kind) if verb == "patch" else ["*/*"]
        return {"consumes": consumed, "produces": ["application/json", "application/yaml"], "schemes": ["https"]}


_SINGLE: Iterable[tuple[str, str, Parameters, str | None]] = (
    ("get", "get", (), None), ("update", "put", WRITE, None), ("patch", "patch", (*WRITE, FORCE), "Patch"),
    ("delete", "delete", DELETE, "DeleteOptions"),
)  # fmt: skip
_CODES = {"create": ("200", "201", "202"), "update": ("200", "201"), "patch": ("200", "201"), "delete": ("200", "202")}
_ACTIONS = {"create": "post", "update": "put"}
_VERBS = {"get": "read", "update": "replace", "deletecollection": "deleteCollection"}


def _patches(kind: Kind | None) -> list[str]:
    """Custom kinds know no strategic merge."""
    return [media for media in PATCHES if kind is None or not kind.custom or "strategic" not in media]


def _title(text: str) -> str:
    return text.partition(".")[0].capitalize() if text else "Core"


def _tag(group: str) -> str:
    return group.removesuffix(".k8s.io").partition(".")[0] if group else "core"


def _operation_id(kind: Kind, verb: str, suffix: str, everywhere: bool) -> str:
    scope = "Namespaced" if kind.namespaced and not everywhere else ""
    middle = f"{_title(kind.group)}{kind.version.capitalize()}"
    end = kind.kind + suffix.capitalize() + ("ForAllNamespaces" if everywhere else "")
    return (
        f"{_VERBS.get(verb, verb)}{middle}{scope}{end}"
        if verb != "deletecollection"
        else f"delete{middle}Collection{scope}{end}"
    )
