"""Which of the machine's directories pods may mount: read, changed and refused by name."""

from pathlib import Path

import pytest

from kube46.lab.hostpaths import HostPath, allow, allowed, forbid, parse
from kube46.lab.settings import BadSettings


def test_entries_are_added_replaced_and_taken_away(tmp_path: Path) -> None:
    """Adding twice changes nothing, the newest rights of a path count, and no file means nothing is allowed."""
    file = tmp_path / "host-paths"
    assert allowed(file) == ()
    assert allow(file, [HostPath("/srv/b"), HostPath("/srv/a", read_only=True)])
    assert not allow(file, [HostPath("/srv/b")])
    assert allowed(file) == (HostPath("/srv/a", read_only=True), HostPath("/srv/b"))
    assert allow(file, [HostPath("/srv/a")])
    assert forbid(file, ["/srv/b/"])
    assert not forbid(file, ["/srv/b"])
    assert allowed(file) == (HostPath("/srv/a"),)
    assert [path.name for path in tmp_path.iterdir()] == ["host-paths"]


def test_a_flag_names_a_directory_with_its_rights(tmp_path: Path) -> None:
    """`DIR` may be written to, `DIR:ro` is read; the path is made plain."""
    assert parse(str(tmp_path), "--x") == HostPath(str(tmp_path))
    assert parse(f"/{tmp_path}/./:ro", "--x") == HostPath(str(tmp_path), read_only=True)


REFUSED = {
    "srv": "absolute path",
    "/srv/../etc": "absolute path",
    "/a\nb": "absolute path",
    "/no/such": "does not exist",
    "/": "would open /",
    "/proc/1": "would open /proc",
    "/var/lib": "would open /var/lib/kube46",
    "/run": "would open /run",
    "/var/lib/kube46/dev/pki": "would open /var/lib/kube46",
}


@pytest.mark.parametrize(("text", "why"), REFUSED.items(), ids=repr)
def test_bad_directories_are_refused_by_the_flag(text: str, why: str) -> None:
    """What is no path, is not there, or would give pods the machine or the clusters' keys is refused."""
    with pytest.raises(BadSettings, match=f"(?s)^--allow-host-path .*{why}"):
        parse(text, "--allow-host-path")


def test_a_link_to_what_is_refused_is_refused(tmp_path: Path) -> None:
    """It counts where a path leads, too."""
    (tmp_path / "link").symlink_to("/proc")
    with pytest.raises(BadSettings, match="would open /proc"):
        parse(str(tmp_path / "link"), "--allow-host-path")


@pytest.mark.parametrize(
    ("path", "held"), [("/srv", True), ("/srv/a", True), ("/srvx", False), ("/srv/../a", False), ("/", False)]
)
def test_a_path_is_held_by_its_parts(path: str, held: bool) -> None:
    """Names that only begin alike, and dots, are not below."""
    assert HostPath("/srv").holds(path) is held
