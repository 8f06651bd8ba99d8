"""A pod as the kubelet reads it: whole, with every field that it honours.

What is not named here is not supported, and `support.unsupported` says so by name; so these types are also the list of
what the stand-in kubelet can do. Source: Kubernetes API reference v1.37, Pod v1 core.
"""

from kube46.lab.kubelet.manifests.containers import Container, EphemeralContainer, Port, Resources, VolumeMount
from kube46.lab.kubelet.manifests.environment import (
    EnvFrom,
    EnvSource,
    EnvVar,
    KeyRef,
    NameRef,
    ObjectField,
    ResourceField,
)
from kube46.lab.kubelet.manifests.handlers import (
    ExecAction,
    Handler,
    HttpGet,
    HttpHeader,
    Lifecycle,
    Probe,
    Sleep,
    TcpSocket,
)
from kube46.lab.kubelet.manifests.pods import (
    PODS,
    DnsConfig,
    DnsOption,
    HostAlias,
    Pod,
    PodSpec,
    ReadinessGate,
    ReadPod,
    read,
)
from kube46.lab.kubelet.manifests.security import Capabilities, PodSecurityContext, Profile, SecurityContext, Sysctl
from kube46.lab.kubelet.manifests.volumes import (
    ConfigMapVolume,
    DownwardFile,
    DownwardVolume,
    EmptyDir,
    HostPath,
    KeyPath,
    ProjectedVolume,
    Projection,
    SecretVolume,
    TokenSource,
    Volume,
)

__all__ = [
    "PODS",
    "Capabilities",
    "ConfigMapVolume",
    "Container",
    "DnsConfig",
    "DnsOption",
    "DownwardFile",
    "DownwardVolume",
    "EmptyDir",
    "EnvFrom",
    "EnvSource",
    "EnvVar",
    "EphemeralContainer",
    "ExecAction",
    "Handler",
    "HostAlias",
    "HostPath",
    "HttpGet",
    "HttpHeader",
    "KeyPath",
    "KeyRef",
    "Lifecycle",
    "NameRef",
    "ObjectField",
    "Pod",
    "PodSecurityContext",
    "PodSpec",
    "Port",
    "Probe",
    "Profile",
    "ProjectedVolume",
    "Projection",
    "ReadPod",
    "ReadinessGate",
    "ResourceField",
    "Resources",
    "SecretVolume",
    "SecurityContext",
    "Sleep",
    "Sysctl",
    "TcpSocket",
    "TokenSource",
    "Volume",
    "VolumeMount",
    "read",
]
