"""kube-proxy's flags: what each means in its configuration file, and those that are refused. Pure.

All of kube-proxy 1.37's are in FLAGS, WITHOUT_EFFECT or REFUSED, but for --config, --cleanup, --init-only, --master and
--version, which are the command's own. Source: cmd/kube-proxy/app/options.go of Kubernetes 1.37.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kube46.proxy.configuration import API_VERSION, KIND, Refused


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag: the field it means, what it says of itself, how its text is read, and what stands for it in the help."""

    path: str
    help: str
    read: Callable[[str], object] = str
    metavar: str = "TEXT"


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no whole number") from error


def _bool(text: str) -> bool:
    if text.lower() not in ("true", "false", "t", "f", "1", "0"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() in ("true", "t", "1")


def _gates(text: str) -> dict[str, bool]:
    found = {}
    for part in _split(text):
        name, equals, on = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} must be written as GATE=true or GATE=false")
        found[name.strip()] = _bool(on.strip())
    return found


FLAGS: Mapping[str, Flag] = {
    "kubeconfig": Flag(
        "clientConnection.kubeconfig",
        "The kubeconfig file that says where the API server is and who we are. Default: KUBECONFIG, ~/.kube/config, "
        "then the pod's ServiceAccount.",
        metavar="FILE",
    ),
    "hostname-override": Flag(
        "hostnameOverride",
        "The name of the Node that this proxy runs on; it has the last word, also over --config. Default: the host's "
        "name.",
        metavar="NODE",
    ),
    "feature-gates": Flag(
        "featureGates",
        "GATE=BOOL, comma-separated. AllowServiceExternalIPs=false makes the proxy ignore externalIPs; gates that are "
        "always open here may be open, any other may be closed.",
        _gates,
        "GATES",
    ),
    "proxy-mode": Flag("mode", "nftables, or nothing: there is no other mode.", metavar="MODE"),
    "cluster-cidr": Flag(
        "clusterCIDR",
        "The pods' ranges of the cluster, of both families, comma-separated. With --detect-local-mode ClusterCIDR what "
        "comes from them is a pod and keeps its address towards cluster addresses. Default: none, nobody is "
        "masqueraded there.",
        metavar="CIDRS",
    ),
    "detect-local-mode": Flag(
        "detectLocalMode",
        "How pods are told from others: ClusterCIDR, NodeCIDR (the Node's podCIDRs), BridgeInterface or "
        "InterfaceNamePrefix. Default: ClusterCIDR.",
        metavar="MODE",
    ),
    "pod-bridge-interface": Flag(
        "detectLocal.bridgeInterface",
        "With --detect-local-mode BridgeInterface: what comes from this bridge is a pod.",
        metavar="INTERFACE",
    ),
    "pod-interface-name-prefix": Flag(
        "detectLocal.interfaceNamePrefix",
        "With --detect-local-mode InterfaceNamePrefix: what comes from an interface that begins so is a pod.",
        metavar="PREFIX",
    ),
    "nodeport-addresses": Flag(
        "nodePortAddresses",
        "The node's addresses that answer for node ports: `primary` (those of the Node object), `all`, and prefixes, "
        "comma-separated. A family of which nothing is named answers on all. Never loopback. Default: primary.",
        _split,
        "CIDRS",
    ),
    "masquerade-all": Flag(
        "nftables.masqueradeAll",
        "Hide the source of everything that is sent to cluster addresses, which some CNI plugins need. Default: false.",
        _bool,
    ),
    "iptables-sync-period": Flag(
        "nftables.syncPeriod",
        "The proxy is unhealthy when a change waits for twice as long, as in `30s`, `1m30s`. Must be greater than 0. "
        "Default: 30s.",
        metavar="DURATION",
    ),
    "iptables-min-sync-period": Flag(
        "nftables.minSyncPeriod",
        "Changes are gathered for so long before they are written. Default: 1ms.",
        metavar="DURATION",
    ),
    "healthz-bind-address": Flag(
        "healthzBindAddress",
        "Address and port of /healthz and /livez, as in 0.0.0.0:10256 or [::]:10256. Default: port 10256 on every "
        "address of both families.",
        metavar="ADDRESS:PORT",
    ),
    "metrics-bind-address": Flag(
        "metricsBindAddress",
        "Address and port of /metrics and /proxyMode; 0.0.0.0:10249 or [::]:10249 is every address. Default: "
        "127.0.0.1:10249, [::1]:10249 with an IPv6 --bind-address.",
        metavar="ADDRESS:PORT",
    ),
    "bind-address-hard-fail": Flag(
        "bindAddressHardFail", "End when one of these ports is taken, instead of going on. Default: false.", _bool
    ),
    "bind-address": Flag(
        "bindAddress",
        "0.0.0.0 or ::. The node's addresses are those of its Node object. Default: 0.0.0.0.",
        metavar="ADDRESS",
    ),
    "conntrack-max-per-core": Flag(
        "conntrack.maxPerCore",
        "Tracked connections that the kernel shall have room for, per core; 0 leaves its limit and ignores "
        "--conntrack-min. Default: 32768.",
        _int,
        "NUMBER",
    ),
    "conntrack-min": Flag(
        "conntrack.min",
        "Tracked connections that there shall be room for in any case. Default: 131072.",
        _int,
        "NUMBER",
    ),
    "conntrack-tcp-timeout-established": Flag(
        "conntrack.tcpEstablishedTimeout",
        "How long an idle TCP connection stays tracked; 0 leaves it as it is. Default: 24h.",
        metavar="DURATION",
    ),
    "conntrack-tcp-timeout-close-wait": Flag(
        "conntrack.tcpCloseWaitTimeout",
        "How long a TCP connection in CLOSE_WAIT stays tracked. Default: 1h.",
        metavar="DURATION",
    ),
    "conntrack-tcp-be-liberal": Flag(
        "conntrack.tcpBeLiberal",
        "Track TCP liberally: packets outside of the window aren't invalid. Default: false.",
        _bool,
    ),
    "conntrack-udp-timeout": Flag(
        "conntrack.udpTimeout",
        "How long a UDP flow without an answer stays tracked; 0 leaves it as it is. Default: 0.",
        metavar="DURATION",
    ),
    "conntrack-udp-timeout-stream": Flag(
        "conntrack.udpStreamTimeout",
        "How long an answered UDP flow stays tracked; 0 leaves it as it is. Default: 0.",
        metavar="DURATION",
    ),
    "oom-score-adj": Flag(
        "oomScoreAdj", "oom_score_adj of this process, -1000 to 1000. Default: -999.", _int, "NUMBER"
    ),
    "profiling": Flag("enableProfiling", "false: there are no Go profiles of a Python program. Default: false.", _bool),
    "show-hidden-metrics-for-version": Flag(
        "showHiddenMetricsForVersion", "Nothing: no metrics are hidden.", metavar="VERSION"
    ),
}

