"""Pure: a network configuration, decoded and checked.

The keys are those of the reference plugins of the same names (containernetworking/plugins 1.9), and like these, which
are Go, they may be written in any case, a null is as good as an absent key, and keys that are not known are ignored.
Keys known there and not done here are refused, so that nobody relies on them.
"""

from typing import Any

import msgspec

from kube46.cni.errors import CniError, Code
from kube46.cni.requests import IDENTIFIER, LINK_NAME_BYTES, Verb

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
NEWEST = VERSIONS[-1]
SINCE = {Verb.CHECK: "0.4.0", Verb.GC: "1.1.0", Verb.STATUS: "1.1.0"}
SMALLEST_MTU, LARGEST_MTU = 68, 65535
DEFAULT_MTU = 1500  # of a veth that is given none


class Range(msgspec.Struct, frozen=True, rename="camel"):
    """A part of a subnet to assign addresses from, as configured; texts are parsed by `ranges`."""

    subnet: str = ""
    range_start: str = ""
    range_end: str = ""
    gateway: str = ""


class Ipam(Range, frozen=True, rename="camel"):
    """The `ipam` key; the fields of Range in it are the old way to give a single range."""

    type: str = ""
    ranges: tuple[tuple[Range, ...], ...] = ()
    routes: tuple[dict[str, Any], ...] = ()
    data_dir: str = ""
    resolv_conf: str = ""


class CniArgs(msgspec.Struct, frozen=True):
    """args.cni: what a runtime passes by the older convention."""

    mac: str = ""
    ips: tuple[str, ...] = ()


class Args(msgspec.Struct, frozen=True):
    """The `args` key."""

    cni: CniArgs = CniArgs()


class PortMapping(msgspec.Struct, frozen=True, rename="camel"):
    """A port of the node and the container's port behind it; checked by `host_ports`."""

    host_port: int = 0
    container_port: int = 0
    protocol: str = ""
    host_ip: str = msgspec.field(name="hostIP", default="")


class RuntimeConfig(msgspec.Struct, frozen=True, rename="camel"):
    """runtimeConfig: what a runtime passes for the capabilities `mac`, `ips`, `ipRanges` and `portMappings`."""

    mac: str = ""
    ips: tuple[str, ...] = ()
    ip_ranges: tuple[tuple[Range, ...], ...] = ()
    port_mappings: tuple[PortMapping, ...] = ()


class VlanRange(msgspec.Struct, frozen=True):
    """An entry of `vlanTrunk`: one VLAN, a span of them, or both."""

    id: int | None = None
    min_id: int | None = msgspec.field(name="minID", default=None)
    max_id: int | None = msgspec.field(name="maxID", default=None)


