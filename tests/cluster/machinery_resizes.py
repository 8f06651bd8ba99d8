"""Conversations about resizing pods: what a write to /resize changes, and what it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster.machinery_patches import get, patch, post, put

if TYPE_CHECKING:
    from cluster.machinery_player import Step

PODS = "/api/v1/namespaces/{ns}/pods"
STRATEGIC = "application/strategic-merge-patch+json"


def named(
    name: str, limits: dict[str, str] | None = None, requests: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    """A container with these resources."""
    amounts = {key: value for key, value in (("limits", limits), ("requests", requests)) if value is not None}
    return {"name": name, "image": "i", "resources": amounts, **more}


def pod(*containers: dict[str, Any], **spec: Any) -> Step:
    """Make the pod p."""
    whole = {"containers": list(containers), "automountServiceAccountToken": False, **spec}
    return post(PODS, {"metadata": {"name": "p", "labels": {"a": "b"}}, "spec": whole})


def resize(*containers: dict[str, Any], **more: Any) -> Step:
    """Patch /resize."""
    return patch(f"{PODS}/p/resize", {"spec": {"containers": list(containers), **more}}, STRATEGIC)


def replaced(*containers: dict[str, Any], **more: Any) -> Step:
    """Put the first step's pod with other containers to /resize."""
    return put(f"{PODS}/p/resize", {"metadata": {"name": "p"}, "spec": {"containers": list(containers), **more}})


CPU, MORE, MEMORY = {"cpu": "100m"}, {"cpu": "200m"}, {"memory": "64Mi"}
BOTH = CPU | MEMORY
START = pod(named("c", None, BOTH), named("d", MORE, CPU))
SIDECAR = named("s", None, CPU, restartPolicy="Always")
INIT = named("i", None, CPU, resizePolicy=[{"resourceName": "cpu", "restartPolicy": "NotRequired"}])
POLICIES: tuple[list[dict[str, Any]], ...] = (
    [{"resourceName": "cpu", "restartPolicy": "NotRequired"}], [{"resourceName": "cpu"}], [{"restartPolicy": "RestartContainer"}],
    [{"resourceName": "disk", "restartPolicy": "Never"}], [{"resourceName": "memory", "restartPolicy": "RestartContainer"}],
)  # fmt: skip
NAMES = (
    "foo-",
    "kernel.shmmax",
    "safe-and-unsafe",
    "bar..",
    "net/core/somaxconn",
    "net.core.somaxconn",
    "",
    "kernel.shmmax",
    "UP",
)
SAFE: dict[str, Any] = {"containers": [named("c")]}
AFTER = get(f"{PODS}/p")
ACCOUNT = post("/api/v1/namespaces/{ns}/serviceaccounts", {"metadata": {"name": "default"}})
TABLE: dict[str, list[Step]] = {
    "resize: amounts": [
        START, resize(named("c", None, MORE)), AFTER, get(f"{PODS}/p/resize"), resize(named("c", {"cpu": "1", "memory": "1Gi"})), resize(named("d", None, {"cpu": "0.2"})), AFTER,
        resize(named("c", None, {"cpu": "3"})), resize(named("d", None, {"cpu": "x"})), resize(named("c", None, {"cpu": "-1"})), AFTER,
    ],
    "resize: what is refused": [
        START, resize(named("c", None, {"cpu": None})), resize(named("c", None, {"ephemeral-storage": "1Gi"})), resize(named("c", {"cpu": "50m"})),
        resize({"name": "c", "image": "other"}), resize(named("e", None, CPU)), resize({"name": "c", "$patch": "delete"}), resize(named("c"), nodeName="x"),
        replaced(named("d"), named("c")), replaced(named("c", None, BOTH)), replaced(named("c", None, BOTH), named("d", MORE, CPU)),
        replaced(named("c", None, MORE | MEMORY), named("d", MORE, CPU), activeDeadlineSeconds=5), AFTER,
        patch(f"{PODS}/p/resize", {"metadata": {"labels": {"x": "y"}, "annotations": {"x": "y"}}}), AFTER,
        patch(f"{PODS}/p", {"spec": {"containers": [named("c", None, MORE)]}}, STRATEGIC),
    ],
    "resize: quality of service": [
        pod(named("c", BOTH, BOTH)), resize(named("c", MORE | MEMORY, MORE | MEMORY)), resize(named("c", {"cpu": "300m"})), resize(named("c", None, {"cpu": "50m"})), AFTER,
    ],
    "resize: nothing to begin with": [pod(named("c")), resize(named("c", None, CPU)), resize(named("c", CPU)), AFTER],
    "resize: init containers": [
        pod(named("c", None, CPU), initContainers=[SIDECAR, INIT]),
        patch(f"{PODS}/p/resize", {"spec": {"initContainers": [named("s", None, MORE)]}}, STRATEGIC), AFTER,
        patch(f"{PODS}/p/resize", {"spec": {"initContainers": [named("i", None, MORE)]}}, STRATEGIC),
        patch(f"{PODS}/p/resize", {"spec": {"initContainers": [named("s", None, {"cpu": None})]}}, STRATEGIC), AFTER,
    ],
    "resize: policies": [
        *(post(f"{PODS}?dryRun=All", {"metadata": {"name": "q"}, "spec": {"restartPolicy": restarts, "containers": [named("c", None, CPU, resizePolicy=policy)]}}) for policy in POLICIES for restarts in ("Always", "Never")),
        *(post(f"{PODS}?dryRun=All", {"metadata": {"name": "q"}, "spec": {"containers": [named("c")], "initContainers": [named("i", None, CPU, resizePolicy=policy)]}}) for policy in POLICIES),
        START, resize(named("c", None, None, resizePolicy=POLICIES[0])), AFTER,
    ],
    "resize: sysctls, which share the pods' rules": [
        post(f"{PODS}?dryRun=All", {"metadata": {"name": "q"}, "spec": {**SAFE, **more, "securityContext": {"sysctls": [{"name": name, "value": "1"} for name in NAMES]}}})
        for more in ({}, {"hostNetwork": True}, {"hostIPC": True})
    ],
    "resize: a binding leaves the generation": [
        START, post(f"{PODS}/p/binding", {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}), AFTER,
    ],
    "resize: of no pod": [patch(f"{PODS}/none/resize", {"spec": {}}), get(f"{PODS}/none/resize")],
}  # fmt: skip
CONVERSATIONS = {title: [ACCOUNT, *steps] for title, steps in TABLE.items()}
