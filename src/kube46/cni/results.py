"""Pure: the result of an ADD, and its JSON in each version of the specification.

Versions below 1.0.0 name each address's IP version; 1.1.0 adds `mtu` of interfaces and the metrics of routes.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Any

from kube46.addresses.families import Address, Prefix
from kube46.cni.configurations import VERSIONS
from kube46.cni.errors import CniError, Code

ROUTE_NUMBERS = ("mtu", "advmss", "priority", "table", "scope")
LARGEST_NUMBER, LARGEST_SCOPE = 2**32 - 1, 255


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface made for the attachment; `sandbox` is the path of its namespace, empty on the host.

    `socket_path` and `pci_id` are others' (of virtual machines' and hardware's plugins), to be passed on.
    """

    name: str
    mac: str = ""
    sandbox: str = ""
    mtu: int = 0
    socket_path: str = ""
    pci_id: str = ""


@dataclass(frozen=True, slots=True)
class Assigned:
    """An address with its subnet's length, its gateway, and the index of its interface in the result."""

    address: IPv4Interface | IPv6Interface
    gateway: Address | None = None
    interface: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the container; `numbers` are mtu, advmss, priority, table and scope where given."""

    destination: Prefix
    gateway: Address | None = None
    numbers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """A success result (specification section 5)."""

    interfaces: tuple[Interface, ...] = ()
    ips: tuple[Assigned, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: dict[str, Any] = field(default_factory=dict)

    def to_json(self, version: str) -> dict[str, Any]:
        """The object that a plugin prints, in a version of the specification."""
        newest = _at_least(version, "1.1.0")
        document: dict[str, Any] = {"cniVersion": version}
        if self.interfaces:
            document["interfaces"] = [_interface_json(one, newest) for one in self.interfaces]
        document["ips"] = [_assigned_json(one, version) for one in self.ips]
        if self.routes:
            document["routes"] = [_route_json(one, newest) for one in self.routes]
        document["dns"] = self.dns
        return document


def parse(document: dict[str, Any]) -> Result:
    """A result from the JSON of any version. Raises CniError 6 naming what cannot be read."""
    try:
        return Result(
            interfaces=tuple(
                Interface(
                    _text(one, "name"),
                    _text(one, "mac"),
                    _text(one, "sandbox"),
                    _number(one, "mtu") or 0,
                    _text(one, "socketPath"),
                    _text(one, "pciID"),
                )
                for one in document.get("interfaces") or ()
            ),
            ips=tuple(_assigned(one) for one in document.get("ips") or ()),
            routes=tuple(parse_route(one) for one in document.get("routes") or ()),
            dns=dict(document.get("dns") or {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        details = f"{type(error).__name__}: {error}."
        raise CniError(Code.DECODING_FAILURE, "A result cannot be read", details) from error


def parse_route(document: dict[str, Any]) -> Route:
    """A route from JSON. Raises KeyError, TypeError or ValueError."""
    numbers = {key: number for key in ROUTE_NUMBERS if (number := _number(document, key)) is not None}
    if numbers.get("scope", 0) > LARGEST_SCOPE:
        raise ValueError(f"scope: {numbers['scope']} is more than {LARGEST_SCOPE}")
    return Route(ip_network(_text(document, "dst"), strict=False), _address(document, "gw"), numbers)


def _assigned(document: dict[str, Any]) -> Assigned:
    return Assigned(
        ip_interface(_text(document, "address")), _address(document, "gateway"), _number(document, "interface")
    )


def _address(document: dict[str, Any], key: str) -> Address | None:
    text = _text(document, key)
    return ip_address(text) if text else None


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key) or ""
    if not isinstance(value, str):
        raise TypeError(f"{key}: {value!r} is no text")
    return value


def _number(document: dict[str, Any], key: str) -> int | None:
    value = document.get(key)
    if value is not None and (type(value) is not int or not 0 <= value <= LARGEST_NUMBER):
        raise TypeError(f"{key}: {value!r} is no number from 0 to {LARGEST_NUMBER}")
    return value


def _interface_json(interface: Interface, newest: bool) -> dict[str, Any]:
    document: dict[str, Any] = {"name": interface.name}
    if interface.mac:
        document["mac"] = interface.mac
    if interface.mtu and newest:
        document["mtu"] = interface.mtu
    if interface.sandbox:
        document["sandbox"] = interface.sandbox
    others = {"socketPath": interface.socket_path, "pciID": interface.pci_id} if newest else {}
    return document | {key: text for key, text in others.items() if text}


def _assigned_json(assigned: Assigned, version: str) -> dict[str, Any]:
    document: dict[str, Any] = {"address": str(assigned.address)}
    if not _at_least(version, "1.0.0"):
        document["version"] = str(assigned.address.version)
    if assigned.interface is not None:
        document["interface"] = assigned.interface
    if assigned.gateway:
        document["gateway"] = str(assigned.gateway)
    return document


def _route_json(route: Route, newest: bool) -> dict[str, Any]:
    document: dict[str, Any] = {"dst": str(route.destination)}
    if route.gateway:
        document["gw"] = str(route.gateway)
    return document | (route.numbers if newest else {})


def _at_least(version: str, other: str) -> bool:
    return VERSIONS.index(version) >= VERSIONS.index(other)
