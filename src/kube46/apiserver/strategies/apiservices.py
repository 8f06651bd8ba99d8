"""APIServices: which group and version is served where; those of this server itself are made by it.

Source: kube-aggregator pkg/apis/apiregistration/validation/validation.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api import names
from kube46.api.errors import invalid, required
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object

HIGHEST_GROUP, HIGHEST_VERSION = 20000, 1000


class APIServices(Generic):
    """One that names a Service is served by asking that (kube46.apiserver.aggregation)."""

    unconditional_update = False
    name_rule = staticmethod(names.path_segment)

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        service = obj.setdefault("spec", {}).get("service")
        if service is not None and service.get("port") is None:
            service["port"] = 443

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return _errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return _errors(new)


def _errors(obj: Object) -> list[FieldError]:
    spec: Object = obj["spec"]
    name, group, version = obj["metadata"].get("name", ""), spec.get("group") or "", spec.get("version") or ""
    found: list[FieldError] = []
    if name != (wanted := f"{version}.{group}"):
        found.append(invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"'))
    found += [invalid("spec.group", group, text) for text in (names.subdomain(group) if group else ())]
    found += [invalid("spec.version", version, text) for text in names.label_1035(version)]
    high, low = spec.get("groupPriorityMinimum") or 0, spec.get("versionPriority") or 0
    if not 0 < high <= HIGHEST_GROUP:
        found.append(invalid("spec.groupPriorityMinimum", high, "must be positive and less than 20000"))
    if not 0 < low <= HIGHEST_VERSION:
        found.append(invalid("spec.versionPriority", low, "must be positive and less than 1000"))
    service = spec.get("service")
    if service is None:
        if spec.get("caBundle"):
            text = "local APIServices may not have a caBundle"
            found.append(invalid("spec.caBundle", f"{len(spec['caBundle'])} bytes", text))
        if spec.get("insecureSkipTLSVerify"):
            text = "local APIServices may not have insecureSkipTLSVerify"
            found.append(invalid("spec.insecureSkipTLSVerify", value=True, detail=text))
        return found
    found += [required(f"spec.service.{key}") for key in ("namespace", "name") if not service.get(key)]
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        text = "may not be true if caBundle is present"
        found.append(invalid("spec.insecureSkipTLSVerify", value=True, detail=text))
    return found
