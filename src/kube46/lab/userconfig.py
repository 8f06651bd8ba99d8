"""The invoking user's kubeconfig file: our context goes in and out, atomically, with that user's rights.

Locked as client-go and kind lock it (`FILE.lock`). The lock has our cluster's name in it, so that `down` can take
away one that a killed `up` left.
"""

import os
import pwd
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml

from kube46.lab import kubeconfigs
from kube46.lab.kubeconfigs import Document
from kube46.lab.paths import Paths

LOCK_SECONDS = 5.0


class UserConfigError(RuntimeError):
    """The user's kubeconfig cannot be read or written; the message names the file and the mend."""


class Note(msgspec.Struct, frozen=True):
    """Kept with the cluster: where our context is, who owns the file, and what was not there before us."""

    path: str
    uid: int
    gid: int
    made: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """Who called the command, before sudo."""

    uid: int
    gid: int
    home: Path


def invoking_user(environment: Mapping[str, str]) -> User:
    """The user that called sudo, else ourselves."""
    uid = int(environment.get("SUDO_UID") or os.getuid())
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return User(uid, int(environment.get("SUDO_GID") or os.getgid()), Path(environment.get("HOME", "/")))
    home = environment.get("HOME", entry.pw_dir) if uid == os.getuid() else entry.pw_dir
    return User(uid, entry.pw_gid, Path(home))


def choose(environment: Mapping[str, str], user: User) -> Path:
    """The file to merge into, as kind chooses it: the first existing of KUBECONFIG, else its last, else ~/.kube."""
    named = [Path(part) for part in environment.get("KUBECONFIG", "").split(":") if part]
    existing = [path for path in named if path.exists()]
    return (existing or named[-1:] or [user.home / ".kube" / "config"])[0]


def check(environment: Mapping[str, str]) -> None:
    """Raise UserConfigError when the file to merge into is damaged: better told before a cluster is started."""
    user = invoking_user(environment)
    with _as_user(user.uid, user.gid):
        _read(choose(environment, user).expanduser().absolute())


def add(paths: Paths, ours: Document, path: Path, user: User) -> None:
    """Merge our context into the file and keep a note of it. Raises UserConfigError."""
    path = path.expanduser().absolute()
    before = _note(paths)
    made = set(before.made) if before is not None and before.path == str(path) else set()
    made |= {str(directory) for directory in path.parents if not directory.exists()}
    with _as_user(user.uid, user.gid):
        theirs = _read(path)
    if not path.exists() or kubeconfigs.is_ours(theirs):
        made.add(str(path))
    note = Note(str(path), user.uid, user.gid, tuple(sorted(made)))
    paths.kubeconfig_note.write_bytes(msgspec.json.encode(note))
    _change(paths.name, path, user.uid, user.gid, lambda found: kubeconfigs.merged(found, ours))


def remove(paths: Paths) -> None:
    """Take our context out again, and the file and directories that were made for it and are empty now.

    Raises UserConfigError.
    """
    note = _note(paths)
    if note is None:
        return
    path = Path(note.path)
    context = kubeconfigs.context_name(paths.name)
    with _as_user(note.uid, note.gid):
        _remove_leftovers(paths.name, path)
        there = path.exists() and kubeconfigs.holds(_read(path), context)
    if there:
        _change(paths.name, path, note.uid, note.gid, lambda found: kubeconfigs.without(found, context))
    with _as_user(note.uid, note.gid), suppress(OSError):
        if note.path in note.made and path.exists() and kubeconfigs.is_empty(_read(path)):
            path.unlink()
        for directory in sorted(set(note.made) - {note.path}, key=len, reverse=True):
            Path(directory).rmdir()


def holds(paths: Paths) -> bool:
    """Whether our context is in the file that we noted. Raises UserConfigError."""
    note = _note(paths)
    if note is None:
        return False
    with _as_user(note.uid, note.gid):
        return kubeconfigs.holds(_read(Path(note.path)), kubeconfigs.context_name(paths.name))


def location(paths: Paths) -> str:
    """Where our context was merged into; empty when it was not."""
    note = _note(paths)
    return note.path if note else ""


def _note(paths: Paths) -> Note | None:
    try:
        return msgspec.json.decode(paths.kubeconfig_note.read_bytes(), type=Note)
    except (OSError, msgspec.MsgspecError):
        return None


def _change(cluster: str, path: Path, uid: int, gid: int, change: Callable[[Document], Document]) -> None:
    with _as_user(uid, gid):
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with _locked(cluster, path):
                real = path.resolve()  # a link stays a link
                fresh = _fresh(cluster, real)
                mode = real.stat().st_mode & 0o777 if real.exists() else 0o600
                fresh.touch(mode=0o600)
                fresh.write_text(yaml.safe_dump(change(_read(path)), sort_keys=False))
                fresh.chmod(mode)
                fresh.replace(real)
        except OSError as error:
            raise UserConfigError(f"{path} cannot be written ({error}): set KUBECONFIG to another file") from error


def _read(path: Path) -> Document:
    try:
        return kubeconfigs.checked(yaml.safe_load(path.read_text()) if path.exists() else None)
    except (OSError, ValueError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())  # YAML's are drawings of several lines
        raise UserConfigError(f"{path} cannot be read ({why}): mend it, or set KUBECONFIG to another file") from error


def _fresh(cluster: str, path: Path) -> Path:
    return path.with_name(f".{path.name}.kube46-{cluster}")


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


@contextmanager
def _locked(cluster: str, path: Path) -> Iterator[None]:
    """client-go's lock is a file made with O_EXCL; a link to a file that names us is as exclusive."""
    ours = path.with_name(f".{path.name}.kube46-{cluster}.lock")
    ours.write_text(cluster)
    try:
        _link(ours, _lock_file(path))
        try:
            yield
        finally:
            _lock_file(path).unlink(missing_ok=True)
    finally:
        ours.unlink(missing_ok=True)


def _link(ours: Path, lock: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            lock.hardlink_to(ours)
        except FileExistsError:
            if time.monotonic() > deadline:
                raise UserConfigError(f"{lock} is held by another program: delete it if none is running") from None
            time.sleep(0.02)
        else:
            return


def _remove_leftovers(cluster: str, path: Path) -> None:
    """Of a command of this cluster that was killed while it wrote."""
    with suppress(OSError):
        if _lock_file(path).read_text() == cluster:
            _lock_file(path).unlink()
    for leftover in (path.with_name(f".{path.name}.kube46-{cluster}.lock"), _fresh(cluster, path.resolve())):
        with suppress(OSError):
            leftover.unlink()


@contextmanager
def _as_user(uid: int, gid: int) -> Iterator[None]:
    """Act on files with that user's rights: root must not follow a link where its owner could not."""
    if os.getuid() != 0 or uid == 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([gid])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(os.getgid())
        os.setgroups(groups)
