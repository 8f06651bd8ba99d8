"""hostPath volumes as the kernel shows them: their types, rights, and that nothing leads out."""

import ctypes
import json
import os
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest

from kernel.kubelet.conftest import container, wait
from kernel.kubelet.test_pods import main, output, phase
from kube46.lab import syscalls
from kube46.lab.kubelet.binding import open_place, take_over
from kube46.lab.kubelet.deleting import delete
from kube46.lab.kubelet.evicting import used
from kube46.lab.kubelet.places import Place
from kube46.lab.kubelet.security import ConfigError

AT_FDCWD, RENAME_EXCHANGE = -100, 2
pytestmark = [pytest.mark.root, pytest.mark.timeout(60)]


def host(name, path, kind=""):
    """A hostPath volume."""
    return {"name": name, "hostPath": {"path": str(path), "type": kind}}


def test_host_paths_are_of_their_types(node):
    """Directories and files are made where the type says so; what is of another type is an Event in kubelet's words."""
    shared = node.directory / "shared"
    shared.chmod(0o777)
    (shared / "v-file").write_text("file\n")
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(shared / "v-socket"))
    good = [
        host("made", shared / "v-made/deep", "DirectoryOrCreate"),
        host("new", shared / "v-new", "FileOrCreate"),
        host("file", shared / "v-file", "File"),
        host("socket", shared / "v-socket", "Socket"),
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/m/{volume['name']}"} for volume in good]
    say = "echo in >/m/made/x && echo in >/m/new && cat /m/file && test -S /m/socket && echo fine"
    node.apply(
        "v-good",
        restartPolicy="Never",
        volumes=good,
        containers=[container("main", "sh", "-c", say, volumeMounts=mounts)],
    )
    bad = {
        "v-bad-dir": ("Directory", "v-file", "is not a directory"),
        "v-bad-file": ("File", "v-made", "is not a file"),
        "v-bad-sock": ("Socket", "v-file", "is not a socket file"),
        "v-bad-none": ("Directory", "v-none", "is not a directory"),
    }
    node.until("v-good", phase("Succeeded"))
    assert output(node, "v-good") == "file\nfine\n"
    assert [(shared / name).read_text() for name in ("v-made/deep/x", "v-new")] == ["in\n", "in\n"]
    for name, (kind, path, _) in bad.items():
        one = container("main", "true", volumeMounts=[{"name": "x", "mountPath": "/x"}])
        node.apply(name, restartPolicy="Never", volumes=[host("x", shared / path, kind)], containers=[one])
    for name, (_, path, text) in bad.items():
        wanted = f'MountVolume.SetUp failed for volume "x" : hostPath type check failed: {shared}/{path} {text}'
        wait(lambda name=name, wanted=wanted: ("FailedMount", wanted) in node.events(name) or None, wanted)
        assert main(node.pod(name))["state"]["waiting"]["reason"] == "ContainerCreating"
    assert not (shared / "v-none").exists()
    (shared / "v-none").mkdir()  # what was missing comes, and the pod goes on
    node.until("v-bad-none", phase("Succeeded"))


def test_a_read_only_path_is_only_read(node):
    """A path that is allowed to be read is mounted so, with what is mounted below it, whatever the pod asks for."""
    fixed = node.directory / "fixed"
    (fixed / "below").mkdir(parents=True)
    (fixed / "file").write_text("read\n")
    node.run("mount", "-t", "tmpfs", "-o", "mode=777", "tmpfs", str(fixed / "below"))
    mounts = [{"name": "x", "mountPath": "/x"}, {"name": "x", "mountPath": "/s", "subPath": "file"}]
    say = "cat /x/file /s; for f in /x/new /x/below/new /x/file /s; do echo >$f || echo no; done 2>/dev/null"
    try:
        one = container("main", "sh", "-c", say, volumeMounts=mounts)
        node.apply("v-read", restartPolicy="Never", volumes=[host("x", fixed)], containers=[one])
        node.until("v-read", phase("Succeeded"))
        assert output(node, "v-read") == "read\nread\n" + "no\n" * 4
    finally:
        node.run("umount", str(fixed / "below"))


def test_the_whole_machine_is_a_masked_view(node):
    """hostPath `/` shows the machine as a container's own root does: read-only, without secrets or others' files."""
    say = (
        "cmp /host/etc/hostname /etc/hostname >/dev/null 2>&1; test -x /host/usr/bin/env && echo programs;"
        " wc -c </host/etc/shadow; cd /host; ls root home run tmp proc | grep -v : | grep . | wc -l;"
        " touch /host/new /host/root/new 2>/dev/null || echo read-only"
    )
    one = container("main", "sh", "-c", say, volumeMounts=[{"name": "x", "mountPath": "/host"}])
    one["securityContext"] = {"runAsUser": 0}
    node.apply("v-view", restartPolicy="Never", volumes=[host("x", "/")], containers=[one])
    node.until("v-view", phase("Succeeded"))
    assert output(node, "v-view") == "programs\n0\n0\nread-only\n"


def test_volumes_of_other_kinds_name_themselves(node):
    """A volume that no driver mounts is an Event of the pod, FailedMount, with its type."""
    volumes = [{"name": "x", "nfs": {"server": "s", "path": "/"}}]
    node.apply("v-nfs", volumes=volumes, containers=[container()])
    wait(lambda: ("FailedMount", "spec.volumes[0].nfs is not supported") in node.events("v-nfs") or None, "the Event")
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "v-none"}}
    claim["spec"] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "",
    }
    node.kubectl("create", "-f", "-", input=json.dumps(claim))
    node.apply(
        "v-claim", volumes=[{"name": "x", "persistentVolumeClaim": {"claimName": "v-none"}}], containers=[container()]
    )
    wanted = 'MountVolume.SetUp failed for volume "x" : error processing PVC default/v-none: PVC is not bound'
    wait(lambda: ("FailedMount", wanted) in node.events("v-claim") or None, wanted)


