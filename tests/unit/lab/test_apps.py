"""`kube46 run`'s flags: what they make, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.lab import apps
from kube46.lab.apps import App, Port
from kube46.lab.settings import BadSettings

WEB = App("web", "default", "host", ("sleep", "1"))

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "upper case": ({"name": "Web"}, "NAME 'Web': use at most 63 lower-case"),
    "long": ({"name": "a" * 64}, "NAME"),
    "path": ({"namespace": "../x"}, "--namespace '../x'"),
    "negative": ({"replicas": -1}, "--replicas -1: use a number from 0 to 1000"),
    "many": ({"replicas": 1001}, "--replicas 1001"),
    "no port": ({"expose": True}, "--expose: a Service needs a port, add --port NUMBER"),
    "digit": ({"name": "1", "expose": True, "ports": (Port(1),)}, "begins with a letter"),
    "twice": ({"ports": (Port(1), Port(1))}, "--port: one is given twice"),
    "a user below root": ({"user": -1}, "--user -1: use a number"),
    "nothing": ({"command": ()}, "no command: write it after --"),
    "bytes": ({"command": ("echo", "\udcff")}, "COMMAND: is not UTF-8"),
    "bytes of a variable": ({"environment": (("A", "\udcff"),)}, "--env: is not UTF-8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_app_that_cannot_be_is_refused_by_its_flag(name: str) -> None:
    """The sentence names the flag and the mend."""
    fields, words = REFUSED[name]
    with pytest.raises(BadSettings) as caught:
        apps.check(replace(WEB, **fields))
    assert words in str(caught.value)


def test_images_need_no_command() -> None:
    """An image has its own; with words they are its arguments, and its entrypoint stays."""
    assert apps.check(replace(WEB, image="redis:7", command=()))
    (deployment,) = apps.manifests(replace(WEB, image="redis:7", command=("--port", "1")))
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container == {"name": "web", "image": "redis:7", "args": ["--port", "1"]}


@pytest.mark.parametrize(("text", "wanted"), [("80", Port(80)), ("53/udp", Port(53, "UDP")), ("1/TCP", Port(1))])
def test_ports(text: str, wanted: Port) -> None:
    """TCP when nothing else is said."""
    assert apps.port(text) == wanted


@pytest.mark.parametrize("text", ["", "0", "65536", "http", "80/sctp", "-1", "80:80", "٨٠"])
def test_no_ports(text: str) -> None:
    """What is none is refused by the flag's name."""
    with pytest.raises(BadSettings, match=r"--port .*write a number"):
        apps.port(text)


def test_variables() -> None:
    """The value is all behind the first `=`; a name that is none, and a lone word, are refused without the value."""
    assert apps.variable("A=b=c") == ("A", "b=c")
    assert apps.variable("A=") == ("A", "")
    for text in ("A", "=b", "A B=secret", "1A=secret"):
        with pytest.raises(BadSettings, match=r"--env .*write NAME=VALUE") as caught:
            apps.variable(text)
        assert "secret" not in str(caught.value)


def test_an_exposed_app_is_a_deployment_and_a_service_of_all_families() -> None:
    """Each flag has its field; the Service finds the pods; readiness is asked of the first TCP port."""
    app = replace(
        WEB,
        replicas=3,
        ports=(Port(53, "UDP"), Port(8080)),
        expose=True,
        mounts=("/srv/a", "/srv/b"),
        environment=(("A", "$(B)"),),
        working_dir="/srv/a",
        user=1000,
    )
    deployment, service = apps.manifests(apps.check(app))
    template = deployment["spec"]["template"]
    container = template["spec"]["containers"][0]
    assert deployment["spec"]["replicas"] == 3
    assert service["spec"]["ipFamilyPolicy"] == "PreferDualStack"
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert [(p["name"], p["protocol"], p["port"]) for p in service["spec"]["ports"]] == [
        ("udp-53", "UDP", 53), ("tcp-8080", "TCP", 8080),
    ]  # fmt: skip
    assert container["readinessProbe"]["tcpSocket"] == {"port": 8080}
    assert "minReadySeconds" not in deployment["spec"]
    assert container["env"] == [{"name": "A", "value": "$$(B)"}]
    assert container["workingDir"] == "/srv/a"
    assert container["securityContext"] == {"runAsUser": 1000}
    assert [(m["mountPath"], m["readOnly"]) for m in container["volumeMounts"]] == [("/srv/a", True), ("/srv/b", True)]
    paths = {v["name"]: v["hostPath"]["path"] for v in template["spec"]["volumes"]}
    assert all(paths[m["name"]] == m["mountPath"] for m in container["volumeMounts"])


def test_without_a_port_to_ask_a_program_must_last_a_while() -> None:
    """Else one that fails while it starts would count as ready."""
    (deployment,) = apps.manifests(replace(WEB, ports=(Port(53, "UDP"),)))
    assert deployment["spec"]["minReadySeconds"] == 2


def nulls(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(nulls, value.values()))
    return any(map(nulls, value)) if isinstance(value, list) else value is None


@given(
    st.builds(
        App,
        name=st.just("web"),
        namespace=st.just("default"),
        image=st.sampled_from(["host", "redis:7"]),
        command=st.lists(st.text(), max_size=2).map(tuple),
        ports=st.lists(st.builds(Port, st.integers(1, 65535), st.sampled_from(["TCP", "UDP"])), max_size=2).map(tuple),
        expose=st.booleans(),
        mounts=st.lists(st.sampled_from(["/a", "/b"]), unique=True).map(tuple),
    )
)
def test_what_is_not_wanted_is_not_there(app: App) -> None:
    """No null is written: server-side apply takes away what an earlier run had and this one leaves out."""
    assert not nulls(apps.manifests(app))


def test_pods_do_not_see_private_directories() -> None:
    """But those that are mounted."""
    assert apps.hidden("/root/app", ()) == "/root"
    assert apps.hidden("/tmp/x/y", ("/srv",)) == "/tmp"
    assert apps.hidden("/rooted", ()) == apps.hidden("/usr/bin/env", ()) == ""
    assert apps.hidden("/root/app/bin", ("/root/app",)) == ""
