"""kube-proxy's KubeProxyConfiguration (v1alpha1) as our settings; what we don't do is refused by name. Pure.

Sections of other modes (iptables, ipvs, winkernel) mean nothing to kube-proxy in nftables mode, and nothing here.
Source: k8s.io/kube-proxy/config/v1alpha1/types.go and cmd/kube-proxy/app/options.go of Kubernetes 1.37.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kube46.addresses.families import Prefix, bracketed
from kube46.api import ip
from kube46.proxy.settings import EVERYTHING, Settings

API_VERSION, KIND = "kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration"
Document = Mapping[str, Any]


class Refused(ValueError):
    """A field that is wrong, or means something that this proxy doesn't do; says which, why, and the mend."""


@dataclass(frozen=True, slots=True)
class Conntrack:
    """Limits of connection tracking; None and 0 leave them as they are. Times in seconds."""

    max_per_core: int | None = 32 * 1024
    least: int | None = 128 * 1024
    timeouts: Mapping[str, float] = field(default_factory=dict)
    liberal: bool = False


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that the process is told."""

    settings: Settings
    kubeconfig: str = ""
    healthz: str = ""
    """Where health is asked for; "": on every address of the node, of both families, port 10256."""
    metrics: str = "127.0.0.1:10249"
    hard_fail: bool = False
    sync_period: float = 30.0
    oom_score: int = -999
    conntrack: Conntrack = Conntrack()


TIMEOUTS = {
    "tcpEstablishedTimeout": ("nf_conntrack_tcp_timeout_established", "24h"),
    "tcpCloseWaitTimeout": ("nf_conntrack_tcp_timeout_close_wait", "1h"),
    "udpTimeout": ("nf_conntrack_udp_timeout", "0s"),
    "udpStreamTimeout": ("nf_conntrack_udp_timeout_stream", "0s"),
}
WITHOUT_EFFECT = frozenset(
    {
        "iptables",
        "ipvs",
        "winkernel",
        "windowsRunAsService",
        "portRange",
        "configSyncPeriod",
        "logging",
        "clientConnection.qps",
        "clientConnection.burst",
        "clientConnection.contentType",
        "clientConnection.acceptContentTypes",
    }
)
"""Of other modes, or the tuning of a client that waits for nothing."""
KNOWN = WITHOUT_EFFECT | {
    "apiVersion", "kind", "featureGates", "clientConnection.kubeconfig", "hostnameOverride", "bindAddress",
    "healthzBindAddress", "metricsBindAddress", "bindAddressHardFail", "enableProfiling",
    "showHiddenMetricsForVersion", "mode", "oomScoreAdj", "clusterCIDR", "nodePortAddresses", "detectLocalMode",
    "detectLocal.bridgeInterface", "detectLocal.interfaceNamePrefix", "nftables.masqueradeBit",
    "nftables.masqueradeAll", "nftables.syncPeriod", "nftables.minSyncPeriod", "conntrack.maxPerCore", "conntrack.min",
    "conntrack.tcpBeLiberal", *(f"conntrack.{name}" for name in TIMEOUTS),
}  # fmt: skip
GATES = (
    "NFTablesProxyMode",
    "MultiCIDRServiceAllocator",
    "PreferSameTrafficDistribution",
    "ServiceTrafficDistribution",
    "TopologyAwareHints",
    "ProxyTerminatingEndpoints",
    "LoadBalancerIPMode",
)
"""kube-proxy's feature gates, of this and of older releases, whose meaning is always done here."""
EXTERNAL_IPS = "AllowServiceExternalIPs"
"""The gate that, closed, makes a proxy ignore externalIPs (K-18)."""
SECTIONS = ("clientConnection", "detectLocal", "nftables", "conntrack")


