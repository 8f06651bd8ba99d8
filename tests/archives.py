"""Archives of images, built on the spot as docker, buildah and skopeo build them."""

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backports import zstd

from kube46.lab.images.manifests import architecture

PROGRAMS = (Path("/bin/busybox"), Path("/usr/bin/setpriv"))
APPLETS = (
    *("sh", "ls", "id", "cat", "chown", "sleep", "env", "stat", "touch", "mkdir", "hostname", "echo", "nc", "kill"),
    *("ps", "head", "mknod", "rm", "grep", "chroot", "mount", "httpd", "wget"),
)
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nredis:x:999:998::/data:/bin/sh\n"
GROUP = b"root:x:0:\nredis:x:998:\nextra:x:77:redis,nobody\n"


def entry(name: str, content: bytes | None = None, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A file of a layer, or with `type` something else; a directory when it has neither content nor type."""
    info = tarfile.TarInfo(name)
    info.type = tarfile.REGTYPE if content is not None else tarfile.DIRTYPE
    info.mode = 0o644 if content is not None else 0o755
    info.size = len(content or b"")
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content or b""


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    """A symbolic link, or another kind."""
    return entry(name, type=kind, linkname=target, mode=0o777)


def tar(entries: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A tar of those entries."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def busybox() -> bytes:
    """A layer with a shell, the libraries that it needs, users, and a directory of a user's."""
    programs = [link(f"bin/{name}", "busybox") for name in APPLETS]
    told = subprocess.run(
        ["ldd", *PROGRAMS], capture_output=True, text=True, check=False
    ).stdout  # none of a static one
    libraries = {Path(found) for found in re.findall(r"(/lib\S+) \(", told)}
    programs += [entry(str(path)[1:], path.read_bytes(), mode=0o755) for path in sorted(libraries)]
    programs += [entry(f"bin/{path.name}", path.read_bytes(), mode=0o755) for path in PROGRAMS]
    return tar(
        [
            entry("bin"),
            *programs,
            entry("etc"),
            entry("etc/passwd", PASSWD),
            entry("etc/group", GROUP),
            entry("data", uid=999, gid=998),
            entry("tmp", mode=0o1777),
            entry("root", mode=0o700),
        ]
    )


def digest(content: bytes) -> str:
    """As OCI writes it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Built:
    """An image: its layers, and how its containers run."""

    layers: tuple[bytes, ...]
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = field(default_factory=architecture)

    @property
    def config(self) -> bytes:
        """The configuration."""
        rootfs = {"type": "layers", "diff_ids": [digest(layer) for layer in self.layers]}
        about = {"architecture": self.architecture, "os": "linux", "config": dict(self.behaviour), "rootfs": rootfs}
        return json.dumps(about).encode()


def docker(built: Built, *names: str) -> bytes:
    """What `docker save` wrote before version 25: layers as files, the second of two same ones as a link."""
    config = f"{digest(built.config)[7:]}.json"
    layers = [f"{number:02}/layer.tar" for number in range(len(built.layers))]
    manifest = [{"Config": config, "RepoTags": list(names) or None, "Layers": layers}]
    files, seen = [entry(config, built.config)], {}
    for name, layer in zip(layers, built.layers, strict=True):
        files.append(link(name, f"../{seen[layer]}") if layer in seen else entry(name, layer))
        seen.setdefault(layer, name)
    return tar([*files, entry("manifest.json", json.dumps(manifest).encode())])


def oci(*images: tuple[Built, Mapping[str, str]], compress: str = "gzip", index: bool = False) -> dict[str, bytes]:
    """An OCI layout's files; with `index`, one manifest list leads to the images, each for its platform."""
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, kind: str, **fields: Any) -> dict[str, Any]:
        blobs[f"blobs/sha256/{digest(content)[7:]}"] = content
        return {"mediaType": kind, "digest": digest(content), "size": len(content), **fields}

    packed = {"gzip": gzip.compress, "zstd": zstd.compress, "": bytes}[compress]
    suffix = f"+{compress}" if compress else ""
    found = []
    for built, annotations in images:
        layers = [blob(packed(layer), f"application/vnd.oci.image.layer.v1.tar{suffix}") for layer in built.layers]
        config = blob(built.config, "application/vnd.oci.image.config.v1+json")
        manifest = json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode()
        about = {"platform": {"architecture": built.architecture, "os": "linux"}} if index else {}
        found.append(
            blob(manifest, "application/vnd.oci.image.manifest.v1+json", **about, annotations=dict(annotations))
        )
    if index:
        names = found[0].pop("annotations")
        listed = json.dumps({"schemaVersion": 2, "manifests": found}).encode()
        found = [blob(listed, "application/vnd.oci.image.index.v1+json", annotations=names)]
    return blobs | {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": found}).encode(),
    }


def write(files: Mapping[str, bytes], directory: Path) -> Path:
    """The files as a directory."""
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    return directory
