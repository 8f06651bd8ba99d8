"""The order of API versions: v2, v1, v1beta2, v1beta1, v1alpha1, then all others by name.

Source: apimachinery pkg/version/helpers.go (CompareKubeAwareVersionStrings).
"""

from __future__ import annotations

import re

VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
STABILITY = {None: 0, "beta": 1, "alpha": 2}


def rank(version: str) -> tuple[int, int, int, int, str]:
    """A sort key: the version that clients shall prefer comes first."""
    found = VERSION.fullmatch(version)
    if found is None:
        return 1, 0, 0, 0, version
    return 0, STABILITY[found[2]], -int(found[1]), -int(found[3] or 0), ""
