"""Query parameters as Go reads them, and the options of requests, refused as apimachinery refuses them.

Sources: apimachinery pkg/runtime/conversion.go (parameters), pkg/apis/meta/v1/validation and
pkg/apis/meta/internalversion/validation (options); apiserver pkg/endpoints/filters/request_deadline.go (timeout).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kube46.api import errors, metadata
from kube46.apiserver import statuses
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kube46.api.errors import FieldError

INT64 = 1 << 63
INTEGER = re.compile(r"[-+]?[0-9]+")
VALIDATIONS = ("", "Ignore", "Strict", "Warn")
DURATION = re.compile(r"[-+]?(?:0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")
UNIT = re.compile(r"[0-9.]+([^0-9.]*)")
UNITS = ("ns", "us", "µs", "μs", "ms", "s", "m", "h")
NOT_OLDER, EXACT = "NotOlderThan", "Exact"
MATCH = "resourceVersionMatch"


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean: false when absent, `0` or `false`; everything else, nothing included, is true."""
    return name in query and query[name] != "0" and query[name].lower() != "false"


def optional_flag(query: Mapping[str, str], name: str) -> bool | None:
    """A boolean that may be left open."""
    return flag(query, name) if name in query else None


def integer(query: Mapping[str, str], name: str) -> int | None:
    """A whole number of 64 bits, None when it is absent; raises 400 with the text of Go's strconv."""
    text = query.get(name)
    if text is None:
        return None
    if not INTEGER.fullmatch(text):
        raise statuses.bad_request(f"strconv.ParseInt: parsing {errors.go_quote(text)}: invalid syntax")
    if len(text) > 20 or not -INT64 <= int(text) < INT64:
        raise statuses.bad_request(f"strconv.ParseInt: parsing {errors.go_quote(text)}: value out of range")
    return int(text)


def check_timeout(query: Mapping[str, str]) -> None:
    """Refuse a `timeout` that is no duration of Go; requests end in time without one, so it has no other effect."""
    text = query.get("timeout") or "0"
    if DURATION.fullmatch(text):
        return
    problem = f"time: invalid duration {errors.go_quote(text)}"
    if (unit := UNIT.fullmatch(text.lstrip("+-"))) is not None and any(c.isdigit() for c in text):
        if not unit[1]:
            problem = f"time: missing unit in duration {errors.go_quote(text)}"
        elif unit[1] not in UNITS:
            problem = f"time: unknown unit {errors.go_quote(unit[1])} in duration {errors.go_quote(text)}"
    raise statuses.bad_request(f"invalid timeout specified in the request URL - {problem}")


def invalid(title: str, problems: Sequence[FieldError]) -> StatusError:
    """422 for the options of a request: `title` is their kind."""
    message, causes = errors.summary(title, "meta.k8s.io", "", problems)
    return StatusError(422, "Invalid", message, {"group": "meta.k8s.io", "kind": title, "causes": causes})


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """CreateOptions, UpdateOptions and PatchOptions."""

    manager: str = ""
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False


def write_options(
    query: Mapping[str, str], dry_run: Sequence[str], *, title: str, applies: bool = False
) -> WriteOptions:
    """The options of a create, update or patch; raises 422 for what they can't be."""
    name, validation = query.get("fieldManager", ""), query.get("fieldValidation", "")
    problems: list[FieldError] = []
    if applies and not name:
        problems.append(errors.required("fieldManager", "is required for apply patch"))
    elif title == "PatchOptions" and not applies and "force" in query:
        problems.append(errors.forbidden("force", "may not be specified for non-apply patch"))
    problems += metadata.manager_valid(name, "fieldManager") + dry_run_errors(dry_run)
    if validation not in VALIDATIONS:
        problems.append(errors.not_supported("fieldValidation", validation, VALIDATIONS))
    if problems:
        raise invalid(title, problems)
    return WriteOptions(name, bool(dry_run), validation or "Warn", flag(query, "force"))


def shown(title: str, query: Mapping[str, str], options: WriteOptions) -> dict[str, Any]:
    """The options as an object, for admission."""
    made: dict[str, Any] = {"kind": title, "apiVersion": "meta.k8s.io/v1"}
    if options.dry_run:
        made["dryRun"] = ["All"]
    if options.manager:
        made["fieldManager"] = options.manager
    if query.get("fieldValidation"):
        made["fieldValidation"] = options.validation
    if title == "PatchOptions" and "force" in query:
        made["force"] = options.force
    return made


def dry_run_errors(given: Sequence[str]) -> list[FieldError]:
    """What is wrong with `dryRun`, a list whose only value is All."""
    return [] if all(one == "All" for one in given) else [errors.not_supported("dryRun", list(given), ("All",))]


def check_list(query: Mapping[str, str], *, watch: bool) -> None:
    """Refuse with 422 what a list or watch can't ask for; reads nothing else than the query."""
    match, version = query.get(MATCH, ""), query.get("resourceVersion", "")
    initial, token = "sendInitialEvents" in query, query.get("continue", "")
    if watch and not initial and not match and version in ("", "0"):
        initial, match = True, NOT_OLDER  # what the server does by itself
    if watch:
        problems = _watch_problems(match, token, initial=initial)
    else:
        problems = _list_problems(match, version, token, initial=initial)
    if problems:
        raise invalid("ListOptions", problems)


def _list_problems(match: str, version: str, token: str, *, initial: bool) -> list[FieldError]:
    found: list[FieldError] = []
    if match:
        if not version:
            found.append(errors.forbidden(MATCH, f"{MATCH} is forbidden unless resourceVersion is provided"))
        if token:
            found.append(errors.forbidden(MATCH, f"{MATCH} is forbidden when continue is provided"))
        if match not in (EXACT, NOT_OLDER):
            found.append(errors.not_supported(MATCH, match, (EXACT, NOT_OLDER, ""), in_order=True))
        if match == EXACT and version == "0":
            found.append(errors.forbidden(MATCH, f'{MATCH} "exact" is forbidden for resourceVersion "0"'))
    if initial:
        found.append(errors.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return found


def _watch_problems(match: str, token: str, *, initial: bool) -> list[FieldError]:
    found: list[FieldError] = []
    if initial and match != NOT_OLDER:
        found.append(errors.forbidden(MATCH, f"sendInitialEvents requires setting {MATCH} to {NOT_OLDER}"))
    if match:
        if not initial:
            found.append(
                errors.forbidden(MATCH, f"{MATCH} is forbidden for watch unless sendInitialEvents is provided")
            )
        if match != NOT_OLDER:
            found.append(errors.not_supported(MATCH, match, (NOT_OLDER,)))
        if token:
            found.append(errors.forbidden(MATCH, f"{MATCH} is forbidden when continue is provided"))
    return found
