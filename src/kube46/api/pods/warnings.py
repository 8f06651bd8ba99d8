"""What a pod's or pod template's writer is warned of: what is deprecated, says nothing, or hides something else.

Source: k8s.io/kubernetes pkg/api/pod/warnings.go, pkg/api/node/util.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import ip, names
from kube46.api.errors import go_quote
from kube46.api.pods import overlaps, portwarnings
from kube46.api.storage import claims

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Object = dict[str, Any]
NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'v1.11+; use the "sysctls" field instead',
}
VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
INTERNAL = {"storageos": "storageOS"}  # upstream's own names, where they are others
SECCOMP, APPARMOR = "seccomp.security.alpha.kubernetes.io/pod", "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
SECCOMP_TEXT = 'non-functional in v1.27+; use the "seccompProfile" field instead'
APPARMOR_TEXT = 'deprecated since v1.30; use the "appArmorProfile" field instead'
PROFILES = {"unconfined": {"type": "Unconfined"}, "runtime/default": {"type": "RuntimeDefault"}}
REQUIRED, PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
NULL_SELECTOR = "a null labelSelector results in matching no pod"
BYTES = ("memory", "ephemeral-storage")


def of_template(template: Object | None, path: str) -> list[str]:
    """The warnings about a pod template at a path."""
    return [] if template is None else of_pod(template, path + ".")


def of_pod(pod: Object, path: str = "") -> list[str]:
    """The warnings about a pod; `path` is what its fields' paths begin with."""
    spec, meta, at = pod.get("spec") or {}, pod.get("metadata") or {}, f"{path}spec"
    notes: dict[str, str] = meta.get("annotations") or {}
    found = [*_labels(spec, at), *_spread(spec, at)]
    found += [f"{path}metadata.annotations[{k}]: non-functional in {t}" for k, t in ANNOTATIONS.items() if k in notes]
    found += [*_volumes(spec, at), *overlaps.warnings(spec), *_lists(spec, at)]
    found += _fractions(spec.get("overhead"), f"{at}.overhead")
    if SECCOMP in notes and not (spec.get("securityContext") or {}).get("seccompProfile"):
        found.append(f"{path}metadata.annotations[{SECCOMP}]: {SECCOMP_TEXT}")
    for place, container in containers(spec, at):
        found += [*_profiles(spec, container, notes, path), *_container(container, place)]
    found += portwarnings.warnings(containers(spec, at))
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        found.append(f"{at}.terminationGracePeriodSeconds: {text}")
    found += _pod_affinities(spec.get("affinity") or {}, f"{at}.affinity")
    for n, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        found += ip.ip_warnings(f"{at}.dnsConfig.nameservers[{n}]", server)
    for n, alias in enumerate(spec.get("hostAliases") or ()):
        found += ip.ip_warnings(f"{at}.hostAliases[{n}].ip", alias.get("ip") or "")
    return found


def containers(spec: Object, at: str) -> list[tuple[str, Object]]:
    """Each container with its path."""
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [(f"{at}.{kind}[{n}]", one) for kind in kinds for n, one in enumerate(spec.get(kind) or ())]


def _labels(spec: Object, at: str) -> Iterator[str]:
    for key in sorted(spec.get("nodeSelector") or {}):
        if key in NODE_LABELS:
            yield f"{at}.nodeSelector[{key}]: {NODE_LABELS[key]}"
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    place = f"{at}.affinity.nodeAffinity"
    for n, term in enumerate((affinity.get(REQUIRED) or {}).get("nodeSelectorTerms") or ()):
        yield from _term(term, f"{place}.{REQUIRED}.nodeSelectorTerms[{n}]", values=False)
    for n, weighted in enumerate(affinity.get(PREFERRED) or ()):
        yield from _term(weighted.get("preference") or {}, f"{place}.{PREFERRED}[{n}].preference", values=True)


def _term(term: Object, at: str, *, values: bool) -> Iterator[str]:
    for n, expression in enumerate(term.get("matchExpressions") or ()):
        key = expression.get("key", "")
        if key in NODE_LABELS:
            yield f"{at}.matchExpressions[{n}].key: {key} is {NODE_LABELS[key]}"
        for m, value in enumerate(expression.get("values") or () if values else ()):
            for text in names.label_value(value):
                yield f"{at}.matchExpressions[{n}].values[{m}]: {value} is invalid, {text}"


