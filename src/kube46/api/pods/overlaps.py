"""Files of one volume that stand in each other's way: warned of (k8s.io/kubernetes pkg/api/pod/warnings.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api.errors import go_quote

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]
File = tuple[str, str]  # path, and which source of a projected volume has it


def warnings(spec: Object) -> Iterator[str]:
    """The warnings about all volumes of a pod."""
    for volume in spec.get("volumes") or ():
        name = go_quote(volume.get("name") or "")
        for described, files in _plain(volume):
            yield from _overlapping(f"volume {name} ({described})", [], files)
        if (projected := volume.get("projected")) is None:
            continue
        before: list[File] = []
        for source in projected.get("sources") or ():
            if not any(part is not None for part in source.values()):
                yield f"volume {name} (Projected) has no sources provided"
                continue
            yield from _overlapping(f"volume {name} (Projected)", before, _projected(source))


def _overlapping(where: str, before: list[File], files: list[File]) -> Iterator[str]:
    """What overlaps of these files and those before, to which they are added."""
    for path, source in files:
        file = (path.rstrip("/"), source)
        for other in before:
            if (
                file[0]
                and other[0]
                and (f"{other[0]}/".startswith(f"{file[0]}/") or f"{file[0]}/".startswith(f"{other[0]}/"))
            ):
                yield f"{where}: overlapping paths: {_text(file)} with {_text(other)}"
        before.append(file)


def _text(file: File) -> str:
    return go_quote(file[0]) + (f" ({file[1]})" if file[1] else "")


def _items(source: Object, told: str = "") -> list[File]:
    return [(item.get("path") or "", told) for item in source.get("items") or ()]


def _plain(volume: Object) -> Iterator[tuple[str, list[File]]]:
    if config := volume.get("configMap"):
        yield f"ConfigMap {go_quote(config.get('name') or '')}", _items(config)
    if secret := volume.get("secret"):
        yield f"Secret {go_quote(secret.get('secretName') or '')}", _items(secret)
    if downward := volume.get("downwardAPI"):
        yield "DownwardAPI", _items(downward)


def _projected(source: Object) -> list[File]:
    """The files of the first source that there is."""
    for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
        if (found := source.get(field)) is not None and found.get("items") is not None:
            return _items(found, f"{kind} {go_quote(found.get('name') or '')}")
    if (found := source.get("downwardAPI")) is not None and found.get("items") is not None:
        return _items(found, "DownwardAPI")
    if (found := source.get("serviceAccountToken")) is not None:
        return [(found.get("path") or "", "ServiceAccountToken")]
    if (found := source.get("clusterTrustBundle")) is not None:
        name = found.get("name") if found.get("name") is not None else found.get("signerName")
        return [(found.get("path") or "", f"ClusterTrustBundle {go_quote(name or '')}")]
    paths = {"certificateChainPath": "chain", "keyPath": "key", "credentialBundlePath": "credential bundle"}
    found = source.get("podCertificate") or {}
    return [(found[path], f"PodCertificate {text}") for path, text in paths.items() if found.get(path)]
