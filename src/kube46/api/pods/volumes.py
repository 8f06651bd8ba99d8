"""Volumes of a Pod: defaulting and validation of those that a pod can mount."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import (
    FieldError,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)

Object = dict[str, Any]

MODE = 0o644
TOKEN_SECONDS = 3600
MIN_TOKEN_SECONDS = 600
HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip


def default(volume: Object) -> None:
    """A volume without a source is an emptyDir; files are readable by all."""
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for source in ("secret", "configMap", "downwardAPI", "projected"):
        if volume.get(source) is not None and volume[source].get("defaultMode") is None:
            volume[source]["defaultMode"] = MODE
    if volume.get("hostPath") is not None and volume["hostPath"].get("type") is None:
        volume["hostPath"]["type"] = ""
    projected = (volume.get("projected") or {}).get("sources") or []
    for source in projected:
        token = source.get("serviceAccountToken")
        if token is not None and token.get("expirationSeconds") is None:
            token["expirationSeconds"] = TOKEN_SECONDS
    for downward in [volume.get("downwardAPI"), *(source.get("downwardAPI") for source in projected)]:
        for item in (downward or {}).get("items") or ():
            if item.get("fieldRef") is not None:
                item["fieldRef"]["apiVersion"] = item["fieldRef"].get("apiVersion") or "v1"


def validate(volumes: list[Object], field: str) -> tuple[set[str], list[FieldError]]:
    """The names of the volumes, and every error."""
    known: set[str] = set()
    found: list[FieldError] = []
    for index, volume in enumerate(volumes):
        place, name = f"{field}[{index}]", volume.get("name") or ""
        found += _source(place, volume)
        if not name:
            found.append(required(f"{place}.name"))
        elif problems := each_invalid(f"{place}.name", name, names.label(name)):
            found += problems
        elif name in known:
            found.append(duplicate(f"{place}.name", name))
        known.add(name)
    return known, found


def _source(field: str, volume: Object) -> list[FieldError]:
    found: list[FieldError] = []
    sources = [key for key in volume if key != "name" and volume[key] is not None]
    if not sources:
        return [required(field, "must specify a volume type")]
    found += [forbidden(f"{field}.{key}", "may not specify more than 1 volume type") for key in sources[1:]]
    if sources[0] == "secret" and not volume["secret"].get("secretName"):
        found.append(required(f"{field}.secret.secretName"))
    if sources[0] == "configMap" and not volume["configMap"].get("name"):
        found.append(required(f"{field}.configMap.name"))
    if sources[0] == "hostPath":
        found += host_path(f"{field}.hostPath", volume["hostPath"])
    if sources[0] == "persistentVolumeClaim" and not volume[sources[0]].get("claimName"):
        found.append(required(f"{field}.persistentVolumeClaim.claimName"))
    return found + _files(f"{field}.{sources[0]}", volume[sources[0]])


def host_path(field: str, source: Object) -> list[FieldError]:
    """Errors of a path of the node."""
    path, kind = source.get("path") or "", source.get("type") or ""
    if not path:
        return [required(f"{field}.path")]
    found = [invalid(f"{field}.path", path, "must not contain '..'")] if ".." in path.split("/") else []
    return found if kind in HOST_PATH_TYPES else [*found, not_supported(f"{field}.type", kind, HOST_PATH_TYPES)]


def _files(field: str, source: Object) -> list[FieldError]:
    """Errors of the files that secret, configMap, downwardAPI and projected volumes are made of."""
    found: list[FieldError] = []
    mode = source.get("defaultMode")
    if mode is not None and not 0 <= mode <= 0o777:
        text = "must be a number between 0 and 0777 (octal), both inclusive"
        found.append(invalid(f"{field}.defaultMode", mode, text))
    for index, item in enumerate(source.get("items") or ()):
        path = item.get("path") or ""
        place = f"{field}.items[{index}].path"
        found += _relative(place, path) if path else [required(place)]
    for index, projected in enumerate(source.get("sources") or ()):
        token = projected.get("serviceAccountToken")
        place = f"{field}.sources[{index}].serviceAccountToken"
        if token is not None:
            found += [] if token.get("path") else [required(f"{place}.path")]
            if token["expirationSeconds"] < MIN_TOKEN_SECONDS:
                text = "may not specify a duration less than 10 minutes"
                found.append(invalid(f"{place}.expirationSeconds", token["expirationSeconds"], text))
    return found


def _relative(field: str, path: str) -> list[FieldError]:
    if path.startswith("/"):
        return [invalid(field, path, "must be a relative path")]
    parts = path.split("/")
    if ".." in parts:
        return [invalid(field, path, "must not contain '..'")]
    return [invalid(field, path, "must not start with '..'")] if parts[0].startswith("..") else []


def mounts(container: Object, known: set[str], field: str) -> list[FieldError]:
    """Errors of a container's volumeMounts."""
    found: list[FieldError] = []
    paths: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        place, name, path = f"{field}[{index}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            found.append(required(f"{place}.name"))
        elif name not in known:
            found.append(not_found(f"{place}.name", name))
        if not path:
            found.append(required(f"{place}.mountPath"))
        if path in paths:
            found.append(invalid(f"{place}.mountPath", path, "must be unique"))
        paths.add(path)
        if sub := mount.get("subPath"):
            found += _relative(f"{place}.subPath", sub)
    return found
