"""Random Roles, ClusterRoles and their bindings, and questions what somebody may do then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Object = dict[str, Any]
API, GROUP = "rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
SPACES = ("roles-a", "roles-b")
EVERYBODY, ACCOUNTS, OF_SPACE = "system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{SPACES[0]}"
USERS = {  # with their groups
    "ann": ("dev", EVERYBODY), "bob": ("ops", "dev", EVERYBODY), "eve": (EVERYBODY,),
    f"system:serviceaccount:{SPACES[0]}:robot": (ACCOUNTS, OF_SPACE, EVERYBODY),
    "system:anonymous": ("system:unauthenticated",), "system:node:n1": ("system:nodes", EVERYBODY),
}  # fmt: skip
NAMES = ("one", "two", "three")
GROUPS, RESOURCES = ("", "apps", "*", "example.org"), ("pods", "pods/log", "*/log", "*", "deployments", "pods/*")
VERBS, PATHS = ("get", "list", "create", "*", "use"), ("/healthz", "/metrics/*", "*", "/healthz*", "/")
some = st.lists


def _of(values: tuple[str, ...], least: int = 1) -> st.SearchStrategy[list[str]]:
    return some(st.sampled_from(values), min_size=least, max_size=2, unique=True)


RULES = st.fixed_dictionaries(
    {"apiGroups": _of(GROUPS), "resources": _of(RESOURCES), "verbs": _of(VERBS)},
    optional={"resourceNames": _of(("x", "y", "*"), 0)},
)
PATH_RULES = st.fixed_dictionaries({"nonResourceURLs": _of(PATHS), "verbs": _of(VERBS)})
SUBJECTS = st.one_of(
    st.builds(lambda name: {"kind": "User", "name": name, "apiGroup": GROUP}, st.sampled_from((*USERS, "*"))),
    st.builds(
        lambda name: {"kind": "Group", "name": name, "apiGroup": GROUP},
        st.sampled_from(("dev", "ops", EVERYBODY, ACCOUNTS, OF_SPACE)),
    ),
    st.builds(
        lambda name, space: {"kind": "ServiceAccount", "name": name, **({"namespace": space} if space else {})},
        st.sampled_from(("robot", "other")), st.sampled_from(SPACES),
    ),
)  # fmt: skip


def _role(kind: str, name: str, space: str, rules: list[Object]) -> Object:
    meta = {"name": name, "labels": {"roles": "random"}, **({"namespace": space} if space else {})}
    return {"apiVersion": API, "kind": kind, "metadata": meta, "rules": rules}


def _binding(kind: str, name: str, space: str, role: Object, subjects: list[Object]) -> Object:
    meta = {"name": name, "labels": {"roles": "random"}, **({"namespace": space} if space else {})}
    return {
        "apiVersion": API,
        "kind": kind,
        "metadata": meta,
        "roleRef": {"apiGroup": GROUP, **role},
        "subjects": subjects,
    }


REFERENCES = st.builds(
    lambda kind, name: {"kind": kind, "name": name},
    st.sampled_from(("Role", "ClusterRole")),
    st.sampled_from((*NAMES, "missing")),
)
ROLES = st.builds(_role, st.just("Role"), st.sampled_from(NAMES), st.sampled_from(SPACES), some(RULES, max_size=2))
CLUSTER_ROLES = st.builds(
    _role, st.just("ClusterRole"), st.sampled_from(NAMES), st.just(""), some(st.one_of(RULES, PATH_RULES), max_size=3)
)
BINDINGS = st.builds(
    _binding, st.just("RoleBinding"), st.sampled_from(NAMES), st.sampled_from(SPACES), REFERENCES,
    some(SUBJECTS, min_size=1, max_size=2),
)  # fmt: skip
CLUSTER_BINDINGS = st.builds(
    _binding, st.just("ClusterRoleBinding"), st.sampled_from(NAMES), st.just(""),
    REFERENCES.map(lambda role: {**role, "kind": "ClusterRole"}), some(SUBJECTS, min_size=1, max_size=2),
)  # fmt: skip


@dataclass(frozen=True)
class Question:
    """Who asks, and the spec of the review."""

    user: str
    spec: Object

    @property
    def plural(self) -> str:
        """Which review asks that."""
        return "selfsubjectrulesreviews" if set(self.spec) == {"namespace"} else "selfsubjectaccessreviews"


ATTRIBUTES = st.fixed_dictionaries(
    {"verb": st.sampled_from(VERBS), "resource": st.sampled_from(("pods", "deployments", "*"))},
    optional={
        "group": st.sampled_from(GROUPS), "namespace": st.sampled_from(SPACES), "name": st.sampled_from(("x", "z")),
        "subresource": st.sampled_from(("log", "exec")), "version": st.just("v1"),
    },
)  # fmt: skip
SPECS = st.one_of(
    ATTRIBUTES.map(lambda found: {"resourceAttributes": found}),
    ATTRIBUTES.map(lambda found: {"resourceAttributes": found}),
    st.builds(
        lambda path, verb: {"nonResourceAttributes": {"path": path, "verb": verb}},
        st.sampled_from(("/healthz", "/healthz/x", "/metrics/a", "/metrics", "/")), st.sampled_from(("get", "list")),
    ),
    st.sampled_from(SPACES).map(lambda space: {"namespace": space}),
)  # fmt: skip
QUESTIONS = st.builds(Question, st.sampled_from(tuple(USERS)), SPECS)


@dataclass(frozen=True)
class Rights:
    """What is made, and what is asked then."""

    objects: list[Object]
    questions: list[Question]


def _unique(found: list[list[Object]]) -> list[Object]:
    made = {
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]): one for part in found for one in part
    }
    return list(made.values())


RIGHTS = st.builds(
    lambda *parts: Rights(_unique(list(parts[:4])), parts[4]),
    some(ROLES, max_size=2), some(CLUSTER_ROLES, min_size=1, max_size=2), some(BINDINGS, min_size=1, max_size=3),
    some(CLUSTER_BINDINGS, max_size=2), some(QUESTIONS, min_size=12, max_size=16),
)  # fmt: skip
