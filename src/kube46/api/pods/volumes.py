"""Volumes of a Pod: defaulting and validation of those that a pod can mount."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, duplicate, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.metadata import annotations_valid, labels_valid
from kube46.api.pods import files, projections
from kube46.api.quantities import parse
from kube46.api.storage import claims

Object = dict[str, Any]

MODE = 0o644
TOKEN_SECONDS = 3600
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
    if template := (volume.get("ephemeral") or {}).get("volumeClaimTemplate"):
        claims.default_spec(template.setdefault("spec", {}))
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
    if sources[0] == "emptyDir" and parse(volume["emptyDir"].get("sizeLimit") or "0") < 0:
        found.append(forbidden(f"{field}.emptyDir.sizeLimit", "SizeLimit field must be a valid resource quantity"))
    if sources[0] == "ephemeral":
        found += _ephemeral(f"{field}.ephemeral.volumeClaimTemplate", volume["ephemeral"].get("volumeClaimTemplate"))
    return found + _files(f"{field}.{sources[0]}", volume[sources[0]])


def _ephemeral(field: str, template: Object | None) -> list[FieldError]:
    if template is None:
        return [required(field)]
    meta, place = template.get("metadata") or {}, f"{field}.metadata"
    found = annotations_valid(meta.get("annotations"), f"{place}.annotations")
    found += labels_valid(meta.get("labels"), f"{place}.labels")
    found += [forbidden(f"{place}.{key}", "cannot be set") for key in meta if key not in ("annotations", "labels")]
    return found + claims.spec_errors(template.get("spec") or {}, f"{field}.spec")


def host_path(field: str, source: Object) -> list[FieldError]:
    """Errors of a path of the node."""
    path, kind = source.get("path") or "", source.get("type") or ""
    if not path:
        return [required(f"{field}.path")]
    found = [invalid(f"{field}.path", path, "must not contain '..'")] if ".." in path.split("/") else []
    return found if kind in HOST_PATH_TYPES else [*found, not_supported(f"{field}.type", kind, HOST_PATH_TYPES)]


def _files(field: str, source: Object) -> list[FieldError]:
    """Errors of the files that secret, configMap, downwardAPI and projected volumes are made of."""
    found = files.mode_errors(f"{field}.defaultMode", source.get("defaultMode"))
    for index, item in enumerate(source.get("items") or ()):
        found += files.item_errors(field, f"{field}.items[{index}]", item)
    return found + projections.errors(source.get("sources") or (), field)
