"""The images that upstream's e2e specs name, made on the spot: its own Go programs, and Debian's in place of others.

Names and tags: k8s.io/kubernetes test/utils/image/manifest.go; contents: test/images/*/Dockerfile.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archives import Built, docker, entry, link, tar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REGISTRY = "registry.k8s.io/e2e-test-images/"
ETCD = "registry.k8s.io/etcd"
SHELL = (
    *(
        "bash",
        "sh",
        "cat",
        "ls",
        "echo",
        "env",
        "id",
        "sleep",
        "stat",
        "touch",
        "mkdir",
        "rm",
        "mv",
        "cp",
        "ln",
        "chmod",
    ),
    *("chown", "head", "tail", "grep", "sed", "awk", "tr", "cut", "sort", "uniq", "wc", "tee", "test", "true", "false"),
    *(
        "date",
        "dd",
        "df",
        "du",
        "find",
        "hostname",
        "kill",
        "mktemp",
        "mount",
        "umount",
        "nproc",
        "printf",
        "ps",
        "pwd",
    ),
    *(
        "readlink",
        "realpath",
        "seq",
        "sha256sum",
        "md5sum",
        "tar",
        "timeout",
        "uname",
        "xargs",
        "yes",
        "base64",
        "getent",
    ),
    *(
        "curl",
        "wget",
        "nc",
        "dig",
        "host",
        "nslookup",
        "ip",
        "ss",
        "socat",
        "ipcs",
        "ipcmk",
        "sysctl",
        "expr",
        "mkfifo",
    ),
)
USERS = b"""root:x:0:0:root:/root:/bin/sh
user-defined-in-image:x:1000:1000::/:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/sh
"""
GROUPS = b"""root:x:0:
user-defined-in-image:x:1000:
group-defined-in-image:x:50000:user-defined-in-image
nogroup:x:65534:
"""
NGINX = b"""worker_processes 1;
error_log /dev/stderr;
pid /tmp/nginx.pid;
events {}
http {
    access_log /dev/stdout;
    include /etc/nginx/mime.types;
    client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
    server { listen 80; listen [::]:80; root /usr/share/nginx/html; }
}
"""
PAGE = b"<html><head><title>Welcome to nginx!</title></head><body><h1>Welcome to nginx!</h1></body></html>\n"


@dataclass(frozen=True)
class Image:
    """An image under the names that specs use."""

    names: tuple[str, ...]
    built: Built

    def archive(self) -> bytes:
        """What `docker save` would write."""
        return docker(self.built, *self.names)


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """What those programs are linked with, below /lib as ld.so finds it."""
    told = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    return {Path(found) for found in re.findall(r"(/lib\S+|/usr/lib\S+) \(", told)}


def _found(names: Iterable[str]) -> dict[str, Path]:
    """Where Debian keeps these programs, past all links of alternatives."""
    places = "/usr/sbin:/usr/bin:/sbin:/bin"
    found = {name: shutil.which(name, path=places) for name in names}
    missing = sorted(name for name, place in found.items() if place is None)
    assert not missing, f"Debian programs are missing: {', '.join(missing)}"
    # Debian's own sh and busybox' drop variables whose names are no identifiers, which specs set
    return {name: Path(str(found["bash"] if name == "sh" else place)).resolve() for name, place in found.items()}


def _layer(programs: Mapping[str, Path], *more: Any) -> bytes:
    """A root file system of these programs, in a merged /usr, with their libraries and the usual directories."""
    contents = {path: f"usr/bin/{name}" for name, path in reversed(programs.items())}
    files = [entry(place, path.read_bytes(), mode=0o755) for path, place in contents.items()]
    links = [
        link(f"usr/bin/{name}", f"/{contents[path]}")
        for name, path in programs.items()
        if contents[path] != f"usr/bin/{name}"
    ]
    libraries = {f"usr/{str(path).removeprefix('/usr').lstrip('/')}": path for path in _libraries(programs.values())}
    return tar(
        [
            *(
                entry(name)
                for name in ("usr", "usr/bin", "usr/lib", "usr/lib64", "etc", "var", "home", "proc", "sys", "dev")
            ),
            *(
                link(name, f"usr/{to}")
                for name, to in (("bin", "bin"), ("sbin", "bin"), ("lib", "lib"), ("lib64", "lib64"))
            ),
            link("usr/sbin", "bin"),
            entry("tmp", mode=0o1777),
            entry("root", mode=0o700),
            entry("etc/passwd", USERS),
            entry("etc/group", GROUPS),
            entry("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n"),
            *files,
            *links,
            *(entry(name, path.read_bytes(), mode=0o755) for name, path in sorted(libraries.items())),
            *more,
        ]
    )


def _busybox() -> bytes:
    """Debian's busybox under its applets' names; wget is GNU's (this busybox' one crashes with -T), sh is bash."""
    applets = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    found = _found(("bash", "sh", "busybox", "wget"))
    return _layer(found, *(link(f"usr/bin/{name}", "busybox") for name in applets if name not in found))


def _nginx() -> bytes:
    """Debian's nginx with upstream's page on port 80 of both families."""
    return _layer(
        _found(("nginx", *SHELL)),
        *(
            entry(name)
            for name in (
                "etc/nginx",
                "usr/share",
                "usr/share/nginx",
                "usr/share/nginx/html",
                "var/log",
                "var/log/nginx",
            )
        ),
        *(entry(name) for name in ("var/lib", "var/lib/nginx", "usr/local", "usr/local/nginx")),
        entry("etc/nginx/nginx.conf", NGINX),
        entry("etc/nginx/mime.types", Path("/etc/nginx/mime.types").read_bytes()),
        entry("usr/share/nginx/html/index.html", PAGE),
    )


def _agnhost(programs: Path, sources: Path) -> bytes:
    """agnhost, with what its Dockerfile puts beside it."""
    porter = sources / "agnhost/porter"
    return tar(
        [
            entry("agnhost", (programs / "agnhost").read_bytes(), mode=0o755),
            entry("coredns", (programs / "coredns").read_bytes(), mode=0o755),
            link("agnhost-2", "agnhost"),
            entry("uploads", mode=0o777),
            *(entry(name, (porter / name).read_bytes()) for name in ("localhost.crt", "localhost.key")),
        ]
    )


def _etcd() -> bytes:
    """Debian's etcd where upstream's image has it; it writes to the directory that it starts in."""
    return _layer(
        _found(("etcd",)),
        entry("usr/local", mode=0o755),
        entry("usr/local/bin"),
        link("usr/local/bin/etcd", "/usr/bin/etcd"),
    )


def _pet(sources: Path, name: str) -> bytes:
    """The page and picture of kitten or nautilus."""
    return tar([entry(path.name, path.read_bytes()) for path in sorted((sources / name / "html").iterdir())])


def images(programs: Path) -> list[Image]:
    """All images; `programs` holds what `tools/go-programs.sh e2e` built."""
    sources = programs / "images"
    debian, busybox, agnhost = _layer(_found(SHELL)), _busybox(), _agnhost(programs, sources)
    regression = tar([entry("regression-issue-74839", (programs / "regression-issue-74839").read_bytes(), mode=0o755)])
    sample = tar(
        [entry("sample-apiserver", (programs / "sample-apiserver").read_bytes(), mode=0o755), entry("tmp", mode=0o1777)]
    )
    privileges = tar(
        [
            entry("usr/local"),
            entry("usr/local/bin"),
            entry("usr/local/bin/nnp", (programs / "nonewprivs").read_bytes(), mode=0o6755),
        ]
    )
    path = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    shell = path | {"Cmd": ["sh"]}
    agnhosts = path | {"Entrypoint": ["/agnhost"], "Cmd": ["pause"]}

    def image(names: Iterable[str], behaviour: Mapping[str, Any], *layers: bytes) -> Image:
        return Image(tuple(f"{REGISTRY}{name}" for name in names), Built(layers, behaviour))

    return [
        Image((f"{ETCD}:3.7.0-0",), Built((_etcd(),), path | {"Cmd": ["etcd"]})),
        image(("agnhost:2.66.1", "agnhost:2.55"), agnhosts, debian, agnhost),
        *(
            image((f"{pet}:1.8",), agnhosts | {"Cmd": ["test-webserver"]}, debian, agnhost, _pet(sources, pet))
            for pet in ("kitten", "nautilus")
        ),
        image(("busybox:1.37.0-2", "busybox:1.36.1-1"), shell, busybox),
        image(("nonroot:1.5",), shell | {"User": "1234"}, busybox),
        image(("nginx:1.27.0-2", "nginx:1.28.0-2"), path | {"Cmd": ["nginx", "-g", "daemon off;"]}, _nginx()),
        image(("nonewprivs:1.4",), path | {"Cmd": ["nnp"]}, debian, privileges),
        image(("sample-apiserver:1.29.2",), path | {"Entrypoint": ["/sample-apiserver"]}, sample),
        image(("glibc-dns-testing:2.1.1", "ipc-utils:1.4"), shell, debian),
        image(("regression-issue-74839:1.5",), path | {"Entrypoint": ["/regression-issue-74839"]}, regression),
    ]


def load(programs: Path) -> list[str]:
    """Loads all of them into kube46's store; their names."""
    loaded: list[str] = []
    for image in images(programs):
        subprocess.run(["kube46", "image", "load", "-"], input=image.archive(), check=True, stdout=subprocess.DEVNULL)
        loaded += image.names
    return loaded
