"""Who an image's containers run as."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.lab.kubelet import signals
from kube46.lab.kubelet.manifests import Container, PodSpec
from kube46.lab.kubelet.manifests.security import Capabilities, PodSecurityContext, SecurityContext
from kube46.lab.kubelet.mapping import base_of
from kube46.lab.kubelet.security import ConfigError, Identity, image_capabilities
from kube46.lab.kubelet.users import accounts, identity

KNOWN = accounts(
    "root:x:0:0:root:/root:/bin/sh\nbroken\nredis:x:999:998::/data:/bin/sh\nbig:x:99999999999:0::/:\n",
    "root:x:0:\nredis:x:998:\nextra:x:77:redis,nobody\nalso:x:78:redis\nbad:x:y:redis\n",
)


@pytest.mark.parametrize(
    ("user", "own", "pod", "wanted", "home"),
    [
        ("", {}, {}, Identity(0, 0), "/root"),
        ("redis", {}, {}, Identity(999, 998, (77, 78)), "/data"),
        ("999", {}, {}, Identity(999, 998, (77, 78)), "/data"),
        ("redis:root", {}, {}, Identity(999, 0), "/data"),
        ("999:1000", {}, {}, Identity(999, 1000), "/data"),
        ("1234", {}, {}, Identity(1234, 0), "/"),
        ("redis", {"run_as_user": 5}, {"run_as_user": 6}, Identity(5, 0), "/"),
        ("redis", {}, {"run_as_user": 999}, Identity(999, 998, (77, 78)), "/data"),
        ("redis:root", {}, {"run_as_user": 999}, Identity(999, 998, (77, 78)), "/data"),
        ("redis", {"run_as_group": 4}, {}, Identity(999, 4, (77, 78)), "/data"),
        ("", {}, {"fs_group": 55, "supplemental_groups": (66, 77)}, Identity(0, 0, (66, 77, 55)), "/root"),
        ("redis", {}, {"fs_group": 77}, Identity(999, 998, (77, 78)), "/data"),
        ("999", {"run_as_non_root": True}, {}, Identity(999, 998, (77, 78)), "/data"),
        ("", {"run_as_non_root": False}, {"run_as_non_root": True}, Identity(0, 0), "/root"),
    ],
)
def test_identity(user, own, pod, wanted, home):
    """The pod's settings come before the image's; groups add up, each once."""
    spec = PodSpec(security_context=PodSecurityContext(**pod))
    assert identity(spec, Container(security_context=SecurityContext(**own)), user, KNOWN) == (wanted, home)


@pytest.mark.parametrize(
    ("user", "own", "text"),
    [
        ("nobody", {}, "unable to find user nobody"),
        ("redis:none", {}, "unable to find group none"),
        ("big", {}, "unable to find user big"),
        ("9" * 5000, {}, "unable to find user 9"),
        ("", {"run_as_non_root": True}, "image will run as root"),
        ("0", {"run_as_non_root": True}, "image will run as root"),
        ("redis", {"run_as_non_root": True}, "non-numeric user"),
        ("999", {"run_as_non_root": True, "run_as_user": 0}, "breaks non-root policy"),
    ],
)
def test_refused(user, own, text):
    """Unknown names, and root where none may be, are refused in kubelet's and containerd's words."""
    with pytest.raises(ConfigError, match=text):
        identity(PodSpec(), Container(security_context=SecurityContext(**own)), user, KNOWN)


@given(st.text(), st.text(), st.text())
def test_any_files(passwd, group, user):
    """Whatever an image's files say, there is an identity of numbers that can be one, or a refusal."""
    try:
        who, _ = identity(PodSpec(), Container(), user, accounts(passwd, group))
    except ConfigError:
        return
    assert all(0 <= number < 2**31 for number in (who.uid, who.gid, *who.groups))


@given(st.uuids().map(str))
def test_ids_of_a_pod(uid):
    """A pod's ids begin at a block of 65,536 in the range that nobody else uses, the same each time."""
    base = base_of(uid)
    assert base % 65536 == 0 and base >= 0x70000000 and base + 65536 <= 0x7FFD0000
    assert base == base_of(uid)


def test_capabilities():
    """Docker's set, less what is dropped, with what is added and allowed; only that is ambient."""

    def named(add=(), drop=()):
        return image_capabilities(Container(security_context=SecurityContext(capabilities=Capabilities(add, drop))))

    plain, none = named(), named(drop=("ALL",))
    assert {"CAP_SETUID", "CAP_CHOWN", "CAP_DAC_OVERRIDE"} <= set(plain["effective"]) and not plain["ambient"]
    assert not {"CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SYS_PTRACE"} & set(plain["bounding"])
    assert not any(none.values())
    assert named(("CAP_KILL", "SYS_ADMIN"), ("ALL",))["effective"] == ["CAP_KILL"]
    assert named(("KILL",), ("ALL",))["ambient"] == ["CAP_KILL"]
    assert "CAP_CHOWN" not in named(drop=("CHOWN",))["bounding"]


@pytest.mark.parametrize(
    ("name", "number"),
    [("", 15), ("SIGQUIT", 3), ("quit", 3), ("3", 3), ("SIGRTMIN+3", 37), ("SIGRTMAX-1", 63), ("SIGRTMIN+99", 15),
     ("SIG_DFL", 15), ("0", 15), ("999", 15), ("nonsense", 15), ("SIGNALS", 15),
     ("9" * 5000, 15), ("SIGRTMIN+" + "9" * 5000, 15)],
)  # fmt: skip
def test_signals(name, number):
    """StopSignal by name, number and real-time offset; what is none is SIGTERM."""
    assert signals.number(name) == number
