"""resolv.conf, hosts and host names."""

import pytest

from kube46.api.objects import Meta
from kube46.lab.kubelet.manifests import DnsConfig, DnsOption, HostAlias, PodSpec, ReadPod, Sysctl
from kube46.lab.kubelet.naming import Resolver, host_network_hosts, hosts, parse_resolver, resolver
from kube46.lab.kubelet.sandboxrules import domain_name, hostname, sysctls

DNS = ("10.96.0.10", "fd00::a")
OURS = Resolver(DNS, ("shop.svc.c.l", "svc.c.l", "c.l", "lan"), ("ndots:5",))
NODE = Resolver(("192.0.2.1",), ("lan",), ("rotate",))
CONFIG = DnsConfig(
    nameservers=("192.0.2.9",), searches=("x.y", "c.l"), options=(DnsOption("ndots", "2"), DnsOption("edns0"))
)


def pod(name="web", **spec):
    """A pod of the namespace `shop`."""
    return ReadPod(Meta(name=name, namespace="shop"), PodSpec(**spec))


CASES = {
    "ClusterFirst": (pod(), OURS),
    "ClusterFirst on the host": (pod(host_network=True), NODE),
    "WithHostNet": (pod(host_network=True, dns_policy="ClusterFirstWithHostNet"), OURS),
    "Default": (pod(dns_policy="Default"), NODE),
    "None": (
        pod(dns_policy="None", dns_config=CONFIG),
        Resolver(("192.0.2.9",), ("x.y", "c.l"), ("ndots:2", "edns0")),
    ),
    "ClusterFirst and more": (
        pod(dns_config=CONFIG),
        Resolver((*DNS, "192.0.2.9"), (*OURS.searches, "x.y"), ("ndots:2", "edns0")),
    ),
}


@pytest.mark.parametrize(("given", "expected"), CASES.values(), ids=CASES.keys())
def test_resolver(given, expected):
    """Each dnsPolicy gives its servers of both families, searches and options; dnsConfig is added."""
    assert resolver(given, DNS, "c.l", NODE) == expected


def test_text():
    """The file names search, at most three servers and options."""
    text = Resolver(("1.1.1.1", "2.2.2.2", "::1", "::2"), ("a", "b"), ("ndots:5",)).text()

    assert text == "search a b\nnameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver ::1\noptions ndots:5\n"


def test_parse():
    """The node's file is read as the C library reads it."""
    text = "# c\nnameserver 192.0.2.1\nsearch old\nsearch lan\noptions rotate timeout:1\n;x\n"

    assert parse_resolver(text) == Resolver(("192.0.2.1",), ("lan",), ("rotate", "timeout:1"))


def test_hosts_has_a_line_an_address():
    """Each of the pod's addresses has a line, whatever its family; aliases follow."""
    text = hosts(("fd00::2", "10.0.0.2"), "web", "web.db.shop.svc.c.l", [HostAlias("10.9.9.9", ("a", "b"))])

    assert "127.0.0.1\tlocalhost\n::1\tlocalhost" in text
    assert "\nfd00::2\tweb.db.shop.svc.c.l\tweb\n10.0.0.2\tweb.db.shop.svc.c.l\tweb\n" in text
    assert text.endswith("# Entries added by HostAliases.\n10.9.9.9\ta\tb\n")


def test_host_network_hosts():
    """On the node's network the node's file is kept."""
    assert host_network_hosts("127.0.0.1 localhost\n", []).endswith("127.0.0.1 localhost\n")


@pytest.mark.parametrize(
    ("given", "name", "domain"),
    [
        (pod(), "web", ""),
        (pod(hostname="db-0", subdomain="db"), "db-0", "db-0.db.shop.svc.c.l"),
        (pod(host_network=True, subdomain="db"), "node1", ""),
        (pod(subdomain="db", set_hostname_as_fqdn=True), "web.db.shop.svc.c.l", "web.db.shop.svc.c.l"),
        (pod(name="x" * 62 + "-y"), "x" * 62, ""),
    ],
    ids=["name", "hostname", "host", "fqdn", "long"],
)
def test_hostname(given, name, domain):
    """The host name is the pod's own, the node's on its network, and at most 63 octets."""
    assert (hostname(given, "node1", "c.l"), domain_name(given, "c.l")) == (name, domain)


def test_sysctls():
    """Any port may be bound and ping works; a pod's own safe sysctls win, others never get in."""
    asked = [Sysctl("net.ipv4.ip_unprivileged_port_start", "1024"), Sysctl("kernel.panic", "1")]

    assert sysctls(asked) == {
        "net.ipv4.ip_unprivileged_port_start": "1024",
        "net.ipv4.ping_group_range": "0 2147483647",
    }
