"""Limits as the files of both versions of control groups."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.lab import hierarchies
from kube46.lab.kubelet.cgrouprules import (
    LIMITING,
    V1,
    V2,
    Kind,
    Limits,
    files,
    kinds,
    limits,
    numbers,
    oom_score_adjustment,
    pod_limits,
    shares,
    weight,
    working_set,
)
from kube46.lab.kubelet.cgroups import Cgroups
from kube46.lab.kubelet.manifests import Container, PodSpec, Resources
from kube46.lab.kubelet.support import unenforced

SYSTEMD_V2 = "0::/user.slice/user-1000.slice/session-1.scope\n"
HYBRID = "9:name=systemd:/\n8:pids:/\n6:freezer:/\n4:memory:/p/x\n2:cpu,cpuacct:/\n0::/\n"


def container(**resources: dict[str, str | int | float]) -> Container:
    """A container with limits and requests."""
    return Container(name="c", resources=Resources(**resources))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SYSTEMD_V2, [Kind(V2, ())]),
        (HYBRID, [Kind(V1, ("pids",)), Kind(V1, ("memory",)), Kind(V1, ("cpu", "cpuacct")), Kind(V2, ())]),
        ("", []),
    ],
)
def test_kinds(text: str, expected: list[Kind]) -> None:
    """Debian's pure version 2, a hybrid machine with controllers mounted together, and a kernel without any."""
    assert kinds(text) == expected


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, Limits(together=True)),
        ({"limits": {"memory": "32Mi"}}, Limits(memory=32 << 20, together=True)),
        ({"limits": {"cpu": "200m"}}, Limits(quota=20_000, shares=204, together=True)),
        ({"limits": {"cpu": "1m"}}, Limits(quota=1_000, shares=2, together=True)),
        ({"limits": {"cpu": 2}, "requests": {"cpu": "0.5"}}, Limits(quota=200_000, shares=512, together=True)),
        ({"requests": {"cpu": "500", "memory": "1Gi"}}, Limits(shares=262_144, together=True)),
    ],
)
def test_limits(resources: dict[str, dict[str, str | int | float]], expected: Limits) -> None:
    """Quota and weight are kubelet's; a request alone limits nothing."""
    assert limits(container(**resources)) == expected


def test_pod_limits() -> None:
    """A pod weighs what its containers ask for together, a limit standing for a request."""
    pod = [container(requests={"cpu": "250m"}), container(limits={"cpu": "250m"}), container()]
    assert pod_limits(pod, 4096) == Limits(shares=512, processes=4096)


WHOLE = Limits(memory=1 << 20, quota=20_000, shares=204, processes=9, together=True)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind(V1, ("cpu",)), {"cpu.shares": "204", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "20000"}),
        (Kind(V1, ("memory",)), {"memory.limit_in_bytes": "1048576", "memory.memsw.limit_in_bytes": "1048576"}),
        (Kind(V1, ("pids",)), {"pids.max": "9"}),
        (
            Kind(V2, ("cpu", "memory", "pids")),
            {
                "cpu.weight": "8",
                "cpu.max": "20000 100000",
                "memory.max": "1048576",
                "memory.swap.max": "0",
                "memory.oom.group": "1",
                "pids.max": "9",
            },
        ),
        (Kind(V2, ()), {}),
    ],
)
def test_files(kind: Kind, expected: dict[str, str]) -> None:
    """Each version's own files, and only those of controllers that the hierarchy has."""
    assert dict(files(WHOLE, kind)) == expected


def test_no_limits_limit_nothing() -> None:
    """Without limits only weights are written; that all ends together is for containers, not for pods."""
    assert [name for name, _ in files(Limits(), Kind(V1, ("cpu", "memory", "pids")))] == [
        "cpu.shares",
        "cpu.cfs_period_us",
    ]
    version_2 = Kind(V2, ("cpu", "memory", "pids"))
    assert dict(files(limits(container()), version_2)) == {"cpu.weight": "1", "memory.oom.group": "1"}
    assert dict(files(pod_limits([container()], 9), version_2)) == {"cpu.weight": "1", "pids.max": "9"}


@given(st.decimals(0, 1000, places=3), st.decimals(0, 1000, places=3))
def test_weight_grows_with_shares(a: Decimal, b: Decimal) -> None:
    """Who asks for more never weighs less, and every weight is one that the kernel takes."""
    less, more = sorted((a, b))
    assert 1 <= weight(shares(less)) <= weight(shares(more)) <= 10_000


def test_numbers() -> None:
    """Lines that are no counter are left out."""
    assert numbers("oom_kill_disable 0\nunder_oom 0\noom_kill 3\nmax max\n") == {
        "oom_kill_disable": 0,
        "under_oom": 0,
        "oom_kill": 3,
    }


def test_working_set() -> None:
    """What the kernel can drop at once does not count, and the difference of two readings is never negative."""
    assert working_set(100, {"total_inactive_file": 30, "inactive_file": 5}, V1) == 70
    assert working_set(100, {"total_inactive_file": 30, "inactive_file": 5}, V2) == 95
    assert working_set(10, {"inactive_file": 30}, V2) == 0


@pytest.mark.parametrize(
    ("quality", "asked", "expected"),
    [("Guaranteed", 1 << 30, -997), ("BestEffort", 0, 1000), ("Burstable", 1 << 29, 500), ("Burstable", 1 << 40, 3)],
)
def test_oom_score(quality: str, asked: int, expected: int) -> None:
    """Who asked for nothing goes first."""
    assert oom_score_adjustment(quality, asked, 1 << 30) == expected


DEBIAN = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0\n"
BOTH = "cgroup /c/memory cgroup rw,memory 0 0\ntmpfs /c tmpfs rw 0 0\ncgroup2 /c/unified cgroup2 rw,relatime 0 0\n"


def test_version_2_stays_as_it_is_mounted() -> None:
    """Mounting it again without the machine's options would switch these off for the whole machine."""
    assert hierarchies.options(DEBIAN) == "memory_recursiveprot,nsdelegate"
    assert hierarchies.options(BOTH) == hierarchies.options("") == ""
    assert [str(path) for path in hierarchies.mounted(BOTH)] == ["/c/memory", "/c/unified"]


def test_without_control_groups() -> None:
    """What the machine can't limit is said of those pods that ask for it; nothing fails."""
    none = Cgroups([], "the kernel has no such controller")
    assert none.missing == LIMITING
    assert none.make("u", Limits(), "r", Limits()) == ()
    assert none.usage("u", "r") is None and none.whole() is None
    assert not none.killed_for_memory("u", "r")
    spec = PodSpec(containers=(container(limits={"memory": "1Gi"}), container()))
    [(reason, text)] = unenforced(spec, none.missing)
    assert (reason, "memory of c" in text) == ("LimitsNotEnforced", True)
    assert unenforced(PodSpec(containers=(container(),)), none.missing) == []
