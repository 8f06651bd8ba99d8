"""The functions of admission alone: what somebody may do (`authorizer`), keys in JSON patches, constructed objects.

An authorizer, a check and a decision are maps to the evaluator; the compiler (`types`) gives them their own types.
Source: apiserver pkg/cel/library/{authz,jsonpatch}.go.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from kube46.api import names
from kube46.api.rbac.rules import ACCOUNT_PREFIX, Asked
from kube46.apiserver.attributes import field_terms
from kube46.apiserver.expressions.rewriting import MADE
from kube46.apiserver.strategy import User

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.authorization import Decision

Boxed = dict[str, Any]
TYPE = "\ue000type"  # of a constructed object: no field is called so
PLACE = "kubernetes.authorization."
AUTHORIZER, PATH, GROUP, RESOURCE, DECISION = (
    f"{PLACE}{name}" for name in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision")
)
# name → overloads: type of the receiver, types of the arguments, type of the result; as the compiler checks them
SIGNATURES: dict[str, tuple[tuple[str, int, str], ...]] = {
    "path": ((AUTHORIZER, 1, PATH),),
    "group": ((AUTHORIZER, 1, GROUP),),
    "serviceAccount": ((AUTHORIZER, 2, AUTHORIZER),),
    "resource": ((GROUP, 1, RESOURCE),),
    **dict.fromkeys(("subresource", "namespace", "name"), ((RESOURCE, 1, RESOURCE),)),
    **dict.fromkeys(("fieldSelector", "labelSelector"), ((RESOURCE, 1, RESOURCE),)),
    "check": ((PATH, 1, DECISION), (RESOURCE, 1, DECISION)),
    **dict.fromkeys(("errored", "allowed"), ((DECISION, 0, "bool"),)),
    **dict.fromkeys(("error", "reason"), ((DECISION, 0, "string"),)),
}


MOST_CHECKS = 2  # of one evaluation: each costs 350,000 of upstream's million
EXCEEDED = "operation cancelled: actual cost limit exceeded"


class _Asked(threading.local):
    decide: Callable[[User, Asked], Decision] | None = None
    left = MOST_CHECKS


ASKED = _Asked()  # whom these functions ask during an evaluation


def authorizer(user: User, resource: Boxed) -> Boxed:
    """The variable `authorizer`; `resource` is what the request itself is about, under the names of Asked."""
    asked_by = {"name": user.name, "groups": list(user.groups), "uid": user.uid}
    return {"user": asked_by, "requestResource": {"user": asked_by, **resource}}


def _account(box: Boxed, namespace: str, name: str) -> Boxed:
    if names.subdomain(name):
        raise ValueError("Invalid service account name")
    if names.label(namespace):
        raise ValueError("Invalid service account namespace")
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    user = {"name": f"{ACCOUNT_PREFIX}{namespace}:{name}", "groups": groups[:2], "uid": ""}
    return {**box, "user": user}


def _path(box: Boxed, path: str) -> Boxed:
    if not path.strip():
        raise ValueError("path must not be empty")
    return {"user": box["user"], "path": path}


def _resource(box: Boxed, resource: str) -> Boxed:
    if not resource.strip():
        raise ValueError("resource must not be empty")
    return {**box, "resource": resource}


def _check(box: Boxed, verb: str) -> Boxed:
    assert ASKED.decide is not None
    if not ASKED.left:
        raise ValueError(EXCEEDED)
    ASKED.left -= 1
    who = box["user"]
    user = User(who["name"], tuple(who["groups"]), who["uid"])
    if "path" in box:
        asked = Asked(verb, path=box["path"])
    else:
        place = (box["group"], box["resource"], box.get("subresource", ""), box.get("namespace", ""))
        terms = field_terms(box["fieldSelector"]) if box.get("fieldSelector") else ()
        asked = Asked(verb, *place, box.get("name", ""), fields=terms or ())
    allowed, reason = ASKED.decide(user, asked)
    return {"allowed": allowed, "reason": reason}


def _made(name: str, fields: Boxed) -> Boxed:
    return {TYPE: name, **fields}


def _escape_key(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def implementations(cel: Any) -> list[tuple[str, bool, Any, list[Any], Callable[..., Any]]]:
    """Name, whether it is a member, result, parameters and function of each; `cel` is the evaluator's module."""
    kinds = cel.Type
    box, text = kinds.Map(kinds.STRING, kinds.DYN), kinds.STRING

    def put_in(name: str) -> Callable[[Boxed, str], Boxed]:
        return lambda check, value: {**check, name: value}

    return [
        ("path", True, box, [box, text], _path),
        ("group", True, box, [box, text], lambda a, group: {"user": a["user"], "group": group}),
        ("serviceAccount", True, box, [box, text, text], _account),
        ("resource", True, box, [box, text], _resource),
        *(
            (name, True, box, [box, text], put_in(name))
            for name in ("subresource", "namespace", "name", "fieldSelector", "labelSelector")
        ),
        ("check", True, box, [box, text], _check),
        ("errored", True, kinds.BOOL, [box], lambda _: False),
        ("allowed", True, kinds.BOOL, [box], lambda decision: decision["allowed"]),
        ("error", True, text, [box], lambda _: ""),
        ("reason", True, text, [box], lambda decision: decision["reason"]),
        ("jsonpatch.escapeKey", False, text, [text], _escape_key),
        (MADE, False, box, [text, box], _made),
    ]
