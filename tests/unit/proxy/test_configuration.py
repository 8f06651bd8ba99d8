"""kube-proxy's configuration: what is accepted, with which meaning, and what is refused by name."""

import asyncio
import json
import socket
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kube46.addresses.families import Family
from kube46.agent.proxy import limit_connections, served
from kube46.cli.proxy import cluster, command, configuration
from kube46.controllers.health import BadAddress
from kube46.proxy.configuration import API_VERSION, GATES, KIND, Conntrack, Refused, read
from kube46.proxy.flags import FLAGS, WITHOUT_EFFECT, from_flags
from kube46.proxy.flags import REFUSED as REFUSED_FLAGS
from kube46.proxy.layout import chains
from kube46.proxy.settings import node_view
from unit.proxy.samples import node

KUBEADM = f"""
apiVersion: {API_VERSION}
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection: {{acceptContentTypes: "", burst: 0, contentType: "", qps: 0,
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf}}
clusterCIDR: 10.244.0.0/16,fd00:10:244::/56
configSyncPeriod: 0s
conntrack: {{maxPerCore: null, min: null, tcpBeLiberal: false, tcpCloseWaitTimeout: null, tcpEstablishedTimeout: null,
  udpStreamTimeout: 0s, udpTimeout: 0s}}
detectLocal: {{bridgeInterface: "", interfaceNamePrefix: ""}}
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables: {{localhostNodePorts: null, masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}}
ipvs: {{excludeCIDRs: null, minSyncPeriod: 0s, scheduler: "", strictARP: false, syncPeriod: 0s, tcpFinTimeout: 0s}}
kind: KubeProxyConfiguration
logging: {{flushFrequency: 0, options: {{json: {{infoBufferSize: "0"}}, text: {{infoBufferSize: "0"}}}}, verbosity: 0}}
metricsBindAddress: ""
mode: ""
nftables: {{masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}}
nodePortAddresses: null
oomScoreAdj: null
showHiddenMetricsForVersion: ""
winkernel: {{enableDSR: false, forwardHealthCheckVip: false, networkName: "", rootHnsEndpointName: "", sourceVip: ""}}
"""


def document(**fields: Any) -> dict[str, Any]:
    """A configuration with these fields."""
    return {"apiVersion": API_VERSION, "kind": KIND, **fields}


