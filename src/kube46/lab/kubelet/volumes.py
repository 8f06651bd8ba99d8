"""What the files of a pod's volumes are: ConfigMaps, Secrets, downward API and tokens as payloads (pure)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kube46.lab.kubelet import credentials, trust
from kube46.lab.kubelet.environment import Context, pod_field, resource_field
from kube46.lab.kubelet.manifests import (
    CertificateSource,
    ConfigMapVolume,
    DownwardFile,
    KeyPath,
    PodSpec,
    ProjectedVolume,
    Projection,
    SecretVolume,
    TokenSource,
    Volume,
)
from kube46.lab.kubelet.security import ConfigError

DEFAULT_MODE = 0o644
NOT_ISSUED = "credential bundle is not issued yet"


@dataclass(frozen=True, slots=True)
class File:
    """A file of a volume."""

    content: bytes
    mode: int = DEFAULT_MODE
    private: bool = False  # a token: for the pod's user only


Payload = dict[str, File]
# (audience, seconds) → the token that is mounted for them
Tokens = Mapping[tuple[str, int], str]


def token_requests(spec: PodSpec) -> set[tuple[str, int]]:
    """The (audience, lifetime in seconds) of all tokens that the pod mounts."""
    return {
        (source.service_account_token.audience, source.service_account_token.expiration_seconds)
        for source in _projections(spec)
        if source.service_account_token
    }


def references(spec: PodSpec) -> tuple[set[str], set[str]]:
    """The names of the ConfigMaps and Secrets that volumes refer to."""
    maps = {v.config_map.name for v in spec.volumes if v.config_map}
    maps |= {s.config_map.name for s in _projections(spec) if s.config_map}
    secrets = {v.secret.secret_name for v in spec.volumes if v.secret}
    secrets |= {s.secret.name for s in _projections(spec) if s.secret}
    return maps, secrets


def payload(volume: Volume, context: Context, tokens: Tokens) -> Payload | None:
    """The files of a volume; None for one whose files are not ours (emptyDir, hostPath).

    Raises ConfigError that names the missing object or key.
    """
    if volume.config_map:
        return _config_map(volume.config_map, context, volume.config_map.default_mode)
    if volume.secret:
        return _secret(volume.secret, volume.secret.secret_name, context, volume.secret.default_mode)
    if volume.downward_api:
        return _downward(volume.downward_api.items, context, volume.downward_api.default_mode)
    if volume.projected:
        return _projected(volume.name, volume.projected, context, tokens)
    return None


def failed(name: str, error: ConfigError) -> ConfigError:
    """The error of one volume, as kubelet tells it."""
    return ConfigError(f'MountVolume.SetUp failed for volume "{name}" : {error}', "FailedMount")


def _projections(spec: PodSpec) -> Iterator[Projection]:
    for volume in spec.volumes:
        if volume.projected:
            yield from volume.projected.sources


def trusts(spec: PodSpec) -> bool:
    """Whether the pod mounts ClusterTrustBundles."""
    return any(source.cluster_trust_bundle for source in _projections(spec))


def _projected(name: str, volume: ProjectedVolume, context: Context, tokens: Tokens) -> Payload:
    files: Payload = {}
    usual = DEFAULT_MODE if volume.default_mode is None else volume.default_mode
    for number, source in enumerate(volume.sources):
        if source.config_map:
            files |= _config_map(source.config_map, context, volume.default_mode)
        if source.secret:
            files |= _secret(source.secret, source.secret.name, context, volume.default_mode)
        if source.downward_api:
            files |= _downward(source.downward_api.items, context, volume.default_mode)
        if source.service_account_token:
            files |= _token(source.service_account_token, tokens)
        if bundle := source.cluster_trust_bundle:
            files[_inside(bundle.path)] = File(trust.content(bundle, context.bundles), usual)
        if source.pod_certificate:
            files |= _certificate((name, number), source.pod_certificate, context, usual)
    return files


def _config_map(source: ConfigMapVolume, context: Context, mode: int | None) -> Payload:
    return _keys("configmap", source.name, context.config_maps, source.items, source.optional, mode)


def _secret(source: SecretVolume, name: str, context: Context, mode: int | None) -> Payload:
    return _keys("secret", name, context.secrets, source.items, source.optional, mode)


def _keys(
    kind: str,
    name: str,
    store: Mapping[str, Mapping[str, bytes]],
    items: Iterable[KeyPath],
    optional: bool,
    mode: int | None,
) -> Payload:
    default = DEFAULT_MODE if mode is None else mode
    if name not in store:
        if optional:
            return {}
        raise ConfigError(f'{kind} "{name}" not found', "FailedMount")
    values = store[name]
    chosen = tuple(items)
    if not chosen:
        return {key: File(value, default) for key, value in values.items()}
    missing = [item.key for item in chosen if item.key not in values]
    if missing and not optional:
        raise ConfigError(f'{kind} "{name}" references non-existent config key: {missing[0]}', "FailedMount")
    return {
        _inside(item.path): File(values[item.key], default if item.mode is None else item.mode)
        for item in chosen
        if item.key in values
    }


def _downward(items: Iterable[DownwardFile], context: Context, mode: int | None) -> Payload:
    default = DEFAULT_MODE if mode is None else mode
    files: Payload = {}
    for item in items:
        text = ""
        if item.field_ref:
            text = pod_field(context, item.field_ref.field_path)
        elif item.resource_field_ref:
            text = resource_field(context, item.resource_field_ref, None)
        files[_inside(item.path)] = File(text.encode(), default if item.mode is None else item.mode)
    return files


def _token(source: TokenSource, tokens: Tokens) -> Payload:
    key = (source.audience, source.expiration_seconds)
    return {_inside(source.path): File(tokens[key].encode(), 0o644, private=True)} if key in tokens else {}


def _certificate(place: credentials.Place, source: CertificateSource, context: Context, mode: int) -> Payload:
    """The files of a certificate, private as they have its key. Raises ConfigError as long as there is none."""
    if place not in context.issued or place in context.refused:
        raise ConfigError(context.refused.get(place, NOT_ISSUED), "FailedMount")
    found = credentials.files(source, context.issued[place])
    return {_inside(path): File(content, mode, private=True) for path, content in found.items()}


def _inside(path: str) -> str:
    """The path, if it stays in its volume. The API server refuses others; we don't rely on that."""
    if path.startswith("/") or ".." in path.split("/") or not path:
        raise ConfigError(f"path {path!r} leaves its volume", "FailedMount")
    return path


def single_user(uids: Iterable[int | None]) -> int | None:
    """The one user of all containers, None when they differ or one's is not known before it runs."""
    found = set(uids)
    return found.pop() if len(found) == 1 else None


def refreshes(spec: PodSpec) -> bool:
    """Whether the pod has volumes whose files change with objects of the API."""
    return any(v.config_map or v.secret or v.projected or v.downward_api for v in spec.volumes)
