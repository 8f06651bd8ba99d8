"""The wheel's build hook: makes the API server's schemas, for editable installs too, and ships them as artifacts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SchemasHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs `tools/build_schemas.py` into the source tree before files are collected."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build both resources; they are git-ignored, so they must be named as artifacts."""
        root = Path(self.root)
        sys.path.insert(0, str(root / "tools"))
        try:
            import build_schemas
        finally:
            sys.path.remove(str(root / "tools"))
        made = build_schemas.build(root / "src/kube46/apiserver")
        build_data["artifacts"].extend(f"/{path.relative_to(root)}" for path in made)
