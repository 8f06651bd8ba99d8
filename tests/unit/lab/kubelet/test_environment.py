"""Environment variables: Services, references, the downward API, expansion; and quantities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Meta, Service, ServicePort, ServiceSpec
from kube46.api.quantities import parse
from kube46.lab.kubelet.environment import Context, environment, expand, pod_field, references, service_variables
from kube46.lab.kubelet.manifests import (
    Container,
    EnvFrom,
    EnvSource,
    EnvVar,
    KeyRef,
    NameRef,
    ObjectField,
    PodSpec,
    ReadPod,
    ResourceField,
    Resources,
)
from kube46.lab.kubelet.quantities import divided, qos_class
from kube46.lab.kubelet.security import ConfigError

LIMITED = Container(name="main", resources=Resources(limits={"cpu": "1500m", "memory": "64Mi"}))
POD = ReadPod(
    Meta(name="p", namespace="shop", uid="u", labels={"b": "2", "a": 'x"y'}, annotations={"k": "v"}),
    PodSpec(containers=(LIMITED,), node_name="node1", service_account_name="sa"),
)
CONTEXT = Context(
    pod=POD,
    pod_ips=("fd00::2", "10.0.0.2"),
    host_ips=("fd46::1",),
    config_maps={"map": {"one": b"1", "two": b"2"}},
    secrets={"secret": {"key": b"s3cret"}},
    allocatable={"cpu": "4", "memory": "1Gi"},
)


def service(name, address, *ports, namespace="shop"):
    """A Service."""
    return Service(metadata=Meta(name=name, namespace=namespace), spec=ServiceSpec(cluster_ip=address, ports=ports))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$$(A)", "$(A)"),
        ("$(NONE)", "$(NONE)"),
        ("$A ${A} $", "$A ${A} $"),
        ("$$$(A)", "$1"),
        ("$(A", "$(A"),
    ],
)
def test_expand(text, expected):
    """$(NAME) is replaced when known, $$ is an escape, all else stays."""
    assert expand(text, {"A": "1", "B": "2"}) == expected


@given(st.text(alphabet=st.characters(exclude_characters="$")))
def test_text_without_dollars_stays(text):
    """Expansion never touches text without a dollar."""
    assert expand(text, {"A": "1"}) == text


def test_service_variables():
    """Host, port, named port and link variables of the primary address; URLs bracket IPv6; headless ones have none."""
    found = service_variables(
        [
            service(
                "my-db", "fd00::a", ServicePort(name="sql-x", port=5432), ServicePort(name="m", protocol="UDP", port=9)
            ),
            service("headless", "None", ServicePort(port=1)),
        ]
    )

    assert found == {
        "MY_DB_SERVICE_HOST": "fd00::a",
        "MY_DB_SERVICE_PORT": "5432",
        "MY_DB_SERVICE_PORT_SQL_X": "5432",
        "MY_DB_SERVICE_PORT_M": "9",
        "MY_DB_PORT": "tcp://[fd00::a]:5432",
        "MY_DB_PORT_5432_TCP": "tcp://[fd00::a]:5432",
        "MY_DB_PORT_5432_TCP_PROTO": "tcp",
        "MY_DB_PORT_5432_TCP_PORT": "5432",
        "MY_DB_PORT_5432_TCP_ADDR": "fd00::a",
        "MY_DB_PORT_9_UDP": "udp://[fd00::a]:9",
        "MY_DB_PORT_9_UDP_PROTO": "udp",
        "MY_DB_PORT_9_UDP_PORT": "9",
        "MY_DB_PORT_9_UDP_ADDR": "fd00::a",
    }


FIELDS = {
    "metadata.name": "p",
    "metadata.namespace": "shop",
    "metadata.uid": "u",
    "metadata.labels['b']": "2",
    "metadata.labels['none']": "",
    "metadata.annotations['k']": "v",
    "metadata.labels": 'a="x\\"y"\nb="2"',
    "spec.nodeName": "node1",
    "spec.serviceAccountName": "sa",
    "status.podIP": "fd00::2",
    "status.podIPs": "fd00::2,10.0.0.2",
    "status.hostIP": "fd46::1",
    "status.hostIPs": "fd46::1",
}


@pytest.mark.parametrize(("path", "value"), FIELDS.items(), ids=FIELDS.keys())
def test_fields(path, value):
    """Every field of the downward API has its value; plural addresses are joined by commas."""
    assert pod_field(CONTEXT, path) == value


def variable(name, **source):
    """A variable with a source."""
    return EnvVar(name=name, value_from=EnvSource(**source))


def test_environment_in_order():
    """Services, then envFrom, then env; later ones win and may refer to earlier ones."""
    container = Container(
        name="main",
        env_from=(EnvFrom(prefix="P_", config_map_ref=NameRef(name="map")), EnvFrom(secret_ref=NameRef(name="secret"))),
        env=(
            EnvVar(name="BOTH", value="$(P_one)$(DB_SERVICE_HOST)$(LATER)"),
            EnvVar(name="LATER", value="x"),
            EnvVar(name="P_two", value="own"),
            variable("FIELD", field_ref=ObjectField(field_path="status.podIP")),
            variable("KEY", secret_key_ref=KeyRef(name="secret", key="key")),
            variable("NONE", config_map_key_ref=KeyRef(name="map", key="none", optional=True)),
        ),
    )
    context = Context(
        **{
            name: getattr(CONTEXT, name)
            for name in ("pod", "pod_ips", "host_ips", "config_maps", "secrets", "allocatable")
        },
        services=(service("db", "10.96.0.5", ServicePort(port=1)),),
    )
    found = environment(context, container)

    assert found["BOTH"] == "110.96.0.5$(LATER)"
    assert (found["P_one"], found["P_two"], found["key"], found["KEY"]) == ("1", "own", "s3cret", "s3cret")
    assert found["FIELD"] == "fd00::2"
    assert "NONE" not in found
    assert found["HOSTNAME"] == "p"


REFUSED = {
    "configmap": (variable("X", config_map_key_ref=KeyRef(name="no", key="k")), 'configmap "no" not found'),
    "key": (variable("X", secret_key_ref=KeyRef(name="secret", key="k")), "couldn't find key k in Secret shop/secret"),
    "field": (variable("X", field_ref=ObjectField(field_path="spec.x")), "fieldRef.fieldPath: 'spec.x'"),
}


@pytest.mark.parametrize(("asked", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_missing_references_are_named(asked, text):
    """What is missing is named."""
    with pytest.raises(ConfigError, match=text):
        environment(CONTEXT, Container(name="main", env=(asked,)))


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.memory", "1Mi", "64"),
        ("limits.memory", "0", str(64 << 20)),
        ("limits.cpu", "1", "2"),
        ("limits.cpu", "1m", "1500"),
        ("requests.cpu", "1m", "1500"),
        ("limits.ephemeral-storage", "1", "0"),
    ],
)
def test_resource_fields(resource, divisor, value):
    """Limits in units of the divisor, rounded up; a request defaults to its limit."""
    asked = variable("X", resource_field_ref=ResourceField(container_name="main", resource=resource, divisor=divisor))

    assert environment(CONTEXT, Container(name="other", env=(asked,)))["X"] == value


def test_service_links_can_be_left_out():
    """enableServiceLinks false leaves only the API server's variables."""
    services = (
        service("db", "10.0.0.5", ServicePort(port=1)),
        service("kubernetes", "10.0.0.1", ServicePort(port=443), namespace="default"),
    )
    context = Context(pod=ReadPod(POD.metadata, PodSpec(enable_service_links=False)), services=services)
    found = environment(context, Container(name="main"))

    assert "KUBERNETES_SERVICE_HOST" in found
    assert "DB_SERVICE_HOST" not in found


