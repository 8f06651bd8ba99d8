"""ConfigMaps and Secrets: keys, sizes, immutability (pkg/apis/core/validation, 1.37)."""

from __future__ import annotations

import base64
from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, required, too_long

Object = dict[str, Any]

SIZE_LIMIT = 1024 * 1024  # bytes
DOCKER_KEYS = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
REQUIRED_KEYS = {
    **{kind: (key,) for kind, key in DOCKER_KEYS.items()},
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 (a type's name)
TOKEN_ACCOUNT = "kubernetes.io/service-account.name"  # noqa: S105 (an annotation's name)


def default_secret(secret: Object) -> None:
    """Text in `stringData` goes to `data`, where null is stored as empty; the type is Opaque."""
    secret["type"] = secret.get("type") or "Opaque"
    if secret.get("data"):
        secret["data"] = {key: text or "" for key, text in secret["data"].items()}
    texts = secret.pop("stringData", None) or {}
    if texts:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def default_config_map(config_map: Object) -> None:
    """In `binaryData` null is stored as empty."""
    if config_map.get("binaryData"):
        config_map["binaryData"] = {key: text or "" for key, text in config_map["binaryData"].items()}


def config_map_errors(obj: Object, old: Object | None = None) -> list[FieldError]:
    """Every error of a ConfigMap beside those of its metadata."""
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    found = _unchanged(obj, old, ("data", "binaryData")) if old else []
    for key in data:
        found += each_invalid(f"data[{key}]", key, names.config_key(key))
        if key in binary:
            found.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
    for key in binary:
        found += each_invalid(f"binaryData[{key}]", key, names.config_key(key))
    size = sum(len(text.encode()) for text in data.values()) + _decoded(binary)
    return [*found, too_long("[]", SIZE_LIMIT)] if size > SIZE_LIMIT else found


def secret_errors(obj: Object, old: Object | None = None) -> list[FieldError]:
    """Every error of a Secret beside those of its metadata."""
    data = obj.get("data") or {}
    found: list[FieldError] = []
    if old and obj.get("type") != old.get("type"):
        found.append(invalid("type", obj.get("type"), "field is immutable"))
    found += _unchanged(obj, old, ("data",)) if old else []
    for key in data:
        found += each_invalid(f"data[{key}]", key, names.config_key(key))
    if _decoded(data) > SIZE_LIMIT:
        found.append(too_long("data", SIZE_LIMIT))
    for key in REQUIRED_KEYS.get(obj.get("type") or "", ()):
        if key not in data:
            found.append(required(f"data[{key}]"))
    if obj.get("type") == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        found += [required(f"data[{key}]") for key in ("username", "password")]
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    if obj.get("type") == TOKEN_TYPE and not annotations.get(TOKEN_ACCOUNT):
        found.append(required(f"metadata.annotations[{TOKEN_ACCOUNT}]"))
    return found


def _decoded(data: dict[str, str]) -> int:
    """How many bytes base64 texts stand for."""
    return sum(len(text) * 3 // 4 - text.count("=") for text in data.values())


def _unchanged(obj: Object, old: Object, keys: tuple[str, ...]) -> list[FieldError]:
    """What an immutable object may not change any more."""
    if not old.get("immutable"):
        return []
    found: list[FieldError] = []
    if not obj.get("immutable"):
        found.append(forbidden("immutable", "field is immutable when `immutable` is set"))
    found += [
        forbidden(key, "field is immutable when `immutable` is set")
        for key in keys
        if (obj.get(key) or {}) != (old.get(key) or {})
    ]
    return found
