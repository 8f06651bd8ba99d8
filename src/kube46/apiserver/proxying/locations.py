"""Where a request to a `proxy` subresource goes: `[scheme:]name[:port]` to an address and a port.

Only addresses that the cluster gave out are asked, and none that means this machine itself or its link: whoever may
proxy, or write the status of a pod, is not to reach what listens beside this server.
Source: k8s.io/kubernetes pkg/registry/core/{service/storage,pod,node} (ResourceLocation), k8s.io/apiserver
pkg/util/proxy (RandomEndpoint).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.addresses.families import Family, bracketed
from kube46.apiserver import statuses
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator

    from kube46.apiserver.requests import Target
    from kube46.apiserver.storage import Store
    from kube46.apiserver.strategy import Object

SCHEMES = ("http", "https", "")
PORTS = {"": 80, "http": 80, "https": 443}
SERVICE_NAME = b'"kubernetes.io/service-name"'
_decode = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Location:
    """An address and a port; `kubelet`: the connection is one to a node's kubelet, with this server's certificate.

    `tls` and `name` are how one that is known is known; without them whoever answers is taken for it.
    """

    scheme: str
    host: str
    port: int
    kubelet: bool = False
    given: bool = True  # whether a port was named
    tls: ssl.SSLContext | None = None
    name: str = ""

    @property
    def place(self) -> str:
        """`192.0.2.1:80` or `[2001:db8::1]:80`."""
        return bracketed(self.host, self.port)

    @property
    def authority(self) -> str:
        """The host of its URL."""
        return self.place if self.given else self.place.rpartition(":")[0]


class Locations:
    """Reads committed objects; `address` is the one of a node's kubelet."""

    def __init__(self, store: Store, primary: Family, address: Callable[[Object], tuple[str, int]]) -> None:
        self._store, self._primary, self._address = store, primary, address

    def of(self, target: Target) -> Location:
        """The place that a target means; raises StatusError."""
        finders = {"nodes": self._of_node, "pods": self._of_pod, "services": self.of_service}
        parts = split(target.name)
        if parts is None:
            text = f'invalid {target.kind.kind.lower()} request "{target.name}"'
            raise statuses.bad_request(text)
        return finders[target.kind.plural](target.namespace, *parts)

    def _of_node(self, _: str, scheme: str, name: str, port: str) -> Location:
        node = self.read("nodes", name)
        if node is None:
            raise statuses.not_found(BY_PLURAL["nodes"], name)
        host, own = self._address(node)
        if not allowed(host):
            raise statuses.bad_request("address not allowed")
        if port in ("", str(own)):
            return Location("https", host, own, kubelet=True)
        return _location(scheme, host, port)

    def _of_pod(self, namespace: str, scheme: str, name: str, port: str) -> Location:
        pod = self.read("pods", f"{namespace}/{name}")
        if pod is None:
            raise statuses.not_found(BY_PLURAL["pods"], name)
        if not port:
            ports = (one for c in pod["spec"].get("containers") or () for one in (c.get("ports") or ())[:1])
            port = next((str(one["containerPort"]) for one in ports), "")
        host = next(_addresses(pod), "")
        if not allowed(host):
            raise statuses.bad_request("address not allowed")
        return _location(scheme, host, port)

    def of_service(self, namespace: str, scheme: str, name: str, port: str) -> Location:
        """One of a Service's endpoints, which are its pods; raises StatusError."""
        if port.removeprefix("-").isdecimal():
            port = self._port_name(namespace, name, int(port))
        for slice_ in self.slices(namespace, name):
            number = next((p.get("port") for p in slice_.get("ports") or () if (p.get("name") or "") == port), None)
            endpoints = list(slice_.get("endpoints") or ())
            random.shuffle(endpoints)
            for endpoint in endpoints:
                if number and self._serves(endpoint, namespace):
                    return Location(scheme or "http", endpoint["addresses"][0], number)
        raise unavailable(f'no endpoints available for service "{name}"')

    def _port_name(self, namespace: str, name: str, number: int) -> str:
        service = self.read("services", f"{namespace}/{name}")
        if service is None:
            raise statuses.not_found(BY_PLURAL["services"], name)
        names = (p.get("name", "") for p in service["spec"].get("ports") or () if p["port"] == number)
        found: str | None = next(names, None)
        if found is None:
            raise unavailable(f'no service port {number} found for service "{name}"')
        return found

    def slices(self, namespace: str, name: str) -> list[Object]:
        """A Service's EndpointSlices in a random order, those of the cluster's primary family first."""
        collection = self._store.collection("endpointslices")
        values = (collection.records[key].value for key in collection.under(namespace))
        decoded = (_decode.decode(value) for value in values if SERVICE_NAME in value)
        found = [s for s in decoded if s["metadata"]["labels"].get("kubernetes.io/service-name") == name]
        random.shuffle(found)
        return sorted(found, key=lambda one: one["addressType"] != self._primary)

    def _serves(self, endpoint: Object, namespace: str) -> bool:
        """Whether it is ready, and the address one of the pod's that it names: nobody's else is asked."""
        if (endpoint.get("conditions") or {}).get("ready") is False:
            return False
        reference = endpoint.get("targetRef") or {}
        pod = self.read("pods", f"{namespace}/{reference.get('name', '')}")
        if reference.get("namespace") != namespace or pod is None:
            return False
        address = endpoint["addresses"][0]
        return address in _addresses(pod) and allowed(address)

    def read(self, resource: str, key: str) -> Object | None:
        """A committed object."""
        record = self._store.get(resource, key)
        return None if record is None else _decode.decode(record.value)


def split(text: str) -> tuple[str, str, str] | None:
    """Scheme, name and port of `name`, `name:port` or `scheme:name:port`; None for what is none of these."""
    parts = text.split(":")
    if len(parts) > 3:
        return None
    scheme, name, port = ("", *parts, "")[:3] if len(parts) < 3 else parts
    return (scheme, name, port) if name and scheme in SCHEMES else None


def allowed(text: str) -> bool:
    """Whether an address is one of others: a global unicast one, private ones included (Go's IsGlobalUnicast)."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = None if isinstance(address, IPv4Address) else address.ipv4_mapped
    address = mapped or address
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not special and str(address) != "255.255.255.255"


def unavailable(text: str) -> StatusError:
    """503."""
    return StatusError(503, "ServiceUnavailable", text)


def _location(scheme: str, host: str, port: str) -> Location:
    number = int(port) if port.isascii() and port.isdecimal() else PORTS.get(port)
    if number is None or not 0 <= number < 65536:
        what = f"lookup tcp/{port}: unknown port" if number is None else f"address {port}: invalid port"
        raise unavailable(f"error trying to reach service: dial tcp: {what}")
    if not port:
        number = PORTS[scheme]
    return Location(scheme or "http", host, number, given=bool(port))


def _addresses(pod: Object) -> Iterator[str]:
    found: Iterable[Any] = (pod.get("status") or {}).get("podIPs") or ()
    return (one["ip"] for one in found)