def test_references():
    """All ConfigMaps and Secrets that environments need are found."""
    containers = [
        Container(env_from=(EnvFrom(config_map_ref=NameRef(name="a")),)),
        Container(env=(variable("X", secret_key_ref=KeyRef(name="b", key="k")),)),
    ]

    assert references(containers) == ({"a"}, {"b"})


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("100m", 0.1), ("1Ki", 1024), ("1.5Gi", 1.5 * 2**30), ("1e3", 1000), ("2M", 2_000_000), (3, 3)],
)
def test_quantities(text, value):
    """Suffixes of both kinds and exponents are read."""
    assert float(parse(text)) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "x", "1Qi", "1 Gi", "--1"])
def test_bad_quantities(text):
    """What is no quantity is refused."""
    with pytest.raises(ValueError, match="is no quantity"):
        parse(text)


@given(st.integers(1, 10**15), st.integers(1, 10**9))
def test_division_rounds_up(number, divisor):
    """The downward API never says less than there is."""
    assert int(divided(number, divisor)) == -(-number // divisor)


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([({}, {})], "BestEffort"),
        ([({"cpu": "1", "memory": "1Gi"}, {})], "Guaranteed"),
        ([({"cpu": "1", "memory": "1Gi"}, {"cpu": "1000m", "memory": "1024Mi"})], "Guaranteed"),
        ([({"cpu": "1", "memory": "1Gi"}, {"cpu": "1"}), ({}, {})], "Burstable"),
        ([({}, {"cpu": "1m"})], "Burstable"),
    ],
)
def test_qos_class(containers, expected):
    """The class follows from all containers' limits and requests."""
    assert qos_class(containers) == expected
