"""Errors of webhook configurations, and of the places that webhooks of any kind have.

Sources: k8s.io/kubernetes pkg/apis/admissionregistration/validation, k8s.io/apiserver pkg/util/webhook/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from kube46.api import names
from kube46.api.errors import FieldError, duplicate, each_invalid, invalid, not_supported, required
from kube46.api.policyrules import rule_errors
from kube46.api.selectors import selector_errors

Object = dict[str, Any]
REVIEWS = ("v1", "v1beta1")
POLICIES = {"failurePolicy": ("Fail", "Ignore"), "matchPolicy": ("Equivalent", "Exact")}
REINVOCATIONS, SIDE_EFFECTS = ("IfNeeded", "Never"), ("None", "NoneOnDryRun")
MOST_SECONDS = 30
STATIC = ".static.k8s.io"
VIRTUAL = {
    "authentication.k8s.io": ("selfsubjectreviews", "tokenreviews"),
    "authorization.k8s.io": (
        "localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews",
    ),
}  # fmt: skip
Conditions = Callable[[list[Object], str], list[FieldError]]
FORM = "; desired format: https://host[/path]"


def errors(obj: Object, old: Object | None, conditions: Conditions) -> list[FieldError]:
    """Each webhook: where it is, what it is asked about, and that asking changes nothing.

    `conditions` finds errors of matchConditions; those that were there before stay as they are.
    """
    hooks, before = obj.get("webhooks") or (), None if old is None else old.get("webhooks") or ()
    same = before is not None and [h.get("matchConditions") for h in hooks] == [
        h.get("matchConditions") for h in before
    ]
    known = before is None or all(_known(hook) for hook in before)
    unique = before is None or len({hook.get("name") for hook in before}) == len(before)
    found: list[FieldError] = []
    seen: set[str] = set()
    for n, hook in enumerate(hooks):
        place, name = f"webhooks[{n}]", hook.get("name") or ""
        found += _hook(place, hook)
        if hook.get("matchConditions") and not same:
            found += conditions(hook["matchConditions"], f"{place}.matchConditions")
        found += _versions(f"{place}.admissionReviewVersions", hook.get("admissionReviewVersions") or [], known=known)
        if unique and name in seen:
            found.append(duplicate(f"{place}.name", name))
        seen |= {name} if name else set()
    return found


def warnings(obj: Object) -> list[str]:
    """Rules about what no webhook is asked about, and names that are for others."""
    found = []
    if str(obj["metadata"].get("name")).endswith(STATIC):
        text = "are reserved for static manifest-based configurations and cannot be managed via the API"
        found.append(f'metadata.name: names ending with "{STATIC}" {text}')
    for n, hook in enumerate(obj.get("webhooks") or ()):
        for m, rule in enumerate(hook.get("rules") or ()):
            groups, resources = (dict.fromkeys(rule.get(key) or ()) for key in ("apiGroups", "resources"))
            if "*" in groups or "*" in resources:
                continue
            named = [f"{r}.{g}" for g in groups for r in resources if r in VIRTUAL.get(g, ())]
            text = "is excluded from admission webhooks; this rule will have no effect"
            found += [f"webhooks[{n}].rules[{m}]: {one} {text}" for one in named]
    return found


def _known(hook: Object) -> bool:
    return any(version in REVIEWS for version in hook.get("admissionReviewVersions") or ())


def _versions(place: str, versions: list[str], *, known: bool) -> list[FieldError]:
    """The versions of reviews that a webhook understands: one that kube-apiserver sends must be among them."""
    if not versions:
        return [required(place, f"must specify one of {', '.join(REVIEWS)}")]
    found: list[FieldError] = []
    for n, version in enumerate(versions):
        if version in versions[:n]:
            found.append(invalid(f"{place}[{n}]", version, "duplicate version"))
        else:
            found += each_invalid(f"{place}[{n}]", version, names.label_1035(version))
    if not known or any(version in REVIEWS for version in versions):
        return found
    return [*found, invalid(place, versions, f"must include at least one of {', '.join(REVIEWS)}")]


def _hook(place: str, hook: Object) -> list[FieldError]:
    found = _name(f"{place}.name", hook.get("name") or "")
    for n, rule in enumerate(hook.get("rules") or ()):
        found += rule_errors(rule, f"{place}.rules[{n}]")
    for key, allowed in POLICIES.items():
        if (value := hook.get(key)) is not None and value not in allowed:
            found.append(not_supported(f"{place}.{key}", value, allowed))
    effects, seconds = hook.get("sideEffects"), hook.get("timeoutSeconds")
    if effects is None:
        found.append(required(f"{place}.sideEffects", f"must specify one of {', '.join(SIDE_EFFECTS)}"))
    elif effects not in SIDE_EFFECTS:
        found.append(not_supported(f"{place}.sideEffects", effects, SIDE_EFFECTS))
    if seconds is not None and not 1 <= seconds <= MOST_SECONDS:
        text = f"the timeout value must be between 1 and {MOST_SECONDS} seconds"
        found.append(invalid(f"{place}.timeoutSeconds", seconds, text))
    for key in ("namespaceSelector", "objectSelector"):
        found += selector_errors(hook.get(key) or {}, f"{place}.{key}")
    again = hook.get("reinvocationPolicy")
    if again is not None and again not in REINVOCATIONS:
        found.append(not_supported(f"{place}.reinvocationPolicy", again, REINVOCATIONS))
    return found + client_config(hook.get("clientConfig") or {}, f"{place}.clientConfig")


def _name(place: str, name: str) -> list[FieldError]:
    if not name:
        return [required(place)]
    if problems := names.subdomain(name):
        return each_invalid(place, name, problems)
    text = "should be a domain with at least three segments separated by dots"
    return [] if name.count(".") >= 2 else [invalid(place, name, text)]


def client_config(client: Object, place: str) -> list[FieldError]:
    """Where a webhook is: a URL or a Service."""
    url, service = client.get("url"), client.get("service")
    if (url is None) is (service is None):
        return [required(place, "exactly one of url or service is required")]
    return _url(str(url), f"{place}.url") if service is None else _service(service, f"{place}.service")


def _url(text: str, place: str) -> list[FieldError]:
    try:
        url = urlsplit(text)
    except ValueError as error:
        return [required(place, f"url must be a valid URL: {error}{FORM}")]
    found: list[FieldError] = []
    if url.scheme != "https":
        found.append(invalid(place, url.scheme, f"'https' is the only allowed URL scheme{FORM}"))
    user, _, host = url.netloc.rpartition("@")
    if not host:
        found.append(invalid(place, host, f"host must be specified{FORM}"))
    if "@" in url.netloc:
        found.append(invalid(place, user, "user information is not permitted in the URL"))
    if url.fragment:
        found.append(invalid(place, url.fragment, "fragments are not permitted in the URL"))
    if url.query:
        found.append(invalid(place, url.query, "query parameters are not permitted in the URL"))
    return found


def _service(service: Object, place: str) -> list[FieldError]:
    swapped = (("name", "namespace"), ("namespace", "name"))  # kube-apiserver tells of one in the other's name
    found = [required(f"{place}.{told}") for told, key in swapped if not service.get(key)]
    port = service.get("port", 443)
    if not 1 <= port <= 65535:
        found.append(invalid(f"{place}.port", port, "port is not valid: must be between 1 and 65535, inclusive"))
    path, field = service.get("path"), f"{place}.path"
    if path in (None, "", "/"):
        return found
    if path == "//":
        return [*found, invalid(field, path, "segment[0] may not be empty")]
    if not path.startswith("/"):
        found.append(invalid(field, path, "must start with a '/'"))
    for index, step in enumerate(path[1:].removesuffix("/").split("/")):
        if not step:
            found.append(invalid(field, path, f"segment[{index}] may not be empty"))
        else:
            found += each_invalid(field, path, [f"segment[{index}]: {text}" for text in names.subdomain(step)])
    return found
