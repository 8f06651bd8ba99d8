"""HorizontalPodAutoscalers: stored in the form of autoscaling/v2; nothing scales by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kube46.api.autoscaling import conversion, defaults, validation
from kube46.apiserver.strategies.stored import Stored

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


class Autoscalers(Stored):
    """As autoscaling/v2 writes them."""

    def __init__(self) -> None:
        super().__init__("HorizontalPodAutoscaler", "acted on: kube46 has no autoscaler", defaults.default)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """A fresh status."""
        obj["status"] = {"currentMetrics": None, "desiredReplicas": 0}

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return validation.errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return validation.errors(new, old)


class OldAutoscalers(Autoscalers):
    """As autoscaling/v1 writes them."""

    converts = True
    blank: ClassVar[Object] = {"spec": {"scaleTargetRef": {"kind": "", "name": ""}, "maxReplicas": 0}, "status": {}}

    def default(self, obj: Object) -> None:
        """Into the form of v2."""
        spec = obj.get("spec") or {}
        if "metrics" not in spec:  # the stored form comes by here, too
            conversion.to_v2(obj)
        super().default(obj)

    def served(self, obj: Object) -> None:
        """Into the form of v1."""
        conversion.to_v1(obj)
        status = obj.setdefault("status", {})
        status.setdefault("currentReplicas", 0)
        status.setdefault("desiredReplicas", 0)

    def on_read(self, obj: Object) -> None:
        """The same for readers."""
        self.served(obj)
