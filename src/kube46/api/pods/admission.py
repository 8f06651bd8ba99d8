"""What Kubernetes' default admission plugins put into a new Pod.

Sources: plugin/pkg/admission/{priority,defaulttolerationseconds,serviceaccount} (1.37).
"""

from __future__ import annotations

import random
from typing import Any

Object = dict[str, Any]

TOLERATED_SECONDS = 300
UNREACHABLE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
PRIORITIES = {"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}
TOKEN_SECONDS = 3607
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 (a path)
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def priority(spec: Object, given: Object | None) -> str:
    """Fill priority and preemption policy; the name of an unknown priority class, "" if all is well.

    `given` is the class that the pod names, or the global default; the two of the system need not be stored.
    """
    name = spec.get("priorityClassName") or ""
    if name and given is None and name not in PRIORITIES:
        return name
    if given is not None:
        spec["priorityClassName"] = given["metadata"]["name"]
    spec["priority"] = PRIORITIES.get(name, 0) if given is None else given["value"]
    if spec.get("preemptionPolicy") is None:
        spec["preemptionPolicy"] = (given or {}).get("preemptionPolicy") or "PreemptLowerPriority"
    return ""


def tolerations(spec: Object) -> None:
    """A pod stays for five minutes on a node that is not ready or not reached, unless it says otherwise."""
    listed = spec.get("tolerations") or []
    added = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATED_SECONDS}
        for key in UNREACHABLE
        if not any(_tolerates(toleration, key) for toleration in listed)
    ]
    if listed or added:
        spec["tolerations"] = [*listed, *added]


def _tolerates(toleration: Object, key: str) -> bool:
    same_key = not toleration.get("key") or toleration["key"] == key
    return same_key and toleration.get("effect") in (None, "", "NoExecute")


def service_account(spec: Object, account: Object) -> None:
    """Name the account, take over its pull secrets, and mount its token unless pod or account decline."""
    spec["serviceAccountName"] = spec["serviceAccount"] = account["metadata"]["name"]
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = list(account["imagePullSecrets"])
    wanted = spec.get("automountServiceAccountToken")
    if wanted is None:
        wanted = account.get("automountServiceAccountToken")
    if wanted is not False:
        _mount_token(spec)


def _mount_token(spec: Object) -> None:
    name = next((v["name"] for v in spec.get("volumes") or () if v["name"].startswith("kube-api-access-")), "")
    fresh = name or "kube-api-access-" + "".join(random.choices(ALPHABET, k=5))  # noqa: S311 (not a secret)
    used = False
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(key) or ():
            mounts = container.get("volumeMounts") or []
            if all(mount.get("mountPath") != TOKEN_PATH for mount in mounts):
                container["volumeMounts"] = [*mounts, {"name": fresh, "readOnly": True, "mountPath": TOKEN_PATH}]
                used = True
    if used and not name:
        spec["volumes"] = [*(spec.get("volumes") or ()), token_volume(fresh)]


def token_volume(name: str) -> Object:
    """The projected volume of token, CA certificate and namespace."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources: list[Object] = [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}
