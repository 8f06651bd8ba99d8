"""Image names: what they run, and what is said when they can't."""

import tomllib
from pathlib import Path

import pytest

from kube46.lab.kubelet.images import PACKAGED, Catalogue, Image, ImageError, load, resolve

SAY = '[[image]]\nnames = ["say", "nginx"]\nentrypoint = ["echo"]\nfiles = { "/conf" = "say.conf" }\n'


def test_packaged_files_exist():
    """Every file that a packaged image binds is there; a script of it is executable by everybody."""
    images = load(sorted(PACKAGED.glob("*.toml")))
    files = [(path, source) for image in images.values() for path, source in image.files.items()]

    assert files
    for path, source in files:
        mode = (PACKAGED / source).stat().st_mode
        assert mode & 0o444 == 0o444
        assert mode & 0o111 == (0 if path.startswith("/etc/") else 0o111)


@pytest.mark.parametrize(
    "name",
    [
        "registry.k8s.io/e2e-test-images/agnhost:2.53",
        "registry.k8s.io/pause:3.10",
        "docker.io/library/nginx:1.27@sha256:0123",
        "library/busybox",
        "alpine",
        "host",
    ],
)
def test_packaged_names(name):
    """The names of well-known images stand for programs of the machine, with any tag or digest."""
    assert resolve(load(sorted(PACKAGED.glob("*.toml"))), name)


def test_own_files_replace_packaged_ones(tmp_path):
    """--image-dir comes after the packaged names, and a changed file counts at once; sources lie beside the file."""
    catalogue = Catalogue(tmp_path)
    (tmp_path / "10.toml").write_text(SAY)

    assert catalogue.resolve("nginx") == Image("say", ("echo",), files={"/conf": str(tmp_path / "say.conf")})
    (tmp_path / "10.toml").unlink()
    with pytest.raises(ImageError, match='image "say" is not on this node'):
        catalogue.resolve("say")


def test_missing_program_names_its_package(tmp_path):
    """An image whose program is not installed says how to install it."""
    (tmp_path / "10.toml").write_text('[[image]]\nnames = ["x"]\nneeds = { program = "no-such", package = "such" }\n')

    with pytest.raises(ImageError, match="runs no-such of this machine, which is not installed: apt-get install such"):
        Catalogue(tmp_path).resolve("x:1")


@pytest.mark.parametrize("text", ["[[image]]\nnames = []", "[[image]]\nname = 'x'", "[image", "[[image]]\nnames = 3"])
def test_bad_file_is_named(tmp_path, text):
    """A file that can't be read is named, whatever image was asked for."""
    (tmp_path / "10.toml").write_text(text)

    with pytest.raises(ImageError, match=r"10\.toml"):
        Catalogue(tmp_path).resolve("host")


def test_volumes_of_an_image(tmp_path):
    """An image may have directories that are its containers' to write."""
    (tmp_path / "10.toml").write_text('[[image]]\nnames = ["x"]\nvolumes = ["/data"]\n')

    assert Catalogue(tmp_path).resolve("x").volumes == ("/data",)


def test_needs_are_programs():
    """What a packaged entry runs is a file of ours, a path, or a program whose package is named."""
    for entry in tomllib.loads((PACKAGED / "00-kube46.toml").read_text())["image"]:
        first = next(iter(entry.get("entrypoint", [])), "/")
        own = {Path(path).name for path in entry.get("files", {})}
        assert first.startswith("/") or entry["needs"]["program"] == first or first in own
