"""Who may ask the kubelet's server: holders of a client certificate of the cluster, or of a token that the API knows.

As kubelet with webhook authentication and authorization: system:masters may; others when SubjectAccessReview says so.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from kube46.api.rbac.rules import MASTERS
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import ApiError, KubernetesError
from kube46.lab.kubelet.settings import Settings


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    name: str
    groups: tuple[str, ...]


class _User(msgspec.Struct, frozen=True):
    username: str = ""
    groups: tuple[str, ...] = ()


class _ReviewStatus(msgspec.Struct, frozen=True):
    authenticated: bool = False
    allowed: bool = False
    user: _User = _User()


class _Review(msgspec.Struct):
    status: _ReviewStatus = _ReviewStatus()


def context(settings: Settings) -> ssl.SSLContext:
    """The server's TLS context. Raises OSError, ssl.SSLError."""
    assert settings.tls_cert_file
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    found.load_cert_chain(settings.tls_cert_file, settings.tls_private_key_file)
    if settings.client_ca_file:
        found.load_verify_locations(settings.client_ca_file)
        found.verify_mode = ssl.CERT_OPTIONAL
    return found


def certified(certificate: Mapping[str, Any] | None) -> Caller | None:
    """The caller of a verified client certificate: common name and organizations."""
    if not certificate:
        return None
    pairs = [pair for part in certificate.get("subject", ()) for pair in part]
    names = [value for key, value in pairs if key == "commonName"]
    groups = tuple(value for key, value in pairs if key == "organizationName")
    return Caller(names[0], groups) if names else None


async def of_token(client: Client, token: str) -> Caller | None:
    """The caller that a bearer token stands for, by TokenReview."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    try:
        answer = await client.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body=body)
    except KubernetesError:
        return None
    status = msgspec.json.decode(answer, type=_Review).status
    return Caller(status.user.username, tuple(status.user.groups)) if status.authenticated else None


async def may(client: Client, caller: Caller, node: str, verb: str) -> bool:
    """Whether the caller may use the node's server (resource nodes/proxy)."""
    if MASTERS in caller.groups:
        return True
    attributes = {"resource": "nodes", "subresource": "proxy", "name": node, "verb": verb}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": caller.name, "groups": list(caller.groups), "resourceAttributes": attributes},
    }
    try:
        answer = await client.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=body)
    except (ApiError, KubernetesError):
        return False
    return msgspec.json.decode(answer, type=_Review).status.allowed
