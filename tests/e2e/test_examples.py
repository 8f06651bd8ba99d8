"""The examples do what their table says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.conftest import Cluster, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]
EXAMPLES = Path(__file__).parents[2] / "examples"


def apply(cluster: Cluster, example: str) -> None:
    """Applies an example in a namespace of its own and waits for its pods."""
    namespace = example[:2]
    cluster.kubectl("create", "namespace", f"example-{namespace}")
    cluster.kubectl("-n", f"example-{namespace}", "apply", "-f", str(EXAMPLES / example / "hello.yaml"))
    cluster.kubectl(
        "-n", f"example-{namespace}", "wait", "--for=condition=Available", "deployment/hello", "--timeout=40s"
    )


def curl(cluster: Cluster, place: str, url: str) -> str:
    """What a URL says, asked from a place, once the rules are there."""
    return str(eventually(lambda: cluster.shell(place, "curl", "-sS", "-m", "3", url)))


def test_hello_dual_stack(dual: Cluster) -> None:
    """The node port answers outside over both families, and by name over both from a pod."""
    apply(dual, "01-hello-dual-stack")
    assert "over IPv4" in curl(dual, "outside", "http://10.46.0.11:30080")
    assert "over IPv6" in curl(dual, "outside", "http://[fd46::11]:30080")
    pod = dual.get("-n", "example-01", "pods")["items"][0]["metadata"]["name"]
    for flag, family in (("-4", "IPv4"), ("-6", "IPv6")):
        said = dual.kubectl("-n", "example-01", "exec", pod, "--", "curl", "-sS", flag, "-m", "5", "http://hello")
        assert f"over {family}" in said


def test_ipv6_only(clusters: Callable[[str], Cluster]) -> None:
    """Pods of an IPv6-only cluster have no IPv4 address, and reach their Service by name."""
    six = clusters("ipv6")
    apply(six, "02-ipv6-only")
    pod = six.get("-n", "example-02", "pods")["items"][0]
    assert all(":" in entry["ip"] for entry in pod["status"]["podIPs"])
    name = pod["metadata"]["name"]
    inside = six.kubectl("-n", "example-02", "exec", name, "--", "ip", "-4", "-o", "address")
    assert all(" lo " in line for line in inside.splitlines())
    said = eventually(
        lambda: six.kubectl("-n", "example-02", "exec", name, "--", "curl", "-sS", "-m", "5", "http://hello")
    )
    assert "over IPv6" in said


def test_one_service_per_family(dual: Cluster) -> None:
    """The same pods answer over the family of the Service that was asked."""
    apply(dual, "03-one-service-per-family")
    pod = dual.get("-n", "example-03", "pods")["items"][0]["metadata"]["name"]
    for family in ("IPv4", "IPv6"):
        url = f"http://hello-{family.lower()}"
        said = eventually(
            lambda url=url: dual.kubectl("-n", "example-03", "exec", pod, "--", "curl", "-sS", "-m", "5", url)
        )
        assert f"over {family}" in said


def test_custom_resource(dual: Cluster) -> None:
    """The kind is there at once, its defaults are filled in, its columns shown, its rule kept, its objects scaled."""
    folder = EXAMPLES / "08-custom-resource"
    dual.kubectl("apply", "-f", str(folder / "definition.yaml"))
    dual.kubectl("wait", "--for=condition=established", "crd/mirrors.example.org", "--timeout=10s")
    dual.kubectl("apply", "-f", str(folder / "mirror.yaml"))
    lines = dual.kubectl("get", "mirrors").splitlines()
    assert lines[0].split() == ["NAME", "FROM", "FAMILIES", "REPLICAS"]
    assert lines[1].split() == ["debian", "http://deb.debian.org/debian", '["IPv6"]', "1"]
    dual.kubectl("scale", "mirror/debian", "--replicas=3")
    assert dual.get("mirror", "debian")["spec"]["replicas"] == 3
    refused = dual.kubectl("patch", "mir", "debian", "--type=merge", "-p", '{"spec":{"listen":"here"}}', check=False)
    assert "listen must be an address of either family" in refused
    assert "Where the copies come from." in dual.kubectl("explain", "mirrors.spec.from")
    dual.kubectl("delete", "crd", "mirrors.example.org")
    assert "could not find the requested resource" in dual.kubectl("get", "--raw", "/apis/example.org/v1", check=False)