def read(document: Document, hostname: str) -> Configuration:
    """The configuration that a document means, on a host of that name. Raises Refused."""
    if (document.get("apiVersion"), document.get("kind")) != (API_VERSION, KIND):
        raise Refused(f"apiVersion and kind: they must be {API_VERSION} and {KIND}")
    flat = dict(_flat(document))
    for name in flat:
        if name not in KNOWN:
            raise Refused(f"{name}: kube-proxy's {API_VERSION} has no such field")
    _refuse(flat)
    settings, period = _settings(flat, hostname), _duration(flat, "nftables.syncPeriod", "30s")
    if period < settings.min_sync_period:
        raise Refused("nftables.syncPeriod: it must be greater than or equal to nftables.minSyncPeriod")
    return Configuration(
        settings,
        kubeconfig=_text(flat, "clientConnection.kubeconfig"),
        healthz=_address(flat, "healthzBindAddress", 10256, ""),
        metrics=_address(flat, "metricsBindAddress", 10249, "[::1]" if _is_ipv6(flat) else "127.0.0.1"),
        hard_fail=_switch(flat, "bindAddressHardFail"),
        sync_period=period,
        oom_score=_number(flat, "oomScoreAdj", -999, -1000, 1000),
        conntrack=_conntrack(flat),
    )


def _flat(document: Document) -> list[tuple[str, Any]]:
    """Fields by path; absent and null ones are left out."""
    found: list[tuple[str, Any]] = []
    for name, value in document.items():
        if name in SECTIONS and value is not None:
            if not isinstance(value, Mapping):
                raise Refused(f"{name}: {value!r} must be a section with fields of its own")
            found += [(f"{name}.{inner}", given) for inner, given in value.items() if given is not None]
        elif value is not None:
            found.append((name, value))
    return found


def _refuse(flat: Document) -> None:
    """What would mean something else here."""
    if flat.get("mode", "") not in ("", "nftables"):
        raise Refused(f"mode: {flat['mode']!r} is not done here; give nftables, or nothing")
    if _switch(flat, "enableProfiling"):
        raise Refused("enableProfiling: there are no Go profiles of a Python program; give false")
    if _text(flat, "showHiddenMetricsForVersion"):
        raise Refused("showHiddenMetricsForVersion: no metrics are hidden; leave it empty")
    for name, on in _gates(flat).items():
        if on and name not in (*GATES, EXTERNAL_IPS):
            raise Refused(f"featureGates.{name}: there is no such gate here; leave it out")
        if not on and name in GATES:
            raise Refused(f"featureGates.{name}: this is always done here; leave it out")
    bind = _text(flat, "bindAddress")
    address = ip.sloppy(bind)
    if bind and address is None:
        raise Refused(f"bindAddress: {bind!r} is no address")
    if address is not None and not address.is_unspecified:
        raise Refused("bindAddress: the node's addresses are those of its Node object; give 0.0.0.0 or ::")


def _settings(flat: Document, hostname: str) -> Settings:
    mode = _text(flat, "detectLocalMode") or "ClusterCIDR"
    interface = {
        "BridgeInterface": _text(flat, "detectLocal.bridgeInterface"),
        "InterfaceNamePrefix": f"{_text(flat, 'detectLocal.interfaceNamePrefix')}*",
    }.get(mode, "")
    if mode not in ("ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"):
        raise Refused(f"detectLocalMode: {mode!r}; give ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix")
    if mode in ("BridgeInterface", "InterfaceNamePrefix") and not re.fullmatch(r"[A-Za-z0-9_.-]{1,15}\*?", interface):
        raise Refused(
            f"detectLocal.{mode[0].lower()}{mode[1:]}: {mode} needs the name of an interface, or its beginning"
        )
    cidrs = [*map(str.strip, filter(None, _text(flat, "clusterCIDR").split(",")))]
    return Settings(
        (_text(flat, "hostnameOverride") or hostname).strip().lower(),
        cluster_cidrs=tuple(_prefix("clusterCIDR", text) for text in cidrs) if mode == "ClusterCIDR" else (),
        detect_local=mode,
        pod_interface=interface,
        nodeport_addresses=nodeport_addresses(flat.get("nodePortAddresses") or ()),
        nodeport_primary="primary" in (flat.get("nodePortAddresses") or ("primary",)),
        external_ips=_gates(flat).get(EXTERNAL_IPS, True),
        masquerade_all=_switch(flat, "nftables.masqueradeAll"),
        masquerade_bit=_number(flat, "nftables.masqueradeBit", 14, 0, 31),
        min_sync_period=_duration(flat, "nftables.minSyncPeriod", "1ms"),
    )