_IPVS = "Taken, without effect: it is IPVS's."
_LOG = "Taken, without effect: the log is our own, a line a record on standard error."
_CLIENT = "Taken, without effect: the client waits for nothing."
WITHOUT_EFFECT: Mapping[str, str] = {
    **dict.fromkeys(("kube-api-qps", "kube-api-burst", "kube-api-content-type"), _CLIENT),
    "config-sync-period": "Taken, without effect: watches need no refreshing.",
    "iptables-masquerade-bit": "Taken, without effect: it is iptables'; the file has nftables.masqueradeBit.",
    "iptables-localhost-nodeports": "Taken, without effect: node ports on loopback are iptables' alone.",
    **dict.fromkeys(
        (
            "ipvs-sync-period", "ipvs-min-sync-period", "ipvs-scheduler", "ipvs-exclude-cidrs", "ipvs-strict-arp",
            "ipvs-tcp-timeout", "ipvs-tcpfin-timeout", "ipvs-udp-timeout",
        ),
        _IPVS,
    ),
    **dict.fromkeys(
        (
            "v", "vmodule", "logging-format", "log-flush-frequency", "log-json-info-buffer-size",
            "log-json-split-stream", "log-text-info-buffer-size", "log-text-split-stream",
        ),
        _LOG,
    ),
}  # fmt: skip
"""Flags of other modes, of logging and of the client: kube-proxy in nftables mode would do the same without them."""

REFUSED: Mapping[str, str] = {
    "write-config-to": "no defaults are written; docs/reference/proxy.md lists them",
    "healthz-port": "deprecated in kube-proxy; give --healthz-bind-address",
    "metrics-port": "deprecated in kube-proxy; give --metrics-bind-address",
}
"""Flags that mean what isn't done here, and the mend."""

SWITCHES = frozenset(
    {name for name, flag in FLAGS.items() if flag.read is _bool}
    | {"iptables-localhost-nodeports", "ipvs-strict-arp", "log-json-split-stream", "log-text-split-stream"}
)
"""Flags that, alone, are true, as Go has it."""


def from_flags(flags: Mapping[str, str]) -> dict[str, Any]:
    """The document that flags mean. Raises Refused."""
    document: dict[str, Any] = {"apiVersion": API_VERSION, "kind": KIND}
    for name, text in flags.items():
        if name in REFUSED:
            raise Refused(f"--{name}: {REFUSED[name]}")
        if name in WITHOUT_EFFECT:
            continue
        flag = FLAGS[name]
        section, _, inner = flag.path.rpartition(".")
        try:
            value = flag.read(text)
        except ValueError as error:
            raise Refused(f"--{name}: {error}") from error
        (document.setdefault(section, {}) if section else document)[inner] = value
    return document


def as_flag(refusal: Refused) -> Refused:
    """The refusal of a field that a flag meant, by the flag's name."""
    text = str(refusal)
    for name, flag in FLAGS.items():
        if text.startswith((f"{flag.path}:", f"{flag.path}.")):
            return Refused(f"--{name}{text.removeprefix(flag.path)}")
    return refusal
