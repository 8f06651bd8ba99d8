"""Volumes on the node's disk: what is made, refused and deleted."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from kube46.api.storage_objects import DELETION_FINALIZER, PROVISIONED_BY
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.noderestriction import admit
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.strategy import User
from kube46.lab.kubelet.provisioning import Refused, check, let_go, make, remove, volume_for
from unit.lab.controllers.storage import claim, storage_class, volume

if TYPE_CHECKING:
    from kube46.apiserver.transactions import Txn

PROVISIONER = User("kube46:provisioner:node1", ("kube46:provisioners", "system:authenticated"))


def test_directories_are_for_everybody_and_made_twice(tmp_path: Path) -> None:
    """What is in one already stays."""
    make(tmp_path / "v", "pvc-1")
    (tmp_path / "v/pvc-1/file").write_text("data")
    make(tmp_path / "v", "pvc-1")
    assert (tmp_path / "v/pvc-1").stat().st_mode & 0o777 == 0o777
    assert (tmp_path / "v").stat().st_mode & 0o777 == 0o711
    assert (tmp_path / "v/pvc-1/file").read_text() == "data"


def test_deleting_follows_no_link(tmp_path: Path) -> None:
    """Links in a volume, to files, directories and itself, are deleted as links; a second time does nothing."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/precious").write_text("kept")
    make(tmp_path / "v", "pvc-1")
    inside = tmp_path / "v/pvc-1"
    (inside / "dir").mkdir()
    (inside / "dir/out").symlink_to(tmp_path / "outside")
    (inside / "file").symlink_to(tmp_path / "outside/precious")
    (inside / "loop").symlink_to(".")
    remove(tmp_path / "v", "pvc-1")
    remove(tmp_path / "v", "pvc-1")
    remove(tmp_path / "none", "pvc-1")
    assert list((tmp_path / "v").iterdir()) == []
    assert (tmp_path / "outside/precious").read_text() == "kept"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "/etc"])
def test_only_a_volume_is_deleted(tmp_path: Path, name: str) -> None:
    """No name leads beside or above the volumes' directory."""
    make(tmp_path / "v", "pvc-1")
    with pytest.raises(ValueError, match="is no volume's directory"):
        remove(tmp_path / "v", name)
    assert (tmp_path / "v/pvc-1").is_dir()


def test_a_volume_that_is_a_link_is_not_deleted_through(tmp_path: Path) -> None:
    """Should the volume's own place be a link, deleting fails rather than follow it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/precious").write_text("kept")
    (tmp_path / "v").mkdir()
    (tmp_path / "v/pvc-1").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="symbolic link"):
        remove(tmp_path / "v", "pvc-1")
    assert (tmp_path / "outside/precious").read_text() == "kept"


@pytest.mark.parametrize(
    ("spec", "kind", "text"),
    [
        ({"volumeMode": "Block"}, {}, "volumeMode Block"),
        ({"selector": {}}, {}, "selector"),
        ({"dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "x"}}, {}, "dataSource"),
        ({}, {"mountOptions": ["ro"]}, "StorageClass fast: mountOptions"),
        ({}, {"parameters": {"size": "1", "a": "b"}}, "parameters a, size are not known"),
    ],
)
def test_what_cannot_be_had_is_named(spec: dict, kind: dict, text: str) -> None:
    """A claim or class that asks for more is refused by the name of what it asks for."""
    with pytest.raises(Refused, match=text):
        check(claim(**spec), storage_class(**kind))
    check(claim(), storage_class())


def test_a_volume_lies_on_its_node_and_goes_last() -> None:
    """It is local, reachable from its node alone, reserved for its claim, and has a finalizer for its data."""
    made = volume_for(claim(), storage_class(reclaimPolicy="Retain"), "node1", Path("/v/pvc-uid-data"))
    assert made["metadata"]["annotations"] == {PROVISIONED_BY: "local-path.kube46"}
    assert DELETION_FINALIZER in made["metadata"]["finalizers"]
    assert made["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert made["spec"]["claimRef"]["uid"] == "uid-data"
    admit(PROVISIONER, BY_PLURAL["persistentvolumes"], "", "pvc-uid-data", made, None, cast("Txn", None))


@pytest.mark.parametrize("spec", [{"hostPath": {"path": "/"}}, {"local": {"path": "/x"}}])
def test_a_node_writes_no_volumes_of_others(spec: dict) -> None:
    """The server refuses a node that would make a hostPath volume, or one on another node."""
    other = volume_for(claim(), storage_class(), "node2", Path("/v/pvc"))["spec"]["nodeAffinity"]
    with pytest.raises(StatusError, match="can only write local volumes that lie on itself"):
        body = {"metadata": {}, "spec": {**spec, "nodeAffinity": other}}
        admit(PROVISIONER, BY_PLURAL["persistentvolumes"], "", "v", body, None, cast("Txn", None))


@pytest.mark.parametrize(
    ("more", "gone"),
    [
        ({"phase": "Bound", "persistentVolumeReclaimPolicy": "Delete"}, False),
        ({"phase": "Released", "persistentVolumeReclaimPolicy": "Delete"}, True),
        ({"phase": "Released", "persistentVolumeReclaimPolicy": "Retain"}, False),
        ({"phase": "Failed", "persistentVolumeReclaimPolicy": "Delete"}, False),
        ({"deleted": True, "phase": "Bound"}, False),
    ],
)
def test_a_volume_is_let_go_after_its_claim(more: dict, gone: bool) -> None:
    """Only a released volume whose policy says so, or one that was deleted and that nobody else keeps."""
    assert let_go(volume(**more)) is gone