def test_a_group_takes_a_volume_over_without_following_links(tmp_path):
    """fsGroup reaches files and directories of the volume, and neither a link's target nor the machine behind it."""
    outside, data = tmp_path / "outside", tmp_path / "v/data"
    (data / "deep").mkdir(parents=True)
    outside.write_text("machine")
    outside.chmod(0o600)
    (data / "deep/file").write_text("data")
    (data / "deep/file").chmod(0o640)
    (data / "link").symlink_to(outside)
    (data / "up").symlink_to("../../..")
    place = Place(tmp_path / "v", "data", "Directory")
    take_over(place, 4711, only_when_wrong=False)
    assert (outside.stat().st_gid, outside.stat().st_mode & 0o777) == (0, 0o600)
    assert [(p.stat().st_gid, oct(p.stat().st_mode & 0o7777)) for p in (data, data / "deep", data / "deep/file")] == [
        (4711, "0o2775"), (4711, "0o2775"), (4711, "0o660"),
    ]  # fmt: skip
    (data / "late").touch()
    take_over(place, 4711, only_when_wrong=True)
    os.chown(data / "late", 0, 0)
    take_over(place, 4711, only_when_wrong=True)
    assert (data / "late").stat().st_gid == 0
    (tmp_path / "v/out").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="leads out"):
        take_over(Place(tmp_path / "v", "out", "Directory"), 4711, only_when_wrong=False)


def test_nothing_is_deleted_through_a_mount(tmp_path):
    """A directory of the kubelet's in which a volume is still mounted is deleted, the volume's data are not."""
    data, pod = tmp_path / "data", tmp_path / "pod with blanks"
    data.mkdir()
    (data / "precious").write_text("kept")
    (pod / "binds/0").mkdir(parents=True)
    (pod / "binds/file").touch()
    for source, target in ((data, pod / "binds/0"), (data / "precious", pod / "binds/file"), (data, pod / "binds/0")):
        syscalls.mount(source, target, flags=syscalls.MS_BIND)
    delete(pod)
    assert not pod.exists()
    assert (data / "precious").read_text() == "kept"


