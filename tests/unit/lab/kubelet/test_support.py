"""Unsupported fields are named, images resolved, settings checked."""

import pytest

from kube46.lab.kubelet.images import Catalogue, Image, ImageError
from kube46.lab.kubelet.manifests import Container
from kube46.lab.kubelet.settings import Settings, SettingsError
from kube46.lab.kubelet.support import by_reason, unsupported

# What the API server's defaulting adds to a pod, and what other parts read.
PLAIN = {
    "containers": [
        {
            "name": "main",
            "image": "host",
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "livenessProbe": {
                "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
                "timeoutSeconds": 1,
                "periodSeconds": 10,
                "successThreshold": 1,
                "failureThreshold": 3,
            },
            "ports": [{"containerPort": 80, "protocol": "TCP"}],
        }
    ],
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "serviceAccountName": "default",
    "serviceAccount": "default",
    "nodeName": "n",
    "securityContext": {},
    "schedulerName": "default-scheduler",
    "priority": 0,
    "enableServiceLinks": True,
    "preemptionPolicy": "PreemptLowerPriority",
    "tolerations": [{"key": "x", "operator": "Exists"}],
    "nodeSelector": {"a": "b"},
    "affinity": {"nodeAffinity": {"x": 1}},
    "volumes": [
        {
            "name": "t",
            "projected": {
                "defaultMode": 420,
                "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    {
                        "downwardAPI": {
                            "items": [
                                {
                                    "path": "namespace",
                                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                                }
                            ]
                        }
                    },
                ],
            },
        }
    ],
    "hostPID": False,
    "hostUsers": True,
}


def test_a_usual_pod_is_supported():
    """All that the API server adds to a pod, and all that concerns other parts, is fine."""
    assert unsupported(PLAIN) == []


CASES = {
    "pod": ({"overhead": {}, "resourceClaims": [{"name": "x"}]}, "spec.resourceClaims is not supported"),
    "runtime": ({"runtimeClassName": "gvisor"}, "spec.runtimeClassName is not supported"),
    "volume": ({"volumes": [{"name": "x", "nfs": {"server": "s"}}]}, "spec.volumes[0].nfs is not supported"),
    "sysctl": (
        {"securityContext": {"sysctls": [{"name": "kernel.panic", "value": "1"}]}},
        "spec.securityContext.sysctls: kernel.panic",
    ),
    "huge": ({"volumes": [{"name": "x", "emptyDir": {"medium": "HugePages"}}]}, "medium: 'HugePages' is not supported"),
}
IN_CONTAINER = {
    "privileged": ({"securityContext": {"privileged": True}}, "spec.containers[0].securityContext.privileged is not"),
    "escalation": ({"securityContext": {"allowPrivilegeEscalation": True}}, "allowPrivilegeEscalation: True is not"),
    "capability": (
        {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
        "capabilities.add: SYS_ADMIN is not allowed",
    ),
    "seccomp": (
        {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
        "seccompProfile.type: 'Unconfined' is not",
    ),
    "stop signal": (
        {"lifecycle": {"stopSignal": "SIGUSR1"}},
        "spec.containers[0].lifecycle.stopSignal is not supported",
    ),
    "device": ({"volumeDevices": [{"name": "x"}]}, "spec.containers[0].volumeDevices is not supported"),
    "propagation": ({"volumeMounts": [{"name": "x", "mountPropagation": "Bidirectional"}]}, "'Bidirectional' is not"),
}


@pytest.mark.parametrize(("fields", "text"), CASES.values(), ids=CASES.keys())
def test_pod_fields(fields, text):
    """A field of the pod that can't be honoured is named by its path."""
    assert text in "\n".join(unsupported(PLAIN | fields))


@pytest.mark.parametrize(("fields", "text"), IN_CONTAINER.values(), ids=IN_CONTAINER.keys())
def test_container_fields(fields, text):
    """A field of a container that can't be honoured is named by its path."""
    found = unsupported(PLAIN | {"containers": [{"name": "main", "image": "host", **fields}]})

    assert text in "\n".join(found)


def test_volumes_are_told_as_failed_mounts():
    """What is wrong with a volume has kubelet's reason, what is wrong elsewhere our own."""
    found = by_reason(["spec.volumes[0].nfs is not supported", "spec.hostPID is not supported"])
    assert found == {
        "FailedMount": ["spec.volumes[0].nfs is not supported"],
        "UnsupportedField": ["spec.hostPID is not supported"],
    }


IMAGES = """
[[image]]
names = ["nginx", "registry.example/deep/app:2"]
entrypoint = ["nginx"]
command = ["-g", "daemon off;"]
environment = {A = "1"}
"""


@pytest.fixture
def catalogue(tmp_path):
    """A directory with one file of images."""
    (tmp_path / "10.toml").write_text(IMAGES)
    return Catalogue(tmp_path)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("host", "host"),
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("docker.io/library/nginx:1.27@sha256:abc", "nginx"),
        ("registry.example/deep/app:2", "nginx"),
        ("registry.example/deep/app:3", None),
        ("registry.example:5000/nginx", None),
        ("", None),
    ],
)
def test_image_names(catalogue, name, found):
    """Names are found with and without tag, digest and Docker's registry; others are refused with advice."""
    if found is None:
        with pytest.raises(ImageError, match="use `image: host`"):
            catalogue.resolve(name)
    else:
        assert catalogue.resolve(name).name == found


def test_changed_images_count_at_once(catalogue, tmp_path):
    """A new file is seen by the next look; a broken one is named."""
    (tmp_path / "20.toml").write_text('[[image]]\nnames = ["new"]\n')
    assert catalogue.resolve("new").name == "new"
    (tmp_path / "30.toml").write_text("[[image]]\nname = 1\n")
    with pytest.raises(ImageError, match=r"30\.toml: Object missing required field `names`|30\.toml: .*unknown field"):
        catalogue.resolve("new")


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [((), (), "e c"), (("x",), (), "x"), ((), ("y",), "e y"), (("x",), ("y",), "x y")],
    ids=["none", "command", "args", "both"],
)
def test_arguments(command, args, expected):
    """command replaces entrypoint and arguments, args the arguments only (as Kubernetes documents it)."""
    assert " ".join(Image("i", ("e",), ("c",)).arguments(command, args)) == expected


@pytest.mark.parametrize(
    ("ips", "text"),
    [
        ((), "either a single IP or a dual-stack pair"),
        (("10.0.0.1", "10.0.0.2"), "either a single IP or a dual-stack pair"),
        (("10.0.0.1", "::"), "cannot include '0.0.0.0' or '::'"),
        (("x",), "--node-ip: 'x'"),
    ],
)
def test_bad_node_addresses(ips, text):
    """One address or one of each family, none unspecified (semantics B-7)."""
    with pytest.raises(SettingsError, match=text):
        Settings(node_name="n", node_ips=ips)


@pytest.mark.parametrize(
    ("ips", "order"), [(("fd00::1", "10.0.0.1"), ["IPv6", "IPv4"]), (("10.0.0.1",), ["IPv4", "IPv6"])]
)
def test_family_order(ips, order):
    """Pods' addresses come in the order of the node's, then the other family (semantics B-11)."""
    assert [str(f) for f in Settings(node_name="n", node_ips=ips).family_order] == order


def test_sidecars_are_known_by_their_restart_policy():
    """Only restartPolicy Always makes a sidecar."""
    assert Container(restart_policy="Always").sidecar
    assert not Container().sidecar
