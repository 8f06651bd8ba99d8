"""The rules of CustomResourceDefinitions on the write path: names are accepted, kinds established as they are stored.

Upstream's controllers do this a moment later; here no client ever sees a definition without its conditions.
Source: apiextensions-apiserver pkg/registry/customresourcedefinition, pkg/controller.
"""

from __future__ import annotations

from kube46.api import metadata, names
from kube46.api.errors import FieldError, invalid, required
from kube46.apiserver.customresources import definition_rules, naming, normal
from kube46.apiserver.customresources.formats import unknown_formats
from kube46.apiserver.customresources.kinds import condition
from kube46.apiserver.strategy import Context, Object, Strategy
from kube46.apiserver.transactions import now

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
DEFINITIONS = "customresourcedefinitions"
APPROVALS = {
    "approved": ("True", "ApprovedAnnotation"), "bypassed": ("False", "UnapprovedAnnotation"),
    "missing": ("False", "MissingAnnotation"), "invalid": ("False", "InvalidAnnotation"),
}  # fmt: skip


class Definitions(Strategy):
    """CustomResourceDefinitions."""

    unconditional_update = False

    def default(self, obj: Object) -> None:
        """Names that follow from the kind, and the conversion."""
        spec = obj["spec"]
        wanted = spec["names"]
        if not wanted.get("singular"):
            wanted["singular"] = wanted["kind"].lower()
        if not wanted.get("listKind") and wanted["kind"]:
            wanted["listKind"] = f"{wanted['kind']}List"
        spec.setdefault("conversion", {"strategy": "None"})
        for version in spec["versions"] or ():
            normal.settle(version)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """Names and conditions."""
        obj["status"] = {"acceptedNames": {"plural": "", "kind": ""}, "conditions": [], "storedVersions": []}
        self._decide(obj, ctx)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """The same, when the spec has changed."""
        if ctx.subresource == "":
            self._decide(new, ctx)

    def _decide(self, obj: Object, ctx: Context) -> None:
        group = obj["spec"]["group"]
        others = [
            one
            for one in ctx.txn.list(DEFINITIONS)
            if one["spec"]["group"] == group and one["metadata"]["name"] != ctx.name
        ]
        status = naming.decide(obj, others, now())
        if definition_rules.protected(group):
            state, reason = definition_rules.approval(obj["metadata"].get("annotations") or {})
            approved = ("KubernetesAPIApprovalPolicyConformant", *APPROVALS[state], reason, now())
            status["conditions"] = naming.with_condition(status["conditions"], *approved)
        stored = list(status.get("storedVersions") or ())
        for version in obj["spec"]["versions"] or ():
            if version["storage"] and version["name"] not in stored:
                stored.append(version["name"])
        obj["status"] = {**status, "storedVersions": stored}

    def validate_create(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of a new definition."""
        wanted = f"{obj['spec']['names']['plural']}.{obj['spec']['group']}"

        def rule(name: str) -> list[str]:
            found = names.subdomain(name)
            return found if name == wanted else [*found, 'must be spec.names.plural+"."+spec.group']

        found = metadata.validate_create(obj, rule, namespaced=False, core=False)
        found += definition_rules.spec_errors(obj["spec"])
        annotations = obj["metadata"].get("annotations") or {}
        return found + definition_rules.approval_errors(obj["spec"]["group"], annotations, None)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of a changed definition; a schema that stays as it was is not looked at again."""
        found = metadata.validate_update(new, old, namespaced=False, core=False)
        if ctx.subresource == "status":
            return found + definition_rules.name_errors(
                new["status"].get("acceptedNames") or {}, "status.acceptedNames"
            )
        if new["spec"] != old["spec"]:
            established = condition(old, "Established")
            found += definition_rules.update_errors(new["spec"], old["spec"], established=established)
            found += _stored(new)
        annotations, before = (one["metadata"].get("annotations") or {} for one in (new, old))
        return found + definition_rules.approval_errors(new["spec"]["group"], annotations, before)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Formats that nobody checks; sets of what is no scalar."""
        found = _warnings(new)
        before = set() if old is None else set(_warnings(old))
        return [text for text in found if text not in before]

    def prepare_delete(self, obj: Object) -> bool:
        """A definition goes after its objects."""
        meta = obj["metadata"]
        if meta.get("deletionTimestamp"):
            return False
        meta["finalizers"] = sorted({*(meta.get("finalizers") or ()), FINALIZER}, key=lambda f: f == FINALIZER)
        text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
        terminating(obj, "True", "InstanceDeletionPending", text)
        return True

    def after_delete(self, obj: Object, ctx: Context) -> None:
        """Its names are free: others of the group may have waited for them."""
        for one in ctx.txn.list(DEFINITIONS):
            if one["spec"]["group"] != obj["spec"]["group"] or condition(one, "NamesAccepted"):
                continue
            others = (o for o in ctx.txn.list(DEFINITIONS) if o["spec"]["group"] == one["spec"]["group"])
            rest = [other for other in others if other["metadata"]["name"] != one["metadata"]["name"]]
            status = naming.decide(one, rest, now())
            if status != one["status"]:
                ctx.txn.update(DEFINITIONS, {**one, "status": status})


def terminating(obj: Object, status: str, reason: str, message: str) -> None:
    """Set the condition that tells how far a deletion is."""
    state = obj.setdefault("status", {})
    state["conditions"] = naming.with_condition(
        state.get("conditions") or (), "Terminating", status, reason, message, now()
    )


def _stored(obj: Object) -> list[FieldError]:
    field, stored = "status.storedVersions", list((obj.get("status") or {}).get("storedVersions") or ())
    known = [version["name"] for version in obj["spec"]["versions"] or ()]
    if not stored:
        return [required(field)]
    text = (
        "missing from spec.versions; {0} was previously a storage version, and must remain in spec.versions until a "
        "storage migration ensures no data remains persisted in {0} and removes {0} from status.storedVersions"
    )
    return [
        invalid(f"{field}[{index}]", name, text.format(name)) for index, name in enumerate(stored) if name not in known
    ]


def _warnings(obj: Object) -> list[str]:
    schemas = [(v.get("schema") or {}).get("openAPIV3Schema") or {} for v in obj["spec"]["versions"] or ()]
    found = [f'unrecognized format "{name}"' for schema in schemas for name in unknown_formats(schema)]
    return list(dict.fromkeys([*found, *(text for schema in schemas for text in normal.set_warnings(schema))]))
