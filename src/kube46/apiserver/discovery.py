"""Discovery: which kinds this server serves, resource by resource (v1) and all at once (aggregated v2).

Source: apiserver pkg/endpoints/{installer.go,discovery/}; the answers are made once and kept as bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from kube46.apiserver import protobuf_encoding
from kube46.apiserver.customresources.versions import rank
from kube46.apiserver.negotiation import PROTOBUF, negotiate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# kube-apiserver's order of groups; a group that is not here comes last
PRIORITY = (
    "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "autoscaling",
    "batch", "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "storage.k8s.io",
    "admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io", "coordination.k8s.io",
    "node.k8s.io", "discovery.k8s.io", "resource.k8s.io", "flowcontrol.apiserver.k8s.io", "storagemigration.k8s.io",
)  # fmt: skip


class Subresource(Protocol):
    """A path below an object; `kind` is empty where it answers with the parent's kind."""

    @property
    def name(self) -> str: ...
    @property
    def verbs(self) -> Sequence[str]: ...
    @property
    def kind(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def version(self) -> str: ...


class Kind(Protocol):
    """A row of the table of kinds, as discovery, OpenAPI and Tables read it."""

    @property
    def group(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def plural(self) -> str: ...
    @property
    def singular(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def short_names(self) -> Sequence[str]: ...
    @property
    def categories(self) -> Sequence[str]: ...
    @property
    def namespaced(self) -> bool: ...
    @property
    def verbs(self) -> Sequence[str]: ...
    @property
    def subresources(self) -> Sequence[Subresource]: ...
    @property
    def list_kind(self) -> str: ...
    @property
    def custom(self) -> bool: ...
    @property
    def stored_form(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Document:
    """An answer that never changes while the server runs. `etag` is bare; "" means that the answer carries none."""

    body: bytes
    content_type: str = "application/json"
    etag: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


def etag(body: bytes) -> str:
    """SHA-512 in upper-case hexadecimal, as kube-apiserver marks discovery and OpenAPI."""
    return hashlib.sha512(body).hexdigest().upper()


class Discovery:
    """All discovery documents of a table of kinds. `address` is where clients in the cluster find the server."""

    def __init__(self, kinds: Sequence[Kind], address: str = "") -> None:
        self._documents: dict[str, Document] = {}
        self._aggregated: dict[str, Document] = {}
        by_group = _by_group(kinds)
        self._add("/api", _core(by_group, address))
        self._add(
            "/apis",
            {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(g, v) for g, v in by_group.items() if g]},
        )
        for group, versions in by_group.items():
            if group:
                self._add(f"/apis/{group}", {"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)})
            for version, served in versions.items():
                root = f"/apis/{group}" if group else "/api"
                self._add(f"{root}/{version}", _resources(group, version, served))
        self._add_aggregated("/api", [_aggregated_group(g, v) for g, v in by_group.items() if not g])
        self._add_aggregated("/apis", [_aggregated_group(g, v) for g, v in by_group.items() if g])

    def answer(self, path: str, accept: str = "") -> Document | None:
        """The document of a path in the form the Accept header asks for first; None when the path is none of ours.

        Aggregated discovery is JSON only: no client asks for it otherwise. Raises 406.
        """
        path = path.rstrip("/")
        aggregated = self._aggregated.get(path)
        if aggregated is not None and _wants_aggregated(accept):
            return aggregated
        document = self._documents.get(path)
        if document is not None and negotiate(accept).media_type == PROTOBUF:
            return Document(protobuf_encoding.encode(json.loads(document.body)), PROTOBUF, headers=document.headers)
        return document

    def paths(self) -> list[str]:
        """Every path answered, for the root document."""
        return sorted(self._documents)

    def _add(self, path: str, body: dict[str, Any]) -> None:
        headers = {"Vary": "Accept"} if path in ("/api", "/apis") else {}
        self._documents[path] = Document(_encoded(body), headers=headers)

    def _add_aggregated(self, path: str, items: list[dict[str, Any]]) -> None:
        body = _encoded(
            {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}
        )
        headers = {"Vary": "Accept", "Cache-Control": "public"}
        self._aggregated[path] = Document(body, AGGREGATED, etag(body), headers)


def _wants_aggregated(accept: str) -> bool:
    """Whether aggregated discovery comes before plain JSON among the media ranges."""
    for clause in accept.split(","):
        media, *parameters = [part.strip() for part in clause.split(";")]
        if media not in ("application/json", "application/*", "*/*"):
            continue
        options = dict(part.partition("=")[::2] for part in parameters)
        if options.get("as") is None:
            return False
        if (options.get("g"), options.get("v"), options["as"]) == (
            "apidiscovery.k8s.io",
            "v2",
            "APIGroupDiscoveryList",
        ):
            return True
    return False


def _by_group(kinds: Sequence[Kind]) -> dict[str, dict[str, list[Kind]]]:
    """Group → version → kinds, groups by priority, versions as clients shall prefer them, kinds by plural."""
    groups: dict[str, dict[str, list[Kind]]] = {}
    for kind in sorted(kinds, key=lambda k: (_priority(k.group), k.group, rank(k.version), k.plural)):
        groups.setdefault(kind.group, {}).setdefault(kind.version, []).append(kind)
    return groups


def _priority(group: str) -> int:
    if not group:
        return -1
    return PRIORITY.index(group) if group in PRIORITY else len(PRIORITY)


def _core(groups: Mapping[str, Mapping[str, object]], address: str) -> dict[str, Any]:
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": list(groups.get("", ())), "serverAddressByClientCIDRs": addresses}


def _group(group: str, versions: Mapping[str, object]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _resources(group: str, version: str, kinds: Sequence[Kind]) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for kind in kinds:
        found.append(_resource(kind))
        found += [_subresource(kind, sub) for sub in sorted(kind.subresources, key=lambda s: s.name)]
    name = f"{group}/{version}" if group else version
    return {
        "kind": "APIResourceList",
        **({"apiVersion": "v1"} if group else {}),
        "groupVersion": name,
        "resources": found,
    }


def _resource(kind: Kind) -> dict[str, Any]:
    hashed = hashlib.sha256(kind.stored_form.encode()).digest()[:8]
    return {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
        **_names(kind),
        **({"storageVersionHash": base64.b64encode(hashed).decode()} if kind.stored_form else {}),
    }


def _names(kind: Kind) -> dict[str, list[str]]:
    names = {"shortNames": list(kind.short_names), "categories": list(kind.categories)}
    return {key: value for key, value in names.items() if value}


def _subresource(kind: Kind, sub: Subresource) -> dict[str, Any]:
    return {
        "name": f"{kind.plural}/{sub.name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        **({"group": sub.group} if sub.group else {}),
        **({"version": sub.version} if sub.version else {}),
        "kind": sub.kind or kind.kind,
        "verbs": list(sub.verbs),
    }


def _aggregated_group(group: str, versions: Mapping[str, Sequence[Kind]]) -> dict[str, Any]:
    listed = [
        {"version": version, "resources": [_aggregated_resource(kind) for kind in kinds], "freshness": "Current"}
        for version, kinds in versions.items()
    ]
    return {"metadata": {"name": group} if group else {}, "versions": listed}


def _aggregated_resource(kind: Kind) -> dict[str, Any]:
    subresources = [
        {
            "subresource": sub.name,
            "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind or kind.kind},
            "verbs": list(sub.verbs),
        }
        for sub in sorted(kind.subresources, key=lambda s: s.name)
    ]
    return {
        "resource": kind.plural,
        "responseKind": {"group": "", "version": "", "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
        **_names(kind),
        **({"subresources": subresources} if subresources else {}),
    }


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"
