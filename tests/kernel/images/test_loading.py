"""From archives to the store: every form that docker, buildah and skopeo write, and nothing half, whatever happens."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from backports import zstd

from archives import Built, digest, docker, entry, link, oci, tar, write
from kube46.lab.images import usage
from kube46.lab.images.errors import BadArchive, BadName, InUse, Unknown
from kube46.lab.images.loading import load
from kube46.lab.images.references import parse
from kube46.lab.images.store import Store

pytestmark = pytest.mark.root

ONE = tar([entry("a"), entry("a/x", b"x" * 100)])
TWO = tar([entry("a/.wh.x", b""), entry("b", b"b")])
APP = Built((ONE, TWO), {"Cmd": ["/b"], "Env": ["A=b"]})
NAME = "docker.io/library/app:1"
FULL = {"io.containerd.image.name": NAME, "org.opencontainers.image.ref.name": "1"}


@pytest.fixture
def store(disk) -> Store:
    """An empty store on a disk that holds layers."""
    return Store(disk / "images")


def nobody() -> dict[str, str]:
    """No image runs."""
    return {}


def packed(files: dict[str, bytes]) -> bytes:
    """The files of a layout as a tar."""
    return tar(entry(name, content) for name, content in files.items())


def nothing(store: Store) -> bool:
    """Whether the store holds nothing at all."""
    return not store.path.exists()


FORMS = {
    "docker": docker(APP, "app:1"),
    "docker-gzip": gzip.compress(docker(APP, "app:1")),
    "docker-zstd": zstd.compress(docker(APP, "app:1")),
    "docker-25": packed(
        oci((APP, FULL), compress="")
        | {
            "manifest.json": json.dumps(
                [
                    {
                        "Config": f"blobs/sha256/{digest(APP.config)[7:]}",
                        "RepoTags": ["app:1"],
                        "Layers": [f"blobs/sha256/{digest(layer)[7:]}" for layer in APP.layers],
                    }
                ]
            ).encode()
        }
    ),
    "oci": packed(oci((APP, FULL), compress="")),
    "oci-gzip": packed(oci((APP, FULL))),
    "oci-zstd": packed(oci((APP, FULL), compress="zstd")),
    "buildah": packed(oci((APP, {"org.opencontainers.image.ref.name": "app:1"}))),
    "platforms": packed(oci((APP, FULL), (Built((ONE,), architecture="m68k"), FULL), index=True)),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(store, disk, form):
    """Each form gives the same image, under its whole name, with the same layers."""
    archive = disk / "archive"
    archive.write_bytes(FORMS[form])
    loaded = load(str(archive), [], store)
    image = store.read().find(parse("app:1"))

    assert [name for one in loaded for name in one.names] == [NAME] and loaded[0].new_layers == 2
    assert image and image.id == digest(APP.config) and image.behaviour.cmd == ("/b",)
    assert (store.layer(image.layers[0]) / "a/x").stat().st_size == 100
    assert (store.layer(image.layers[1]) / "b").read_text() == "b"
    assert store.path.stat().st_mode & 0o777 == 0o700 and image.size == 101
    assert load(str(archive), ["other"], store)[0].new_layers == 0
    assert store.read().of(image.id) == ["docker.io/library/app:1", "docker.io/library/other:latest"]


def test_directory(store, disk):
    """An OCI layout as a directory, whose image has only a tag, needs a name; then it is found by digest too."""
    place = write(oci((APP, {"org.opencontainers.image.ref.name": "1"})), disk / "layout")
    with pytest.raises(BadArchive, match="no name but the tag 1: give it one with --as"):
        load(str(place), [], store)
    assert nothing(store)
    load(str(place), ["app:1"], store)
    found = store.read()
    image = found.find(parse("app:1"))

    assert image and found.find(parse(f"app@{image.id}")) == found.find(parse(f"app@{image.manifests[0]}")) == image
    assert found.find(parse(f"other@{image.id}")) is None and found.find(parse("app:2")) is None


def test_standard_input(store, disk, monkeypatch):
    """An archive that can be read only once is kept until it is read, and no longer."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FORMS["docker-gzip"])))
    assert load("-", [], store)[0].names == (NAME,)
    assert list((store.path / "staging").iterdir()) == []


