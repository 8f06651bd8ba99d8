"""Volumes' files: what they are, and how a directory changes all at once."""

import os

import pytest

from kube46.api.objects import Meta
from kube46.lab.kubelet import binding, trees
from kube46.lab.kubelet.environment import Context
from kube46.lab.kubelet.manifests import (
    ConfigMapVolume,
    DownwardFile,
    DownwardVolume,
    EmptyDir,
    KeyPath,
    ObjectField,
    PodSpec,
    ProjectedVolume,
    Projection,
    ReadPod,
    SecretVolume,
    TokenSource,
    Volume,
)
from kube46.lab.kubelet.security import ConfigError
from kube46.lab.kubelet.volumes import File, payload, references, refreshes, token_requests

POD = ReadPod(Meta(name="p", labels={"a": "b"}), PodSpec())
CONTEXT = Context(pod=POD, config_maps={"map": {"a": b"1", "b": b"2"}}, secrets={"secret": {"k": b"s"}})
TOKEN = TokenSource(audience="x", expiration_seconds=600, path="token")
PROJECTED = ProjectedVolume(
    sources=(
        Projection(config_map=ConfigMapVolume(name="map", items=(KeyPath(key="a", path="d/a", mode=0o400),))),
        Projection(secret=SecretVolume(name="secret")),
        Projection(service_account_token=TOKEN),
        Projection(
            downward_api=DownwardVolume(
                items=(DownwardFile(path="l", field_ref=ObjectField(field_path="metadata.labels")),)
            )
        ),
    ),
    default_mode=0o440,
)

CASES = {
    "config map": (Volume(config_map=ConfigMapVolume(name="map")), {"a": File(b"1"), "b": File(b"2")}),
    "items": (
        Volume(config_map=ConfigMapVolume(name="map", items=(KeyPath(key="b", path="x/y"),), default_mode=0o600)),
        {"x/y": File(b"2", 0o600)},
    ),
    "secret": (Volume(secret=SecretVolume(secret_name="secret")), {"k": File(b"s")}),
    "optional": (Volume(secret=SecretVolume(secret_name="no", optional=True)), {}),
    "projected": (
        Volume(projected=PROJECTED),
        {
            "d/a": File(b"1", 0o400),
            "k": File(b"s", 0o440),
            "token": File(b"jwt", private=True),
            "l": File(b'a="b"', 0o440),
        },
    ),
    "empty": (Volume(empty_dir=EmptyDir()), None),
}


@pytest.mark.parametrize(("volume", "files"), CASES.values(), ids=CASES.keys())
def test_payload(volume, files):
    """Each kind of volume has its files with their modes."""
    assert payload(volume, CONTEXT, {("x", 600): "jwt"}) == files


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (ConfigMapVolume(name="no"), 'configmap "no" not found'),
        (ConfigMapVolume(name="map", items=(KeyPath(key="z", path="z"),)), "non-existent config key: z"),
        (ConfigMapVolume(name="map", items=(KeyPath(key="a", path="../a"),)), "leaves its volume"),
        (ConfigMapVolume(name="map", items=(KeyPath(key="a", path="/a"),)), "leaves its volume"),
    ],
    ids=["object", "key", "dots", "absolute"],
)
def test_refused(source, text):
    """A missing object or key is named; no path leaves its volume."""
    with pytest.raises(ConfigError, match=text):
        payload(Volume(config_map=source), CONTEXT, {})


def test_what_volumes_need():
    """ConfigMaps, Secrets and tokens are found wherever they are mounted."""
    spec = PodSpec(volumes=(Volume(projected=PROJECTED), Volume(secret=SecretVolume(secret_name="other"))))

    assert references(spec) == ({"map"}, {"secret", "other"})
    assert token_requests(spec) == {("x", 600)}
    assert refreshes(spec)
    assert not refreshes(PodSpec(volumes=(Volume(empty_dir=EmptyDir()),)))


def content(directory):
    """What a container sees in the directory."""
    return {name: (directory / name).read_bytes() for name in ("a", "d/b") if (directory / name).exists()}


@pytest.mark.root
def test_update_replaces_all_at_once(tmp_path):
    """A change moves one link; what is gone disappears; an update without change does nothing."""
    group = os.getgid()
    assert trees.update(tmp_path, {"a": File(b"1", 0o640), "d/b": File(b"2")}, user=None, group=group)
    before = (tmp_path / "..data").readlink()
    assert not trees.update(tmp_path, {"a": File(b"1", 0o640), "d/b": File(b"2")}, user=None, group=group)

    assert content(tmp_path) == {"a": b"1", "d/b": b"2"}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert trees.update(tmp_path, {"a": File(b"3")}, user=None, group=group)
    assert content(tmp_path) == {"a": b"3"}
    assert not (tmp_path / before).exists()
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("..")) == ["a"]


@pytest.mark.root
def test_private_files(tmp_path):
    """A token is readable to its one user only; without one user, to all of the pod."""
    trees.update(tmp_path / "one", {"t": File(b"jwt", private=True)}, user=os.getuid(), group=None)
    trees.update(tmp_path / "many", {"t": File(b"jwt", private=True)}, user=None, group=None)

    assert (tmp_path / "one/t").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "many/t").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("sub_path", ["../x", "/etc", "a/../../x", "link/x"])
def test_sub_paths_stay_inside(tmp_path, sub_path):
    """Neither dots nor a link leads a subPath out of its volume."""
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "link").symlink_to("/etc")
    with pytest.raises((ConfigError, FileNotFoundError)):
        binding.bind_inside(volume, sub_path, tmp_path / "target")

    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "target").exists()
