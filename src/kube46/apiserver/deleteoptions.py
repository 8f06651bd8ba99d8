"""DeleteOptions: from a request's body or, where it has none, its query; decoded and refused as kube-apiserver does.

Sources: k8s.io/apiserver pkg/endpoints/handlers/delete.go, apimachinery pkg/apis/meta/v1/validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kube46.api import errors
from kube46.apiserver import fieldvalidation_json as gojson
from kube46.apiserver import statuses
from kube46.apiserver.bodies import read_json
from kube46.apiserver.fieldvalidation import TYPE_META
from kube46.apiserver.fieldvalidation_types import Decoder, Mismatch
from kube46.apiserver.options import dry_run_errors, integer, invalid, optional_flag
from kube46.apiserver.schemas import Schemas

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.requests import Request

TYPE = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
FOREGROUND, BACKGROUND, ORPHAN = "Foreground", "Background", "Orphan"
SCHEME = "pkg/apis/meta/internalversion/scheme/register.go:27"  # not that of objects
UNSAFE = "ignoreStoreReadErrorWithClusterBreakingPotential"


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """Grace in seconds (None: the object's own), preconditions (None: any), and what happens to dependents."""

    grace: int | None = None
    uid: str | None = None
    resource_version: str | None = None
    propagation: str = ""
    dry_run: bool = False
    orphans: bool | None = None  # orphanDependents, which propagationPolicy has replaced
    unsafe: bool = False  # delete an object that can't be read; there are none, so it always fails

    def shown(self) -> dict[str, Any]:
        """As an object, for admission."""
        preconditions = {"uid": self.uid, "resourceVersion": self.resource_version}
        given = {name: value for name, value in preconditions.items() if value is not None}
        found = {
            "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "gracePeriodSeconds": self.grace,
            "preconditions": given or None, "orphanDependents": self.orphans,
            "propagationPolicy": (self.propagation or None) if self.orphans is None else None,
            "dryRun": ["All"] if self.dry_run else None,
        }  # fmt: skip
        return {name: value for name, value in found.items() if value is not None}


def of_document(found: dict[str, Any]) -> DeleteOptions:
    """The options that a decoded object holds; raises 422 for what they can't be."""
    preconditions = found.get("preconditions")
    problems = _problems(found)
    if problems:
        raise invalid("DeleteOptions", problems)
    orphans, given = found.get("orphanDependents"), preconditions or {}
    propagation = found.get("propagationPolicy") or {None: "", True: ORPHAN, False: BACKGROUND}[orphans]
    return DeleteOptions(
        found.get("gracePeriodSeconds"), given.get("uid"), given.get("resourceVersion"), propagation,
        bool(found.get("dryRun")), orphans, bool(found.get(UNSAFE)),
    )  # fmt: skip


def _problems(found: dict[str, Any]) -> list[FieldError]:
    orphans, policy = found.get("orphanDependents"), found.get("propagationPolicy")
    problems: list[FieldError] = []
    if orphans is not None and policy is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        problems.append(errors.invalid("propagationPolicy", policy, text))
    if policy is not None and policy not in (FOREGROUND, BACKGROUND, ORPHAN):
        known = (FOREGROUND, BACKGROUND, ORPHAN, "nil")
        problems.append(errors.not_supported("propagationPolicy", policy, known, in_order=True))
    problems += dry_run_errors(found.get("dryRun") or ())
    if found.get(UNSAFE):
        others = ("propagationPolicy", "orphanDependents", "gracePeriodSeconds", "preconditions")
        problems += [
            errors.invalid(UNSAFE, True, f"cannot be set together with .{name}")
            for name in others
            if found.get(name) is not None
        ]
    return problems


async def read(request: Request) -> DeleteOptions:
    """The options of a request; raises 400, 415 or 422."""
    if request.has_body and (body := await read_json(request)):
        return of_document(decode(body))
    query = request.query
    found: dict[str, Any] = {
        "gracePeriodSeconds": integer(query, "gracePeriodSeconds"),
        "orphanDependents": optional_flag(query, "orphanDependents"),
        "propagationPolicy": query.get("propagationPolicy"),
        "dryRun": request.every("dryRun"),
        UNSAFE: optional_flag(query, UNSAFE),
    }
    given = {"uid": query.get("uid"), "resourceVersion": query.get("resourceVersion")}
    if any(value is not None for value in given.values()):
        found["preconditions"] = given
    return of_document(found)


def decode(body: bytes) -> dict[str, Any]:
    """The object of a body; unknown fields are passed over. Raises 400 with Go's text."""
    try:
        found = gojson.parse(body)
    except gojson.SyntaxProblem as problem:
        raise statuses.bad_request(problem.told) from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        text = f"json: cannot unmarshal {gojson.described(found)} into Go value of type {TYPE_META}"
        raise statuses.bad_request(f"couldn't get version/kind; json parse error: {text}")
    if (kind := found.get("kind")) not in (None, "", "DeleteOptions"):
        version = found.get("apiVersion") or "v1"
        raise statuses.bad_request(f'no kind "{kind}" is registered for version "{version}" in scheme "{SCHEME}"')
    schemas = Schemas.load()
    try:
        Decoder(schemas).decode(found, schemas.type(TYPE))
    except Mismatch as problem:
        raise statuses.bad_request(str(problem)) from None
    plain: dict[str, Any] = gojson.plain(found)  # as it came: an empty string is no absent one here
    return plain
