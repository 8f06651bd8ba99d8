"""A container's environment: Service variables, envFrom, env, the downward API and $(VAR) expansion (pure)."""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kube46.addresses.families import bracketed
from kube46.api.objects import ClusterTrustBundle, Service
from kube46.lab.kubelet import quantities
from kube46.lab.kubelet.credentials import Credential
from kube46.lab.kubelet.manifests import Container, EnvVar, KeyRef, NameRef, ReadPod, ResourceField
from kube46.lab.kubelet.places import Place
from kube46.lab.kubelet.security import ConfigError

REFERENCE = re.compile(r"\$(\$|\(([^()]*)\))")
SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")
KINDS = {"configmap": "ConfigMap", "secret": "Secret"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Context:
    """What environment and volumes are made of, beside the pod: addresses, and the objects it refers to."""

    pod: ReadPod
    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    # name → key → value; absent: no such object
    config_maps: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    services: tuple[Service, ...] = ()  # of the pod's namespace, and `kubernetes` of the default one
    allocatable: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)  # by volume: where those lie that we don't fill
    bundles: Mapping[str, ClusterTrustBundle] = field(default_factory=dict)
    # by volume and number of the source: the pod's certificates, and why there is none
    issued: Mapping[tuple[str, int], Credential] = field(default_factory=dict)
    refused: Mapping[tuple[str, int], str] = field(default_factory=dict)


