"""`kube46 run`: from flags to a Deployment and its Service (pure)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from kube46.lab.kubelet.bundles import HIDDEN_MASKS, OPEN_MASKS, PRIVATE_MASKS
from kube46.lab.settings import BadSettings

HOST = "host"
MANAGER = "kube46-run"  # of fields, and in a label
MARK = {"app.kubernetes.io/managed-by": MANAGER}
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
PORT = re.compile(r"([0-9]{1,5})(?:/(tcp|udp))?", re.IGNORECASE)
SETTLING = 2  # seconds; times are told in whole ones, so one is the least that this means
MOST_REPLICAS, MOST_USER = 1000, 2**31 - 1


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the app's."""

    number: int
    protocol: str = "TCP"

    @property
    def name(self) -> str:
        """As the Service calls it."""
        return f"{self.protocol.lower()}-{self.number}"


@dataclass(frozen=True, slots=True)
class App:
    """What is to run."""

    name: str
    namespace: str
    image: str
    command: tuple[str, ...]
    replicas: int = 1
    ports: tuple[Port, ...] = ()
    expose: bool = False
    mounts: tuple[str, ...] = ()  # read-only, at the same path
    environment: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    user: int | None = None


def check(app: App) -> App:
    """The app, when it can be run. Raises BadSettings that names the flag and the mend."""
    for flag, text in (("NAME", app.name), ("--namespace", app.namespace)):
        if not LABEL.fullmatch(text) or len(text) > 63:
            raise BadSettings(f"{flag} {text!r}: use at most 63 lower-case letters, digits and inner hyphens")
    for flag, texts in (("COMMAND", app.command), ("--env", sum(app.environment, ())), ("--mount", app.mounts)):
        if any("\udc80" <= letter <= "\udcff" for text in texts for letter in text):
            raise BadSettings(f"{flag}: is not UTF-8, which Kubernetes' objects are")
    if not 0 <= app.replicas <= MOST_REPLICAS:
        raise BadSettings(f"--replicas {app.replicas}: use a number from 0 to {MOST_REPLICAS}")
    if app.expose and not app.ports:
        raise BadSettings("--expose: a Service needs a port, add --port NUMBER")
    if app.expose and not app.name[0].isalpha():
        raise BadSettings(f"NAME {app.name!r}: a Service's name begins with a letter")
    if len(set(app.ports)) != len(app.ports):
        raise BadSettings("--port: one is given twice")
    if app.user is not None and not 0 <= app.user <= MOST_USER:
        raise BadSettings(f"--user {app.user}: use a number from 0 to {MOST_USER}, such as that of `id -u`")
    if app.image == HOST and not app.command:
        raise BadSettings("no command: write it after --, such as `kube46 run web -- python3 -m http.server`")
    return app


def port(text: str) -> Port:
    """`8080` or `53/udp`. Raises BadSettings."""
    match = PORT.fullmatch(text)
    if not match or not 1 <= int(match[1]) <= 65535:
        raise BadSettings(f"--port {text}: write a number from 1 to 65535, for UDP with /udp after it")
    return Port(int(match[1]), (match[2] or "tcp").upper())


def variable(text: str) -> tuple[str, str]:
    """`NAME=VALUE`. Raises BadSettings."""
    name, sign, value = text.partition("=")
    if not sign or not VARIABLE.fullmatch(name):
        raise BadSettings(
            f"--env {text.partition('=')[0]}: write NAME=VALUE, NAME of letters, digits, `_`, `-` and `.`"
        )
    return name, value


def hidden(path: str, mounts: Iterable[str]) -> str:
    """The directory that keeps pods from seeing a path of the machine's, "" when they see it."""
    if any(PurePosixPath(path).is_relative_to(mount) for mount in mounts):
        return ""
    masks = (*PRIVATE_MASKS, *OPEN_MASKS, *HIDDEN_MASKS)
    return next((mask for mask in masks if PurePosixPath(path).is_relative_to(mask)), "")


def manifests(app: App) -> list[dict[str, Any]]:
    """The objects, as people write them: a Deployment, and the Service when one is wanted."""
    found = [_deployment(app), *([_service(app)] if app.expose else [])]
    return [_without_nulls(one) for one in found]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _deployment(app: App) -> dict[str, Any]:
    volumes = [{"name": f"mount{number}", "hostPath": {"path": path}} for number, path in enumerate(app.mounts)]
    container = {
        "name": app.name,
        "image": app.image,
        # Of an image its entrypoint is kept, as `docker run` does.
        ("command" if app.image == HOST else "args"): list(app.command) or None,
        "workingDir": app.working_dir or None,
        "env": [{"name": name, "value": value.replace("$", "$$")} for name, value in app.environment] or None,
        "ports": [{"containerPort": p.number, "protocol": p.protocol} for p in app.ports] or None,
        "readinessProbe": _probe(app),
        "securityContext": {"runAsUser": app.user} if app.user is not None else None,
        "volumeMounts": [
            {"name": v["name"], "mountPath": path, "readOnly": True}
            for v, path in zip(volumes, app.mounts, strict=True)
        ]
        or None,
    }
    labels = {"app": app.name}
    # Without a probe a program counts as ready before it has had the time to fail.
    settling = None if container["readinessProbe"] else SETTLING
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(app),
        "spec": {
            "replicas": app.replicas,
            "minReadySeconds": settling,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "volumes": volumes or None},
            },
        },
    }


def _probe(app: App) -> dict[str, Any] | None:
    """Ready is who answers on the first port; nobody can tell that of UDP."""
    number = next((p.number for p in app.ports if p.protocol == "TCP"), None)
    return {"tcpSocket": {"port": number}, "periodSeconds": 1, "failureThreshold": 3} if number else None


def _service(app: App) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(app),
        "spec": {
            "ipFamilyPolicy": "PreferDualStack",
            "selector": {"app": app.name},
            "ports": [{"name": p.name, "port": p.number, "protocol": p.protocol} for p in app.ports],
        },
    }


def _meta(app: App) -> dict[str, Any]:
    return {"name": app.name, "namespace": app.namespace, "labels": {"app": app.name, **MARK}}
