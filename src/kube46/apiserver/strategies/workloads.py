"""Deployments, ReplicaSets, DaemonSets, StatefulSets, Jobs, CronJobs and PodTemplates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api import names
from kube46.api.pods import warnings as podwarnings
from kube46.api.workloads import cronjobs, defaults, jobs, sets, validation, warnings
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object

POD_NAMES = "Pod names and hostnames"


class ReplicaSets(Generic):
    """The selector must select the template and stays."""

    hosts = POD_NAMES
    kind = "replicaset"

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        defaults.replica_set(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """A fresh status."""
        obj["status"] = {"replicas": 0}

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return validation.errors(obj, self.kind)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`, and a changed selector."""
        return validation.errors(new, self.kind) + validation.immutable(new, old)

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Negative numbers."""
        return validation.status_errors(new)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Of a new name, and of a template that may have changed."""
        return super().warnings(new, old) + (warnings.template(new) if warnings.due(new, old) else [])


class ReplicationControllers(ReplicaSets):
    """Their ancestor: the selector is a plain map, by default the template's labels, and may change."""

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        defaults.replication_controller(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return validation.controller_errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return validation.controller_errors(new)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Of an update, upstream looks at the template that was there."""
        if old is None:
            return super().warnings(new, None)
        return warnings.template(old) if warnings.due(new, old) else []


class Deployments(ReplicaSets):
    """The same, with a strategy to roll out."""

    kind = "deployment"

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Numbers that can't be."""
        return validation.deployment_status_errors(new)

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        defaults.deployment(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """A fresh status."""
        obj["status"] = {}


class PodTemplates(Generic):
    """A pod's template alone, which nothing makes pods of."""

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        defaults.pod_template(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `template`."""
        return validation.template_errors(obj["template"], "template")

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The same."""
        return self.create_errors(new, ctx)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Of the template."""
        return podwarnings.of_template(new["template"], "template") if warnings.due(new, old) else []


class DaemonSets(Generic):
    """One pod a node; the selector stays."""

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        sets.default_daemon_set(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """A fresh status, in which these numbers are always told."""
        names = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
        obj["status"] = dict.fromkeys(names, 0)
        sets.count_template(obj, 1)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """Each new template has a number, which upstream keeps in an annotation."""
        if not ctx.subresource:
            changed = new["spec"].get("template") != old["spec"].get("template")
            sets.count_template(new, sets.template_number(old) + changed)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return sets.daemon_set_errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`, and a changed selector."""
        return sets.daemon_set_errors(new) + validation.immutable(new, old)

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Negative numbers."""
        return validation.status_errors(new)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Of a new template."""
        changed = old is None or sets.template_number(new) != sets.template_number(old)
        return warnings.template(new) if changed else []


class StatefulSets(Generic):
    """Numbered pods; what gives them their identity stays."""

    name_rule = staticmethod(names.label)

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        sets.default_stateful_set(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """A fresh status."""
        obj["status"] = {"replicas": 0, "availableReplicas": 0}

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return sets.stateful_set_errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`, and of what is set once."""
        return sets.stateful_set_errors(new) + validation.immutable(new, old, *sets.FIXED)

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Negative numbers."""
        return validation.status_errors(new)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Of a template that may have changed, and of claims."""
        return (warnings.template(new) if warnings.due(new, old) else []) + warnings.stateful_set(new, new=old is None)


class Jobs(Generic):
    """Pods that end; their selector is made by the server."""

    hosts = POD_NAMES

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        jobs.default(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """The selector, and a fresh status."""
        jobs.select(obj)
        jobs.default(obj)  # labels that the selector brought
        obj["status"] = {}

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return jobs.errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`, and of what is set once."""
        return jobs.errors(new, old)

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Negative numbers."""
        return validation.status_errors(new)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Of a new name, and of a spec that may have changed."""
        return super().warnings(new, old) + (warnings.job(new["spec"], "spec") if warnings.due(new, old) else [])


class CronJobs(Generic):
    """Jobs by the clock."""

    hosts = POD_NAMES

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        cronjobs.default(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """A fresh status."""
        obj["status"] = {}

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return cronjobs.errors(obj, new=True)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return cronjobs.errors(new, new=False)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Of a new name, of the Jobs' spec, and of time zones in a changed schedule."""
        spec, due = new["spec"]["jobTemplate"]["spec"], warnings.due(new, old)
        found = super().warnings(new, old) + (warnings.job(spec, "spec.jobTemplate.spec") if due else [])
        return found if old is None else found + warnings.zone(new)
