"""kubeconfig documents: one of our own, and our context in and out of a user's. Pure."""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]
LISTS = ("clusters", "users", "contexts")
PREFIX = "kube46-"


class BadKubeconfig(ValueError):
    """The text is no kubeconfig; the message says what is wrong with it."""


def document(context: str, server: str, ca: str, token: str) -> Document:
    """A whole kubeconfig with one context of that name, its cluster and user named alike. `ca`: base64 of PEM."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": {"server": server, "certificate-authority-data": ca}}],
        "users": [{"name": context, "user": {"token": token}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "current-context": context,
    }


def context_name(cluster: str) -> str:
    """The context of a cluster: `kube46-NAME`."""
    return PREFIX + cluster


def checked(loaded: object) -> Document:
    """What a file held, when it is a kubeconfig; an empty file is an empty one. Raises BadKubeconfig."""
    if loaded is None:
        return {"apiVersion": "v1", "kind": "Config"}
    if not isinstance(loaded, dict):
        raise BadKubeconfig("is not a mapping")
    for field in LISTS:
        entries = loaded.get(field) or []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise BadKubeconfig(f"has {field} that are no list of mappings")
    return loaded


def merged(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Document:
    """Theirs, with our entries in the place of those named alike, and our context the current one."""
    result = dict(theirs)
    for field in LISTS:
        names = {entry["name"] for entry in ours[field]}
        result[field] = [entry for entry in theirs.get(field) or [] if entry.get("name") not in names] + ours[field]
    result["current-context"] = ours["current-context"]
    return result


def without(theirs: Mapping[str, Any], context: str) -> Document:
    """Theirs without our context, cluster and user."""
    result = dict(theirs)
    for field in LISTS:
        if field in theirs:
            result[field] = [entry for entry in theirs[field] or [] if entry.get("name") != context]
    if result.get("current-context") == context:
        result["current-context"] = ""
    return result


def holds(theirs: Mapping[str, Any], context: str) -> bool:
    """Whether an entry of that name is in it."""
    return any(entry.get("name") == context for field in LISTS for entry in theirs.get(field) or [])


def is_ours(theirs: Mapping[str, Any]) -> bool:
    """Whether all entries, and at least one, are kube46's: then the file was made by us."""
    names = [str(entry.get("name")) for field in LISTS for entry in theirs.get(field) or []]
    return bool(names) and all(name.startswith(PREFIX) for name in names)


def is_empty(theirs: Mapping[str, Any]) -> bool:
    """Whether it tells nothing any more."""
    return not any(theirs.get(field) for field in (*LISTS, "current-context", "preferences", "extensions"))
