"""The API objects that a pod's spec names, and the Secrets of a volume that a kubelet has to read.

Sources: k8s.io/kubernetes pkg/api/v1/pod/util.go (VisitPodSecretNames, VisitPodConfigmapNames),
pkg/api/v1/persistentvolume/util.go (VisitPVSecretNames).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

MIRROR = "kubernetes.io/config.mirror"  # the annotation of pods that a kubelet runs from files
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
# where a pod's volume of a type names its Secret: the reference, and its field
SECRETS = {
    "azureFile": ("", "secretName"), "cephfs": ("secretRef", "name"), "cinder": ("secretRef", "name"),
    "csi": ("nodePublishSecretRef", "name"), "flexVolume": ("secretRef", "name"), "iscsi": ("secretRef", "name"),
    "rbd": ("secretRef", "name"), "scaleIO": ("secretRef", "name"), "secret": ("", "secretName"),
    "storageos": ("secretRef", "name"),
}  # fmt: skip
NODE_SECRETS = ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef")
OWN_NAMESPACE = ("cephfs", "flexVolume", "iscsi", "rbd", "scaleIO")  # without one, the claim's


def used(spec: Object, pod: str) -> Iterator[tuple[str, str]]:
    """Plural and name of each Secret, ConfigMap, claim and account in the pod's namespace that it uses."""
    if account := spec.get("serviceAccountName"):
        yield "serviceaccounts", account
    for reference in spec.get("imagePullSecrets") or ():
        yield from _named("secrets", reference)
    for field in CONTAINERS:
        for container in spec.get(field) or ():
            yield from _of_container(container)
    for volume in spec.get("volumes") or ():
        yield from _of_volume(volume, pod)


def _named(plural: str, reference: Object | None, field: str = "name") -> Iterator[tuple[str, str]]:
    if name := (reference or {}).get(field):
        yield plural, name


def _of_container(container: Object) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom") or ():
        yield from _named("secrets", source.get("secretRef"))
        yield from _named("configmaps", source.get("configMapRef"))
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        yield from _named("secrets", source.get("secretKeyRef"))
        yield from _named("configmaps", source.get("configMapKeyRef"))


def _of_volume(volume: Object, pod: str) -> Iterator[tuple[str, str]]:
    for kind, (reference, field) in SECRETS.items():
        if source := volume.get(kind):
            yield from _named("secrets", source.get(reference) if reference else source, field)
    yield from _named("configmaps", volume.get("configMap"))
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield from _named("secrets", source.get("secret"))
        yield from _named("configmaps", source.get("configMap"))
    yield from _named("persistentvolumeclaims", volume.get("persistentVolumeClaim"), "claimName")
    if volume.get("ephemeral"):
        yield "persistentvolumeclaims", f"{pod}-{volume['name']}"


def of_volume(spec: Object, namespace: str) -> Iterator[tuple[str, str]]:
    """Namespace and name of the Secrets of a PersistentVolume that is bound to a claim of `namespace`."""
    if source := spec.get("azureFile"):
        yield from _placed(source.get("secretNamespace") or namespace, source.get("secretName"))
    for kind in ("cinder", "storageos", *OWN_NAMESPACE):
        reference = (spec.get(kind) or {}).get("secretRef") or {}
        default = namespace if kind in OWN_NAMESPACE else ""
        yield from _placed(reference.get("namespace") or default, reference.get("name"))
    for field in NODE_SECRETS:
        reference = (spec.get("csi") or {}).get(field) or {}
        yield from _placed(reference.get("namespace", ""), reference.get("name"))


def _placed(namespace: str, name: str | None) -> Iterator[tuple[str, str]]:
    if name:
        yield namespace, name
