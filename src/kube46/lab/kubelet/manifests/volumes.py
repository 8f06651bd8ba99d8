"""Volumes: what files a pod mounts, and where they come from."""

from typing import Any

import msgspec

from kube46.api.objects import Value
from kube46.lab.kubelet.manifests.environment import ObjectField, ResourceField


class KeyPath(Value, frozen=True):
    """items[]: which key becomes which file."""

    key: str = ""
    path: str = ""
    mode: int | None = None


class DownwardFile(Value, frozen=True):
    """items[] of a downwardAPI volume."""

    path: str = ""
    field_ref: ObjectField | None = None
    resource_field_ref: ResourceField | None = None
    mode: int | None = None


class ConfigMapVolume(Value, frozen=True):
    """A ConfigMap's keys as files."""

    name: str = ""
    items: tuple[KeyPath, ...] = ()
    default_mode: int | None = None
    optional: bool = False


class SecretVolume(Value, frozen=True):
    """A Secret's keys as files; `name` is its spelling inside projected volumes."""

    secret_name: str = ""
    name: str = ""
    items: tuple[KeyPath, ...] = ()
    default_mode: int | None = None
    optional: bool = False


class DownwardVolume(Value, frozen=True):
    """Fields of the pod as files."""

    items: tuple[DownwardFile, ...] = ()
    default_mode: int | None = None


class TokenSource(Value, frozen=True):
    """A ServiceAccount token, renewed before it expires."""

    audience: str = ""
    expiration_seconds: int = 3600
    path: str = ""


class BundleSource(Value, frozen=True):
    """The certificates of authorities of a ClusterTrustBundle, or of all of a signer's that a selector selects."""

    name: str | None = None
    signer_name: str | None = None
    label_selector: dict[str, Any] | None = None
    optional: bool = False
    path: str = ""


class CertificateSource(Value, frozen=True):
    """A certificate of the pod's own, asked of a signer."""

    signer_name: str = ""
    key_type: str = ""
    max_expiration_seconds: int | None = None
    credential_bundle_path: str = ""
    key_path: str = ""
    certificate_chain_path: str = ""
    user_annotations: dict[str, str] = msgspec.field(default_factory=dict)


class Projection(Value, frozen=True):
    """projected.sources[]."""

    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None
    downward_api: DownwardVolume | None = msgspec.field(default=None, name="downwardAPI")
    service_account_token: TokenSource | None = None
    cluster_trust_bundle: BundleSource | None = None
    pod_certificate: CertificateSource | None = None


class ProjectedVolume(Value, frozen=True):
    """Several sources in one directory."""

    sources: tuple[Projection, ...] = ()
    default_mode: int | None = None


class EmptyDir(Value, frozen=True):
    """A directory that lives as long as the pod."""

    medium: str = ""
    size_limit: str | int | None = None


class HostPath(Value, frozen=True):
    """A path of the node, refused unless it lies under an allowed root."""

    path: str = ""
    type: str = ""


class ClaimSource(Value, frozen=True):
    """A PersistentVolumeClaim of the pod's namespace."""

    claim_name: str = ""
    read_only: bool = False


class Ephemeral(Value, frozen=True):
    """A claim that lives as long as the pod; the controllers make it of the template."""

    volume_claim_template: dict[str, Any] = msgspec.field(default_factory=dict)


class Volume(Value, frozen=True):
    """volumes[]."""

    name: str = ""
    empty_dir: EmptyDir | None = None
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None
    projected: ProjectedVolume | None = None
    downward_api: DownwardVolume | None = msgspec.field(default=None, name="downwardAPI")
    host_path: HostPath | None = None
    persistent_volume_claim: ClaimSource | None = None
    ephemeral: Ephemeral | None = None
