"""ResourceQuotas and LimitRanges themselves; admission (resourcequota, limitranger) enforces them."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING

from kube46.api import limitranges, platform
from kube46.api.quota import validation
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


class ResourceQuotas(Generic):
    """What is counted may be changed, the scopes not; the status is admission's and a controller's."""

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """What can't be counted."""
        return validation.errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The same, and scopes that change."""
        return validation.change_errors(new, old)

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Amounts that are none."""
        return validation.status_errors(new)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Of a new one: requests that may be more than their limits."""
        return super().warnings(new, old) + ([] if old else validation.warnings(new))


class LimitRanges(Generic):
    """A maximum is a default, and a default a request."""

    create_on_update = True

    def default(self, obj: Object) -> None:
        """What follows from what is said."""
        platform.limit_range(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """One without a name gets a UUID for one; chance that `passes` repeats."""
        if not obj["metadata"].get("name"):
            obj["metadata"]["name"] = str(uuid.UUID(int=random.getrandbits(128), version=4))

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Amounts that contradict each other."""
        return limitranges.errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The same."""
        return limitranges.errors(new)
