"""The program of `kube46 run`, looked for before anything is made."""

import os
from pathlib import Path

import pytest

from kube46.lab.programs import check_readable, resolve
from kube46.lab.settings import BadSettings


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the current directory, which pods don't see."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kube46.lab.apps.PRIVATE_MASKS", (str(tmp_path),))
    path = tmp_path / "app"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_names_stay_and_relative_paths_become_absolute(program: Path) -> None:
    """A name is looked up in the pod's own PATH; `./app` is the file that was meant here."""
    assert resolve(["sh", "-c", "x"], []) == ("sh", "-c", "x")
    assert resolve(["./app", "x"], [str(program.parent)]) == (str(program), "x")


def test_a_program_that_pods_do_not_see_is_refused_with_the_mount(program: Path) -> None:
    """So is a link to such a one from where they see it."""
    for given in ("./app", str(program)):
        with pytest.raises(BadSettings, match=f"add --mount {program.parent}"):
            resolve([given], [])


def test_a_link_is_followed(program: Path) -> None:
    """What a mounted link leads to must be seen, too."""
    (program.parent / "bin").mkdir()
    link = program.parent / "bin/app"
    link.symlink_to(program)
    with pytest.raises(BadSettings, match=f"is {program}, .*add --mount {program.parent}"):
        resolve([str(link)], [str(link.parent)])


def test_what_is_no_program_is_refused(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nobody has, a file without x, a directory, and one that only this shell's PATH leads to."""
    (program.parent / "text").write_text("")
    for given, words in (
        ("k46-none", "install it first"),
        ("./text", "no such program"),
        ("./none", "no such program"),
        (str(program.parent), "no such program"),
    ):
        with pytest.raises(BadSettings, match=words):
            resolve([given], [])
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(BadSettings, match=f"only {program}: name it so"):
        resolve(["app"], [])


def test_a_directory_that_pods_may_not_read_is_refused_with_the_mend(tmp_path: Path) -> None:
    """Its mode decides: nobody needs the others' rights, its owner has its own; a file needs no x."""
    tmp_path.chmod(0o750)
    with pytest.raises(BadSettings, match=rf"chmod o\+rX {tmp_path}`, or add --user {os.getuid()}"):
        check_readable(str(tmp_path), None)
    check_readable(str(tmp_path), os.getuid())
    tmp_path.chmod(0o755)
    check_readable(str(tmp_path), None)
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o604)
    check_readable(str(file), None)
