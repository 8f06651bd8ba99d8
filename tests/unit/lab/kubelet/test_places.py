"""Where hostPaths and claims lie, and what is refused in which words."""

from pathlib import Path

import pytest

from kube46.api.objects import Meta, OwnerReference
from kube46.api.storage_objects import ClaimSpec, ClaimStatus, PersistentVolumeClaim
from kube46.lab.hostpaths import HostPath
from kube46.lab.kubelet.manifests import Volume
from kube46.lab.kubelet.manifests.volumes import ClaimSource, Ephemeral
from kube46.lab.kubelet.manifests.volumes import HostPath as HostPathSource
from kube46.lab.kubelet.places import Claimed, Grounds, Place, complaint, host_path, made_as, place_of
from kube46.lab.kubelet.security import ConfigError

POD = Meta(name="web", namespace="shop", uid="pod-1")
GROUNDS = Grounds(
    roots=(HostPath("/srv"), HostPath("/srv/fixed", read_only=True), HostPath("/etc/motd", read_only=True)),
    provisioned=Path("/var/lib/kubelet/local-volumes"),
    node_name="node1",
    labels={"kubernetes.io/hostname": "node1"},
    mend="kube46 up --name dev --allow-host-path DIR",
)


def bound(spec: dict, *, phase: str = "Bound", uid: str = "u", owner: str = "") -> Claimed:
    """A claim that is bound to a volume with such a source."""
    owners = (OwnerReference(uid=owner),) if owner else ()
    meta = Meta(name="data", namespace="shop", uid="u", owner_references=owners)
    claim = PersistentVolumeClaim(metadata=meta, spec=ClaimSpec(volume_name="disk"), status=ClaimStatus(phase))
    ref = {"namespace": "shop", "name": "data", "uid": uid}
    return Claimed(claim, {"metadata": {"name": "disk"}, "spec": {"claimRef": ref, **spec}})


def on(node: str) -> dict:
    """The affinity of a volume that lies on a node."""
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}


CLAIM = Volume("v", persistent_volume_claim=ClaimSource("data"))


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/srv", Place(Path("/srv"))),
        ("/srv/", Place(Path("/srv"))),
        ("//srv/a/b", Place(Path("/srv"), "a/b")),
        ("/srv/fixed/x", Place(Path("/srv/fixed"), "x", read_only=True)),
        ("/srv/fixedly", Place(Path("/srv"), "fixedly")),
        ("/etc/motd", Place(Path("/etc/motd"), read_only=True)),
        ("/", Place(Path("/"), kind="Directory", read_only=True, view=True)),
    ],
)
def test_the_longest_allowed_path_counts(path, place):
    """A hostPath is opened from the nearest allowed directory, with its rights; `/` is the masked view."""
    assert host_path(path, "", GROUNDS) == place


@pytest.mark.parametrize("path", ["/etc", "/etc/passwd", "/srvx", "/srv/../etc", "/etc/motd.d", "/var/lib/kubelet"])
def test_other_paths_are_refused_with_the_mend(path):
    """What no allowed path holds is refused, and the flag that allows it is named."""
    text = f"hostPath {path} is outside .*--name dev --allow-host-path {path}`"
    with pytest.raises(ConfigError, match=text) as caught:
        host_path(path, "", GROUNDS)
    assert caught.value.reason == "FailedMount"


def test_devices_and_the_view_of_a_file_are_refused():
    """Containers get no devices, and `/` is no file."""
    with pytest.raises(ConfigError, match="CharDevice is not supported"):
        host_path("/srv/tty", "CharDevice", GROUNDS)
    with pytest.raises(ConfigError, match="outside"):
        host_path("/", "File", GROUNDS)


