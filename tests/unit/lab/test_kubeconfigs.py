"""Our context in and out of a user's kubeconfig."""

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kube46.lab import kubeconfigs, userconfig
from kube46.lab.kubeconfigs import Document
from kube46.lab.paths import Paths
from kube46.lab.userconfig import User, UserConfigError

OURS = kubeconfigs.document("kube46-dev", "https://127.0.0.1:1", "Q0E=", "secret")
THEIRS: Document = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "work", "cluster": {"server": "https://work"}}],
    "users": [{"name": "me", "user": {}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
    "current-context": "work",
    "preferences": {"colors": True},
}


def entries(names: list[str]) -> list[dict[str, Any]]:
    """A list of named entries."""
    return [{"name": name} for name in names]


@given(st.lists(st.text(max_size=5)), st.lists(st.text(max_size=5)))
def test_going_in_and_out_leaves_the_rest(clusters: list[str], users: list[str]) -> None:
    """Whatever else is in the file is there afterwards, in its order."""
    theirs = {"clusters": entries(clusters), "users": entries(users), "contexts": [], "extra": 1}
    back = kubeconfigs.without(kubeconfigs.merged(theirs, OURS), "kube46-dev")

    assert back == {**theirs, "current-context": ""}


def test_merging_twice_is_merging_once() -> None:
    """An entry of our name is replaced."""
    once = kubeconfigs.merged(THEIRS, OURS)

    assert kubeconfigs.merged(once, OURS) == once
    assert once["current-context"] == "kube46-dev"


@pytest.mark.parametrize("loaded", [[], "text", {"clusters": "x"}, {"users": ["x"]}])
def test_what_is_no_kubeconfig_is_not_touched(loaded: object) -> None:
    """A file of another kind is refused."""
    with pytest.raises(kubeconfigs.BadKubeconfig):
        kubeconfigs.checked(loaded)


class Cluster(Paths):
    """A cluster whose state lies in a test's directory."""

    __slots__ = ("root",)

    def __init__(self, root: Path) -> None:
        super().__init__("dev")
        object.__setattr__(self, "root", root)

    @property
    def state(self) -> Path:
        """The test's directory."""
        return Path(self.root)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """State in `state`, the user's home beside it."""
    (tmp_path / "state").mkdir()
    return Cluster(tmp_path / "state")


@pytest.fixture
def user(tmp_path: Path) -> User:
    """Ourselves, with a home of our own."""
    import os

    return User(os.getuid(), os.getgid(), tmp_path / "home")


def test_a_file_we_made_goes_with_us(cluster: Cluster, user: User) -> None:
    """The directories and the file that `up` made are gone after `down`; the file was for its owner only."""
    path = userconfig.choose({}, user)
    userconfig.add(cluster, OURS, path, user)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    userconfig.add(cluster, OURS, path, user)
    userconfig.remove(cluster)

    assert not user.home.exists()


def test_a_users_own_file_stays_as_it_was(cluster: Cluster, user: User) -> None:
    """Contents and mode of an existing file come back, but for the current context, which was ours."""
    path = user.home / ".kube" / "config"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(THEIRS))
    path.chmod(0o640)
    userconfig.add(cluster, OURS, path, user)
    userconfig.remove(cluster)

    assert yaml.safe_load(path.read_text()) == {**THEIRS, "current-context": ""}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["config"]


def test_what_a_killed_up_left_is_taken_away(cluster: Cluster, user: User) -> None:
    """Its lock and its half-written file vanish with `down`; another program's lock stays."""
    path = userconfig.choose({}, user)
    userconfig.add(cluster, OURS, path, user)
    path.with_name("config.lock").write_text("dev")
    path.with_name(".config.kube46-dev").write_text("half")
    userconfig.remove(cluster)

    assert not path.parent.exists()


def test_a_lock_of_another_program_is_respected(cluster: Cluster, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """While kubectl holds the file's lock, nothing is written, and the message says what to do."""
    monkeypatch.setattr(userconfig, "LOCK_SECONDS", 0.05)
    path = userconfig.choose({}, user)
    path.parent.mkdir(parents=True)
    path.with_name("config.lock").touch()
    with pytest.raises(UserConfigError, match="held by another program"):
        userconfig.add(cluster, OURS, path, user)

    assert not path.exists()


def test_the_file_is_chosen_as_kind_chooses_it(user: User, tmp_path: Path) -> None:
    """The first existing file of KUBECONFIG, else its last, else the one in the home directory."""
    one, two = tmp_path / "one", tmp_path / "two"
    assert userconfig.choose({"KUBECONFIG": f"{one}:{two}"}, user) == two
    one.touch()
    assert userconfig.choose({"KUBECONFIG": f"{two}:{one}"}, user) == one
    assert userconfig.choose({}, user) == user.home / ".kube" / "config"


@pytest.mark.parametrize("text", ["{", "[]", "clusters: 3"])
def test_a_damaged_file_is_named(cluster: Cluster, user: User, text: str) -> None:
    """A file that is no kubeconfig is left as it is."""
    path = userconfig.choose({}, user)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(UserConfigError, match="cannot be read"):
        userconfig.add(cluster, OURS, path, user)

    assert path.read_text() == text


def test_a_damaged_file_is_told_in_one_line_before_anything_is_made(tmp_path: Path) -> None:
    """YAML's errors are drawings; ours are one sentence with the file and the mend."""
    damaged = tmp_path / "config"
    damaged.write_text("a: [b\n")
    with pytest.raises(UserConfigError, match=r"config cannot be read \(.*\): mend it") as caught:
        userconfig.check({"KUBECONFIG": str(damaged)})

    assert "\n" not in str(caught.value)
    userconfig.check({"KUBECONFIG": str(tmp_path / "missing")})