def _spread(spec: Object, at: str) -> Iterator[str]:
    for n, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        place, key = f"{at}.topologySpreadConstraints[{n}]", constraint.get("topologyKey", "")
        if key in NODE_LABELS:
            yield f"{place}.topologyKey: {key} is {NODE_LABELS[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{place}.labelSelector: {NULL_SELECTOR}"


def _volumes(spec: Object, at: str) -> Iterator[str]:
    for n, volume in enumerate(spec.get("volumes") or ()):
        place = f"{at}.volumes[{n}]"
        for name, text in VOLUMES.items():
            if volume.get(name) is not None:
                yield f"{place}.{INTERNAL.get(name, name)}: {text}"
        template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}
        yield from claims.spec_warnings(template.get("spec") or {}, f"{place}.ephemeral.volumeClaimTemplate.spec")


def _lists(spec: Object, at: str) -> Iterator[str]:
    addresses = [alias.get("ip") or "" for alias in spec.get("hostAliases") or ()]
    secrets = [secret.get("name") or "" for secret in spec.get("imagePullSecrets") or ()]
    yield from (f"{at}.hostAliases[{n}].ip: duplicate ip {go_quote(text)}" for n, text in _again(addresses))
    yield from (f"{at}.imagePullSecrets[{n}].name: duplicate name {go_quote(text)}" for n, text in _again(secrets))
    for n, name in enumerate(secrets):
        if not name:
            yield f'{at}.imagePullSecrets[{n}].name: invalid empty name ""'


def _again(texts: list[str]) -> list[tuple[int, str]]:
    """Those that stood before."""
    return [(n, text) for n, text in enumerate(texts) if text in texts[:n]]


def _fractions(amounts: Object | None, at: str, kinds: Iterable[str] = BYTES) -> Iterator[str]:
    for name in kinds:
        yield from claims.fraction((amounts or {}).get(name), f"{at}[{name}]")


def _profiles(spec: Object, container: Object, notes: dict[str, str], path: str) -> Iterator[str]:
    own, name = container.get("securityContext") or {}, container.get("name") or ""
    if SECCOMP_CONTAINER + name in notes and not own.get("seccompProfile"):
        yield f"{path}metadata.annotations[{SECCOMP_CONTAINER}{name}]: {SECCOMP_TEXT}"
    told = notes.get(APPARMOR + name)
    if path and told is not None and not own.get("appArmorProfile"):  # a pod's own is brought into the field
        kept = (spec.get("securityContext") or {}).get("appArmorProfile")
        if kept is None or kept != _profile(told):
            yield f"{path}metadata.annotations[{APPARMOR}{name}]: {APPARMOR_TEXT}"


def _profile(annotation: str) -> Object | None:
    kind, _, name = annotation.partition("/")
    return {"type": "Localhost", "localhostProfile": name} if kind == "localhost" and name else PROFILES.get(annotation)


def _container(container: Object, at: str) -> Iterator[str]:
    resources = container.get("resources") or {}
    for kind in BYTES:
        for part in ("limits", "requests"):
            yield from _fractions(resources.get(part), f"{at}.resources.{part}", (kind,))
    seen: set[str] = set()
    for n, item in enumerate(container.get("env") or ()):
        name = item.get("name") or ""
        before = f"$({name})"
        value = item.get("value") or ""
        if name in seen and (item.get("valueFrom") is not None or value == before or before not in value):
            hidden = f"hides previous definition of {go_quote(name)}, which may be dropped when using apply"
            yield f"{at}.env[{n}]: {hidden}"
        seen.add(name)


def _pod_affinities(affinity: Object, at: str) -> Iterator[str]:
    for kind in ("podAffinity", "podAntiAffinity"):
        found = affinity.get(kind) or {}
        for n, term in enumerate(found.get(REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{at}.{kind}.{REQUIRED}[{n}].labelSelector: {NULL_SELECTOR}"
        for n, weighted in enumerate(found.get(PREFERRED) or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{at}.{kind}.{PREFERRED}[{n}].podAffinityTerm.labelSelector: {NULL_SELECTOR}"