def test_a_volume_beyond_its_limit_ends_its_pod(node):
    """A pod that writes more to an emptyDir than its sizeLimit is evicted, in kubelet's words; another one stays."""
    volumes = [{"name": "cache", "emptyDir": {"sizeLimit": "1Mi"}}]
    mounts = [{"name": "cache", "mountPath": "/cache"}]
    for name, blocks in (("v-full", 40), ("v-fits", 4)):
        write = f"mkdir /cache/deep; dd if=/dev/zero of=/cache/deep/file bs=64k count={blocks} 2>&1; exec sleep 1000"
        node.apply(name, volumes=volumes, containers=[container("main", "sh", "-c", write, volumeMounts=mounts)])
    status = node.until("v-full", phase("Failed"))["status"]
    text = 'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". '
    assert (status["reason"], status["message"]) == ("Evicted", text)
    wait(lambda: "Evicted" in [reason for reason, _ in node.events("v-full")] or None, "the Event")
    assert node.pod("v-fits")["status"]["phase"] == "Running"


def test_a_pod_beyond_its_ephemeral_storage_ends(node):
    """A pod whose emptyDir and log take more than its containers' limits is evicted, in kubelet's words; one that has
    no limit stays."""
    mounts = [{"name": "cache", "mountPath": "/cache"}]
    write = "dd if=/dev/zero of=/cache/file bs=64k count=40 2>&1; exec sleep 1000"
    for name, limits in (("v-bound", {"ephemeral-storage": "1Mi"}), ("v-free", {})):
        wanted = container("main", "sh", "-c", write, volumeMounts=mounts, resources={"limits": limits})
        node.apply(name, volumes=[{"name": "cache", "emptyDir": {}}], containers=[wanted])
    status = node.until("v-bound", phase("Failed"))["status"]
    text = "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
    assert (status["reason"], status["message"]) == ("Evicted", text)
    assert node.pod("v-free")["status"]["phase"] == "Running"


def test_disk_is_counted_as_it_is_taken(tmp_path):
    """Files with two names count once, links as links, holes not at all."""
    (tmp_path / "one").write_bytes(b"x" * 65536)
    before = used(tmp_path)
    assert 65536 <= before <= 65536 + 8192
    os.link(tmp_path / "one", tmp_path / "two")
    (tmp_path / "out").symlink_to("/usr")
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 30)
    assert used(tmp_path) <= before + 8192
    assert used(tmp_path / "none") == 0


def test_a_path_that_changes_under_us_never_leads_out(tmp_path):
    """While somebody swaps a directory and a link to the machine's files, what is opened lies in the volume."""
    inside, outside = tmp_path / "v/data", tmp_path / "outside"
    outside.mkdir()
    inside.mkdir(parents=True)
    (tmp_path / "v/link").symlink_to(outside)
    libc, over = ctypes.CDLL(None), threading.Event()
    names = [os.fsencode(tmp_path / "v" / name) for name in ("data", "link")]

    def swap():
        while not over.is_set():
            libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE)

    thread = threading.Thread(target=swap)
    thread.start()
    opened = refused = 0
    try:
        while min(opened, refused) < 200:
            try:
                fd = open_place(Place(tmp_path / "v", "data/deep", "DirectoryOrCreate"))
            except (ConfigError, FileNotFoundError, NotADirectoryError):
                refused += 1
                continue
            opened += 1
            assert Path(f"/proc/self/fd/{fd}").readlink().is_relative_to(tmp_path / "v")
            os.close(fd)
    finally:
        over.set()
        thread.join()
    assert list(outside.iterdir()) == []