def test_links_among_layers(store, disk):
    """docker's archives name a layer that is there twice by a link."""
    archive = disk / "a"
    archive.write_bytes(docker(Built((TWO, ONE, TWO)), "twice"))
    assert load(str(archive), [], store)[0].new_layers == 3


def changed(files: dict[str, bytes], name: str, old: bytes, new: bytes) -> bytes:
    """A layout with one of its files changed, as a tar."""
    key = next(key for key in files if name in key or (name == "layer" and files[key][:2] == b"\x1f\x8b"))
    return packed(files | {key: files[key].replace(old, new)})


LAYOUT = oci((APP, FULL))
BAD = {
    "neither": (packed({"x": b""}), "is neither"),
    "no tar": (b"hello" * 1000, "damaged"),
    "empty": (b"", "damaged"),
    "cut": (FORMS["docker"][:3000], "cut off|damaged"),
    "cut gzip": (FORMS["docker-gzip"][:-20], "damaged"),
    "manifest": (tar([entry("manifest.json", b"{")]), "manifest.json"),
    "manifest twice": (tar([entry("manifest.json", b"[]"), entry("manifest.json", b"[]")]), "twice"),
    "manifest outside": (
        tar([entry("manifest.json", b'[{"Config": "../../etc/passwd", "Layers": []}]')]),
        "leads out",
    ),
    "link outside": (
        tar([entry("manifest.json", b'[{"Config": "c", "Layers": []}]'), link("c", "/etc/passwd")]),
        "not in the archive",
    ),
    "blob": (changed(LAYOUT, "layer", b"\x1f\x8b", b"\x1f\x8c"), "digest|damaged"),
    "config": (changed(LAYOUT, digest(APP.config)[7:], b"A=b", b"A=c"), "digest"),
    "no layer": (packed({k: v for k, v in LAYOUT.items() if v[:2] != b"\x1f\x8b"}), "not in the archive"),
    "machine": (docker(Built((ONE,), architecture="m68k"), "app"), "linux/m68k, this machine is"),
    "platforms": (packed(oci((Built((ONE,), architecture="m68k"), FULL), index=True)), "only for linux/m68k"),
    "layers": (docker(Built(()), "app"), "0 layers"),
    "many": (docker(Built((TWO,) * 128), "app"), "128 layers"),
    "hostile": (docker(Built((tar([entry("../x", b"")]),)), "app"), "leads out"),
}


@pytest.mark.parametrize("fault", BAD)
def test_refused(store, disk, fault):
    """What is damaged, hostile or for another machine is refused with a reason, and leaves nothing."""
    content, match = BAD[fault]
    archive = disk / "archive"
    archive.write_bytes(content)
    with pytest.raises(BadArchive, match=match):
        load(str(archive), [], store)
    assert nothing(store)


def test_wrong_layer(store, disk):
    """A layer that isn't what the configuration says is refused, whatever its blob's digest."""
    archive = disk / "archive"
    files = dict(LAYOUT)
    manifest = next(key for key in files if b'"schemaVersion"' in files[key] and key.startswith("blobs"))
    other = gzip.compress(tar([entry("evil", b"x")]))
    told = json.loads(files.pop(manifest))
    told["layers"][1] |= {"digest": digest(other), "size": len(other)}
    content = json.dumps(told).encode()
    index = json.loads(files["index.json"])
    index["manifests"][0] |= {"digest": digest(content), "size": len(content)}
    files |= {f"blobs/sha256/{digest(c)[7:]}": c for c in (other, content)} | {"index.json": json.dumps(index).encode()}
    archive.write_bytes(packed(files))
    with pytest.raises(BadArchive, match="configuration says"):
        load(str(archive), [], store)
    assert nothing(store)


def test_names(store, disk):
    """Names that are reserved or none are refused, as is one name for several images."""
    archive = disk / "archive"
    archive.write_bytes(FORMS["docker"])
    for name in ("host", "docker.io/library/host:1", "app@" + digest(b""), "Upper:x"):
        with pytest.raises(BadName):
            load(str(archive), [name], store)
    several = oci((APP, FULL), (Built((ONE,)), {"io.containerd.image.name": "two:1"}))
    archive.write_bytes(packed(several))
    with pytest.raises(BadArchive, match="leave --as out"):
        load(str(archive), ["one"], store)
    assert nothing(store) and len(load(str(archive), [], store)) == 2


