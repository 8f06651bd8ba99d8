"""What `kube46 forward` is asked for, and what is wrong with it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import (
    Condition,
    Container,
    ContainerPort,
    Meta,
    Pod,
    PodSpec,
    PodStatus,
    Service,
    ServicePort,
    ServiceSpec,
)
from kube46.lab import forwardrules
from kube46.lab.forwardrules import Line, Target, Wish
from kube46.lab.settings import BadSettings

SVC, POD = Target("svc", "web"), Target("pod", "web-1")
PORTS = (
    ServicePort(name="dns", protocol="UDP", port=53),
    ServicePort(name="http", port=80),
    ServicePort(name="db", port=5432),
    ServicePort(name="dns-tcp", port=53),
    ServicePort(name="time", protocol="UDP", port=123),
)
SERVICE = Service(spec=ServiceSpec(cluster_ip="fd00::1", ports=PORTS))


def pod(name: str = "web-1", *, ready: bool = True, created: str = "1", phase: str = "Running") -> Pod:
    ports = (ContainerPort(name="http", container_port=8080), ContainerPort(container_port=53, protocol="UDP"))
    status = PodStatus(
        phase=phase, pod_ip="10.1.1.1", conditions=(Condition(type="Ready", status="True" if ready else "False"),)
    )
    spec = PodSpec(containers=(Container(name="c", ports=ports),))
    return Pod(metadata=Meta(name=name, creation_timestamp=created), spec=spec, status=status)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("svc/web", Target("svc", "web")),
        ("Service/web", Target("svc", "web")),
        ("deployment/web", Target("deploy", "web")),
        ("web-1", Target("pod", "web-1")),
    ],
)
def test_targets(text: str, found: Target) -> None:
    """Kinds as kubectl knows them; a bare name is a pod's."""
    assert forwardrules.target(text) == found


@pytest.mark.parametrize("text", ["", "svc/", "job/x", "svc/a/b", "/x"])
def test_targets_that_are_none(text: str) -> None:
    """The refusal says what to write."""
    with pytest.raises(BadSettings, match="write svc/NAME"):
        forwardrules.target(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [("80", Wish(None, "80")), ("8080:80", Wish(8080, "80")), (":80", Wish(0, "80")), ("1:http", Wish(1, "http"))],
)
def test_wishes(text: str, found: Wish) -> None:
    """[LOCAL:]REMOTE; without a number before the colon any will do."""
    assert forwardrules.wish(text) == found


@pytest.mark.parametrize("text", ["", "0", "65536", "80:", "x:80", "65536:80", "1:2:3", "99999999999999999999"])
def test_wishes_that_are_none(text: str) -> None:
    """Numbers beyond a port's, and texts."""
    with pytest.raises(BadSettings, match="is no port"):
        forwardrules.wish(text)


@given(st.text(max_size=8))
def test_any_text_is_a_wish_or_refused(text: str) -> None:
    """No text breaks the parser."""
    with suppress(BadSettings):
        assert forwardrules.wish(text).remote


def test_a_service_is_reached_by_its_own_address() -> None:
    """By number or name; all its TCP ports when none is named; a number that is UDP and TCP is TCP."""

    def lines(*texts: str) -> list[Line]:
        return forwardrules.service_lines(SERVICE, SVC, map(forwardrules.wish, texts))

    http, db, dns = (Line(None, "fd00::1", n, n) for n in (80, 5432, 53))
    assert lines() == [http, db, dns]
    assert lines("db", "8080:80", "53") == [db, Line(8080, "fd00::1", 80, 80), dns]


@pytest.mark.parametrize(
    ("spec", "port", "text"),
    [
        (ServiceSpec(type="ExternalName", external_name="x.example"), "80", "ask x.example itself"),
        (ServiceSpec(cluster_ip="None", ports=PORTS), "80", "is headless"),
        (ServiceSpec(cluster_ip="10.0.0.1", ports=PORTS), "81", r"has no port 81; it has 80 \(http\), 5432 \(db\)"),
        (ServiceSpec(cluster_ip="10.0.0.1", ports=PORTS), "time", "port time is UDP, only TCP"),
    ],
    ids=["external", "headless", "unknown", "udp"],
)
def test_services_that_cannot_be_forwarded_to(spec: ServiceSpec, port: str, text: str) -> None:
    """Each is refused in its own words."""
    with pytest.raises(BadSettings, match=text):
        forwardrules.service_lines(Service(spec=spec), SVC, [forwardrules.wish(port)])


def test_a_pod_is_reached_by_its_address_on_any_port() -> None:
    """Its named ports, and numbers that it does not name; one that does not run is refused."""
    wishes = [Wish(None, "http"), Wish(1, "9999")]
    assert forwardrules.pod_lines(pod(), POD, wishes) == [
        Line(None, "10.1.1.1", 8080, 8080), Line(1, "10.1.1.1", 9999, 9999)
    ]  # fmt: skip
    assert forwardrules.pod_lines(pod(), POD, []) == [Line(None, "10.1.1.1", 8080, 8080)]
    with pytest.raises(BadSettings, match="pod web-1 is Succeeded, not Running"):
        forwardrules.pod_lines(pod(phase="Succeeded"), POD, [])
    with pytest.raises(BadSettings, match="names no TCP port, say which"):
        forwardrules.pod_lines(Pod(status=pod().status), POD, [])


def test_the_first_ready_pod() -> None:
    """A ready one before an older one; none that does not run."""
    pods = [pod("old", ready=False), pod("new", created="3"), pod("ready", created="2"), pod("done", phase="Failed")]
    chosen = forwardrules.first_ready(pods)
    assert chosen is not None
    assert chosen.metadata.name == "ready"
    assert forwardrules.first_ready([pod(phase="Pending")]) is None


def test_ports_of_the_host() -> None:
    """What was asked for; else the same number, or 8000 more for those below 1024, and the next when it is taken."""
    assert list(Line(80, "h", 443, 443).candidates()) == [80]
    assert list(Line(None, "h", 80, 80).candidates())[:2] == [8080, 8081]
    assert next(iter(Line(None, "h", 5432, 5432).candidates())) == 5432
    assert list(Line(None, "h", 65535, 65535).candidates()) == [65535]