def nodeport_addresses(words: object) -> tuple[Prefix, ...]:
    """The prefixes among the words, `all` of both families; `primary` names none that we know. Raises Refused."""
    found: list[Prefix] = []
    if (
        isinstance(words, str)
        or not isinstance(words, list | tuple)
        or not all(isinstance(word, str) for word in words)
    ):
        raise Refused("nodePortAddresses: it must be a list of words and prefixes")
    for word in words:
        if word == "localhost":
            raise Refused(
                "nodePortAddresses: localhost is not served: the kernel sends no packet of ::1 out of the node, and"
                " would for 127.0.0.0/8 only with route_localnet, which opens the node's own services to its neighbours"
            )
        if word == "all":
            found += EVERYTHING.values()
        elif word != "primary":
            found.append(_prefix("nodePortAddresses", word))
    return tuple(found)


def _conntrack(flat: Document) -> Conntrack:
    timeouts = {sysctl: _duration(flat, f"conntrack.{name}", usual) for name, (sysctl, usual) in TIMEOUTS.items()}
    return Conntrack(
        _number(flat, "conntrack.maxPerCore", 32 * 1024, 0, 1 << 31),
        _number(flat, "conntrack.min", 128 * 1024, 0, 1 << 31),
        {sysctl: seconds for sysctl, seconds in timeouts.items() if seconds > 0},
        _switch(flat, "conntrack.tcpBeLiberal"),
    )


def _prefix(name: str, text: str) -> Prefix:
    """A prefix as kube-proxy reads it: bits after it count for nothing."""
    found = ip.sloppy_cidr(text)
    if found is None:
        raise Refused(f"{name}: {text!r} is no prefix such as 10.244.0.0/16 or fd00:10:244::/56")
    return found[1]


def _gates(flat: Document) -> Mapping[str, bool]:
    gates = flat.get("featureGates", {})
    if not isinstance(gates, Mapping) or not all(isinstance(on, bool) for on in gates.values()):
        raise Refused("featureGates: it must be names of gates with true or false")
    return gates


def _switch(flat: Document, name: str) -> bool:
    value = flat.get(name, False)
    if not isinstance(value, bool):  # "false" in quotes is a text, which would be true
        raise Refused(f"{name}: {value!r} must be true or false")
    return value


def _text(flat: Document, name: str) -> str:
    value = flat.get(name, "")
    if not isinstance(value, str):
        raise Refused(f"{name}: {value!r} must be a text")
    return value


def _number(flat: Document, name: str, usual: int, least: int, most: int) -> int:
    value = flat.get(name, usual)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Refused(f"{name}: {value!r} must be a number from {least} to {most}")
    return value


def _is_ipv6(flat: Document) -> bool:
    return ":" in _text(flat, "bindAddress")


def _address(flat: Document, name: str, port: int, usual: str) -> str:
    """`address:port`; without a port that one. Not given: the usual address, "" if there is none."""
    text = _text(flat, name)
    if not text:
        return usual and f"{usual}:{port}"
    if (alone := ip.sloppy(text.strip("[]"))) is not None:
        return bracketed(str(alone), port)
    host, _, number = text.rpartition(":")
    address = ip.sloppy(host.strip("[]"))
    if address is None or (":" in host) != host.startswith("[") or not re.fullmatch(r"[0-9]{1,5}", number):
        raise Refused(f"{name}: {text!r} must be an address and a port, as in 0.0.0.0:{port} or [::]:{port}")
    if not 0 < int(number) < 65536:
        raise Refused(f"{name}: {number} must be a port from 1 to 65535")
    return bracketed(str(address), int(number))


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)"


def _duration(flat: Document, name: str, usual: str) -> float:
    """Seconds of Go's `1h2m3.5s`; 0 is the usual, as kube-proxy has it."""
    text = flat.get(name, usual)
    if text in ("0", "0s", 0):
        text = usual
    if not isinstance(text, str) or not (re.fullmatch(rf"({_PART})+", text) or text == "0"):
        raise Refused(f"{name}: {text!r} is no duration such as 30s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))
