"""Who an image's containers run as: its USER, the pod's securityContext, and its own /etc/passwd and /etc/group (pure).

Source: OCI image-spec config.md (User); containerd pkg/oci WithUser, WithAdditionalGIDs;
pkg/kubelet/kuberuntime/security_context.go (runAsNonRoot).
"""

from dataclasses import dataclass

from kube46.lab.kubelet.manifests import Container, PodSpec
from kube46.lab.kubelet.security import ConfigError, Identity

LAST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True)
class Group:
    """A line of /etc/group."""

    name: str
    gid: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The users and groups that an image knows."""

    users: tuple[Entry, ...] = ()
    groups: tuple[Group, ...] = ()


def accounts(passwd: str, group: str) -> Accounts:
    """Both files; lines that are none are left out, as libc does."""
    users = []
    for line in passwd.splitlines():
        parts = line.split(":")
        if len(parts) >= 6 and _is_id(parts[2]) and _is_id(parts[3]):
            users.append(Entry(parts[0], int(parts[2]), int(parts[3]), parts[5]))
    groups = []
    for line in group.splitlines():
        parts = line.split(":")
        if len(parts) >= 4 and _is_id(parts[2]):
            groups.append(Group(parts[0], int(parts[2]), tuple(name for name in parts[3].split(",") if name)))
    return Accounts(tuple(users), tuple(groups))


def identity(spec: PodSpec, container: Container, user: str, known: Accounts) -> tuple[Identity, str]:
    """The identity and the home directory. Raises ConfigError: an unknown name, or root where none may be."""
    own, pod = container.security_context, spec.security_context
    asked = own.run_as_user if own.run_as_user is not None else pod.run_as_user
    name, _, group = ("", "", "") if asked is not None else user.partition(":")
    entry = _entry(name if asked is None else str(asked), known)
    _check_non_root(own.run_as_non_root if own.run_as_non_root is not None else pod.run_as_non_root, asked, name, entry)
    gid = own.run_as_group if own.run_as_group is not None else pod.run_as_group
    if gid is None:
        gid = _group(group, known) if group else entry.gid
    further = [g.gid for g in known.groups if entry.name and entry.name in g.members] if not group else []
    further += [*pod.supplemental_groups, *(() if pod.fs_group is None else (pod.fs_group,))]
    return Identity(entry.uid, gid, tuple(dict.fromkeys(further))), entry.home or "/"


def _entry(name: str, known: Accounts) -> Entry:
    """The user of that name or number; a number needs no line of its own, and then has the group root."""
    if _is_id(name or "0"):
        uid = int(name or "0")
        return next((e for e in known.users if e.uid == uid), Entry("", uid, 0, "/root" if uid == 0 else "/"))
    found = next((e for e in known.users if e.name == name), None)
    if found is None:
        raise ConfigError(f"unable to find user {name}: no matching entries in passwd file", "CreateContainerError")
    return found


def _group(name: str, known: Accounts) -> int:
    if _is_id(name):
        return int(name)
    found = next((g.gid for g in known.groups if g.name == name), None)
    if found is None:
        raise ConfigError(f"unable to find group {name}: no matching entries in group file", "CreateContainerError")
    return found


def _check_non_root(wanted: bool | None, asked: int | None, name: str, entry: Entry) -> None:
    if not wanted:
        return
    if asked == 0:
        raise ConfigError("container's runAsUser breaks non-root policy")
    if asked is None and name and not _is_id(name):
        text = f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
        raise ConfigError(text)
    if entry.uid == 0:
        raise ConfigError("container has runAsNonRoot and image will run as root")


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= LAST_ID