def test_kubeadms_file_is_taken_as_it_is() -> None:
    """The ConfigMap that kubeadm writes means kube-proxy's defaults."""
    made = read(yaml.safe_load(KUBEADM), "Node1")
    assert made.settings.node_name == "node1"
    assert made.settings.cluster_cidrs == (ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56"))
    assert made.kubeconfig == "/var/lib/kube-proxy/kubeconfig.conf"
    assert (made.healthz, made.metrics) == ("", "127.0.0.1:10249")
    assert made.conntrack.timeouts == {
        "nf_conntrack_tcp_timeout_established": 86400,
        "nf_conntrack_tcp_timeout_close_wait": 3600,
    }
    assert (made.sync_period, made.oom_score, made.settings.mark) == (30, -999, 0x4000)


REFUSED: dict[str, dict[str, Any]] = {
    "mode": {"mode": "ipvs"},
    "enableProfiling": {"enableProfiling": True},
    "featureGates.KubeProxyNFTablesLocalhostNodePorts": {"featureGates": {"KubeProxyNFTablesLocalhostNodePorts": True}},
    "bindAddress": {"bindAddress": "192.0.2.1"},
    "bindAddress: 'x'": {"bindAddress": "x"},
    "showHiddenMetricsForVersion": {"showHiddenMetricsForVersion": "1.36"},
    "nodePortAddresses: localhost": {"nodePortAddresses": ["localhost"]},
    "featureGates.PreferSameTrafficDistribution": {"featureGates": {"PreferSameTrafficDistribution": False}},
    "nodePortAddresses": {"nodePortAddresses": "10.0.0.0/8"},
    "clusterCIDR": {"clusterCIDR": "10.244.0.0/99"},
    "detectLocalMode": {"detectLocalMode": "Guess"},
    "detectLocal.bridgeInterface": {"detectLocalMode": "BridgeInterface"},
    "detectLocal.interfaceNamePrefix": {"detectLocalMode": "InterfaceNamePrefix"},
    "detectLocal: 'cni0'": {"detectLocal": "cni0"},
    "bindAddressHardFail: 'false'": {"bindAddressHardFail": "false"},
    "nftables.masqueradeAll": {"nftables": {"masqueradeAll": "no"}},
    "conntrack.tcpBeLiberal": {"conntrack": {"tcpBeLiberal": 1}},
    "enableProfiling: 'false'": {"enableProfiling": "false"},
    "featureGates: it must": {"featureGates": ["AllowServiceExternalIPs=false"]},
    "featureGates": {"featureGates": {"AllowServiceExternalIPs": "false"}},
    "nftables.syncPeriod": {"nftables": {"syncPeriod": "1s", "minSyncPeriod": "2s"}},
    "conntrack.udpTimeout": {"conntrack": {"udpTimeout": "-1s"}},
    "conntrack.tcpEstablishedTimeout": {"conntrack": {"tcpEstablishedTimeout": 30}},
    "healthzBindAddress: 'here:10256'": {"healthzBindAddress": "here:10256"},
    "healthzBindAddress: ':10256'": {"healthzBindAddress": ":10256"},
    "healthzBindAddress: '::1:x'": {"healthzBindAddress": "::1:x"},
    "metricsBindAddress: 65536": {"metricsBindAddress": "0.0.0.0:65536"},
    "metricsBindAddress: 0 ": {"metricsBindAddress": "[::1]:0"},
    "nftables.masqueradeBit": {"nftables": {"masqueradeBit": 32}},
    "nftables.minSyncPeriod": {"nftables": {"minSyncPeriod": "soon"}},
    "nftables.colour": {"nftables": {"colour": "red"}},
    "oomScoreAdj": {"oomScoreAdj": 2000},
    "portrange": {"portrange": "1-2"},
    "apiVersion": {"apiVersion": "kubeproxy.config.k8s.io/v1"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_means_something_else_is_refused_by_name(name: str) -> None:
    """The refusal begins with the field."""
    with pytest.raises(Refused) as refusal:
        read(document(**REFUSED[name]), "n")
    assert str(refusal.value).startswith(name)


def test_prefixes_are_read_as_kube_proxy_reads_them() -> None:
    """Bits after a prefix count for nothing, as in the files that it has taken for years."""
    made = read(document(clusterCIDR="10.244.0.1/16,fd00:10:244::1/56", nodePortAddresses=["192.0.2.1/24"]), "n")
    assert made.settings.cluster_cidrs == (ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56"))
    assert made.settings.nodeport_addresses == (ip_network("192.0.2.0/24"),)


def test_a_flag_is_refused_by_its_own_name(tmp_path: Path) -> None:
    """Not by the name of the field that it means; a file's field is refused by the field's, also by the command."""
    for given, name in (
        ({"proxy-mode": "ipvs"}, "--proxy-mode: 'ipvs'"),
        ({"feature-gates": "Unknown=true"}, "--feature-gates.Unknown: "),
        ({"healthz-bind-address": "x"}, "--healthz-bind-address: 'x'"),
        ({"detect-local-mode": "BridgeInterface"}, "--pod-bridge-interface: "),
        ({"conntrack-min": "-1"}, "--conntrack-min: -1 "),
        ({"iptables-min-sync-period": "31s"}, "--iptables-sync-period: "),
    ):
        with pytest.raises(Refused) as refusal:
            configuration(None, given)
        assert str(refusal.value).startswith(name)
    path = tmp_path / "config.conf"
    path.write_text(json.dumps(document(healthzBindAddress="nowhere")))
    done = CliRunner().invoke(command, ["--config", str(path)])
    assert (done.exit_code, "healthzBindAddress: 'nowhere'" in done.output) == (2, True)


def test_times_addresses_and_node_ports() -> None:
    """Go's durations; an address without a port gets the usual one; `all` and `primary`."""
    made = read(
        document(
            nftables={"syncPeriod": "1m0.5s", "minSyncPeriod": "20ms"},
            healthzBindAddress="::",
            metricsBindAddress="[::1]:99",
            nodePortAddresses=["all"],
            conntrack={"maxPerCore": 0, "udpTimeout": "1h"},
        ),
        "n",
    )
    assert (made.sync_period, made.settings.min_sync_period) == (60.5, 0.02)
    assert (made.healthz, made.metrics) == ("[::]:10256", "[::1]:99")
    assert set(made.settings.nodeport_addresses) == {ip_network("0.0.0.0/0"), ip_network("::/0")}
    assert read(document(nodePortAddresses=["primary"]), "n").settings.nodeport_addresses == ()
    assert made.conntrack.timeouts["nf_conntrack_udp_timeout"] == 3600
    assert read(document(bindAddress="::"), "n").metrics == "[::1]:10249"
    assert read(document(metricsBindAddress="[::]"), "n").metrics == "[::]:10249"
    assert read(document(metricsBindAddress="127.0.0.1"), "n").metrics == "127.0.0.1:10249"


@pytest.mark.parametrize(
    ("fields", "expression"),
    [
        ({"detectLocalMode": "BridgeInterface", "detectLocal": {"bridgeInterface": "cni0"}}, '"cni0"'),
        ({"detectLocalMode": "InterfaceNamePrefix", "detectLocal": {"interfaceNamePrefix": "cali"}}, '"cali*"'),
    ],
)
def test_pods_may_be_known_by_their_interface(fields: dict[str, Any], expression: str) -> None:
    """Then no address decides who is masqueraded, or who is near, in either family."""
    settings = read(document(**fields), "node1").settings
    text = "\n".join(chains(settings, node_view(node(), settings)))
    for family in Family:
        ip = "ip" if family is Family.IPV4 else "ip6"
        assert f"{ip} daddr @cluster-ips{family.version} iifname != {expression} meta mark" in text
        assert f"meta nfproto {family.lower()} iifname {expression}" in text
    assert "saddr @pods" not in text
    assert "saddr != @pods" not in text


def test_without_a_detector_nobody_is_masqueraded() -> None:
    """ClusterCIDR, which is kube-proxy's default, with no CIDR (K-10a); NodeCIDR takes the node's own."""
    for mode, expected in (("", False), ("NodeCIDR", True)):
        settings = read(document(detectLocalMode=mode), "node1").settings
        assert bool(node_view(node(), settings).pods) is expected


def test_flags_mean_what_the_file_means() -> None:
    """Every flag names a field that a file may have; a file has the last word but for the node's name."""
    for name, flag in FLAGS.items():
        text = (
            "0s"
            if "timeout" in name or "period" in name
            else {"_bool": "false", "_int": "1"}.get(flag.read.__name__, "")
        )
        read(from_flags({name: text}), "n")
    made = read(from_flags({"masquerade-all": "true", "nodeport-addresses": "10.0.0.0/8, fd00::/8"}), "n")
    assert made.settings.masquerade_all
    assert made.settings.nodeport_addresses == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    made = read(from_flags({"nodeport-addresses": "primary,10.0.0.0/8", "iptables-sync-period": "1m"}), "n")
    assert made.settings.nodeport_primary
    assert made.sync_period == 60
    assert not read(from_flags({"nodeport-addresses": "10.0.0.0/8"}), "n").settings.nodeport_primary
    with pytest.raises(Refused, match="--feature-gates"):
        from_flags({"feature-gates": "AllowServiceExternalIPs"})
    with pytest.raises(Refused, match="--oom-score-adj: 'low' is no whole number"):
        from_flags({"oom-score-adj": "low"})
    with pytest.raises(Refused, match="--masquerade-all"):
        from_flags({"masquerade-all": "perhaps"})


def test_a_file_has_the_last_word_but_for_the_nodes_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As kube-proxy has it; ignored flags are named."""
    path = tmp_path / "config.conf"
    path.write_text(KUBEADM)
    made = configuration(path, {"hostname-override": "Worker", "cluster-cidr": "10.0.0.0/8"})
    assert made.settings.node_name == "worker"
    assert ip_network("10.0.0.0/8") not in made.settings.cluster_cidrs
    assert "cluster-cidr" in caplog.text
    for text in (
        "- a\n",
        "{",
        "",
        "mode: nftables\nmode: iptables\n",
        "nftables: {masqueradeBit: 1, masqueradeBit: 2}",
    ):
        path.write_text(text)
        with pytest.raises(Refused, match="--config"):
            configuration(path, {})


def test_limits_of_connection_tracking_are_set(tmp_path: Path) -> None:
    """Times that differ are written, the number of connections is only raised, and a missing switch harms nobody."""
    for name, value in {"nf_conntrack_max": "7", "nf_conntrack_tcp_timeout_established": "432000"}.items():
        (tmp_path / name).write_text(value)
    limit_connections(Conntrack(1, 1000, {"nf_conntrack_tcp_timeout_established": 86400.0, "absent": 1.0}), tmp_path)
    assert (tmp_path / "nf_conntrack_max").read_text() == "1000"
    assert (tmp_path / "nf_conntrack_tcp_timeout_established").read_text() == "86400"
    limit_connections(Conntrack(0, 5000), tmp_path)
    limit_connections(Conntrack(1, 5), tmp_path)
    assert (tmp_path / "nf_conntrack_max").read_text() == "1000"


def test_flags_without_effect_and_gates() -> None:
    """They change nothing; a gate whose meaning is always done may be open, and the one that we have, closed."""
    assert from_flags(dict.fromkeys(WITHOUT_EFFECT, "x")) == {"apiVersion": API_VERSION, "kind": KIND}
    assert read(document(featureGates=dict.fromkeys(GATES, True)), "n").settings.external_ips
    assert not read(from_flags({"feature-gates": "AllowServiceExternalIPs=false"}), "n").settings.external_ips
    for name in REFUSED_FLAGS:
        with pytest.raises(Refused, match=f"--{name}"):
            from_flags({name: "1"})


def test_a_taken_port_is_told_by_the_fields_name(caplog: pytest.LogCaptureFixture) -> None:
    """The proxy goes on without, unless it was to fail."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with served("healthzBindAddress", address, asyncio.Event(), {}, hard=False):
            assert f"healthzBindAddress {address}: " in caplog.text
        with (
            pytest.raises(BadAddress, match=r"metricsBindAddress 127.*in use; choose another port"),
            served("metricsBindAddress", address, asyncio.Event(), {}, hard=True),
        ):
            pytest.fail("it is served")


@pytest.mark.parametrize(
    ("master", "server"), [("https://[2001:db8::1]:6443", "https://[2001:db8::1]:6443"), ("h:1", "http://h:1")]
)
def test_master_stands_for_the_server(tmp_path: Path, master: str, server: str) -> None:
    """Alone, or in the place of a kubeconfig's, whose identity stays."""
    path = tmp_path / "kubeconfig"
    path.write_text(
        "{clusters: [{name: a, cluster: {server: 'http://old'}}], users: [{name: b, user: {token: t}}],"
        " contexts: [{name: c, context: {cluster: a, user: b}}], current-context: c}"
    )
    assert cluster("", master).server == server
    assert (cluster(str(path), master).server, cluster(str(path), master).token) == (server, "t")
    assert cluster(str(path), None).server == "http://old"


@pytest.mark.parametrize("master", ["::bad::", "ftp://h:1", "https://", "h:port", "h:0", "h:65536", "http://[::1"])
def test_a_master_that_is_no_url_is_refused(master: str) -> None:
    """With the flag's name, before anything is begun."""
    done = CliRunner().invoke(command, ["--master", master])
    assert (done.exit_code, f"--master {master!r} is no URL" in done.output) == (2, True)
