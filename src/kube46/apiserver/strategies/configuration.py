"""ConfigMaps and Secrets."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from kube46.api import configuration
from kube46.api.errors import invalid
from kube46.apiserver import fieldvalidation_json as gojson
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
        return configuration.secret_errors(obj) + _docker_errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of the data, and forbidden changes."""
        return configuration.secret_errors(new, old) + _docker_errors(new)


def _docker_errors(secret: Object) -> list[FieldError]:
    """A registry's credentials are a JSON object; what they are is not told."""
    key = configuration.DOCKER_KEYS.get(secret.get("type") or "", "")
    if key not in (data := secret.get("data") or {}):
        return []
    try:
        found = gojson.parse(base64.b64decode(data[key]))
    except gojson.SyntaxProblem as problem:
        text = str(problem)
    else:
        if found is None or isinstance(found, dict):
            return []
        text = f"json: cannot unmarshal {gojson.described(found)} into Go value of type map[string]interface {{}}"
    return [invalid(f"data[{key}]", "<secret contents redacted>", text)]