@pytest.mark.parametrize(
    ("kind", "mode", "text"),
    [
        ("", None, "does not exist"),
        ("", 0o100644, ""),
        ("Directory", 0o040755, ""),
        ("Directory", 0o100644, "hostPath type check failed: /srv/x is not a directory"),
        ("Directory", None, "is not a directory"),
        ("DirectoryOrCreate", 0o100644, "is not a directory"),
        ("File", 0o040755, "hostPath type check failed: /srv/x is not a file"),
        ("FileOrCreate", 0o100644, ""),
        ("Socket", 0o140755, ""),
        ("Socket", 0o100644, "hostPath type check failed: /srv/x is not a socket file"),
        ("exists", None, 'path "/srv/x" does not exist'),
    ],
)
def test_what_is_there_must_be_of_the_kind(kind, mode, text):
    """The types of hostPath are checked as kubelet checks them."""
    found = complaint(Place(Path("/srv"), "x", kind), mode)
    assert text in found
    assert bool(text) == bool(found)


def test_nothing_is_made_where_only_reading_is_allowed():
    """Only a writable place makes what lacks, as its kind says."""
    made = {kind: made_as(Place(Path("/srv"), "x", kind)) for kind in ("", "DirectoryOrCreate", "FileOrCreate", "File")}
    assert made == {"": "directory", "DirectoryOrCreate": "directory", "FileOrCreate": "file", "File": ""}
    assert made_as(Place(Path("/srv"), "x", "DirectoryOrCreate", read_only=True)) == ""


def test_claims_lead_to_their_volumes():
    """A provisioned volume, a static local one and a hostPath are found; `readOnly` of the pod is kept."""
    own = bound({"local": {"path": "/var/lib/kubelet/local-volumes/pvc-1"}, **on("node1")})
    assert place_of(CLAIM, POD, {"data": own}, GROUNDS) == Place(GROUNDS.provisioned, "pvc-1", "Directory", owned=True)
    static = bound({"local": {"path": "/srv/disk"}, **on("node1")})
    assert place_of(CLAIM, POD, {"data": static}, GROUNDS) == Place(Path("/srv"), "disk", "exists", owned=True)
    read = Volume("v", persistent_volume_claim=ClaimSource("data", read_only=True))
    host = bound({"hostPath": {"path": "/srv/h", "type": "Directory"}})
    assert place_of(read, POD, {"data": host}, GROUNDS) == Place(Path("/srv"), "h", "Directory", read_only=True)
    assert place_of(Volume("v", host_path=HostPathSource("/srv/a")), POD, {}, GROUNDS) == Place(Path("/srv"), "a")
    assert place_of(Volume("v"), POD, {}, GROUNDS) is None


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Claimed(), 'error processing PVC shop/data: failed to fetch PVC .* persistentvolumeclaims "data" not found'),
        (bound({}, phase="Pending"), "error processing PVC shop/data: PVC is not bound"),
        (Claimed(bound({}).claim), 'failed to fetch PV disk from API server: persistentvolumes "disk" not found'),
        (bound({"hostPath": {"path": "/srv"}}, uid="other"), "claimRef.uid other does not match PVC.UID u"),
        (bound({"local": {"path": "/srv/disk"}, **on("node2")}), "no matching NodeSelectorTerms"),
        (bound({"nfs": {"server": "s", "path": "/"}}), "its type nfs is not supported here; hostPath and local are"),
        (bound({"hostPath": {"path": "/srv"}, "volumeMode": "Block"}), "volumeMode Block is not supported"),
        (bound({"local": {"path": "/var/lib/kubelet/local-volumes/../pods"}, **on("node1")}), "is outside of"),
        (bound({"local": {"path": "/var/lib/kubelet/local-volumes/a/b"}, **on("node1")}), "is outside of"),
    ],
)
def test_claims_that_lead_nowhere_are_told(found, text):
    """Each way in which a claim gives no directory has its text."""
    with pytest.raises(ConfigError, match=text):
        place_of(CLAIM, POD, {"data": found}, GROUNDS)


def test_a_generic_ephemeral_volume_takes_only_its_own_claim():
    """The claim POD-VOLUME must be owned by the pod: another of that name belongs to somebody."""
    volume, source = Volume("v", ephemeral=Ephemeral({"spec": {}})), {"hostPath": {"path": "/srv/e"}}
    mine, other = bound(source, owner="pod-1"), bound(source, owner="pod-2")
    assert place_of(volume, POD, {"web-v": mine}, GROUNDS) == Place(Path("/srv"), "e")
    with pytest.raises(ConfigError, match="was not created for pod shop/web"):
        place_of(volume, POD, {"web-v": other}, GROUNDS)
