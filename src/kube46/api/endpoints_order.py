"""The order of ports and subsets in Endpoints: by the MD5 of Go values as the library spew prints them.

Sources: pkg/api/endpoints/util.go (SortSubsets), pkg/util/hash, github.com/davecgh/go-spew (`%#v`).
"""

from __future__ import annotations

import hashlib
from typing import Any

Object = dict[str, Any]

REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def by_port(port: Object) -> bytes:
    """The sort key of a port within a subset."""
    return _digest(f"(core.EndpointPort){_port(port)}")


def by_subset(subset: Object) -> bytes:
    """The sort key of a subset."""
    lists = (("Addresses", "Address"), ("NotReadyAddresses", "Address"), ("Ports", "Port"))
    fields = []
    for name, kind in lists:
        values = subset.get(name[0].lower() + name[1:]) or []
        shown = " ".join((_port if kind == "Port" else _address)(value) for value in values)
        fields.append(f"{name}:([]core.Endpoint{kind}){f'[{shown}]' if values else '<nil>'}")
    return _digest(f"(core.EndpointSubset){{{' '.join(fields)}}}")


def by_address(address: Object) -> tuple[str, bool, str]:
    """The sort key of an address: its text, then the uid of what it belongs to."""
    target = address.get("targetRef")
    return address.get("ip") or "", target is not None, (target or {}).get("uid") or ""


def _digest(text: str) -> bytes:
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()


def _pointer(value: str | None) -> str:
    return f"(*string){'<nil>' if value is None else value}"


def _port(port: Object) -> str:
    name, number, protocol = port.get("name") or "", port.get("port") or 0, port.get("protocol") or ""
    app = _pointer(port.get("appProtocol"))
    return f"{{Name:(string){name} Port:(int32){number} Protocol:(core.Protocol){protocol} AppProtocol:{app}}}"


def _address(address: Object) -> str:
    head = f"IP:(string){address.get('ip') or ''} Hostname:(string){address.get('hostname') or ''}"
    node, target = _pointer(address.get("nodeName")), address.get("targetRef")
    return f"{{{head} NodeName:{node} TargetRef:(*core.ObjectReference){_reference(target)}}}"


def _reference(target: Object | None) -> str:
    if target is None:
        return "<nil>"
    fields = []
    for key in REFERENCE:
        kind = "types.UID" if key == "uid" else "string"
        name = {"uid": "UID", "apiVersion": "APIVersion"}.get(key, key[0].upper() + key[1:])
        fields.append(f"{name}:({kind}){target.get(key) or ''}")
    return f"{{{' '.join(fields)}}}"
