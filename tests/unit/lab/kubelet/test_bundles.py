"""The OCI configuration, who a container runs as, and what it may not do."""

import pytest

from kube46.lab.kubelet.bundles import Bind, Plan, config
from kube46.lab.kubelet.manifests import Capabilities, Container, PodSecurityContext, PodSpec, SecurityContext
from kube46.lab.kubelet.seccomp import REFUSED, profile
from kube46.lab.kubelet.security import ConfigError, Identity, capabilities, identity

PLAN = Plan(
    arguments=("sleep", "1"),
    environment={"A": "1"},
    working_dir="",
    identity=Identity(1000, 1001, (5,)),
    capabilities={"bounding": []},
    root="/root-fs",
    namespaces={"network": "/run/netns/x", "ipc": "/ns/ipc"},
    disks=("/usr",),
    binds=(Bind("/vol", "/data"), Bind("/map", "/etc/map", read_only=True)),
    masks=("/run", "/root"),
    volumes=("/var/lib/redis",),
    views=("/host",),
    seccomp=profile("x86_64"),
    open_files=4096,
)


def mount(destination):
    """The mount of that place."""
    return next(m for m in config(PLAN)["mounts"] if m["destination"] == destination)


def test_process():
    """The program runs as the identity says, without new privileges, in / by default."""
    process = config(PLAN)["process"]

    assert process["user"] == {"uid": 1000, "gid": 1001, "additionalGids": [5]}
    assert (process["args"], process["env"], process["cwd"]) == (["sleep", "1"], ["A=1"], "/")
    assert process["noNewPrivileges"] is True
    assert process["terminal"] is False


def test_root_and_namespaces():
    """The root is read-only; pid and mount namespaces are new, the pod's others are joined."""
    found = config(PLAN)

    assert found["root"] == {"path": "/root-fs", "readonly": True}
    assert found["linux"]["namespaces"] == [
        {"type": "pid"},
        {"type": "mount"},
        {"type": "network", "path": "/run/netns/x"},
        {"type": "ipc", "path": "/ns/ipc"},
    ]


def test_mounts():
    """Masks come after the machine's disks and before volumes; what is read-only is mounted so."""
    order = [m["destination"] for m in config(PLAN)["mounts"]]

    assert order.index("/usr") < order.index("/run") < order.index("/data")
    assert "mode=1777" in mount("/run")["options"]
    assert "uid=1000" in mount("/root")["options"]
    assert order.index("/run") < order.index("/var/lib/redis") < order.index("/data")
    assert {"mode=1777", "size=512m"} <= set(mount("/var/lib/redis")["options"])
    assert "rw" in mount("/data")["options"]
    assert "ro" in mount("/etc/map")["options"]
    assert {"nosuid", "nodev"} <= set(mount("/data")["options"])
    assert "ro" in mount("/sys")["options"]


@pytest.mark.parametrize(
    ("own", "pod", "expected"),
    [
        ({}, {}, Identity(65534, 65534)),
        ({}, {"run_as_user": 10}, Identity(10, 10)),
        ({"run_as_user": 20}, {"run_as_user": 10, "run_as_group": 11}, Identity(20, 11)),
        ({"run_as_user": 0}, {}, Identity(0, 0)),
        ({}, {"fs_group": 7, "supplemental_groups": (8,)}, Identity(65534, 65534, (8, 7))),
    ],
    ids=["default", "pod", "own", "root", "groups"],
)
def test_identity(own, pod, expected):
    """The container's user wins over the pod's, that over the default; fsGroup is a further group."""
    spec = PodSpec(security_context=PodSecurityContext(**pod))

    assert identity(spec, Container(security_context=SecurityContext(**own)), 65534) == expected


def test_run_as_non_root():
    """runAsNonRoot with user 0 is refused, in kubelet's words."""
    container = Container(security_context=SecurityContext(run_as_user=0, run_as_non_root=True))

    with pytest.raises(ConfigError, match="runAsUser breaks non-root policy"):
        identity(PodSpec(), container, 65534)


def test_capabilities():
    """None by default; of those added, the allowed ones, in every set, so that other users than root have them."""
    asked = SecurityContext(capabilities=Capabilities(add=("NET_RAW", "CAP_CHOWN", "SYS_ADMIN")))

    none = capabilities(Container())
    assert none.pop("bounding") == ["CAP_NET_RAW"]
    assert set(map(tuple, none.values())) == {()}
    bare = Container(security_context=SecurityContext(capabilities=Capabilities(drop=("ALL",))))
    assert capabilities(bare)["bounding"] == []
    assert set(map(tuple, capabilities(Container(security_context=asked)).values())) == {("CAP_CHOWN", "CAP_NET_RAW")}


def test_seccomp_refuses_by_name_and_by_flag():
    """Mounting, loading code and new namespaces are refused, the latter by unshare, clone's flags and clone3."""
    rules = profile("x86_64")["syscalls"]
    flags = [r["args"][0]["value"] for r in rules if r["names"] == ["clone"]]

    assert {"mount", "bpf", "kexec_load", "keyctl", "unshare", "ptrace", "init_module"} <= set(rules[0]["names"])
    assert 0x10000000 in flags  # CLONE_NEWUSER
    assert {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38} in rules


def test_no_system_call_is_listed_twice():
    """The table is a partition."""
    names = " ".join(REFUSED.values()).split()

    assert len(names) == len(set(names))


def test_a_view_of_the_machine_is_masked_as_its_root_is():
    """Where the machine's file system is bound again, its private directories and secrets are hidden there too."""
    found = config(PLAN)
    laid = {entry["destination"]: entry for entry in found["mounts"] if entry["destination"].startswith("/host/")}
    assert set(laid) == {"/host/usr", "/host/run", "/host/root"}
    assert laid["/host/root"]["type"] == "tmpfs"
    assert "ro" in laid["/host/root"]["options"]
    assert {"/etc/shadow", "/host/etc/shadow", "/host/etc/ssh"} <= set(found["linux"]["maskedPaths"])
