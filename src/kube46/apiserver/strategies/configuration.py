"""ConfigMaps and Secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api import configuration
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


class ConfigMaps(Generic):
    """Keys are file names; an immutable one stays."""

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        configuration.default_config_map(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of the data."""
        return configuration.config_map_errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of the data, and forbidden changes."""
        return configuration.config_map_errors(new, old)


class Secrets(Generic):
    """The same; the type stays, and text is stored encoded."""

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        configuration.default_secret(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of the data."""
        return configuration.secret_errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of the data, and forbidden changes."""
        return configuration.secret_errors(new, old)