class Dns(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `dns` key, which goes into results as it is; one that says nothing is as good as none."""

    nameservers: tuple[str, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class ValidAttachment(msgspec.Struct, frozen=True):
    """One of `cni.dev/valid-attachments`, given with GC."""

    container_id: str = msgspec.field(name="containerID", default="")
    ifname: str = ""


class Network(msgspec.Struct, frozen=True, rename="camel"):
    """A network configuration as a plugin receives it, for all plugins alike.

    `routed` is kube46's own: pods reach even their neighbours through the gateway, so that all their traffic is routed
    by the node and none is only switched by the bridge (decision 076).
    """

    name: str = ""
    cni_version: str = ""
    type: str = ""
    bridge: str = "cni0"
    is_gateway: bool = False
    is_default_gateway: bool = False
    force_address: bool = False
    ip_masq: bool = False
    mtu: int = 0
    hairpin_mode: bool = False
    promisc_mode: bool = False
    port_isolation: bool = False
    routed: bool = False
    enabledad: bool = False
    disable_container_interface: bool = False
    vlan: int = 0
    vlan_trunk: tuple[VlanRange, ...] = ()
    preserve_default_vlan: bool = False
    macspoofchk: bool = False
    snat: bool = True
    masq_all: bool = False
    mark_masq_bit: int | None = None
    external_set_mark_chain: str | None = None
    conditions_v4: tuple[str, ...] = ()
    conditions_v6: tuple[str, ...] = ()
    ipam: Ipam = Ipam()
    dns: Dns = Dns()
    args: Args = Args()
    runtime_config: RuntimeConfig = RuntimeConfig()
    prev_result: dict[str, Any] | None = None
    valid_attachments: tuple[ValidAttachment, ...] | None = msgspec.field(
        name="cni.dev/valid-attachments", default=None
    )
    attachments: tuple[ValidAttachment, ...] | None = msgspec.field(name="cni.dev/attachments", default=None)

    @property
    def gateway(self) -> bool:
        """Whether the bridge has the gateways' addresses: a default gateway is a gateway."""
        return self.is_gateway or self.is_default_gateway

    @property
    def resolver(self) -> dict[str, Any]:
        """The `dns` key as results have it; empty when it says nothing."""
        return msgspec.to_builtins(self.dns)  # type: ignore[no-any-return]

    @property
    def gateway_link(self) -> str:
        """The link that has the gateways' addresses: the bridge, or a port of it in the pods' VLAN."""
        return f"{self.bridge}.{self.vlan}" if self.vlan else self.bridge


KNOWN = (Network, Ipam, Range, Args, CniArgs, RuntimeConfig, PortMapping, VlanRange, Dns, ValidAttachment)
SPELT = {name.lower(): name for kind in KNOWN for name in kind.__struct_encode_fields__}
# A null here is a list of none (Go's nil slice): what a runtime says that has no attachment left.
LISTS_OF_VALID = frozenset({"cni.dev/valid-attachments", "cni.dev/attachments"})


def load(stdin: bytes, verb: Verb) -> Network:
    """The configuration on standard input. Raises CniError 1, 2, 6 or 7, naming the key and what it should be."""
    try:
        network = msgspec.convert(_as_known(msgspec.json.decode(stdin)), Network)
    except msgspec.ValidationError as error:
        raise CniError(Code.INVALID_CONFIG, "Invalid network configuration", f"{error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CniError(Code.DECODING_FAILURE, "The network configuration is not JSON", f"{error}.") from error
    _check_version(network.cni_version, verb)
    if not IDENTIFIER.fullmatch(network.name):
        raise _invalid("name", repr(network.name), "letters, digits, '_', '.' and '-', a letter or digit first")
    return network


def check_bridge(network: Network) -> None:
    """Raises CniError 7 for what the `bridge` plugin cannot do."""
    if network.hairpin_mode and network.promisc_mode:
        raise _invalid("hairpinMode, promiscMode", "both true", "at most one of them true")
    if network.routed and not network.gateway:
        raise _invalid("routed", "true without isGateway", "true together with isGateway, or false")
    if network.ipam.type and network.disable_container_interface:
        raise _invalid("disableContainerInterface", "true with ipam", "false, or ipam left out")
    _check_mtu(network)
    name = network.gateway_link if network.gateway else network.bridge
    if not 0 < len(name.encode()) <= LINK_NAME_BYTES or not IDENTIFIER.fullmatch(network.bridge):
        wanted = "letters, digits, '_', '.' and '-', a letter or digit first; 15 at most, with a gateway's VLAN"
        raise _invalid("bridge", repr(name), wanted)


def check_ptp(network: Network) -> None:
    """Raises CniError 7 for what the `ptp` plugin cannot do."""
    if not network.ipam.type:
        raise _invalid("ipam.type", "missing", "an IPAM plugin, as a pod without address has nothing to route")
    _check_mtu(network)


def version_in(stdin: bytes) -> str:
    """The configuration's version if it is one we speak, else our newest: what an error object is written in."""
    try:
        found = msgspec.json.decode(stdin).get("cniVersion", NEWEST)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError):
        return NEWEST
    return found if found in VERSIONS else NEWEST


def _as_known(value: Any) -> Any:
    """The JSON with keys spelt as they are here, and without those whose value is null."""
    if isinstance(value, list):
        return [_as_known(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, one in value.items():
        name = SPELT.get(key.lower(), key)
        if name != key and name in value:
            continue  # the right spelling is there, too
        if one is None and name in LISTS_OF_VALID:
            one = []
        if one is not None:
            found[name] = _as_known(one)
    return found


def _check_mtu(network: Network) -> None:
    if network.mtu and not SMALLEST_MTU <= network.mtu <= LARGEST_MTU:
        raise _invalid("mtu", str(network.mtu), f"{SMALLEST_MTU} to {LARGEST_MTU} bytes, or 0 for the kernel's")


def _check_version(version: str, verb: Verb) -> None:
    if version not in VERSIONS:
        details = f"cniVersion: {version!r} is not supported; use one of {', '.join(VERSIONS)}."
        raise CniError(Code.INCOMPATIBLE_VERSION, "Incompatible CNI version", details)
    since = SINCE.get(verb, VERSIONS[0])
    if VERSIONS.index(version) < VERSIONS.index(since):
        details = f"cniVersion: {version} has no {verb}; use {since} or later."
        raise CniError(Code.INCOMPATIBLE_VERSION, "Incompatible CNI version", details)


def _invalid(key: str, value: str, wanted: str) -> CniError:
    return CniError(Code.INVALID_CONFIG, "Invalid network configuration", f"{key}: is {value}, must be {wanted}.")