def test_removed(store, disk):
    """rm takes names, then images and layers that nobody has; what runs stays, and unknown names change nothing."""
    for number, built in enumerate((APP, Built((ONE,)))):
        (disk / "archive").write_bytes(docker(built, f"image{number}"))
        load(str(disk / "archive"), [], store)
    app = store.read().names["docker.io/library/image0:latest"]
    running = {app: "pod default/web on node1 of cluster dev"}
    with pytest.raises(InUse, match="pod default/web"):
        store.remove(["image1", "image0"], lambda: running)
    with pytest.raises(Unknown):
        store.remove(["image1", "none"], nobody)
    assert len(store.read().names) == 2
    load(str(disk / "archive"), ["image0"], store)  # the name goes to another image: the old one runs on
    store.sweep(lambda: running)
    assert app in store.read().images and store.has(store.read().images[app].layers[1])
    store.sweep(nobody)
    assert app not in store.read().images and len(list((store.path / "layers").iterdir())) == 1
    assert store.remove([digest(Built((ONE,)).config)[7:20]], nobody) == sorted(
        ["docker.io/library/image0:latest", "docker.io/library/image1:latest"]
    )
    assert nothing(store)


def test_who_runs_it(disk):
    """Run records that have no end tell who runs an image; damaged ones and ended ones don't."""
    place = disk / "dev/nodes/node1/kubelet/pods/u1/containers/main"
    for attempt, record in enumerate(({"image_id": "i1", "finished": 3.0}, {"image_id": "i2", "finished": None}, "{")):
        (place / str(attempt)).mkdir(parents=True)
        (place / str(attempt) / "run.json").write_text(record if isinstance(record, str) else json.dumps(record))
    told = {"io.kubernetes.pod.name": "web", "io.kubernetes.pod.namespace": "shop"}
    (place / "1/config.json").write_text(json.dumps({"annotations": told}))

    assert usage.in_use(disk) == {"i2": "pod shop/web on node1 of cluster dev"}


def test_at_the_same_time(store, disk):
    """Loads and removals at the same time end with what each of them asked for."""
    archives = []
    for number in range(4):
        path = disk / f"archive{number}"
        path.write_bytes(docker(Built((ONE, TWO, tar([entry(f"own{number}", b"")]))), f"image{number}"))
        archives.append(path)
    troubles: list[Exception] = []

    def work(path: Path) -> None:
        try:
            for _ in range(5):
                (name,) = load(str(path), [], store)[0].names
                store.remove([name], nobody)
            load(str(path), [], store)
        except Exception as error:
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(path,)) for path in archives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.read()

    assert troubles == [] and len(found.names) == 4
    assert all(store.has(chain) for image in found.images.values() for chain in image.layers)


LOADER = """
import sys
from pathlib import Path
from kube46.lab.images.loading import load
from kube46.lab.images.store import Store
print("go", flush=True)
load(sys.argv[1], [], Store(Path(sys.argv[2])))
"""


def test_killed(store, disk):
    """Killed at any instant, a load leaves an image whole or not at all, and the next command sweeps the rest."""
    layers = tuple(tar([entry(f"d{n}/f{m}", os.urandom(2000)) for m in range(60)]) for n in range(6))
    archive = disk / "archive"
    archive.write_bytes(docker(Built(layers), "killed"))
    for number in range(12):
        process = subprocess.Popen([sys.executable, "-c", LOADER, archive, store.path], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.read(2) == b"go"
        time.sleep(number * 0.008)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for image in store.read().images.values():
            assert [len(list(store.layer(chain).rglob("f*"))) for chain in image.layers] == [60] * 6
    store.sweep(nobody)

    found = store.read()
    assert not store.path.exists() or list((store.path / "staging").iterdir()) == []
    assert not found.images or len(list((store.path / "layers").iterdir())) == 6
    load(str(archive), [], store)
    assert store.remove(["killed"], nobody) and nothing(store)
