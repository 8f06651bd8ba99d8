"""What a CustomResourceDefinition's spec may say, error by error as upstream lists them.

What all versions say alike is told once, at `spec.validation`, `spec.subresources` …: upstream's internal form.
Source: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go, apis/apiextensions/v1/conversion.go.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from kube46.api import names, webhookrules
from kube46.api.errors import FieldError, duplicate, each_invalid, forbidden, invalid, not_supported, required, too_many
from kube46.apiserver.customresources import default_rules, rule_checks, schema_rules, structure
from kube46.apiserver.customresources.fieldpaths import schema_at, steps

Object = dict[str, Any]
APPROVED = "api-approved.kubernetes.io"
REVIEWS = ("v1", "v1beta1")
COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
SELECTABLE = 8  # fields of a version
MOVED = {"schema": "validation", "subresources": "subresources", "additionalPrinterColumns": "additionalPrinterColumns",
         "selectableFields": "selectableFields"}  # fmt: skip


def spec_errors(spec: Object) -> list[FieldError]:
    """The errors of a spec."""
    found: list[FieldError] = []
    group, versions = spec["group"], spec["versions"] or []
    if not group:
        found.append(required("spec.group"))
    elif complaints := names.subdomain(group):
        found.append(invalid("spec.group", group, ",".join(complaints)))
    elif "." not in group:
        found.append(invalid("spec.group", group, "should be a domain with at least one dot"))
    found += _one_of("spec.scope", spec["scope"], ("Cluster", "Namespaced"))
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            found.append(required(f"spec.versions[{index}].schema.openAPIV3Schema"))
    shared = {name for name in MOVED if _alike(versions, name)}
    for index, version in enumerate(versions):
        found += _version(version, f"spec.versions[{index}]", shared)
    listed = [version["name"] for version in versions]
    if len(set(listed)) != len(listed):
        found.append(invalid("spec.versions", versions, "must contain unique version names"))
    if sum(bool(version["storage"]) for version in versions) != 1:
        found.append(invalid("spec.versions", versions, "must have exactly one version marked as storage version"))
    wanted = spec["names"]
    for name in ("plural", "singular", "kind", "listKind"):
        if not wanted.get(name):
            found.append(required(f"spec.names.{name}"))
    found += name_errors(wanted, "spec.names")
    if shared:
        status = any("status" in (version.get("subresources") or {}) for version in versions)
        found += _parts(versions[0], shared, "spec", status)
    return found + _conversion(spec.get("conversion") or {}) + _preserving(spec)


def update_errors(spec: Object, old: Object, *, established: bool) -> list[FieldError]:
    """The errors of a changed spec: what names the stored objects stays."""
    found = spec_errors(spec)
    pairs = [("spec.group", spec["group"], old["group"])]
    if established:
        pairs = [
            ("spec.scope", spec["scope"], old["scope"]),
            ("spec.names.kind", spec["names"]["kind"], old["names"]["kind"]),
            *pairs,
        ]
    pairs.append(("spec.names.plural", spec["names"]["plural"], old["names"]["plural"]))
    return found + [invalid(field, new, "field is immutable") for field, new, before in pairs if new != before]


def _alike(versions: list[Object], name: str) -> bool:
    return bool(versions) and bool(versions[0].get(name)) and all(v.get(name) == versions[0][name] for v in versions)


def _one_of(field: str, value: str, accepted: tuple[str, ...]) -> list[FieldError]:
    if not value:
        return [required(field)]
    return [] if value in accepted else [not_supported(field, value, accepted)]


def _version(version: Object, path: str, shared: set[str]) -> list[FieldError]:
    found: list[FieldError] = []
    if complaints := names.label_1035(version["name"]):
        found.append(invalid(f"{path}.name", version["name"], ",".join(complaints)))
    warning = version.get("deprecationWarning")
    if warning is not None:
        field = f"{path}.deprecationWarning"
        if not version.get("deprecated"):
            found.append(invalid(field, warning, "can only be set for deprecated versions"))
        else:
            found += [invalid(field, warning, text) for text in _warning(warning)]
    status = "status" in (version.get("subresources") or {})
    return found + _parts(version, set(MOVED) - shared, path, status)


def _warning(text: str) -> list[str]:
    found = ["must be <= 256 characters long"] if len(text.encode()) > 256 else []
    if not text:
        found.append("must not be an empty string")
    wrong = next((index for index, char in enumerate(text) if not char.isprintable()), None)
    if wrong is not None:
        printable = "must only contain printable UTF-8 characters; non-printable character found at index"
        found.append(f"{printable} {len(text[:wrong].encode())}")
    return found


def _parts(version: Object, which: set[str], path: str, status: bool) -> list[FieldError]:
    """Schema, subresources, columns and selectable fields, of one version or of all (`path` is "spec" then)."""
    found: list[FieldError] = []
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if "schema" in which and schema:
        place = "spec.validation" if path == "spec" else f"{path}.schema"
        found += schema_errors(schema, f"{place}.openAPIV3Schema", status=status)
    if "subresources" in which:
        found += _scale((version.get("subresources") or {}).get("scale"), f"{path}.subresources")
    if "additionalPrinterColumns" in which:
        for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
            found += _column(column, f"{path}.additionalPrinterColumns[{index}]")
    if "selectableFields" in which and version.get("selectableFields"):
        found += _selectable(version["selectableFields"], schema or {}, f"{path}.selectableFields")
    return found


def schema_errors(schema: Object, path: str, *, status: bool) -> list[FieldError]:
    """Everything about a schema; its rules are compiled only when all else is right."""
    found = schema_rules.at_root_with_status(schema, path) if status else []
    if schema.get("nullable"):
        found.append(forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    form = schema_rules.problems(schema, path)
    if any(name in error.body for error in form for name, _ in UNREADABLE):
        return found + form
    structural = structure.problems(schema, path)
    found += structural
    if not structural and not form:
        found += default_rules.problems(schema, path)
    found += form
    return found or rule_checks.problems(schema, path)


# what no structural form can be made of: only this is told of then
UNREADABLE = (("items must be a schema", ""), ("is not supported", ""))


def name_errors(wanted: Object, path: str) -> list[FieldError]:
    """The errors of a set of names."""
    found: list[FieldError] = []
    for name in ("plural", "singular", "kind", "listKind"):
        text = wanted.get(name) or ""
        complaints = names.label_1035(text.lower() if "ind" in name else text) if text else []
        if complaints:
            mixed = "may have mixed case, but should otherwise match: " if name in ("kind", "listKind") else ""
            found.append(invalid(f"{path}.{name}", text, mixed + ",".join(complaints)))
    for index, short in enumerate(wanted.get("shortNames") or ()):
        if complaints := names.label_1035(short):
            found.append(invalid(f"{path}.shortNames[{index}]", short, ",".join(complaints)))
    if wanted.get("kind") and wanted["kind"] == wanted.get("listKind"):
        found.append(invalid(f"{path}.listKind", wanted["listKind"], "kind and listKind may not be the same"))
    for index, category in enumerate(wanted.get("categories") or ()):
        if complaints := names.label_1035(category):
            found.append(invalid(f"{path}.categories[{index}]", category, ",".join(complaints)))
    return found


def _column(column: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    kind, pattern = column["type"], f"must be one of {','.join(COLUMN_TYPES)}"
    if not column["name"]:
        found.append(required(f"{path}.name"))
    if not kind:
        found.append(required(f"{path}.type", pattern))
    elif kind not in COLUMN_TYPES:
        found.append(invalid(f"{path}.type", kind, pattern))
    if column.get("format") and column["format"] not in COLUMN_FORMATS:
        found.append(invalid(f"{path}.format", column["format"], f"must be one of {','.join(COLUMN_FORMATS)}"))
    if not column["jsonPath"]:
        return [*found, required(f"{path}.JSONPath")]
    return found + _simple_path(column["jsonPath"], f"{path}.JSONPath")


def _simple_path(path: str, field: str) -> list[FieldError]:
    if not path.startswith("."):
        return [invalid(field, path, "must be a simple json path starting with .")]
    return []


def _scale(scale: Object | None, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if scale is None:
        return found
    for name, roots, text in (
        ("specReplicasPath", (".spec.",), "should be a json path under .spec"),
        ("statusReplicasPath", (".status.",), "should be a json path under .status"),
        ("labelSelectorPath", (".spec.", ".status."), "should be a json path under either .spec or .status"),
    ):
        field, value = f"{path}.scale.{name}", scale.get(name) or ""
        if not value:
            found += [] if name == "labelSelectorPath" else [required(field)]
        elif not value.startswith(roots):
            found += _simple_path(value, field) or [invalid(field, value, text)]
    return found


def _selectable(fields: list[Object], schema: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[tuple[str, ...]] = set()
    for index, field in enumerate(fields):
        where, text = f"{path}[{index}].jsonPath", field["jsonPath"]
        if not text:
            found.append(required(where))
            continue
        target = schema_at(text, schema, brackets=False)
        if isinstance(target, str):
            found.append(invalid(where, text, f"is an invalid path: {target}"))
            continue
        named = tuple(steps(text) or ())
        if named[0] == "metadata":
            found.append(invalid(where, text, "must not point to fields in metadata"))
        if target.get("type") not in ("string", "boolean", "integer"):
            detail = "must point to a field of type string, boolean or integer. "
            found.append(invalid(where, text, f"{detail}Enum string fields and strings with formats are allowed."))
        if named in seen:
            found.append(duplicate(where, text))
        seen.add(named)
    return [*found, too_many(path, len(seen), SELECTABLE)] if len(seen) > SELECTABLE else found


def _conversion(conversion: Object) -> list[FieldError]:
    """Upstream names the fields of its internal form."""
    found = _one_of("spec.conversion.strategy", conversion.get("strategy", ""), ("None", "Webhook"))
    webhook: Object | None = conversion.get("webhook")
    client, versions = (webhook or {}).get("clientConfig"), (webhook or {}).get("conversionReviewVersions")
    place = "spec.conversion.webhookClientConfig"
    if conversion.get("strategy") == "Webhook":
        if client is None:
            found.append(required(place, "required when strategy is set to Webhook"))
        else:
            found += webhookrules.client_config(client, place)
        return found + _review_versions(versions or [])
    text = "should not be set when strategy is not set to Webhook"
    if client is not None:
        found.append(forbidden(place, text))
    return [*found, forbidden("spec.conversion.conversionReviewVersions", text)] if versions else found


def _review_versions(versions: list[str]) -> list[FieldError]:
    place = "spec.conversion.conversionReviewVersions"
    if not versions:
        return [required(place)]
    found: list[FieldError] = []
    for index, version in enumerate(versions):
        if version in versions[:index]:
            found.append(invalid(f"{place}[{index}]", version, "duplicate version"))
        else:
            found += each_invalid(f"{place}[{index}]", version, names.label_1035(version))
    if any(version in REVIEWS for version in versions):
        return found
    return [*found, invalid(place, versions, f"must include at least one of {', '.join(REVIEWS)}")]


def _preserving(spec: Object) -> list[FieldError]:
    if not spec.get("preserveUnknownFields"):
        return []
    text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
    return [invalid("spec.preserveUnknownFields", True, text)]


def protected(group: str) -> bool:
    """Whether a group is the Kubernetes community's own."""
    return any(group == root or group.endswith(f".{root}") for root in ("k8s.io", "kubernetes.io"))


def approval(annotations: Object) -> tuple[str, str]:
    """How the annotation of protected groups stands (approved, bypassed, missing, invalid), and the words for it."""
    text = annotations.get(APPROVED, "")
    must, see = (
        f'protected groups must have approval annotation "{APPROVED}"',
        "see https://github.com/kubernetes/enhancements/pull/1111",
    )
    if not text:
        return "missing", f"{must}, {see}"
    if text.startswith("unapproved"):
        return "bypassed", f'not approved: "{text}"'
    url = urlsplit(text)
    if url.scheme and url.netloc:
        return "approved", f"approved in {text}"
    return "invalid", f'{must} with either a URL or a reason starting with "unapproved", {see}'


def approval_errors(group: str, annotations: Object, old: Object | None) -> list[FieldError]:
    """Refuse a definition in a protected group that nobody approved; one that is there already may stay."""
    if not protected(group) or (old is not None and approval(old)[0] == approval(annotations)[0]):
        return []
    field, (state, reason) = f"metadata.annotations[{APPROVED}]", approval(annotations)
    if state == "missing":
        return [required(field, reason)]
    return [invalid(field, annotations.get(APPROVED, ""), reason)] if state == "invalid" else []
