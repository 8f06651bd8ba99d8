"""Kubernetes' own control plane: flags and programs, loops shared out, identities and roles."""

from pathlib import Path

import pytest

from kube46.lab import access, identities, parts, settings, upstream
from kube46.lab.controllers import names
from kube46.lab.paths import Paths
from kube46.lab.settings import Flags
from kube46.lab.upstream import NoUpstream, Upstream

REAL = Upstream("/usr/bin/etcd", "/k/kube-apiserver", "/k/kube-controller-manager")
PARTS = {"etcd", "relay", "kube-apiserver", "kube-controller-manager"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with all three programs."""
    for name in upstream.PROGRAMS:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_a_directory_alone_asks_for_the_real_server(directory: Path) -> None:
    """`--kubernetes DIR` finds the three programs there; all of kube46's loops run."""
    asked = upstream.asked(None, str(directory), None)
    assert asked is not None
    assert asked.programs == {name: str(directory / name) for name in upstream.PROGRAMS}
    assert asked.loops == names.ALL
    assert upstream.gone(asked) == ""


def test_programs_are_looked_up_in_path(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--api-server real` alone takes those of PATH."""
    monkeypatch.setenv("PATH", str(directory))
    asked = upstream.asked("real", None, "scheduler")
    assert asked is not None
    assert (asked.etcd, asked.loops) == (str(directory / "etcd"), ("scheduler",))


def test_without_flags_there_is_no_real_server() -> None:
    """Neither no flag nor `--api-server kube46` asks for programs."""
    assert upstream.asked(None, None, None) is None
    assert upstream.asked("kube46", None, None) is None


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("real", "/nowhere", None), "--kubernetes /nowhere: has no program kube-apiserver"),
        (("kube46", "/k", None), "--kubernetes /k: belongs to a real API server, give --api-server real"),
        ((None, None, "*"), "--controllers *: belongs to a real API server"),
        (("real", None, "*,-scheduler"), "leaves out the scheduler, which kube-controller-manager does not have"),
        (("real", None, "scheduler,route"), "'route' is no controller: choose from"),
    ],
)
def test_bad_flags(
    flags: tuple[str | None, str | None, str | None], words: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gets a sentence with the flag and the mend."""
    (directory / "kube-apiserver").unlink()
    monkeypatch.setenv("PATH", str(directory))
    with pytest.raises(NoUpstream) as caught:
        upstream.asked(*flags)
    assert words in str(caught.value)


def test_missing_programs_are_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not in PATH, and what a kept cluster has lost, is said with the mend."""
    made = upstream.find(str(directory), names.ALL)
    (directory / "etcd").unlink()
    monkeypatch.setenv("PATH", str(directory))

    assert f"etcd is no longer at {directory}/etcd: put it back there" in upstream.gone(made)
    with pytest.raises(NoUpstream, match="there is no etcd: install it with `apt-get install -y etcd-server`"):
        upstream.find(str(directory), names.ALL)


def test_settings_keep_the_programs() -> None:
    """They survive the file, and a later `up` may leave them out or repeat them, but not change them."""
    made = settings.from_flags("dev", Flags(upstream=REAL))
    other = Upstream(REAL.etcd, REAL.kube_apiserver, REAL.kube_controller_manager, ("scheduler",))

    assert settings.decoded(made.encoded()) == made
    assert settings.differences(made, "dev", Flags()) == []
    assert settings.differences(made, "dev", Flags(upstream=REAL)) == []
    kept = "--api-server real --kubernetes /k --controllers *"
    assert settings.differences(made, "dev", Flags(upstream=other)) == [kept]
    assert settings.differences(made, "dev", Flags(own_server=True)) == [kept]
    own = settings.from_flags("dev", Flags())
    assert settings.differences(own, "dev", Flags(upstream=REAL)) == ["--api-server kube46"]


@pytest.mark.parametrize("loops", [names.ALL, ("scheduler",), ("node-ipam", "scheduler")])
def test_every_loop_runs_once(loops: tuple[str, ...]) -> None:
    """kube-controller-manager leaves out exactly what kube46 runs, and knows the ranges where it hands out blocks."""
    made = settings.from_flags("dev", Flags(upstream=Upstream(*REAL.programs.values(), loops)))
    found = {part.name: part.argv for part in parts.parts(made, Paths("dev"))}
    manager = dict(
        flag.removeprefix("--").split("=", 1) for flag in found["kube-controller-manager"][5:] if "=" in flag
    )
    off = {name.removeprefix("-") for name in manager["controllers"].split(",")} - {"*"}

    assert found["controllers"][found["controllers"].index("--controllers") + 1] == ",".join(loops)
    assert off == {double for name in loops for double in names.doubles(name)}
    assert ("cluster-cidr" in manager) == ("node-ipam" not in loops)


def test_the_real_server_stands_where_ours_would() -> None:
    """Its parts take our server's place; etcd is started first and stopped last, and only the relay gets sockets."""
    real = parts.parts(settings.from_flags("dev", Flags(upstream=REAL)), Paths("dev"))
    own = parts.parts(settings.from_flags("dev", Flags()), Paths("dev"))

    assert {part.name for part in real} ^ {part.name for part in own} == PARTS | {"apiserver"}
    assert real[0].name == "etcd"
    assert real[0].rank < min(part.rank for part in real[1:])
    assert [part.name for part in real if part.listens] == ["relay"]


def test_every_loop_has_rights_and_they_are_a_few() -> None:
    """Each loop's rights are stated; the scheduler alone may not read what it does not need."""
    assert set(access.LOOPS) == set(names.ALL)
    roles = {(one["kind"], one["metadata"]["name"]): one for one in access.objects(("scheduler",))}
    rules = roles["ClusterRole", "kube46:controllers"]["rules"]
    held = {(group, resource) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]}
    assert ("", "secrets") not in held
    assert ("*", "*") not in held
    assert ("", "pods/binding") in held


def test_every_binding_has_its_role_and_its_user() -> None:
    """Each role is bound, to a user or group that the cluster's identities have."""
    users = identities.users(settings.from_flags("dev", Flags(upstream=REAL))).values()
    known = {("User", who.user) for who in users} | {("Group", who.group) for who in users}
    objects = list(access.objects(names.ALL))
    own = [one for one in objects if "rules" in one and "labels" not in one["metadata"]]  # others are aggregated
    roles = {(one["kind"], one["metadata"]["name"]) for one in own}
    bindings = [one for one in objects if "roleRef" in one]

    assert {(one["roleRef"]["kind"], one["roleRef"]["name"]) for one in bindings} == roles
    assert {(one["kind"], one["name"]) for binding in bindings for one in binding["subjects"]} <= known


def test_rights_merge_without_loss() -> None:
    """Two rules of one resource become one with the verbs of both."""
    rules = [*access.LOOPS["node-ipam"], *access.LOOPS["node-lifecycle"]]
    nodes = [rule for rule in access.merged(rules) if rule["resources"] == ["nodes"]]
    assert nodes == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch", "watch"]}]


def test_feature_gates_are_passed_on() -> None:
    """The API server, ours or the real one, gets the gates; dual-stack off needs one family, and is checked here."""
    gates = "IPv6DualStack=false"
    made = settings.from_flags("dev", Flags(families="ipv6", feature_gates=gates))
    server = next(part for part in parts.parts(made, Paths("dev")) if part.name == "apiserver")
    assert server.argv[server.argv.index("--feature-gates") + 1] == gates
    assert settings.differences(made, "dev", Flags(feature_gates="IPv6DualStack=true")) == [f"--feature-gates {gates}"]
    for text, words in ((gates, "is off, which two families need"), ("X=true", "unrecognized feature gate: X")):
        with pytest.raises(settings.BadSettings, match=words):
            settings.from_flags("dev", Flags(feature_gates=text))
    real = settings.from_flags("dev", Flags(upstream=REAL, feature_gates="X=true"))
    server = next(part for part in parts.parts(real, Paths("dev")) if part.name == "kube-apiserver")
    assert "--feature-gates=X=true" in server.argv


def test_etcd_answers_nobody_else() -> None:
    """Clients and peers need a certificate of etcd's own authority, which kube-apiserver has and no other part."""
    paths = Paths("dev")
    found = {part.name: part.argv for part in parts.parts(settings.from_flags("dev", Flags(upstream=REAL)), paths)}
    urls = [flag for flag in found["etcd"] if "-urls=" in flag or "cluster=" in flag]
    assert len(urls) == 5
    assert all("https://127.0.0.1:" in flag for flag in urls)
    assert {"--client-cert-auth=true", "--peer-client-cert-auth=true"} <= set(found["etcd"])
    users = [name for name, argv in found.items() if str(paths.pki / "etcd") in " ".join(argv)]
    assert sorted(users) == ["etcd", "kube-apiserver"]