def expand(text: str, values: Mapping[str, str]) -> str:
    """`$(NAME)` → its value when there is one, `$$` → `$`; anything else stays.

    Source: third_party/forked/golang/expansion.
    """

    def replaced(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return values.get(match[2], match[0])

    return REFERENCE.sub(replaced, text)


def service_variables(services: Iterable[Service]) -> dict[str, str]:
    """`NAME_SERVICE_HOST` and the like, of each Service's primary cluster address; headless ones have none (B-14)."""
    found: dict[str, str] = {}
    for service in services:
        address = service.spec.cluster_ip
        if not service.spec.ports or address in ("", "None"):
            continue
        name = service.metadata.name.upper().replace("-", "_")
        first = service.spec.ports[0]
        found[f"{name}_SERVICE_HOST"] = address
        found[f"{name}_SERVICE_PORT"] = str(first.port)
        for port in service.spec.ports:
            if port.name:
                found[f"{name}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
        found[f"{name}_PORT"] = f"{first.protocol.lower()}://{bracketed(address, first.port)}"
        for port in service.spec.ports:
            prefix = f"{name}_PORT_{port.port}_{port.protocol.upper()}"
            found[prefix] = f"{port.protocol.lower()}://{bracketed(address, port.port)}"
            found[f"{prefix}_PROTO"] = port.protocol.lower()
            found[f"{prefix}_PORT"] = str(port.port)
            found[f"{prefix}_ADDR"] = address
    return found


def pod_field(context: Context, path: str) -> str:
    """The value of a fieldRef. Raises ConfigError when the path isn't one of the downward API's."""
    pod = context.pod
    if match := SUBSCRIPT.fullmatch(path):
        values = pod.metadata.labels if match[1] == "labels" else pod.metadata.annotations
        return values.get(match[2], "")
    simple = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": pod.spec.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.podIP": next(iter(context.pod_ips), ""),
        "status.podIPs": ",".join(context.pod_ips),
        "status.hostIP": next(iter(context.host_ips), ""),
        "status.hostIPs": ",".join(context.host_ips),
        "metadata.labels": _lines(pod.metadata.labels),
        "metadata.annotations": _lines(pod.metadata.annotations),
    }
    if path not in simple:
        raise ConfigError(f"fieldRef.fieldPath: {path!r} is not supported; use one of {', '.join(simple)}")
    return simple[path]


def resource_field(context: Context, ref: ResourceField, container: Container | None) -> str:
    """The value of a resourceFieldRef: a limit defaults to what the node can give."""
    target = context.pod.spec.container(ref.container_name) if ref.container_name else container
    if target is None:
        raise ConfigError(f"resourceFieldRef.containerName: the pod has no container {ref.container_name!r}")
    kind, _, name = ref.resource.partition(".")
    given = target.resources.limits if kind == "limits" else target.resources.requests
    default = context.allocatable.get(name, "0") if kind == "limits" else target.resources.limits.get(name, "0")
    try:
        return quantities.divided(given.get(name, default), ref.divisor)
    except ValueError as error:
        raise ConfigError(f"resourceFieldRef {ref.resource}: {error}") from error


def environment(context: Context, container: Container, image: Mapping[str, str] | None = None) -> dict[str, str]:
    """The container's environment variables. Raises ConfigError that names the object or key that is missing."""
    base = _service_part(context)
    own: dict[str, str] = {}
    for source in container.env_from:
        for store, ref, kind in (
            (context.config_maps, source.config_map_ref, "configmap"),
            (context.secrets, source.secret_ref, "secret"),
        ):
            if ref:
                own |= {source.prefix + key: _text(value) for key, value in _whole(store, ref, kind, context).items()}
    for variable in container.env:
        value = _value(context, container, variable, base | own)
        if value is not None:
            own[variable.name] = value
    defaults = {"PATH": PATH, "HOSTNAME": context.pod.metadata.name, "HOME": "/root", **(image or {})}
    return defaults | base | own


def _service_part(context: Context) -> dict[str, str]:
    wanted = [
        s for s in context.services if context.pod.spec.enable_service_links or s.key == ("default", "kubernetes")
    ]
    return service_variables(sorted(wanted, key=lambda s: s.key != ("default", "kubernetes")))


def _value(context: Context, container: Container, variable: EnvVar, known: Mapping[str, str]) -> str | None:
    source = variable.value_from
    if source is None:
        return expand(variable.value, known)
    if source.field_ref:
        return pod_field(context, source.field_ref.field_path)
    if source.resource_field_ref:
        return resource_field(context, source.resource_field_ref, container)
    if source.config_map_key_ref:
        return _key(context.config_maps, source.config_map_key_ref, "configmap", context)
    if source.secret_key_ref:
        return _key(context.secrets, source.secret_key_ref, "secret", context)
    return ""


def _whole(store: Mapping[str, Mapping[str, bytes]], ref: NameRef, kind: str, context: Context) -> Mapping[str, bytes]:
    if ref.name not in store and not ref.optional:
        raise ConfigError(f'{kind} "{ref.name}" not found')
    return store.get(ref.name, {})


def _key(store: Mapping[str, Mapping[str, bytes]], ref: KeyRef, kind: str, context: Context) -> str | None:
    found = _whole(store, NameRef(name=ref.name, optional=ref.optional), kind, context)
    if ref.key in found:
        return _text(found[ref.key])
    if ref.optional:
        return None
    raise ConfigError(f"couldn't find key {ref.key} in {KINDS[kind]} {context.pod.metadata.namespace}/{ref.name}")


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")


def _lines(values: Mapping[str, str]) -> str:
    """Labels or annotations as the downward API writes them: sorted `key="escaped value"` lines."""
    escaped = {k: v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for k, v in values.items()}
    return "\n".join(f'{key}="{escaped[key]}"' for key in sorted(escaped))


def decoded(data: Mapping[str, str], binary: Mapping[str, str]) -> dict[str, bytes]:
    """A ConfigMap's `data` and `binaryData`, or a Secret's nothing and `data`, as bytes."""
    return {k: v.encode() for k, v in data.items()} | {k: base64.b64decode(v) for k, v in binary.items()}


def references(spec_containers: Iterable[Container]) -> tuple[set[str], set[str]]:
    """The names of the ConfigMaps and Secrets that environments refer to."""
    maps: set[str] = set()
    secrets: set[str] = set()
    for container in spec_containers:
        for source in container.env_from:
            maps |= {source.config_map_ref.name} if source.config_map_ref else set()
            secrets |= {source.secret_ref.name} if source.secret_ref else set()
        for value in (variable.value_from for variable in container.env):
            maps |= {value.config_map_key_ref.name} if value and value.config_map_key_ref else set()
            secrets |= {value.secret_key_ref.name} if value and value.secret_key_ref else set()
    return maps, secrets
