"""Where a webhook is: a WebhookClientConfig names a URL, or a Service, which means one of its endpoints.

Source: k8s.io/apiserver pkg/util/webhook/client.go, pkg/util/proxy/proxy.go (ResolveEndpoint).
"""

from __future__ import annotations

import base64
import binascii
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import msgspec

from kube46.addresses.families import bracketed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube46.apiserver.storage import Store

Object = dict[str, Any]
HTTPS = 443
SERVICE_NAME = "kubernetes.io/service-name"


class NoPlace(Exception):
    """A webhook can't be reached: its Service is missing or has nobody behind it."""


@dataclass(frozen=True, slots=True)
class Place:
    """`url` as it is told in errors; `server` is the name that the certificate must have; `ca` in PEM, or empty."""

    url: str
    server: str
    path: str
    port: int
    ca: bytes = b""
    service: tuple[str, str] | None = None  # namespace, name

    @property
    def authority(self) -> str:
        """The Host header."""
        return bracketed(self.server, self.port) if ":" in self.server else f"{self.server}:{self.port}"


def place_of(config: Object) -> Place:
    """The place that a clientConfig names; raises NoPlace for one that can't be."""
    try:
        ca = base64.b64decode(config.get("caBundle") or "")
    except (binascii.Error, ValueError) as error:
        raise NoPlace(f"unable to load root certificates: {error}") from None
    service = config.get("service")
    if service is None:
        return _of_url(str(config.get("url") or ""), ca)
    port, path = int(service.get("port") or HTTPS), str(service.get("path") or "/")
    server = f"{service.get('name')}.{service.get('namespace')}.svc"
    named = str(service.get("namespace")), str(service.get("name"))
    path = path if path.startswith("/") else f"/{path}"
    return Place(f"https://{server}:{port}{path}", server, path, port, ca, named)


def _of_url(text: str, ca: bytes) -> Place:
    try:
        found = urlsplit(text)
        port = found.port or HTTPS
    except ValueError as error:
        raise NoPlace(f"Unparsable URL: {error}") from None
    if found.scheme != "https" or not found.hostname:
        raise NoPlace("webhook configuration must have either service or URL")
    path = quote(unquote(found.path), safe="/$&+,:;=@")  # as Go writes it again, whatever was encoded
    return Place(f"https://{found.netloc}{path}", found.hostname, path or "/", port, ca)


def address_of(store: Store, place: Place) -> tuple[str, int]:
    """A host and port to connect to; raises NoPlace."""
    if place.service is None:
        return place.server, place.port
    namespace, name = place.service
    record = store.get("services", f"{namespace}/{name}")
    if record is None:
        raise NoPlace(f'service "{name}" not found')
    spec: Object = msgspec.json.decode(record.value).get("spec") or {}
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName")), place.port
    port = next((p for p in spec.get("ports") or () if p.get("port") == place.port), None)
    if port is None:
        raise NoPlace(f'no service port {place.port} found for service "{name}"')
    families = spec.get("ipFamilies") or ()
    return _endpoint(store, place.service, str(port.get("name") or ""), families)


def _endpoint(store: Store, service: tuple[str, str], port: str, families: Iterable[str]) -> tuple[str, int]:
    """Any of those that are ready, of the Service's first family where it has some there."""
    found: dict[str, list[tuple[str, int]]] = {}
    for slice_ in _slices(store, service):
        number = next((p.get("port") for p in slice_.get("ports") or () if (p.get("name") or "") == port), None)
        ready = (e for e in slice_.get("endpoints") or () if (e.get("conditions") or {}).get("ready") is not False)
        there = [(str(endpoint["addresses"][0]), int(number)) for endpoint in ready] if number else []
        found.setdefault(str(slice_.get("addressType")), []).extend(there)
    for family in families:
        if found.get(family):
            return random.choice(found[family])  # noqa: S311  spreads the load
    raise NoPlace(f'no endpoints available for service "{service[1]}"')


def _slices(store: Store, service: tuple[str, str]) -> Iterable[Object]:
    collection = store.collection("endpointslices")
    namespace, name = service
    for key in collection.under(namespace):
        value = collection.records[key].value
        if name.encode() in value:
            slice_: Object = msgspec.json.decode(value)
            if (slice_["metadata"].get("labels") or {}).get(SERVICE_NAME) == name:
                yield slice_
