"""APIServices that name a Service: the groups and versions that another API server serves.

Source: k8s.io/kube-aggregator pkg/apiserver/handler_proxy.go.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from kube46.apiserver.kinds import GROUP_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

AVAILABLE = "Available"
NAMES_SERVICE = b'"service"'  # in what is stored; few do


@dataclass(frozen=True, slots=True)
class Remote:
    """A group and version, and the Service behind which it is served."""

    group: str
    version: str
    namespace: str
    service: str
    port: int = 443
    bundle: str = ""  # PEM of the authorities that its certificate may be of; empty: those of this machine
    insecure: bool = False  # whoever answers there is taken for it
    available: bool = False

    @property
    def name(self) -> str:
        """Of the APIService."""
        return f"{self.version}.{self.group}"

    @property
    def path(self) -> str:
        """Where it is served, here and there."""
        return f"/apis/{self.group}/{self.version}"

    @property
    def host(self) -> str:
        """The name that its certificate is to have."""
        return f"{self.service}.{self.namespace}.svc"


class _Service(msgspec.Struct):
    namespace: str = ""
    name: str = ""
    port: int = 443


class _Spec(msgspec.Struct, rename="camel"):
    group: str = ""
    version: str = ""
    service: _Service | None = None
    ca_bundle: str | None = None
    insecure_skip_tls_verify: bool = msgspec.field(name="insecureSkipTLSVerify", default=False)


class _Condition(msgspec.Struct):
    type: str
    status: str


class _Status(msgspec.Struct):
    conditions: list[_Condition] | None = None


class _Stored(msgspec.Struct):
    spec: _Spec
    status: _Status | None = None


_decode = msgspec.json.Decoder(_Stored).decode


def remotes_of(stored: Iterable[bytes]) -> dict[tuple[str, str], Remote]:
    """Those among the stored APIServices, by group and version; what this server serves itself is left out."""
    found: dict[tuple[str, str], Remote] = {}
    for value in stored:
        if NAMES_SERVICE not in value:
            continue
        one = _decode(value)
        place = one.spec.group, one.spec.version
        if one.spec.service is not None and place not in GROUP_VERSIONS and one.spec.group:
            found[place] = _remote(one, one.spec.service)
    return found


def _remote(stored: _Stored, service: _Service) -> Remote:
    spec, conditions = stored.spec, (stored.status and stored.status.conditions) or []
    available = any(one.type == AVAILABLE and one.status == "True" for one in conditions)
    return Remote(
        spec.group, spec.version, service.namespace, service.name, service.port, _text(spec.ca_bundle or ""),
        spec.insecure_skip_tls_verify, available,
    )  # fmt: skip


def _text(bundle: str) -> str:
    """What stands in base64; nothing that is none can be stored, but for what an older server took."""
    try:
        return base64.b64decode(bundle).decode("latin-1")
    except binascii.Error:
        return "no PEM"
