"""Events, in core's form and in that of events.k8s.io: one object, two ways to write it down.

Source: k8s.io/kubernetes pkg/apis/events/v1/conversion.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kube46.api import leases_events, names
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object

# field of events.k8s.io → field of core, in which events are stored
NAMES = {
    "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedSource": "source",
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
}
WRITTEN = ("reportingComponent", "reportingInstance")  # by core, though they are empty


class Events(Generic):
    """An Event lies where the object is that it is about; its name need only fit into a URL."""

    create_on_update = True
    name_rule = staticmethod(names.path_segment)
    core = False
    blank: ClassVar[Object] = {
        "eventTime": None, "firstTimestamp": None, "lastTimestamp": None, "involvedObject": {}, "source": {},
        "reportingComponent": "", "reportingInstance": "",
    }  # fmt: skip

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """A wrong namespace."""
        return leases_events.event_errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """A wrong namespace."""
        return leases_events.event_errors(new)


class NewEvents(Events):
    """Events as events.k8s.io writes them, which is stricter about what it is sent."""

    converts = True
    name_rule = staticmethod(names.subdomain)
    blank: ClassVar[Object] = {
        "eventTime": None, "deprecatedFirstTimestamp": None, "deprecatedLastTimestamp": None, "regarding": {},
        "deprecatedSource": {},
    }  # fmt: skip

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """No field of old clients."""
        return leases_events.event_errors(obj, "reportingController") + leases_events.new_event_errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Only the series changes."""
        found = leases_events.event_errors(new, "reportingController")
        return found + leases_events.changed_event_errors(new, old)

    def default(self, obj: Object) -> None:
        """Into core's form."""
        for new, core in NAMES.items():
            if new in obj:
                obj[core] = obj.pop(new)
        for name in WRITTEN:
            obj.setdefault(name, "")

    def served(self, obj: Object) -> None:
        """Into the form of events.k8s.io."""
        for new, core in NAMES.items():
            if core in obj:
                obj[new] = obj.pop(core)
        for name in ("reportingController", "reportingInstance"):
            if not obj.get(name):
                obj.pop(name, None)

    def on_read(self, obj: Object) -> None:
        """The same for readers."""
        self.served(obj)
